//! What is done to all text before it is cut into words: lower case, canonical decomposition, marks
//! removed, canonical composition. It is what libzim has ICU do (`Lower; NFD; [:M:] Remove; NFC`).

use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};
use std::borrow::Cow;

/// Text as indexes know it.
///
/// ```
/// assert_eq!(glass::normalise("Ångström, DÉJÀ VU"), "angstrom, deja vu");
/// ```
pub fn normalise(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
    }
    let categories = CodePointMapData::<GeneralCategory>::new();
    let lower = text.to_lowercase();
    let decomposed = DecomposingNormalizerBorrowed::new_nfd().normalize(&lower);
    let bare: String =
        decomposed.chars().filter(|&char| !GeneralCategoryGroup::Mark.contains(categories.get(char))).collect();
    Cow::Owned(ComposingNormalizerBorrowed::new_nfc().normalize(&bare).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_marks_go() {
        let cases = [
            ("ÉCOLE", "ecole"),
            ("İstanbul", "istanbul"),
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("Ёлка", "елка"),
            ("Straße", "straße"),
            ("กรุงเทพ", "กรงเทพ"),
            ("서울", "서울"),
            ("ﬁle", "ﬁle"),
            ("مُحَمَّد", "محمد"),
        ];
        for (text, expected) in cases {
            assert_eq!(normalise(text), expected);
        }
    }
}
