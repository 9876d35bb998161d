//! What somebody probably meant.

use std::borrow::Cow;

/// Characters of a word that are compared.
const COMPARED: usize = 200;

/// The known word that is nearest to another one, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known = known.into_iter().map(|known| Ok::<_, std::convert::Infallible>(Cow::Borrowed(known)));
    match nearest_of(word, known) {
        Ok(Some(Cow::Borrowed(found))) => Some(found),
        Ok(_) => None,
    }
}

/// The same of words that are read one by one, up to the first that cannot be.
pub(crate) fn nearest_of<'a, E>(
    word: &str,
    known: impl IntoIterator<Item = Result<Cow<'a, str>, E>>,
) -> Result<Option<Cow<'a, str>>, E> {
    // One more than is compared tells a word that goes on.
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
        letters.flat_map(char::to_lowercase).take(COMPARED + 1).collect()
    };
    let word = plain(word);
    let length = word.chars().count();
    let most = 1 + length / 4;
    let mut best: Option<(usize, Cow<'a, str>)> = None;
    for other in known {
        let other = other?;
        let plain = plain(&other);
        // As many letters as one is longer are missing.
        let least = plain.chars().count().abs_diff(length);
        if least > most || best.as_ref().is_some_and(|(distance, _)| *distance <= least) {
            continue;
        }
        let distance = strsim::osa_distance(&word, &plain);
        if distance <= most && best.as_ref().is_none_or(|(known, _)| distance < *known) {
            best = Some((distance, other));
        }
    }
    Ok(best.map(|(_, found)| found))
}

/// How many letters two words are apart: one that is wrong, missing, too many, or changed with its neighbour.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_if_one_is_near() {
        let known = ["Berlin", "Paris", "New_York"];
        assert_eq!(nearest("berln", known), Some("Berlin"));
        assert_eq!(nearest("new york", known), Some("New_York"));
        assert_eq!(nearest("Timbuktu", known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn words_of_any_length_cost_no_more_than_what_is_compared() {
        let long = "é".repeat(1 << 20);
        let known: Vec<&str> = std::iter::repeat_n(long.as_str(), 100).collect();
        assert!(nearest(&long, known.iter().copied()).is_some());
        assert_eq!(nearest("é", known), None);
    }

    #[test]
    fn a_word_that_cannot_be_read_ends_the_search() {
        let known = [Ok(Cow::Borrowed("a")), Err("over"), Ok(Cow::Borrowed("b"))];
        assert_eq!(nearest_of("b", known), Err("over"));
    }
}
