//! Why the engine gave no answer.

use crate::endpoint::Host;
use crate::redact;
use reqwest::Response;
use serde_json::Value;
use std::time::Duration;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// What is said about the engine cannot be used, or there is none.
    #[error("{0}")]
    Setup(String),
    /// Nobody answers.
    #[error("the engine does not answer: {0}")]
    Away(String),
    /// It said no.
    #[error("{message}")]
    Refused { status: u16, message: String },
    #[error("the engine did not answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the engine's answer cannot be read: {0}")]
    Garbled(String),
    #[error("the engine's answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Bytes of a refusal that are read.
const MOST: usize = 64 << 10;
/// Characters of it that are told.
const TOLD: usize = 2000;

impl EngineError {
    /// The engine's reason, from the body of its answer.
    pub(crate) async fn refusal(mut response: Response) -> Self {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while body.len() < MOST {
            match tokio::time::timeout(Duration::from_secs(5), response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                _ => break,
            }
        }
        let told = serde_json::from_slice::<Value>(&body).ok();
        let told = told.as_ref().and_then(|v| v.get("message").or_else(|| v.get("cause"))?.as_str().map(str::to_owned));
        let message = told.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
        let message = redact::secrets(&redact::clean(message.trim()));
        let message = message.chars().take(TOLD).collect::<String>();
        let message = if message.is_empty() { format!("the engine answered with status {status}") } else { message };
        Self::Refused { status, message }
    }

    pub(crate) fn unreachable(host: &Host, error: &reqwest::Error) -> Self {
        Self::Away(format!("{host}: {}", cause(error)))
    }

    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether something went while all of its kind were looked at, as Podman says it.
    pub(crate) fn is_of_something_gone(&self) -> bool {
        let gone = ["does not exist in database", "image not known", "no such container", "no such volume"];
        matches!(self, Self::Refused { status: 500, message } if gone.iter().any(|words| message.contains(words)))
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.status() == Some(404)
    }
}

impl From<reqwest::Error> for EngineError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_decode() { Self::Garbled(cause(&error)) } else { Self::Away(cause(&error)) }
    }
}

/// The innermost reason: the outer ones repeat the address.
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
