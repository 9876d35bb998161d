//! One strict pass over JSON text (RFC 8259) before anything else looks at it.
//!
//! Policy decides on bytes that another parser will read later. The pass therefore accepts only
//! text that every reader understands the same way: valid UTF-8 without a byte order mark, a
//! bounded depth, and, for what callers send, no key twice in one object (compared after decoding
//! escapes) and no escape that is half of a surrogate pair. It allocates only for key positions.

use std::borrow::Cow;

/// What text has to satisfy beyond the grammar.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The deepest nesting of arrays and objects that is accepted, at most [`MAX_DEPTH`].
    pub depth: usize,
    /// Refuse an object that has a key twice.
    pub unique_keys: bool,
    /// Refuse `\ud800`-style escapes that do not form a pair.
    pub paired_surrogates: bool,
}

/// The deepest nesting any [`Limits`] may allow: what `serde_json` reads by default.
pub const MAX_DEPTH: usize = 127;

impl Limits {
    /// For what callers send: everything is checked.
    pub const INBOUND: Self = Self { depth: MAX_DEPTH, unique_keys: true, paired_surrogates: true };
    /// For what servers answer: passed on unchanged, so only the grammar and the depth matter.
    pub const OUTBOUND: Self = Self { depth: MAX_DEPTH, unique_keys: false, paired_surrogates: false };
}

/// Why text was refused. Positions are byte offsets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum JsonError {
    #[error("not valid UTF-8 at byte {at}")]
    Utf8 { at: usize },
    #[error("expected {expected} at byte {at}")]
    Syntax { at: usize, expected: &'static str },
    #[error("nested deeper than {limit} levels at byte {at}")]
    TooDeep { at: usize, limit: usize },
    #[error("the key {key:?} stands twice in one object")]
    DuplicateKey { key: String },
    #[error("half a surrogate pair at byte {at}")]
    LoneSurrogate { at: usize },
}

/// Where a key stands in the text, without its quotes.
#[derive(Clone, Copy)]
struct Key {
    start: usize,
    end: usize,
    escaped: bool,
}

#[derive(Clone, Copy, Default)]
struct Frame {
    object: bool,
    keys: usize,
}

/// Checks that `bytes` is exactly one JSON value within `limits`.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), JsonError> {
    if let Err(e) = std::str::from_utf8(bytes) {
        return Err(JsonError::Utf8 { at: e.valid_up_to() });
    }
    Scanner { bytes, at: 0, limits, keys: Vec::with_capacity(16) }.document()
}

/// Up to so many keys of an object are compared each with each.
const FEW: usize = 8;

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: &'a Limits,
    keys: Vec<Key>,
}

