//! Patterns of policy: `*` stands for any text, `?` for one character, everything else for itself.

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glob(Box<str>);

impl Glob {
    /// Every text is a pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole text matches. Takes time in proportion to the product of both lengths.
    pub(crate) fn matches(&self, text: &str) -> bool {
        if self.0.as_ref() == "*" {
            return true;
        }
        let pattern: Vec<char> = self.0.chars().collect();
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        // Where to go back to: after the last star, and the text it has swallowed so far.
        let mut back: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    back = Some((p + 1, t));
                    p += 1;
                }
                Some('?') => {
                    p += 1;
                    t += 1;
                }
                Some(c) if text.get(t) == Some(c) => {
                    p += 1;
                    t += 1;
                }
                _ => match &mut back {
                    Some((after, swallowed)) => {
                        *swallowed += 1;
                        p = *after;
                        t = *swallowed;
                    }
                    None => return false,
                },
            }
        }
        pattern.iter().skip(p).all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks_stand_for_text() {
        for (pattern, text, expected) in [
            ("zim_*", "zim_get", true),
            ("zim_*", "Zim_get", false),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*/x*y", "a/b/x--y", true),
            ("zim://*", "zim://a/b?c", true),
            ("", "", true),
            ("", "a", false),
            ("[a]", "a", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_any_part_can_be_a_star(text in "[a-z/]{0,12}", cut in 0usize..12, len in 0usize..12) {
            prop_assert!(Glob::new(&text).matches(&text));
            let cut = cut.min(text.len());
            let end = (cut + len).min(text.len());
            let pattern = format!("{}*{}", &text[..cut], &text[end..]);
            prop_assert!(Glob::new(&pattern).matches(&text));
        }
    }
}
