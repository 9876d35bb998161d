//! What a front knows about one exchange with a caller.

use crate::gate::Gate;
use crate::identity::Principal;
use mcp::{Capabilities, Era, Level, Raw};
use std::net::IpAddr;
use std::sync::Arc;

/// How a call came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Front {
    Stdio,
    Http,
    Sse,
    Rest,
}

impl Front {
    /// Its name in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
            Self::Sse => "sse",
            Self::Rest => "rest",
        }
    }
}

/// How the caller can be asked something in the course of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Not at all.
    Never,
    /// By a request on the caller's stream (legacy).
    OnStream,
    /// By ending the exchange; the caller comes back with the answers (modern).
    ByRetry,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Names it in the audit.
    pub id: u64,
    /// Who calls.
    pub principal: Arc<Principal>,
    /// From where; nothing on stdio.
    pub address: Option<IpAddr>,
    /// How it came in.
    pub front: Front,
    /// How the caller speaks.
    pub era: Era,
    /// The legacy session it belongs to.
    pub session: Option<Arc<str>>,
    /// What the caller can be asked.
    pub capabilities: Capabilities,
    /// From which level on log lines are wanted.
    pub log_level: Option<Level>,
    /// How the caller can be asked.
    pub asking: Asking,
    /// `traceparent` and `tracestate` of the caller.
    pub trace: Option<Raw>,
}

impl Exchange {
    /// One that stands alone: no session, nobody who can be asked or told anything.
    pub fn alone(gate: &Gate, principal: Arc<Principal>, address: Option<IpAddr>, front: Front, era: Era) -> Self {
        Self {
            id: gate.next_id(),
            principal,
            address,
            front,
            era,
            session: None,
            capabilities: Capabilities::none(),
            log_level: None,
            asking: Asking::Never,
            trace: None,
        }
    }

    /// The trace id in `traceparent` (W3C Trace Context, section 3.2).
    pub(crate) fn trace_id(&self) -> Option<String> {
        let parent = self.trace.as_ref()?.get_text("traceparent")?;
        let id = parent.split('-').nth(1)?;
        (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
    }
}
