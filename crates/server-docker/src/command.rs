//! What is run in a container: a list of words, or one text that is split into words as a shell would.
//!
//! No words are forbidden: a second space, another interpreter or `sh -c` would be a way around any list of
//! them. The tier of the tool and the walls of the container are what protects.

use crate::fault::Fault;
use crate::lenient::Words;

/// Bytes of all words.
const LONGEST: usize = 64 << 10;

/// The words. `None` for nothing.
pub(crate) fn words(given: Option<Words>) -> Result<Option<Vec<String>>, Fault> {
    let words = match given {
        None => return Ok(None),
        Some(Words::One(text)) => {
            if text.len() > LONGEST {
                return Err(too_long());
            }
            split(&text)?
        }
        Some(Words::Many(words)) => words,
    };
    if words.iter().map(String::len).sum::<usize>() > LONGEST {
        return Err(too_long());
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(Fault::new("command: a zero byte cannot stand in a command."));
    }
    if words.first().is_none_or(|first| first.trim().is_empty()) {
        return Err(Fault::new("command: it is empty; name a program."));
    }
    Ok(Some(words))
}

fn too_long() -> Fault {
    Fault::new(format!("command: it is longer than {LONGEST} bytes."))
}

/// Splits a text at spaces outside of quotes. What only a shell would understand is refused, for no shell reads it.
fn split(text: &str) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars().peekable();
    let open = |quote| Fault::new(format!("command: the quote {quote} is not closed; give a list of words instead."));
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(open('\'')),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') if chars.peek().is_some_and(|c| matches!(c, '"' | '\\' | '$' | '`')) => {
                            word.extend(chars.next());
                        }
                        Some(c) => word.push(c),
                        None => return Err(open('"')),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            ';' | '|' | '&' | '<' | '>' | '`' => return Err(needs_shell(c)),
            '$' if chars.peek() == Some(&'(') => return Err(needs_shell(c)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn needs_shell(c: char) -> Fault {
    Fault::new(format!(
        "command: {c:?} means something to a shell only, and none reads this; use the list [\"sh\", \"-c\", \"…\"], or quote it."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, Fault> {
        words(Some(Words::One(text.into()))).map(Option::unwrap)
    }

    #[test]
    fn a_text_is_split_as_a_shell_splits_words() {
        assert_eq!(read("echo 'a b'  \"c \\\" d\" e\\ f ''").unwrap(), ["echo", "a b", "c \" d", "e f", ""]);
        assert_eq!(read("sh -c \"ls; id | wc\"").unwrap(), ["sh", "-c", "ls; id | wc"]);
        assert_eq!(read("echo asphalt").unwrap(), ["echo", "asphalt"]);
        assert_eq!(read("git commit -m \"parted ways\"").unwrap()[3], "parted ways");
    }

    #[test]
    fn what_only_a_shell_would_understand_is_told_how_to_write() {
        for text in ["ls; id", "a && b", "a | b", "echo $(id)", "echo `id`", "a > b", "echo 'x", "", "  ", "''"] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(words(Some(Words::Many(vec!["sh".into(), "-c".into(), "ls; id".into()]))).is_ok());
        assert!(words(Some(Words::Many(vec![]))).is_err() && words(None).unwrap().is_none());
        assert!(words(Some(Words::Many(vec!["a".into(), "x".repeat(LONGEST)]))).is_err());
    }
}
