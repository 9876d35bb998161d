//! Server-sent events (WHATWG HTML, "Server-sent events"): written and read.

use crate::raw::Raw;
use bytes::Bytes;

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `id`, if the event has one.
    pub id: Option<String>,
    /// `event`; `None` stands for `message`.
    pub kind: Option<String>,
    /// `retry` in milliseconds.
    pub retry: Option<u64>,
    /// `data`, lines joined by line feeds.
    pub data: String,
}

/// A comment that keeps a connection open and that every reader skips.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// A JSON-RPC message as one event on one `data` line.
pub fn message(id: Option<&str>, message: &Raw) -> Bytes {
    let data = message.single_line();
    let mut out = Vec::with_capacity(data.len() + id.map_or(0, str::len) + 32);
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// The event that opens a stream which can be resumed: an id, how long to wait before reconnecting,
/// and empty data (2025-11-25, `basic/transports`).
pub fn priming(id: &str, retry_ms: u64) -> Bytes {
    format!("id: {id}\nretry: {retry_ms}\ndata: \n\n").into()
}

/// An event of the given kind with one line of data.
pub fn event(kind: &str, data: &str) -> Bytes {
    format!("event: {kind}\ndata: {data}\n\n").into()
}

/// Reads a stream piece by piece.
#[derive(Debug)]
pub struct Decoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    size: usize,
    limit: usize,
    after_cr: bool,
    start: bool,
}

/// An event was larger than the limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {0} bytes")]
pub struct TooLarge(pub usize);

impl Decoder {
    /// A decoder of events of at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            size: 0,
            limit,
            after_cr: false,
            start: true,
        }
    }

    /// Takes the next piece and gives the events that it completes.
    pub fn feed(&mut self, piece: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for &byte in piece {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => {
                    self.size += 1;
                    if self.size > self.limit {
                        return Err(TooLarge(self.limit));
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let mut text = String::from_utf8_lossy(&line);
        if std::mem::take(&mut self.start)
            && let Some(rest) = text.strip_prefix('\u{feff}')
        {
            text = rest.to_owned().into();
        }
        if text.is_empty() {
            self.size = 0;
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => self.event.kind = Some(value.to_owned()).filter(|k| k != "message" && !k.is_empty()),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => self.event.retry = value.parse().ok().or(self.event.retry),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let text = [priming("a-0", 500), message(Some("a-1"), &Raw::of("x\ny")), KEEP_ALIVE, event("endpoint", "/m")];
        let events = Decoder::new(1000).feed(&text.concat()).unwrap();
        assert_eq!(events.len(), 3);
        assert_eq!((events[0].id.as_deref(), events[0].retry, events[0].data.as_str()), (Some("a-0"), Some(500), ""));
        assert_eq!((events[1].kind.as_deref(), events[1].data.as_str()), (None, "\"x\\ny\""));
        assert_eq!((events[2].kind.as_deref(), events[2].data.as_str()), (Some("endpoint"), "/m"));
    }

    #[test]
    fn an_event_that_is_too_large_ends_the_stream() {
        assert_eq!(Decoder::new(10).feed(b"data: 0123456789\n\n"), Err(TooLarge(10)));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "(data: ?[a-z\u{e9}]{0,5}|id: [0-9]|: c|event: e|retry: 5|)(\n|\r\n|\r){1,2}(data: x)?\n\n", cut in 0usize..40) {
            let bytes = text.as_bytes();
            let whole = Decoder::new(1000).feed(bytes).unwrap();
            let cut = cut.min(bytes.len());
            let mut decoder = Decoder::new(1000);
            let mut parts = decoder.feed(&bytes[..cut]).unwrap();
            parts.extend(decoder.feed(&bytes[cut..]).unwrap());
            prop_assert_eq!(whole, parts);
        }
    }
}
