//! What becomes of a tool's result, or of what went wrong, as an answer over HTTP.
//!
//! A caller of a tool wants its value, not the envelope: structured content is the value; else each
//! content item becomes one, as mcpo has it, except that nothing is lost on the way. The bytes of
//! JSON that the server sent are passed on, not read and written again.

use crate::detail::Invalid;
use bytes::Bytes;
use mcp::error::code;
use mcp::{Error, ErrorObject, Kind, Limits, Raw};
use std::time::Duration;

/// An answer: a status, a JSON body, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// JSON.
    pub body: Bytes,
}

/// When to try a server again that does not say.
const RETRY_UNKNOWN: Duration = Duration::from_secs(5);

impl Reply {
    /// Of a `CallToolResult`.
    pub fn of_result(result: &Raw) -> Self {
        if result.get("isError").is_some_and(|e| e.is_true()) {
            return Self::failure(500, &failure_text(result), None);
        }
        let structured = result.get("structuredContent").filter(|s| s.kind() != Kind::Null);
        Self::new(200, structured.unwrap_or_else(|| value(result)).bytes().clone())
    }

    /// Of arguments that are not what the tool takes.
    pub fn of_invalid(invalid: &Invalid) -> Self {
        Self::new(422, Raw::of(invalid).bytes().clone())
    }

    /// Of a call that was not answered. What only the log may see does not get here: the text of an
    /// error is its public one.
    pub fn of_error(error: &Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Upstream(object) => Self::of_upstream(object),
            Error::UnknownTool(_) | Error::UnknownPrompt(_) | Error::UnknownResource(_) | Error::UnknownMethod(_) => {
                Self::failure(404, &message, None)
            }
            Error::InvalidRequest(_) | Error::HeaderMismatch(_) | Error::UnsupportedVersion { .. } => {
                Self::failure(400, &message, None)
            }
            Error::InvalidParams(_) => Self::failure(422, &message, None),
            Error::Unavailable { retry_after, .. } => {
                Self::failure(503, &message, None).again_after(retry_after.unwrap_or(RETRY_UNKNOWN))
            }
            Error::Lost { .. } => Self::failure(502, &message, None),
            Error::Limited { retry_after, .. } => Self::failure(429, &message, None).again_after(*retry_after),
            Error::TimedOut(_) => Self::failure(504, &message, None),
            Error::TooLarge(_) => Self::failure(413, &message, None),
            // Nobody is there to read it; the status is nginx's for that, for logs and metrics.
            Error::Cancelled => Self::failure(499, &message, None),
            // Not 401: it is the gateway that has to sign in, and only a person can see to it.
            Error::SignIn(url) => {
                let data = Raw::object([("signIn", &Raw::of(url))]);
                Self::failure(503, &message, Some(&data))
            }
            Error::MissingCapability(needed) => {
                let data = Raw::object([("requiredCapabilities", needed)]);
                Self::failure(500, &message, Some(&data))
            }
            _ => Self::failure(500, &message, None),
        }
    }

    fn of_upstream(error: &ErrorObject) -> Self {
        let status = match error.code() {
            code::PARSE_ERROR | code::INVALID_REQUEST => 400,
            code::METHOD_NOT_FOUND => 404,
            code::INVALID_PARAMS => 422,
            _ => 500,
        };
        let data = error.data().filter(|data| data.kind() != Kind::Null);
        Self::failure(status, &error.message(), data.as_ref())
    }

    fn new(status: u16, body: Bytes) -> Self {
        Self { status, retry_after: None, body }
    }

    fn failure(status: u16, message: &str, data: Option<&Raw>) -> Self {
        let message = Raw::of(message);
        let members = [("message", &message)].into_iter().chain(data.map(|data| ("data", data)));
        let detail = Raw::object(members);
        Self::new(status, Raw::object([("detail", &detail)]).bytes().clone())
    }

    fn again_after(mut self, after: Duration) -> Self {
        // Rounded up: who comes exactly then is not sent away again.
        self.retry_after = Some(after.as_secs() + u64::from(after.subsec_nanos() > 0)).map(|seconds| seconds.max(1));
        self
    }
}

/// The value of content: one item is itself, several are a list.
fn value(result: &Raw) -> Raw {
    let content = result.get("content");
    let mut values: Vec<Raw> = content.iter().flat_map(Raw::items).map(item).collect();
    match (values.len(), values.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            values.extend(last);
            Raw::array(&values)
        }
    }
}

fn item(item: Raw) -> Raw {
    match item.get_text("type").as_deref() {
        Some("text") => item.get("text").filter(|t| t.kind() == Kind::String).map(text).unwrap_or(item),
        Some("image" | "audio") => data_uri(&item).unwrap_or(item),
        // Resources, linked or embedded, and what later revisions add.
        _ => item,
    }
}

/// A text that is JSON is that JSON: many servers have no other way to answer with a value.
fn text(text: Raw) -> Raw {
    let decoded = text.text().map(|t| Bytes::copy_from_slice(t.as_bytes()));
    decoded.and_then(|json| Raw::parse(json, &Limits::OUTBOUND).ok()).unwrap_or(text)
}

fn data_uri(item: &Raw) -> Option<Raw> {
    let data = item.get_text("data")?;
    let mime = item.get_text("mimeType").unwrap_or_else(|| "application/octet-stream".into());
    Some(Raw::of(&format!("data:{mime};base64,{data}")))
}

fn failure_text(result: &Raw) -> String {
    let content = result.get("content");
    let texts: Vec<String> = content.iter().flat_map(Raw::items).filter_map(|item| item.get_text("text")).collect();
    let joined = texts.join("\n");
    if joined.is_empty() { "Unknown tool execution error".into() } else { joined }
}
