//! The typed head of a request: everything that policy decides on, read from the very bytes that
//! are forwarded. A head that does not parse is an error, never a default.

use crate::capability::Capabilities;
use crate::error::Error;
use crate::method::Method;
use crate::raw::{Kind, Raw};
use serde::{Deserialize, Serialize};

/// Keys that the modern era puts into `_meta` (2026-07-28, `basic/index`).
pub mod key {
    /// The revision of this request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// What the client can be asked in the course of this request.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Which software sent it.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// From which level on log lines are wanted.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Which software answered.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Which `subscriptions/listen` a change belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Where progress is reported to.
    pub const PROGRESS_TOKEN: &str = "progressToken";
    /// All that a modern client says about itself: taken out before a legacy upstream.
    pub const MODERN: [&str; 4] = [PROTOCOL_VERSION, CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL];
}

/// A request as a [`crate::Server`] gets it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Of what.
    pub target: Target,
    /// All parameters as they came, `{}` if there were none.
    pub params: Raw,
    /// `params.arguments`, if there are any.
    pub arguments: Option<Raw>,
    /// `params._meta`, read.
    pub meta: Meta,
    /// What a modern retry brings along.
    pub resume: Option<Resume>,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Target {
    /// The server itself.
    Server,
    Tool(String),
    Prompt(String),
    Resource(String),
    /// A completion for an argument of this template.
    Template(String),
}

impl Target {
    /// Its name or uri; empty for the server itself.
    pub fn name(&self) -> &str {
        match self {
            Self::Server => "",
            Self::Tool(name) | Self::Prompt(name) | Self::Resource(name) | Self::Template(name) => name,
        }
    }
}

/// `_meta` of a request.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// As it came.
    pub raw: Option<Raw>,
    /// A string or a number that progress is reported with.
    pub progress_token: Option<Raw>,
    /// Only modern requests say this.
    pub revision: Option<String>,
    /// Only modern requests say this.
    pub capabilities: Option<Capabilities>,
    /// Only modern requests say this.
    pub log_level: Option<Level>,
}

/// What a retry of the modern era brings along (2026-07-28, "multi round-trip requests").
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// `inputResponses`: an object of answers by the key of their question.
    pub responses: Option<Raw>,
    /// `requestState`, opaque.
    pub state: Option<String>,
}

/// Severity of a log line, as in RFC 5424.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Hash)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    /// Reads its name on the wire.
    pub fn parse(raw: &Raw) -> Option<Self> {
        raw.read().ok()
    }

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

impl Request {
    /// Reads the head.
    pub fn read(method: &str, params: Option<Raw>) -> Result<Self, Error> {
        let method = Method::parse(method);
        let params = params.unwrap_or_else(Raw::empty_object);
        let mut name = None;
        let mut uri = None;
        let mut reference = None;
        let mut arguments = None;
        let mut meta = None;
        let mut responses = None;
        let mut state = None;
        for member in params.members() {
            not_in_other_case(&member.key)?;
            match member.key.as_ref() {
                "name" => name = Some(member.value),
                "uri" => uri = Some(member.value),
                "ref" => reference = Some(member.value),
                "arguments" => arguments = Some(member.value),
                "_meta" => meta = Some(member.value),
                "inputResponses" => responses = Some(member.value),
                "requestState" => state = Some(member.value),
                _ => {}
            }
        }
        let target = match method {
            Method::ToolsCall => Target::Tool(text(name, "name")?),
            Method::PromptsGet => Target::Prompt(text(name, "name")?),
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                Target::Resource(uri_of(uri)?)
            }
            Method::Complete => completion_target(reference)?,
            _ => Target::Server,
        };
        let arguments = arguments.filter(|a| a.kind() != Kind::Null);
        if arguments.as_ref().is_some_and(|a| a.kind() != Kind::Object) {
            return Err(Error::InvalidParams("`arguments` must be an object".into()));
        }
        if method == Method::SetLevel && params.get("level").and_then(|l| Level::parse(&l)).is_none() {
            return Err(Error::InvalidParams("`level` must be a log level".into()));
        }
        let resume = match (responses, state) {
            (None, None) => None,
            (responses, state) => Some(Resume {
                responses: match responses.filter(|r| r.kind() != Kind::Null) {
                    Some(responses) if responses.kind() != Kind::Object => {
                        return Err(Error::InvalidParams("`inputResponses` must be an object".into()));
                    }
                    responses => responses,
                },
                state: match state {
                    None => None,
                    Some(state) => Some(text(Some(state), "requestState")?),
                },
            }),
        };
        Ok(Self { method, target, arguments, meta: Meta::read(meta)?, params, resume })
    }

    /// A request of our own.
    pub fn ours(method: Method, params: Raw) -> Self {
        Self { method, target: Target::Server, params, arguments: None, meta: Meta::default(), resume: None }
    }
}

/// Keys that decide. Some readers (Go's `encoding/json`) find them in any case, and take the last.
const DECISIVE: [&str; 7] = ["name", "uri", "ref", "arguments", "_meta", "inputResponses", "requestState"];

fn not_in_other_case(key: &str) -> Result<(), Error> {
    match DECISIVE.iter().find(|own| is_in_other_case(key, own)) {
        Some(own) => Err(Error::InvalidParams(format!("`{key}` must be written `{own}`"))),
        None => Ok(()),
    }
}

