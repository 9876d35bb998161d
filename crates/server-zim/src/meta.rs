//! `_meta` of an answer: how large it is, whether it is whole, and what to try next.

use crate::index::TextIndex;
use schemars::JsonSchema;
use serde::Serialize;

/// What an answer says about itself.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimMeta")]
pub(crate) struct Meta {
    /// Characters of the answer as JSON, without this.
    pub(crate) chars: usize,
    pub(crate) truncated: bool,
    /// About how many tokens that is.
    pub(crate) tokens_est: usize,
    /// Characters of the whole of which this is a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_chars: Option<u64>,
    /// Where the next part begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) more_at_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) suggestions: Vec<Suggestion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detected_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detection_confidence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preset_applied: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) promotion_applied: bool,
    /// Where full text was found: in the archive's own index, or in one that was made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_index: Option<TextIndex>,
}

/// Something else to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ZimSuggestion")]
pub(crate) struct Suggestion {
    /// `alt_spelling`, `alt_archive`, `broader`, `narrower` or `cross_intent_tell_me_about`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) value: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// An answer that has a [`Meta`].
pub(crate) trait Answered: Serialize {
    fn meta(&mut self) -> &mut Meta;

    /// Measures it.
    fn measured(mut self) -> Self
    where
        Self: Sized,
    {
        let text = serde_json::to_string(&self).unwrap_or_default();
        let own = serde_json::to_string(self.meta()).map_or(0, |meta| meta.len() + 9);
        let meta = self.meta();
        meta.chars = text.chars().count().saturating_sub(own);
        meta.tokens_est = tokens(&text);
        self
    }
}

/// About how many tokens a text is for the models of today, without a table of any of them: four letters of a word
/// or three digits are one, two signs are one, and so is any letter of a script without spaces.
pub(crate) fn tokens(text: &str) -> usize {
    let (mut count, mut letters, mut digits, mut signs) = (0_usize, 0_usize, 0_usize, 0_usize);
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' => {
                count += usize::from(letters % 5 == 0);
                letters += 1;
                (digits, signs) = (0, 0);
                continue;
            }
            '0'..='9' => {
                count += usize::from(digits % 3 == 0);
                digits += 1;
            }
            ' ' => digits = 0,
            c if c.is_alphabetic() && c < '\u{2e80}' => {
                count += usize::from(letters % 2 == 0);
                letters += 1;
                (digits, signs) = (0, 0);
                continue;
            }
            c if c.is_ascii() => {
                count += usize::from(signs % 2 == 0);
                signs += 1;
                (letters, digits) = (0, 0);
                continue;
            }
            _ => {
                count += 1;
                digits = 0;
            }
        }
        (letters, signs) = (0, 0);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_of_the_size_that_a_tokenizer_would_count() {
        for (text, from, to) in [
            ("", 0, 0),
            ("The quick brown fox jumps over the lazy dog.", 9, 16),
            ("日本語の文章です", 8, 8),
            ("1234567", 3, 3),
            ("{\"path\":\"python/library/re.html\",\"title\":\"re\"}", 12, 26),
        ] {
            let ours = tokens(text);
            assert!((from..=to).contains(&ours), "{text}: {ours}");
        }
    }
}