impl Scanner<'_> {
    fn document(mut self) -> Result<(), JsonError> {
        let mut frames = [Frame::default(); MAX_DEPTH];
        let mut depth = 0usize;
        loop {
            // A value starts here.
            self.space();
            let opened = match self.peek() {
                Some(b'{') => Some(true),
                Some(b'[') => Some(false),
                _ => None,
            };
            if let Some(object) = opened {
                if depth >= self.limits.depth.min(MAX_DEPTH) {
                    let limit = self.limits.depth.min(MAX_DEPTH);
                    return Err(JsonError::TooDeep { at: self.at, limit });
                }
                self.at += 1;
                if let Some(frame) = frames.get_mut(depth) {
                    *frame = Frame { object, keys: self.keys.len() };
                }
                depth += 1;
                self.space();
                let close = if object { b'}' } else { b']' };
                if self.peek() == Some(close) {
                    self.at += 1;
                    depth -= 1;
                } else {
                    if object {
                        self.key()?;
                    }
                    continue;
                }
            } else {
                self.scalar()?;
            }
            // A value ended here: close what ends with it.
            loop {
                self.space();
                let Some(frame) = depth.checked_sub(1).and_then(|d| frames.get(d)).copied() else {
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        Err(self.expected("the end of the value"))
                    };
                };
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if frame.object {
                            self.space();
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if frame.object => {
                        self.at += 1;
                        self.close_object(frame.keys)?;
                        depth -= 1;
                    }
                    Some(b']') if !frame.object => {
                        self.at += 1;
                        depth -= 1;
                    }
                    _ if frame.object => return Err(self.expected("`,` or `}`")),
                    _ => return Err(self.expected("`,` or `]`")),
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    const fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        if self.limits.unique_keys {
            self.keys.push(Key { start, end: self.at - 1, escaped });
        }
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        Ok(())
    }

    fn key_text(&self, key: Key) -> Cow<'_, str> {
        let raw = self.bytes.get(key.start..key.end).unwrap_or_default();
        if key.escaped { unescape(raw) } else { plain(raw) }
    }

    fn close_object(&mut self, from: usize) -> Result<(), JsonError> {
        let keys = self.keys.get(from..).unwrap_or_default();
        if keys.len() <= FEW && keys.iter().all(|key| !key.escaped) {
            let bytes = |key: &Key| self.bytes.get(key.start..key.end).unwrap_or_default();
            for (n, key) in keys.iter().enumerate() {
                if keys.iter().take(n).any(|before| bytes(before) == bytes(key)) {
                    return Err(JsonError::DuplicateKey { key: plain(bytes(key)).chars().take(80).collect() });
                }
            }
        } else if keys.len() > 1 {
            let mut texts: Vec<Cow<'_, str>> = keys.iter().map(|k| self.key_text(*k)).collect();
            texts.sort_unstable();
            if let Some(key) = texts.windows(2).find_map(|w| if w.first() == w.get(1) { w.first() } else { None }) {
                let key = key.chars().take(80).collect();
                return Err(JsonError::DuplicateKey { key });
            }
        }
        self.keys.truncate(from);
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), JsonError> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.expected("a value"))
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads a string from its opening quote past its closing one; says whether it has escapes.
    fn string(&mut self) -> Result<bool, JsonError> {
        self.at += 1;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => self.unicode_escape()?,
                        _ => return Err(self.expected("an escape")),
                    }
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.expected("the end of the string")),
            }
        }
    }

    fn unicode_escape(&mut self) -> Result<(), JsonError> {
        let start = self.at - 1;
        let first = self.hex4()?;
        let lone = JsonError::LoneSurrogate { at: start };
        match first {
            0xD800..=0xDBFF if self.bytes.get(self.at..self.at + 2) == Some(b"\\u") => {
                self.at += 1;
                let second = self.hex4()?;
                if !(0xDC00..=0xDFFF).contains(&second) && self.limits.paired_surrogates {
                    return Err(lone);
                }
                Ok(())
            }
            0xD800..=0xDFFF if self.limits.paired_surrogates => Err(lone),
            _ => Ok(()),
        }
    }

    /// Reads `uXXXX` from the `u`.
    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at + 1..self.at + 5).and_then(hex);
        match digits {
            Some(code) => {
                self.at += 5;
                Ok(code)
            }
            None => Err(self.expected("four hexadecimal digits")),
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |n, d| Some(n * 16 + char::from(*d).to_digit(16)?))
}

/// The inside of a string without escapes.
fn plain(raw: &[u8]) -> Cow<'_, str> {
    // It is valid UTF-8: that is the first thing that is checked.
    std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed)
}

/// Decodes the inside of a JSON string that [`check`] has accepted. Halves of surrogate pairs,
/// which only [`Limits::OUTBOUND`] lets through, become U+FFFD.
pub fn unescape(raw: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', raw).is_none() {
        return plain(raw);
    }
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'\\' {
            out.push(first);
            rest = tail;
            continue;
        }
        let Some((&kind, tail)) = tail.split_first() else { break };
        rest = tail;
        let plain = match kind {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (c, used) = unescape_unicode(rest);
                let mut buffer = [0; 4];
                out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                rest = rest.get(used..).unwrap_or_default();
                continue;
            }
            other => other,
        };
        out.push(plain);
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Decodes `XXXX` or `XXXX\uXXXX`; says how many bytes it took.
fn unescape_unicode(rest: &[u8]) -> (char, usize) {
    const BAD: char = char::REPLACEMENT_CHARACTER;
    let Some(first) = rest.get(..4).and_then(hex) else { return (BAD, rest.len().min(4)) };
    if let Some(c) = char::from_u32(first) {
        return (c, 4);
    }
    let second = match rest.get(4..6) {
        Some(b"\\u") => rest.get(6..10).and_then(hex),
        _ => None,
    };
    match (first, second) {
        (0xD800..=0xDBFF, Some(second @ 0xDC00..=0xDFFF)) => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            (char::from_u32(code).unwrap_or(BAD), 10)
        }
        _ => (BAD, 4),
    }
}

