//! The one translation of refusals to HTTP, and of errors on MCP paths. On REST paths errors are
//! `openapi::Reply`'s.

use super::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use mcp::error::code;
use mcp::{Era, Error, Id, Raw, message};
use std::time::Duration;

pub(crate) type Answer = Response<Body>;

/// Which kind of path was asked: refusals look as its callers expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// MCP, health, metrics.
    Mcp,
    /// Tools as REST, and their documents.
    Rest,
}

/// What a front refuses before it is a request.
#[derive(Debug)]
pub(crate) enum Refusal {
    Unauthorized { shown: Shown, takes_basic: bool },
    Limited { retry_after: Duration },
    Host,
    Origin,
    NotFound,
    Method { allow: &'static str },
    NotAcceptable,
    MediaType,
    TooLarge { limit: usize },
    TooSlow,
    BrokenBody,
    Unavailable,
}

/// What an `Authorization` header shows.
pub(crate) enum Credentials<'h> {
    /// There is none, or an empty one.
    Nothing,
    /// A bearer token.
    Token(&'h str),
    /// The password of `Basic`, where that counts.
    Password(String),
    BrokenBasic,
    OtherScheme,
}

/// The same without the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    Token,
    Password,
    BrokenBasic,
    OtherScheme,
}

impl<'h> Credentials<'h> {
    pub(crate) fn of(header: Option<&'h str>, takes_basic: bool) -> Self {
        let Some(header) = header.filter(|header| !header.trim().is_empty()) else { return Self::Nothing };
        if let Some(token) = gate::bearer(header) {
            return Self::Token(token);
        }
        let scheme = header.trim().split(' ').next().unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Nothing;
        }
        if !(takes_basic && scheme.eq_ignore_ascii_case("basic")) {
            return Self::OtherScheme;
        }
        gate::basic_password(header).map_or(Self::BrokenBasic, Self::Password)
    }

    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Password(password) => Some(password),
            Self::Nothing | Self::BrokenBasic | Self::OtherScheme => None,
        }
    }

    pub(crate) const fn kind(&self) -> Shown {
        match self {
            Self::Nothing => Shown::Nothing,
            Self::Token(_) => Shown::Token,
            Self::Password(_) => Shown::Password,
            Self::BrokenBasic => Shown::BrokenBasic,
            Self::OtherScheme => Shown::OtherScheme,
        }
    }
}

