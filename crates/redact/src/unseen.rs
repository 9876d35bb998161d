//! Characters that only steer a terminal or hide words from a person's eyes.

use std::borrow::Cow;

/// Text without what steers terminals (ECMA-48 sequences, C0 and C1 controls except newline and tab) and
/// without characters that a person does not see (bidirectional controls, zero-width characters, tags). A joiner
/// between letters stays: Persian, the scripts of India and emoji are written with it.
pub fn clean(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if text.as_bytes().iter().all(is_plain) || !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                if chars.peek() != Some(&'\n') {
                    out.push('\n');
                }
            }
            '\u{1b}' => match chars.peek() {
                Some('[') => {
                    chars.next();
                    while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
                    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
                }
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut chars),
                Some(_) => {
                    while chars.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
                    chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
                }
                None => {}
            },
            c if is_joiner(c) && out.chars().next_back().is_some_and(|before| joins(before, c)) => out.push(c),
            c if is_unseen(c) => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The characters of a control string that are passed over at most: one that never ends hides nothing behind it.
const LONGEST_STRING: usize = 4096;

/// To the end of a control string: BEL, ESC `\`, or the end of the line.
fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    for _ in 0..LONGEST_STRING {
        match chars.peek() {
            None | Some('\n') => return,
            Some('\u{7}' | '\u{9c}') => {
                chars.next();
                return;
            }
            Some('\u{1b}') => {
                chars.next();
                chars.next_if_eq(&'\\');
                return;
            }
            Some(_) => {
                chars.next();
            }
        }
    }
}

/// Written between letters or signs: the two joiners, and what says that a sign is meant as a picture (Unicode
/// Technical Standard 51).
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}')
}

/// Whether a joiner means something behind a character: behind a letter or sign beyond ASCII, or behind what makes that
/// a picture. So no row of them can grow.
fn joins(before: char, joiner: char) -> bool {
    let is_sign = !before.is_ascii() && !before.is_whitespace() && !is_unseen(before);
    is_sign || before == '\u{fe0f}' && joiner == '\u{200d}'
}

/// Steers a terminal, or is there without being seen.
pub const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_steers_a_terminal_or_hides_from_the_eye() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(clean("a\u{fe00}b\u{fe0f}c\u{3164}d\u{ffa0}e\u{e0100}f\u{1160}"), "abcdef");
        assert_eq!(clean("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(clean("a\r\nb\rc\td"), "a\nb\nc\td");
        assert_eq!(clean("\u{1b}]0;never ends\nnext"), "\nnext");
        assert_eq!(clean("a\u{202e}b\u{200b}c\u{e0041}d\u{feff}"), "abcd");
        assert!(matches!(clean("plain wörd 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn letters_keep_the_joiners_they_are_written_with() {
        for word in ["می\u{200c}خواهم", "क्\u{200d}ष", "👩\u{200d}💻", "❤\u{fe0f}\u{200d}🔥"] {
            assert_eq!(clean(word), word);
        }
        assert_eq!(clean("<\u{200d}/a\u{200c}b \u{200d}c"), "</ab c");
        assert_eq!(clean("é\u{200d}\u{200c}\u{200d}é"), "é\u{200d}é");
    }

    proptest! {
        #[test]
        fn what_is_clean_stays_as_it_is(text in "\\PC*|[\\x00-\\x7f\\x1b\\[\\]]{0,40}|[é\u{200c}\u{200d}\u{200b}<]{0,12}") {
            let once = clean(&text).into_owned();
            let is_left = |c: char| !is_unseen(c) || is_joiner(c);
            prop_assert!(once.chars().all(is_left));
            prop_assert_eq!(clean(&once), once.as_str());
        }
    }
}
