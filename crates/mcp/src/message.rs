//! The JSON-RPC 2.0 envelope: read from text, composed around raw values.

use crate::error::ErrorObject;
use crate::raw::{Kind, Raw, push_string};
use crate::scan::{JsonError, Limits};
use bytes::Bytes;
use std::fmt;

/// The id of a request: a string or an integer. A float that is an integer counts as one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Id {
    Number(i64),
    Text(Box<str>),
}

impl Id {
    fn parse(raw: &Raw) -> Option<Self> {
        match raw.kind() {
            Kind::String => raw.text().map(|t| Self::Text(t.into())),
            Kind::Number => {
                let text = std::str::from_utf8(raw.bytes()).ok()?;
                text.parse().ok().or_else(|| whole(text)).map(Self::Number)
            }
            _ => None,
        }
    }

    /// As JSON.
    pub fn to_raw(&self) -> Raw {
        let mut out = Vec::new();
        self.push(&mut out);
        Raw::composed(out)
    }

    /// About how long it is as JSON, in bytes.
    const fn len(&self) -> usize {
        match self {
            Self::Number(_) => 20,
            Self::Text(text) => text.len() + 2,
        }
    }

    fn push(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
            Self::Text(text) => push_string(out, text),
        }
    }
}

/// The integer that a float literal stands for, if it is one that every reader holds exactly.
fn whole(text: &str) -> Option<i64> {
    let value: f64 = text.parse().ok()?;
    let exact = value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0;
    // In range by the line above.
    #[allow(clippy::cast_possible_truncation)]
    exact.then_some(value as i64)
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One message of either direction.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Message {
    Request {
        id: Id,
        method: String,
        params: Option<Raw>,
    },
    Notification {
        method: String,
        params: Option<Raw>,
    },
    Response {
        id: Id,
        outcome: Result<Raw, ErrorObject>,
    },
    /// An error that answers no readable request (`"id": null`).
    Failure {
        error: ErrorObject,
    },
}

/// A body or a line: one message, or several where the revision allows it.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Incoming {
    One(Message),
    /// Each with its own verdict, in order.
    Batch(Vec<Result<Message, BadMessage>>),
}

/// Why something is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// No JSON, or JSON that readers understand differently: code -32700.
    #[error("invalid JSON: {0}")]
    Json(#[from] JsonError),
    /// JSON, but no JSON-RPC message: code -32600. Has the id if one could be read.
    #[error("invalid request: {why}")]
    #[allow(missing_docs)]
    Envelope { id: Option<Id>, why: &'static str },
}

impl BadMessage {
    const fn envelope(id: Option<Id>, why: &'static str) -> Self {
        Self::Envelope { id, why }
    }
}

/// The most entries of one batch.
pub const MAX_BATCH: usize = 64;

impl Incoming {
    /// Reads a body or a line.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, BadMessage> {
        let raw = Raw::parse(bytes, limits)?;
        if raw.kind() != Kind::Array {
            return Message::read(&raw).map(Self::One);
        }
        let items: Vec<_> = raw.items().take(MAX_BATCH + 1).collect();
        if items.is_empty() {
            return Err(BadMessage::envelope(None, "an empty batch"));
        }
        if items.len() > MAX_BATCH {
            return Err(BadMessage::envelope(None, "a batch of more than 64 messages"));
        }
        Ok(Self::Batch(items.iter().map(Message::read).collect()))
    }
}

impl Message {
    /// Reads one message from checked JSON.
    pub fn read(raw: &Raw) -> Result<Self, BadMessage> {
        if raw.kind() != Kind::Object {
            return Err(BadMessage::envelope(None, "not an object"));
        }
        let (mut version, mut id, mut method, mut params) = (None, None, None, None);
        let (mut result, mut error) = (None, None);
        // Some readers find keys in any case, and take the last.
        let mut ambiguous = false;
        for member in raw.members() {
            let known = |k: &str| crate::request::is_in_other_case(&member.key, k);
            ambiguous |= ["jsonrpc", "id", "method", "params"].iter().any(|k| known(k));
            match member.key.as_ref() {
                "jsonrpc" => version = Some(member.value),
                "id" => id = Some(member.value),
                "method" => method = Some(member.value),
                "params" => params = Some(member.value),
                "result" => result = Some(member.value),
                "error" => error = Some(member.value),
                _ => {}
            }
        }
        let null_id = id.as_ref().is_some_and(|i| i.kind() == Kind::Null);
        let has_id = id.is_some();
        let id = id.as_ref().and_then(Id::parse);
        if version.as_ref().and_then(Raw::text).as_deref() != Some("2.0") {
            return Err(BadMessage::envelope(id, "`jsonrpc` must be \"2.0\""));
        }
        if has_id && id.is_none() && !(null_id && error.is_some()) {
            return Err(BadMessage::envelope(None, "`id` must be a string or an integer"));
        }
        let Some(method) = method else {
            return match (id, result, error) {
                (Some(id), Some(result), None) => Ok(Self::Response { id, outcome: Ok(result) }),
                (Some(id), None, Some(error)) => Ok(Self::Response { id, outcome: Err(ErrorObject::from_raw(error)) }),
                (None, None, Some(error)) => Ok(Self::Failure { error: ErrorObject::from_raw(error) }),
                (id, _, _) => Err(BadMessage::envelope(id, "neither a `method` nor one of `result` and `error`")),
            };
        };
        if result.is_some() || error.is_some() {
            return Err(BadMessage::envelope(id, "a `method` beside a `result` or an `error`"));
        }
        if ambiguous {
            return Err(BadMessage::envelope(id, "a key of the envelope in another case"));
        }
        let Some(method) = method.text().map(std::borrow::Cow::into_owned) else {
            return Err(BadMessage::envelope(id, "`method` must be a string"));
        };
        // Some clients send `"params": null` for none.
        let params = params.filter(|p| p.kind() != Kind::Null);
        if params.as_ref().is_some_and(|p| p.kind() != Kind::Object) {
            return Err(BadMessage::envelope(id, "`params` must be an object"));
        }
        Ok(match id {
            Some(id) => Self::Request { id, method, params },
            None => Self::Notification { method, params },
        })
    }
}