impl Refusal {
    /// A short name for the audit and the metrics.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "unauthorized",
            Self::Limited { .. } => "limited",
            Self::Host => "host",
            Self::Origin => "origin",
            Self::NotFound => "not_found",
            Self::Method { .. } => "method",
            Self::NotAcceptable => "not_acceptable",
            Self::MediaType => "media_type",
            Self::TooLarge { .. } => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenBody => "broken_body",
            Self::Unavailable => "unavailable",
        }
    }

    /// As the callers of this kind of path know it.
    pub(crate) fn into_response(self, surface: Surface) -> Answer {
        match surface {
            Surface::Mcp => self.into_mcp(),
            Surface::Rest => self.into_rest(),
        }
    }

    fn into_mcp(self) -> Answer {
        match self {
            Self::Unauthorized { shown, .. } => {
                let mut response =
                    json(StatusCode::UNAUTHORIZED, &Raw::of(&serde_json::json!({"error": "unauthorized"})));
                let challenge = if matches!(shown, Shown::Token | Shown::Password) {
                    "Bearer realm=\"portcullis\", error=\"invalid_token\""
                } else {
                    "Bearer realm=\"portcullis\""
                };
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                response
            }
            Self::Limited { retry_after } => {
                let mut response =
                    json(StatusCode::TOO_MANY_REQUESTS, &Raw::of(&serde_json::json!({"error": "too many requests"})));
                set_retry_after(&mut response, retry_after);
                response
            }
            Self::Host => text(StatusCode::MISDIRECTED_REQUEST, "Invalid Host header (setting `allowed_hosts`)"),
            Self::Origin => text(StatusCode::FORBIDDEN, "Invalid Origin header (setting `cors_origins`)"),
            Self::NotFound => json(StatusCode::NOT_FOUND, &Raw::of(&serde_json::json!({"error": "not found"}))),
            Self::Method { allow } => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                response
            }
            Self::NotAcceptable => failure(
                StatusCode::NOT_ACCEPTABLE,
                None,
                &Error::InvalidRequest("the client must accept application/json or text/event-stream".into()),
                Era::Legacy,
            ),
            Self::MediaType => failure(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                None,
                &Error::InvalidRequest("the Content-Type must be application/json".into()),
                Era::Legacy,
            ),
            Self::TooLarge { limit } => failure(
                StatusCode::PAYLOAD_TOO_LARGE,
                None,
                &Error::TooLarge(format!("the body is larger than {limit} bytes (setting `body_limit`)")),
                Era::Legacy,
            ),
            Self::TooSlow => text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
            Self::BrokenBody => text(StatusCode::BAD_REQUEST, "the body is broken"),
            Self::Unavailable => {
                let mut response = json(
                    StatusCode::SERVICE_UNAVAILABLE,
                    &Raw::of(&serde_json::json!({"error": "no room for another session"})),
                );
                set_retry_after(&mut response, Duration::from_secs(10));
                response
            }
        }
    }

    /// As FastAPI has them, and mcpo with it.
    fn into_rest(self) -> Answer {
        let detail = |status: StatusCode, text: &str| json(status, &Raw::of(&serde_json::json!({ "detail": text })));
        match self {
            Self::Unauthorized { shown: Shown::Token, .. } => detail(StatusCode::FORBIDDEN, "Invalid API key"),
            Self::Unauthorized { shown: Shown::Password, .. } => detail(StatusCode::FORBIDDEN, "Invalid credentials"),
            Self::Unauthorized { shown, takes_basic } => {
                let text = match shown {
                    Shown::BrokenBasic => "Invalid Basic Authentication format",
                    Shown::OtherScheme if takes_basic => "Unsupported authorization method",
                    _ => "Missing or invalid Authorization header",
                };
                let challenge = if takes_basic { "Bearer, Basic" } else { "Bearer" };
                let mut response = detail(StatusCode::UNAUTHORIZED, text);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                response
            }
            Self::Limited { retry_after } => {
                let mut response = detail(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
                set_retry_after(&mut response, retry_after);
                response
            }
            Self::NotFound => detail(StatusCode::NOT_FOUND, "Not Found"),
            Self::Method { allow } => {
                let mut response = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
                response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                response
            }
            Self::MediaType => detail(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON, with the Content-Type application/json",
            ),
            Self::TooLarge { limit } => {
                let text = format!("The body is larger than {limit} bytes (setting `body_limit`)");
                detail(StatusCode::PAYLOAD_TOO_LARGE, &text)
            }
            Self::TooSlow => detail(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time"),
            Self::BrokenBody => detail(StatusCode::BAD_REQUEST, "The body is broken"),
            other => other.into_mcp(),
        }
    }
}

pub(crate) fn set_retry_after(response: &mut Answer, after: Duration) {
    let seconds = after.as_secs_f64().ceil().max(1.0).to_string();
    if let Ok(value) = HeaderValue::try_from(seconds) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
}

pub(crate) fn text(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pub(crate) fn json(status: StatusCode, body: &Raw) -> Answer {
    json_bytes(status, body.bytes().clone())
}

/// An answer whose body is JSON already.
pub(crate) fn json_bytes(status: StatusCode, body: Bytes) -> Answer {
    bytes(status, "application/json", body)
}

/// An answer of any media type.
pub(crate) fn bytes(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A stream of server-sent events.
pub(crate) fn events(stream: impl futures_core::Stream<Item = Bytes> + Send + 'static) -> Answer {
    let mut response = Response::new(Body::Stream(Box::pin(stream)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A JSON-RPC error response.
pub(crate) fn failure(status: StatusCode, id: Option<&Id>, error: &Error, era: Era) -> Answer {
    let mut response = json(status, &message::failure(id, &error.to_jsonrpc(era)));
    if let Error::Limited { retry_after, .. } = error {
        set_retry_after(&mut response, *retry_after);
    }
    response
}

/// The status that goes with an error on MCP paths. A legacy client reads errors only from 200, but
/// for what never was a request.
pub(crate) fn status_of(error: &Error, era: Era) -> StatusCode {
    if matches!(error, Error::Limited { .. }) {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    if era == Era::Legacy {
        return StatusCode::OK;
    }
    match error.to_jsonrpc(era).code() {
        code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        code::PARSE_ERROR
        | code::INVALID_REQUEST
        | code::INVALID_PARAMS
        | code::HEADER_MISMATCH
        | code::MISSING_CAPABILITY
        | code::UNSUPPORTED_VERSION => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}
