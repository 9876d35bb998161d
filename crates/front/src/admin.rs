//! Health and metrics.

use gate::{Gate, Principal};
use http::StatusCode;
use mcp::State;
use std::sync::Arc;

/// A page of the process itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The process is up.
    Live,
    /// At least one server can answer.
    Ready,
    /// A summary; with a token, each server's state.
    Health,
    Metrics,
}

impl Page {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Live),
            "/readyz" => Some(Self::Ready),
            "/health" => Some(Self::Health),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    /// Probes ask without token and under any name.
    pub(crate) const fn is_guarded(self) -> bool {
        matches!(self, Self::Metrics)
    }

    /// Status, media type and text.
    pub(crate) fn render(self, gate: &Gate, who: Option<&Arc<Principal>>) -> (StatusCode, &'static str, String) {
        const JSON: &str = "application/json";
        let states = gate.states();
        // A switched-off server is not missed.
        let wanted = || states.iter().filter(|(_, about)| about.state != State::Disabled);
        let ready = wanted().count() == 0 || wanted().any(|(_, about)| about.state.answers());
        match self {
            Self::Live => (StatusCode::OK, JSON, r#"{"status":"ok"}"#.into()),
            Self::Ready if ready => (StatusCode::OK, JSON, r#"{"status":"ready"}"#.into()),
            Self::Ready => {
                let text = r#"{"status":"not_ready","reason":"no server can answer"}"#;
                (StatusCode::SERVICE_UNAVAILABLE, JSON, text.into())
            }
            Self::Health => {
                let all = wanted().all(|(_, about)| about.state == State::Healthy);
                let status = if all {
                    "ok"
                } else if ready {
                    "degraded"
                } else {
                    "down"
                };
                let mut body = serde_json::json!({ "status": status });
                if let Some(who) = who {
                    let servers: serde_json::Map<_, _> = gate
                        .states_for(who)
                        .iter()
                        .map(|(name, about)| {
                            let state = serde_json::json!({
                                "state": about.state.as_str(), "reason": about.reason, "starts": about.incarnation });
                            (name.to_string(), state)
                        })
                        .collect();
                    body = serde_json::json!({ "status": status, "servers": servers });
                }
                (StatusCode::OK, JSON, body.to_string())
            }
            Self::Metrics => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                (StatusCode::OK, kind, gate.metrics().render())
            }
        }
    }
}
