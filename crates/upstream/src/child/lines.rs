//! Lines of a bounded length out of a pipe.
//!
//! Each line shares the block it was read in, so nothing is copied, and an answer that somebody
//! keeps holds one block. A line that is too long is not held at all: its bytes pass by, and only
//! its two ends are kept, because one of them tells which call it would have answered.

use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much is read at once: what a pipe holds.
const BLOCK: usize = 64 * 1024;
/// Less free space than this is not worth a read.
const LEAST: usize = 8 * 1024;
/// How much of either end of a line that is too long is kept.
const END: usize = 256;

/// Reads lines.
pub(super) struct Lines<R> {
    reader: R,
    buffer: BytesMut,
    /// So many bytes of the buffer are known to have no line break.
    searched: usize,
    most: usize,
    passing: Option<Passing>,
}

/// A line that is too long, while it passes by.
#[derive(Default)]
struct Passing {
    head: Vec<u8>,
    tail: Vec<u8>,
    len: usize,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line without its end.
    Text(Bytes),
    /// A line that was longer than allowed: its first and last bytes, and its length.
    TooLong { head: Vec<u8>, tail: Vec<u8>, len: usize },
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, most: usize) -> Self {
        Self { reader, buffer: BytesMut::new(), searched: 0, most, passing: None }
    }

    /// The next line; `None` at the end. What stands after the last line break is no line.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.take() {
                return Ok(Some(line));
            }
            if self.buffer.capacity() - self.buffer.len() < LEAST {
                // Growing by what is there already keeps the copying linear.
                self.buffer.reserve(BLOCK.max(self.buffer.len().min(self.most)));
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// After the end: what stands after the last line break.
    pub(super) fn rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }

    fn take(&mut self) -> Option<Line> {
        let unseen = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unseen).map(|found| self.searched + found) else {
            self.searched = self.buffer.len();
            if self.searched > self.most || self.passing.is_some() {
                self.passing.get_or_insert_default().pass(&self.buffer);
                // Not cleared: it may have grown to the limit.
                self.buffer = BytesMut::new();
                self.searched = 0;
            }
            return None;
        };
        let mut line = self.buffer.split_to(at + 1);
        line.truncate(at);
        self.searched = 0;
        match self.passing.take() {
            None if line.len() <= self.most => Some(Line::Text(line.freeze())),
            passing => {
                let mut passing = passing.unwrap_or_default();
                passing.pass(&line);
                Some(Line::TooLong { head: passing.head, tail: passing.tail, len: passing.len })
            }
        }
    }
}

impl Passing {
    fn pass(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        let wanted = END.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        self.tail.extend_from_slice(bytes.get(bytes.len().saturating_sub(END)..).unwrap_or_default());
        let surplus = self.tail.len().saturating_sub(END);
        self.tail.drain(..surplus);
    }
}

/// The integer id of a response of which only the ends are known.
///
/// Members at the start of the text up to the first that nests, and the last one before the closing
/// brace, are certainly members of the envelope; anything else might be part of a result. SDKs
/// write the id in one of these places. A request of the child has an id of the child's own, so
/// only what is certainly a response counts.
pub(super) fn id_of(head: &[u8], tail: &[u8]) -> Option<i64> {
    let whole = std::str::from_utf8(head).map_or_else(|e| e.valid_up_to(), str::len);
    let text = std::str::from_utf8(head.get(..whole)?).ok()?;
    let mut rest = text.trim_start().strip_prefix('{')?.trim_start();
    if let Some(after) = member(rest, "jsonrpc") {
        rest = next_member(after.strip_prefix("\"2.0\"")?)?;
    }
    if let Some(value) = member(rest, "id") {
        let (number, after) = integer(value)?;
        let mut rest = next_member(after)?;
        if let Some(after) = member(rest, "jsonrpc") {
            rest = next_member(after.strip_prefix("\"2.0\"")?)?;
        }
        return is_outcome(rest).then_some(number);
    }
    if is_outcome(rest) { id_at_end(tail) } else { None }
}

fn id_at_end(tail: &[u8]) -> Option<i64> {
    let start = tail.iter().rposition(|b| *b == b'"')? + 1;
    let before = tail.get(..start)?.strip_suffix(b"\"id\"")?;
    if before.trim_ascii_end().last() != Some(&b',') {
        return None;
    }
    let value = std::str::from_utf8(tail.get(start..)?).ok()?.trim();
    let (number, after) = integer(value.strip_prefix(':')?.trim_start())?;
    (after.trim() == "}").then_some(number)
}

fn is_outcome(text: &str) -> bool {
    member(text, "result").is_some() || member(text, "error").is_some()
}

fn next_member(text: &str) -> Option<&str> {
    Some(text.trim_start().strip_prefix(',')?.trim_start())
}

/// What follows `"name":` at the start of `text`.
fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let text = text.strip_prefix('"')?.strip_prefix(name)?.strip_prefix('"')?;
    Some(text.trim_start().strip_prefix(':')?.trim_start())
}

fn integer(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, after) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8], most: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, most);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        read
    }

    fn text(text: &'static str) -> Line {
        Line::Text(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn lines_come_without_their_ends_and_a_torn_last_one_is_none() {
        assert_eq!(all(b"a\n\nbc\nd", 10).await, [text("a"), text(""), text("bc")]);
        assert_eq!(all(b"", 10).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_passes_by_and_the_next_one_is_read() {
        let long = "x".repeat(500_000);
        let input = format!("a\n{long}yz\nb\n");
        let read = all(input.as_bytes(), 1000).await;
        assert_eq!(read.first(), Some(&text("a")));
        assert_eq!(read.get(2), Some(&text("b")));
        let Some(Line::TooLong { head, tail, len }) = read.get(1) else { panic!("{read:?}") };
        assert_eq!((head.len(), tail.len(), *len), (END, END, 500_002));
        assert!(tail.ends_with(b"xyz"));
        assert!(matches!(all(b"123456\n1234\n", 5).await.as_slice(), [Line::TooLong { len: 6, .. }, Line::Text(_)]));
    }

    #[tokio::test]
    async fn a_line_of_many_blocks_is_whole() {
        let long = "x".repeat(3 << 20);
        let read = all(format!("{long}\nb\n").as_bytes(), 16 << 20).await;
        assert!(matches!(read.first(), Some(Line::Text(line)) if line.as_ref() == long.as_bytes()));
        assert_eq!(read.get(1), Some(&text("b")));
    }

    #[test]
    fn the_id_is_read_only_where_it_must_be_the_envelopes() {
        let cases: [(&str, &str, Option<i64>); 10] = [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"x"#, "", Some(7)),
            (r#" { "id" : 7 , "error" : {"x"#, "", Some(7)),
            (r#"{"jsonrpc":"2.0","id":7,"method":"x"#, "", None),
            (r#"{"jsonrpc":"2.0","result":{"id":7,"result":"x"#, "", None),
            (r#"{"result":{"x"#, r#"..."}]},"jsonrpc":"2.0","id":9}"#, Some(9)),
            (r#"{"method":"x","params":{"x"#, r#"..."}]},"jsonrpc":"2.0","id":9}"#, None),
            (r#"{"result":{"x"#, r#""x":{"id":9}}"#, None),
            (r#"{"result":{"x"#, r#"{"id":9}"#, None),
            (r#"{"jsonrpc":"2.0","id":"7","result":{"#, "", None),
            ("", "", None),
        ];
        for (head, tail, id) in cases {
            assert_eq!(id_of(head.as_bytes(), tail.as_bytes()), id, "{head} {tail}");
        }
    }
}