/// Whether a reader that folds case as Unicode does takes `key` for `own`.
pub(crate) fn is_in_other_case(key: &str, own: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    // Outside of ASCII a letter that folds to one of these is longer than it.
    if key.is_ascii() && key.len() != own.len() {
        return false;
    }
    key != own && key.chars().map(fold).eq(own.chars().map(fold))
}

/// The longest uri that is taken.
const LONGEST_URI: usize = 8 * 1024;

fn uri_of(value: Option<Raw>) -> Result<String, Error> {
    let uri = text(value, "uri")?;
    if uri.len() > LONGEST_URI {
        return Err(Error::InvalidParams(format!("`uri` is longer than {LONGEST_URI} bytes")));
    }
    Ok(uri)
}

fn text(value: Option<Raw>, name: &str) -> Result<String, Error> {
    value
        .as_ref()
        .and_then(Raw::text)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| Error::InvalidParams(format!("`{name}` must be a string")))
}

/// `ref` of `completion/complete` (2025-06-18, `server/utilities/completion`).
fn completion_target(reference: Option<Raw>) -> Result<Target, Error> {
    let wrong = || Error::InvalidParams("`ref` must be a prompt or resource reference".into());
    let reference = reference.ok_or_else(wrong)?;
    if reference.members().any(|m| ["type", "name", "uri"].iter().any(|own| is_in_other_case(&m.key, own))) {
        return Err(wrong());
    }
    match reference.get_text("type").as_deref() {
        Some("ref/prompt") => Ok(Target::Prompt(text(reference.get("name"), "ref.name")?)),
        Some("ref/resource") => Ok(Target::Template(text(reference.get("uri"), "ref.uri")?)),
        _ => Err(wrong()),
    }
}

impl Meta {
    fn read(raw: Option<Raw>) -> Result<Self, Error> {
        let Some(raw) = raw.filter(|m| m.kind() != Kind::Null) else { return Ok(Self::default()) };
        let bad = |what: &str| Error::InvalidParams(format!("`_meta`: {what}"));
        if raw.kind() != Kind::Object {
            return Err(bad("must be an object"));
        }
        let mut meta = Self::default();
        for member in raw.members() {
            let value = member.value;
            match member.key.as_ref() {
                key::PROGRESS_TOKEN => {
                    if !matches!(value.kind(), Kind::String | Kind::Number) {
                        return Err(bad("`progressToken` must be a string or a number"));
                    }
                    meta.progress_token = Some(value);
                }
                key::PROTOCOL_VERSION => {
                    let version = value.text().ok_or_else(|| bad("the protocol version must be a string"))?;
                    meta.revision = Some(version.into_owned());
                }
                key::CLIENT_CAPABILITIES => {
                    meta.capabilities = Some(Capabilities::read(&value).map_err(|e| bad(&e))?);
                }
                key::LOG_LEVEL => {
                    let level = Level::parse(&value).ok_or_else(|| bad("no such log level"))?;
                    meta.log_level = Some(level);
                }
                _ => {}
            }
        }
        meta.raw = Some(raw);
        Ok(meta)
    }
}

/// A notification from a client.
#[derive(Clone, Debug)]
pub struct Note {
    /// What it says.
    pub method: Method,
    /// Its parameters.
    pub params: Raw,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Limits;
    use bytes::Bytes;

    fn read(method: &str, params: &str) -> Result<Request, Error> {
        Request::read(method, Some(Raw::parse(Bytes::copy_from_slice(params.as_bytes()), &Limits::INBOUND).unwrap()))
    }

    #[test]
    fn the_target_is_what_the_bytes_name() {
        let request = read("tools/call", r#"{"n\u0061me":"a\u0062","arguments":null}"#).unwrap();
        assert_eq!(request.target, Target::Tool("ab".into()));
        assert!(request.arguments.is_none());
        let request = read("completion/complete", r#"{"ref":{"type":"ref/resource","uri":"a://{b}"}}"#).unwrap();
        assert_eq!(request.target, Target::Template("a://{b}".into()));
    }

    #[test]
    fn a_head_that_does_not_parse_is_an_error() {
        for (method, params) in [
            ("tools/call", "{}"),
            ("tools/call", r#"{"name":1}"#),
            ("tools/call", r#"{"name":"a","Name":"b"}"#),
            ("tools/call", r#"{"name":"a","ARGUMENTS":{}}"#),
            ("tools/call", r#"{"name":"a","argument\u017f":{}}"#),
            ("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}"#),
            ("tools/call", r#"{"name":"a","arguments":[]}"#),
            ("tools/call", r#"{"name":"a","_meta":[]}"#),
            ("tools/call", r#"{"name":"a","_meta":{"progressToken":{}}}"#),
            ("tools/call", r#"{"name":"a","requestState":1}"#),
            ("tools/call", r#"{"name":"a","_meta":{"io.modelcontextprotocol/logLevel":"loud"}}"#),
            ("resources/read", r#"{"name":"a"}"#),
            ("completion/complete", r#"{"ref":{"type":"ref/other"}}"#),
        ] {
            assert!(matches!(read(method, params), Err(Error::InvalidParams(_))), "{method} {params}");
        }
    }
}
