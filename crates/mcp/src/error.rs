//! What can go wrong with a request, and the one translation of it to JSON-RPC.

use crate::raw::{Kind, Raw};
use crate::revision::Era;
use std::time::Duration;

/// JSON-RPC error codes.
///
/// The first block is JSON-RPC 2.0's, the second MCP's. Ours are positive: outside the range that
/// JSON-RPC reserves (2026-07-28, `basic/index`).
#[allow(missing_docs)]
pub mod code {
    pub const PARSE_ERROR: i64 = -32700;
    pub const INVALID_REQUEST: i64 = -32600;
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    pub const INTERNAL_ERROR: i64 = -32603;

    pub const RESOURCE_NOT_FOUND_LEGACY: i64 = -32002;
    pub const HEADER_MISMATCH: i64 = -32020;
    pub const MISSING_CAPABILITY: i64 = -32021;
    pub const UNSUPPORTED_VERSION: i64 = -32022;

    pub const UNAVAILABLE: i64 = 1001;
    pub const TIMED_OUT: i64 = 1002;
    pub const LIMITED: i64 = 1003;
    pub const CANCELLED: i64 = 1004;
    pub const TOO_LARGE: i64 = 1005;
    pub const NOT_RESUMABLE: i64 = 1006;
    pub const LOST: i64 = 1007;
}

/// The `error` member of a response, raw: what an upstream put into it survives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObject(Raw);

impl ErrorObject {
    /// An error of ours.
    pub fn new(code: i64, message: &str) -> Self {
        Self(Raw::object([("code", &Raw::of(&code)), ("message", &Raw::of(message))]))
    }

    /// An error of ours with details.
    pub fn with_data(code: i64, message: &str, data: &Raw) -> Self {
        Self(Raw::object([("code", &Raw::of(&code)), ("message", &Raw::of(message)), ("data", data)]))
    }

    /// Somebody else's error. What is no object with an integer code is wrapped into one.
    pub fn from_raw(raw: Raw) -> Self {
        let sound = raw.kind() == Kind::Object && raw.get("code").is_some_and(|c| c.read::<i64>().is_ok());
        if sound {
            Self(raw)
        } else {
            Self::with_data(code::INTERNAL_ERROR, "the server answered with a malformed error", &raw)
        }
    }

    /// The object.
    pub const fn raw(&self) -> &Raw {
        &self.0
    }

    /// Its code.
    pub fn code(&self) -> i64 {
        self.0.get("code").and_then(|c| c.read().ok()).unwrap_or(code::INTERNAL_ERROR)
    }

    /// Its message; empty if it has none.
    pub fn message(&self) -> String {
        self.0.get_text("message").unwrap_or_default()
    }

    /// Its details.
    pub fn data(&self) -> Option<Raw> {
        self.0.get("data")
    }

    /// Whether it says that a resource does not exist, in either era's code.
    pub fn says_resource_not_found(&self) -> bool {
        match self.code() {
            code::RESOURCE_NOT_FOUND_LEGACY => true,
            code::INVALID_PARAMS => {
                self.data().is_some_and(|d| d.get("uri").is_some())
                    || self.message().to_ascii_lowercase().contains("not found")
            }
            _ => false,
        }
    }
}

