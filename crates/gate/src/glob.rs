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
        let (mut pattern, mut rest) = (self.0.chars(), text.chars());
        // Where to go back to: after the last star, and at the text it has not swallowed yet.
        let mut back = None;
        loop {
            let (mut p, mut t) = (pattern.clone(), rest.clone());
            match (p.next(), t.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    back = Some((p.clone(), rest.clone()));
                    pattern = p;
                    continue;
                }
                (Some('?'), Some(_)) => {
                    (pattern, rest) = (p, t);
                    continue;
                }
                (Some(a), Some(b)) if a == b => {
                    (pattern, rest) = (p, t);
                    continue;
                }
                _ => {}
            }
            let Some((after, swallowed)) = &mut back else { return false };
            if swallowed.next().is_none() {
                return false;
            }
            (pattern, rest) = (after.clone(), swallowed.clone());
        }
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