/// A message that has begun, with room for as many bytes beside the envelope's own.
fn open(room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(room + 64);
    out.extend_from_slice(br#"{"jsonrpc":"2.0""#);
    out
}

/// Composes a request around raw parameters.
pub fn request(id: &Id, method: &str, params: Option<&Raw>) -> Raw {
    let mut out = open(params.map_or(0, Raw::len) + method.len() + id.len());
    out.extend_from_slice(br#","id":"#);
    id.push(&mut out);
    push_call(&mut out, method, params);
    Raw::composed(out)
}

/// Composes a notification around raw parameters.
pub fn notification(method: &str, params: Option<&Raw>) -> Raw {
    let mut out = open(params.map_or(0, Raw::len) + method.len());
    push_call(&mut out, method, params);
    Raw::composed(out)
}

fn push_call(out: &mut Vec<u8>, method: &str, params: Option<&Raw>) {
    out.extend_from_slice(br#","method":"#);
    push_string(out, method);
    if let Some(params) = params {
        out.extend_from_slice(br#","params":"#);
        out.extend_from_slice(params.bytes());
    }
    out.push(b'}');
}

/// Composes a response around a raw result.
pub fn response(id: &Id, result: &Raw) -> Raw {
    let mut out = open(result.len() + id.len());
    out.extend_from_slice(br#","id":"#);
    id.push(&mut out);
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(result.bytes());
    out.push(b'}');
    Raw::composed(out)
}

/// Composes an error response; without an id, `"id": null`.
pub fn failure(id: Option<&Id>, error: &ErrorObject) -> Raw {
    let mut out = open(error.raw().len() + id.map_or(4, Id::len));
    out.extend_from_slice(br#","id":"#);
    match id {
        Some(id) => id.push(&mut out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","error":"#);
    out.extend_from_slice(error.raw().bytes());
    out.push(b'}');
    Raw::composed(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Message, BadMessage> {
        match Incoming::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::INBOUND)? {
            Incoming::One(message) => Ok(message),
            Incoming::Batch(_) => panic!("a batch"),
        }
    }

    #[test]
    fn ids_are_strings_or_integers_and_floats_that_are_integers() {
        for (text, id) in [
            ("1", Id::Number(1)),
            ("-7", Id::Number(-7)),
            ("1.0", Id::Number(1)),
            ("2e3", Id::Number(2000)),
            ("\"a\\u0062\"", Id::Text("ab".into())),
        ] {
            let message = read(&format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"ping"}}"#)).unwrap();
            assert!(matches!(message, Message::Request { id: got, .. } if got == id), "{text}");
        }
        for text in ["1.5", "null", "true", "{}", "1e300", "99999999999999999999"] {
            let bad = read(&format!(r#"{{"jsonrpc":"2.0","id":{text},"method":"ping"}}"#));
            assert!(matches!(bad, Err(BadMessage::Envelope { id: None, .. })), "{text}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_id_it_has() {
        let bad = read(r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#);
        assert!(matches!(bad, Err(BadMessage::Envelope { id: Some(Id::Number(7)), .. })));
        for text in [
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":1}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"m","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call"}"#,
        ] {
            assert!(matches!(read(text), Err(BadMessage::Envelope { id: Some(Id::Number(7)), .. })), "{text}");
        }
        assert!(matches!(read("17"), Err(BadMessage::Envelope { id: None, .. })));
        assert!(matches!(read("{"), Err(BadMessage::Json(_))));
    }

    #[test]
    fn envelopes_are_composed_around_the_bytes_they_carry() {
        let params = Raw::parse(Bytes::from_static(br#"{"x": 1.0}"#), &Limits::INBOUND).unwrap();
        let text = request(&Id::Text("a\"".into()), "tools/call", Some(&params));
        assert_eq!(text.bytes().as_ref(), br#"{"jsonrpc":"2.0","id":"a\"","method":"tools/call","params":{"x": 1.0}}"#);
        assert_eq!(
            response(&Id::Number(3), &params).bytes().as_ref(),
            br#"{"jsonrpc":"2.0","id":3,"result":{"x": 1.0}}"#
        );
    }

    #[test]
    fn each_entry_of_a_batch_has_its_own_verdict() {
        let text = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},3,{"jsonrpc":"2.0","method":"n"}]"#;
        let Ok(Incoming::Batch(entries)) = Incoming::parse(Bytes::from_static(text), &Limits::INBOUND) else {
            panic!("no batch")
        };
        assert!(matches!(entries[0], Ok(Message::Request { .. })));
        assert!(entries[1].is_err());
        assert!(matches!(entries[2], Ok(Message::Notification { .. })));
        let many = format!("[{}]", vec!["1"; 65].join(","));
        assert!(Incoming::parse(many.into(), &Limits::INBOUND).is_err());
    }
}