/// Why a request was not answered. What the caller may see is its text; what only the log may see
/// stands in [`Error::Internal`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The upstream's own error object, passed on untouched.
    #[error("the server answered with an error: {}", .0.message())]
    Upstream(ErrorObject),
    /// There is no such tool, or the caller may not know of it.
    #[error("unknown tool: {0}")]
    UnknownTool(String),
    /// There is no such prompt, or the caller may not know of it.
    #[error("unknown prompt: {0}")]
    UnknownPrompt(String),
    /// There is no such resource, or the caller may not know of it.
    #[error("resource not found: {0}")]
    UnknownResource(String),
    /// Nothing answers this method, or the caller may not use it.
    #[error("method not found: {0}")]
    UnknownMethod(String),
    /// The message is no request of this revision.
    #[error("{0}")]
    InvalidRequest(String),
    /// The parameters are not what the method takes.
    #[error("{0}")]
    InvalidParams(String),
    /// A header says something else than the body.
    #[error("{0}")]
    HeaderMismatch(String),
    /// The revision is not one we speak.
    #[error("unsupported protocol version: {requested}")]
    #[allow(missing_docs)]
    UnsupportedVersion { requested: String },
    /// The server must ask something that the client has not declared it can answer.
    #[error("the client has not declared a capability that this request needs")]
    MissingCapability(
        /// The capabilities needed, as in `clientCapabilities`.
        Raw,
    ),
    /// The server cannot answer now.
    #[error("the server {server:?} is {state}: {reason}")]
    #[allow(missing_docs)]
    Unavailable { server: String, state: &'static str, reason: String, retry_after: Option<Duration> },
    /// The server ended while it had the call. Unlike [`Error::Unavailable`] this does not invite to try
    /// again: what the call does may be done already.
    #[error(
        "the server {server:?} ended in the middle of the call: {reason}; it is not known whether the call was carried out"
    )]
    #[allow(missing_docs)]
    Lost { server: String, reason: String },
    /// No answer came within the deadline.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// A limit of this gateway.
    #[error("{what}; try again in {} s", .retry_after.as_secs().max(1))]
    #[allow(missing_docs)]
    Limited { what: &'static str, retry_after: Duration },
    /// The caller cancelled the request.
    #[error("the request was cancelled")]
    Cancelled,
    /// A message was larger than a limit allows.
    #[error("{0}")]
    TooLarge(String),
    /// The state that came with a retry cannot be continued.
    #[error("this request cannot be continued: {0}")]
    NotResumable(&'static str),
    /// Somebody has to sign in first.
    #[error("sign in at {0} first")]
    SignIn(String),
    /// A fault of ours. The text is for the log; the caller learns that there was one.
    #[error("internal error")]
    Internal(String),
}

impl Error {
    /// A short name for logs, metrics and the audit.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Upstream(_) => "upstream_error",
            Self::UnknownTool(_) | Self::UnknownPrompt(_) | Self::UnknownResource(_) | Self::UnknownMethod(_) => {
                "unknown"
            }
            Self::InvalidRequest(_) | Self::InvalidParams(_) => "invalid",
            Self::HeaderMismatch(_) => "header_mismatch",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::MissingCapability(_) => "missing_capability",
            Self::Unavailable { .. } => "unavailable",
            Self::Lost { .. } => "lost",
            Self::TimedOut(_) => "timed_out",
            Self::Limited { .. } => "limited",
            Self::Cancelled => "cancelled",
            Self::TooLarge(_) => "too_large",
            Self::NotResumable(_) => "not_resumable",
            Self::SignIn(_) => "sign_in",
            Self::Internal(_) => "internal",
        }
    }

    /// The one translation to JSON-RPC.
    pub fn to_jsonrpc(&self, era: Era) -> ErrorObject {
        use code::{
            CANCELLED, HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, LIMITED, LOST,
            METHOD_NOT_FOUND, MISSING_CAPABILITY, NOT_RESUMABLE, RESOURCE_NOT_FOUND_LEGACY, TIMED_OUT, TOO_LARGE,
            UNAVAILABLE, UNSUPPORTED_VERSION,
        };
        let message = self.to_string();
        match self {
            Self::Upstream(error) => {
                // Each era has its own code for the one thing that both can say.
                if error.code() == RESOURCE_NOT_FOUND_LEGACY && era == Era::Modern {
                    let code = Raw::of(&INVALID_PARAMS);
                    return ErrorObject(error.raw().rewritten(&["code"], &[("code", &code)]));
                }
                let names_uri = || error.data().is_some_and(|d| d.get("uri").is_some());
                if error.code() == INVALID_PARAMS && era == Era::Legacy && names_uri() {
                    let code = Raw::of(&RESOURCE_NOT_FOUND_LEGACY);
                    return ErrorObject(error.raw().rewritten(&["code"], &[("code", &code)]));
                }
                error.clone()
            }
            Self::UnknownResource(uri) => {
                let code = match era {
                    Era::Legacy => RESOURCE_NOT_FOUND_LEGACY,
                    Era::Modern => INVALID_PARAMS,
                };
                ErrorObject::with_data(code, &message, &Raw::object([("uri", &Raw::of(uri))]))
            }
            Self::UnknownTool(_) | Self::UnknownPrompt(_) | Self::InvalidParams(_) => {
                ErrorObject::new(INVALID_PARAMS, &message)
            }
            Self::UnknownMethod(_) => ErrorObject::new(METHOD_NOT_FOUND, &message),
            Self::InvalidRequest(_) => ErrorObject::new(INVALID_REQUEST, &message),
            Self::HeaderMismatch(_) => ErrorObject::new(HEADER_MISMATCH, &message),
            Self::UnsupportedVersion { requested } => {
                let supported: Vec<_> = crate::Revision::ALL.iter().map(|r| r.as_str()).collect();
                let data = Raw::object([("supported", &Raw::of(&supported)), ("requested", &Raw::of(requested))]);
                ErrorObject::with_data(UNSUPPORTED_VERSION, &message, &data)
            }
            Self::MissingCapability(needed) => {
                let data = Raw::object([("requiredCapabilities", needed)]);
                ErrorObject::with_data(MISSING_CAPABILITY, &message, &data)
            }
            Self::Unavailable { server, state, retry_after, .. } => {
                let retry = Raw::of(&retry_after.map(|d| d.as_secs_f32()));
                let data = Raw::object([
                    ("server", &Raw::of(server)),
                    ("state", &Raw::of(state)),
                    ("retryAfterSeconds", &retry),
                ]);
                ErrorObject::with_data(UNAVAILABLE, &message, &data)
            }
            Self::Lost { server, .. } => {
                ErrorObject::with_data(LOST, &message, &Raw::object([("server", &Raw::of(server))]))
            }
            Self::TimedOut(_) => ErrorObject::new(TIMED_OUT, &message),
            Self::Limited { retry_after, .. } => {
                let data = Raw::object([("retryAfterSeconds", &Raw::of(&retry_after.as_secs().max(1)))]);
                ErrorObject::with_data(LIMITED, &message, &data)
            }
            Self::Cancelled => ErrorObject::new(CANCELLED, &message),
            Self::TooLarge(_) => ErrorObject::new(TOO_LARGE, &message),
            Self::NotResumable(_) => ErrorObject::new(NOT_RESUMABLE, &message),
            Self::SignIn(url) => {
                ErrorObject::with_data(UNAVAILABLE, &message, &Raw::object([("signIn", &Raw::of(url))]))
            }
            Self::Internal(_) => ErrorObject::new(INTERNAL_ERROR, &message),
        }
    }
}