/// The end of the value that starts at `at` in text that [`check`] has accepted.
pub(crate) fn skip_value(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at) {
        Some(b'"') => skip_string(bytes, at),
        Some(b'{' | b'[') => {
            let mut depth = 0usize;
            let mut i = at;
            while let Some(b) = bytes.get(i) {
                match b {
                    b'"' => {
                        i = skip_string(bytes, i);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            return i + 1;
                        }
                    }
                    _ => {}
                }
                i += 1;
            }
            bytes.len()
        }
        _ => {
            let rest = bytes.get(at..).unwrap_or_default();
            let len = rest.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'));
            at + len.unwrap_or(rest.len())
        }
    }
}

/// The position after the closing quote of the string that opens at `at`.
pub(crate) fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut i = at + 1;
    while let Some(found) = bytes.get(i..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        i += found;
        if bytes.get(i) == Some(&b'"') {
            return i + 1;
        }
        i += 2;
    }
    bytes.len()
}

pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inbound(text: &str) -> Result<(), JsonError> {
        check(text.as_bytes(), &Limits::INBOUND)
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_however_it_is_spelled() {
        for text in
            [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"x":{"name":1,"n\u0061me":2}}]"#, r#"{"\/":1,"/":2}"#]
        {
            assert!(matches!(inbound(text), Err(JsonError::DuplicateKey { .. })), "{text}");
            assert_eq!(check(text.as_bytes(), &Limits::OUTBOUND), Ok(()));
        }
        assert_eq!(inbound(r#"{"a":{"a":1},"b":{"a":1}}"#), Ok(()));
    }

    #[test]
    fn depth_is_limited_without_recursion() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(matches!(inbound(&deep), Err(JsonError::TooDeep { at: 127, limit: 127 })));
        let fine = "[".repeat(127) + &"]".repeat(127);
        assert_eq!(inbound(&fine), Ok(()));
    }

    #[test]
    fn text_that_readers_understand_differently_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "nul",
            "01",
            "1.",
            "-",
            "+1",
            "NaN",
            "[1,]",
            "{\"a\":1,}",
            "\u{feff}1",
            "'a'",
            "\"\\x\"",
            "\"\n\"",
            "1 2",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "{\"a\" 1}",
            "{a:1}",
            "[1 2]",
            "\"\\u12g4\"",
            "\"abc",
        ] {
            assert!(inbound(text).is_err(), "{text:?}");
        }
        assert!(matches!(check(b"\"\xff\"", &Limits::INBOUND), Err(JsonError::Utf8 { at: 1 })));
        for text in ["1", "-0.5e+10", "\"\\ud83d\\ude00\"", " [ ] ", "{}", "[[],{}]", "null"] {
            assert_eq!(inbound(text), Ok(()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_what_serde_json_accepts(text in ".{0,40}") {
            let ours = check(text.as_bytes(), &Limits::OUTBOUND).is_ok();
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(ours, theirs, "{:?}", text);
        }

        #[test]
        fn near_json_is_judged_as_serde_json_judges_it(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u0061\"", "1", "-1.5e3", "true", "null", " ", "\\", "\"",
                ]),
                0..14,
            ),
        ) {
            let text = parts.concat();
            let ours = check(text.as_bytes(), &Limits::OUTBOUND).is_ok();
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(ours, theirs, "{:?}", text);
        }

        #[test]
        fn strings_decode_as_serde_json_decodes_them(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(&json.as_bytes()[1..json.len() - 1]), text);
        }
    }
}
