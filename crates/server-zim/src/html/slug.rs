//! Ids of headings that have none: NFKC, lower case, spaces as hyphens, letters of all languages kept.

use icu_normalizer::ComposingNormalizerBorrowed;
use std::collections::{HashMap, HashSet};

pub(super) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in ComposingNormalizerBorrowed::new_nfkc().normalize(text).chars().flat_map(char::to_lowercase).take(200) {
        if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') {
            out.push(c);
        } else if c.is_whitespace() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let slug = out.trim_matches('-');
    if slug.is_empty() { "section".to_owned() } else { slug.to_owned() }
}

/// Ids that are taken.
#[derive(Default)]
pub(super) struct Ids {
    taken: HashSet<String>,
    /// The next number of an id that was wanted before.
    next: HashMap<String, usize>,
}

impl Ids {
    /// The id, with `_2` and so on if it is taken.
    pub(super) fn take(&mut self, id: String) -> String {
        if self.taken.insert(id.clone()) {
            return id;
        }
        let next = self.next.entry(id.clone()).or_insert(2);
        loop {
            let other = format!("{id}_{next}");
            *next += 1;
            if self.taken.insert(other.clone()) {
                return other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_letters_of_all_languages_and_are_unique() {
        assert_eq!(slug("  Überblick & Geschichte (2020) "), "überblick-geschichte-2020");
        assert_eq!(slug("日本 語"), "日本-語");
        assert_eq!(slug("ﬁne — C++"), "fine-c");
        assert_eq!(slug("???"), "section");
        let mut ids = Ids::default();
        let ids: Vec<_> = ["a", "a", "a_2", "a"].map(|id| ids.take(id.into())).into();
        assert_eq!(ids, ["a", "a_2", "a_2_2", "a_3"]);
    }
}
