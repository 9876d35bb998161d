//! A request that was let in, and what its headers say.

use super::respond::Answer;
use gate::{Exchange, Front, Guarded, Principal};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use mcp::{Era, Raw};
use std::net::IpAddr;
use std::sync::Arc;

/// W3C Trace Context.
static TRACE: [HeaderName; 2] = [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// A request that was let in.
pub(super) struct Arrival {
    pub(super) guarded: Guarded,
    pub(super) principal: Arc<Principal>,
    pub(super) address: IpAddr,
    /// REST, or one of MCP over HTTP.
    pub(super) front: Front,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) accepts_events: bool,
}

impl Arrival {
    /// Writes down that something was refused although its sender was let in.
    pub(super) fn note_refused(&self, reason: &'static str) {
        let gate = self.guarded.gate();
        gate.refused(self.front, Some(self.address), Some(&self.principal), &self.path, reason);
    }

    /// The same, with the answer to it.
    pub(super) fn refused(&self, reason: &'static str, answer: Answer) -> Answer {
        self.note_refused(reason);
        answer
    }

    /// The circumstances of a request that stands alone.
    pub(super) fn alone(&self, era: Era) -> Exchange {
        let principal = Arc::clone(&self.principal);
        Exchange::alone(self.guarded.gate(), principal, Some(self.address), self.front, era)
    }

    /// All values of a header.
    pub(super) fn header(&self, name: &str) -> Vec<&[u8]> {
        self.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    /// Trace context from `_meta`, else from the headers (W3C Trace Context).
    pub(super) fn trace(&self, meta: Option<&Raw>) -> Option<Raw> {
        let from_meta = |key: &str| meta.and_then(|m| m.get(key)).filter(|v| v.text().is_some());
        let from_header = |key: &HeaderName| self.headers.get(key).and_then(|v| v.to_str().ok()).map(Raw::of);
        let find = |key: &HeaderName| from_meta(key.as_str()).or_else(|| from_header(key));
        let [parent, state] = &TRACE;
        let found = find(parent)?;
        let members = [Some((parent.as_str(), found)), find(state).map(|value| (state.as_str(), value))];
        Some(Raw::object(members.iter().flatten().map(|(key, value)| (*key, value))))
    }
}

/// Whether the client accepts JSON, and whether it accepts events. Without a header: JSON.
pub(super) fn accepts(headers: &HeaderMap) -> (bool, bool) {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return (true, false);
    }
    let (mut json, mut events) = (false, false);
    let refused = |kind: &&str| {
        kind.split(';').skip(1).any(|p| p.trim().strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32))
    };
    for kind in values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).filter(|kind| !refused(kind)) {
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            // Who takes anything was not written for events.
            "*/*" | "application/*" | "application/json" => json = true,
            "text/event-stream" | "text/*" => events = true,
            _ => {}
        }
    }
    (json, events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|v| (HeaderName::from_static(name), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn events_are_sent_only_to_who_asks_for_them() {
        for (values, expected) in [
            (vec![], (true, false)),
            (vec!["*/*"], (true, false)),
            (vec!["application/json"], (true, false)),
            (vec!["application/json, text/event-stream"], (true, true)),
            (vec!["application/json", "text/event-stream;q=0.5"], (true, true)),
            (vec!["text/event-stream"], (false, true)),
            (vec!["text/html"], (false, false)),
        ] {
            assert_eq!(accepts(&headers("accept", &values)), expected, "{values:?}");
        }
    }
}
