//! Which characters make a word, as Xapian's query parser sees them.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory as C, GeneralCategoryGroup};

const fn words() -> GeneralCategoryGroup {
    GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Mark)
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::ConnectorPunctuation)
}

fn category(char: char) -> C {
    CodePointMapData::<C>::new().get(char)
}

/// Whether words are made of it.
pub(crate) fn is_word(char: char) -> bool {
    if char.is_ascii() { char.is_ascii_alphanumeric() || char == '_' } else { words().contains(category(char)) }
}

/// Whether a term that begins with it is stemmed where only some are.
pub(crate) fn begins_stemmed(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_lowercase();
    }
    matches!(category(char), C::LowercaseLetter | C::TitlecaseLetter | C::ModifierLetter | C::OtherLetter)
}

/// What is passed over within a word.
pub(crate) const fn is_ignored(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// What a character between two others is within a word; `None` if it ends the word.
pub(crate) fn infix(before: char, char: char, after: char) -> Option<char> {
    let is_digit =
        |char: char| if char.is_ascii() { char.is_ascii_digit() } else { category(char) == C::DecimalNumber };
    if is_digit(before) && is_digit(after) {
        return match char {
            ',' | '.' | ';' | '\u{37e}' | '\u{589}' | '\u{60d}' | '\u{7f8}' | '\u{2044}' | '\u{fe10}' | '\u{fe13}'
            | '\u{fe14}' => Some(char),
            _ => None,
        };
    }
    match char {
        '\'' | '\u{2019}' | '\u{201b}' => Some('\''),
        '&' | '\u{b7}' | '\u{5f4}' | '\u{2027}' => Some(char),
        _ => None,
    }
}

/// Whether words with only such characters between them are searched as a phrase.
pub(crate) const fn joins_phrase(char: char) -> bool {
    matches!(char, '.' | '-' | '/' | ':' | '\\' | '@')
}

/// Whether a term with this behind it is searched as it was written.
pub(crate) const fn prevents_stemming(char: char) -> bool {
    matches!(char, '(' | '/' | '\\' | '@' | '<' | '>' | '=' | '*' | '[' | '{' | '"')
}

/// Whether it is of a script without spaces, whose runs are searched as pairs of characters.
pub(crate) const fn is_ngram(char: char) -> bool {
    matches!(char as u32,
        0x2e80..=0x2eff | 0x3000..=0x9fff | 0xa700..=0xa71f | 0xac00..=0xd7af | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f | 0xff00..=0xffef | 0x20000..=0x2a6df | 0x2f800..=0x2fa1f)
}

pub(crate) const fn is_quote(char: char) -> bool {
    matches!(char, '"' | '\u{201c}' | '\u{201d}')
}
