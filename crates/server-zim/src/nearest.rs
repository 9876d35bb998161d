//! What somebody probably meant.

/// The known word that is nearest to another one, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.replace(['_', '-', ' '], "").to_lowercase();
    let word: String = plain(word).chars().take(200).collect();
    let found = known.into_iter().map(|other| (strsim::osa_distance(&word, &plain(other)), other));
    let (distance, found) = found.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + word.chars().count() / 4).then_some(found)
}

/// How many letters two words are apart: one that is wrong, missing, too many, or changed with its neighbour.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(a, b)
}
