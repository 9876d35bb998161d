//! The account of one exchange: its audit line and its metrics, given from `Drop`.

use crate::audit::{Audit, Line, Slot};
use crate::catalogue::ToolEntry;
use crate::exchange::Exchange;
use crate::metrics::{InFlight, Metrics};
use mcp::{Call, Error, Kind, Raw, Request, Tier};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

pub(crate) struct Record {
    audit: Audit,
    metrics: Arc<Metrics>,
    begun: Instant,
    front: &'static str,
    _in_flight: InFlight,
    state: Mutex<State>,
}

struct State {
    slot: Option<Slot>,
    line: Option<Line>,
    trace_id: Option<String>,
    server: Arc<str>,
    tool: Arc<str>,
    tier: Option<Tier>,
    /// What the server notes about it.
    call: Option<Call>,
    denied: bool,
    finished: bool,
}

/// How long a call waits for a place in the audit, and an answer for its line to be on disk.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// No place in the audit could be had: its writer is gone, or cannot write.
pub(crate) struct NoAudit;

impl Record {
    pub(crate) fn open(
        audit: &Audit,
        metrics: &Arc<Metrics>,
        exchange: &Exchange,
        request: &Request,
        call_id: u64,
    ) -> Arc<Self> {
        let line = audit.is_on().then(|| line_of(audit, exchange, request, call_id));
        let trace_id = line.as_ref().and_then(|_| exchange.trace_id());
        Arc::new(Self {
            audit: audit.clone(),
            metrics: Arc::clone(metrics),
            begun: Instant::now(),
            front: exchange.front.as_str(),
            _in_flight: metrics.begin(),
            state: Mutex::new(State {
                slot: None,
                line,
                trace_id,
                server: Arc::default(),
                tool: Arc::default(),
                tier: None,
                call: None,
                denied: false,
                finished: false,
            }),
        })
    }

    /// Nothing happens before its line has a place.
    pub(crate) async fn reserve(&self) -> Result<(), NoAudit> {
        let reserving = tokio::time::timeout(PATIENCE, self.audit.reserve());
        let slot = reserving.await.ok().flatten().ok_or(NoAudit)?;
        self.state().slot = Some(slot);
        Ok(())
    }

    /// Which server and tool the request is for.
    pub(crate) fn found(&self, server: &Arc<str>, tool: Option<&Arc<ToolEntry>>) {
        let mut state = self.state();
        state.server = Arc::clone(server);
        if let Some(tool) = tool {
            state.tool = Arc::clone(&tool.name);
            state.tier = Some(tool.tier);
        }
    }

    /// The call whose notes belong to this account.
    pub(crate) fn listens_to(&self, call: &Call) {
        self.state().call = Some(call.clone());
    }

    pub(crate) fn deny(&self) {
        self.state().denied = true;
    }

    /// Ends the account. If that is to be waited for, the receiver is told when the line is on disk.
    pub(crate) fn finish(&self, outcome: &Result<&Raw, Error>) -> Option<oneshot::Receiver<()>> {
        let (name, error, bytes) = match outcome {
            // What a tool says of its own failure is a result like others (MCP, "Tools", section "Error Handling").
            Ok(result) if result.is_set("isError") => ("failed", None, result.len()),
            Ok(result) => ("ok", None, result.len()),
            Err(error) => (error.kind(), Some(error), 0),
        };
        self.close(name, error.map(log_text), bytes)
    }

    /// Ends the account of an exchange that ended with a question.
    pub(crate) fn finish_with_question(&self) -> Option<oneshot::Receiver<()>> {
        self.close("input_required", None, 0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, outcome: &'static str, error: Option<String>, bytes: usize) -> Option<oneshot::Receiver<()>> {
        let mut state = self.state();
        if std::mem::replace(&mut state.finished, true) {
            return None;
        }
        let took = self.begun.elapsed();
        self.metrics.end(&state.server, &state.tool, self.front, outcome, took.as_secs_f64());
        let mut line = state.line.take()?;
        if !state.server.is_empty() {
            line.server(&state.server);
        }
        if let Some(tier) = state.tier {
            line.tier(tier);
        }
        if let Some(call) = &state.call {
            line.details(&call.details());
        }
        line.end(state.denied, outcome, error.as_deref(), bytes as u64, took, state.trace_id.as_deref());
        let slot = state.slot.take().or_else(|| self.audit.try_reserve());
        match slot {
            Some(slot) => slot.send(&line),
            None => {
                tracing::error!("an audit line was lost: the writer does not keep up");
                None
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let outcome = if std::thread::panicking() { "panicked" } else { "dropped" };
        drop(self.close(outcome, None, 0));
    }
}

/// What the log and the audit may know of an error, which is more than the caller may.
fn log_text(error: &Error) -> String {
    match error {
        Error::Internal(detail) => format!("internal error: {detail}"),
        other => other.to_string(),
    }
}

fn line_of(audit: &Audit, exchange: &Exchange, request: &Request, call_id: u64) -> Line {
    let (front, era) = (exchange.front.as_str(), exchange.era.as_str());
    let who = Some(exchange.principal.name.as_ref());
    let mut line = Line::now(front, Some(call_id), exchange.id, Some(era), who, exchange.address);
    line.asks(Some(request.method.as_str()), request.target.name());
    if let Some(arguments) = &request.arguments {
        match audit.arguments.then(|| hide_secrets(arguments)).flatten() {
            Some(arguments) => line.arguments(&Raw::of(&arguments)),
            None => line.arguments_hash(&Sha256::digest(arguments.bytes()).into()),
        }
    }
    line
}

/// Larger arguments stand in the audit as their hash.
const LARGEST: usize = 64 * 1024;

/// Arguments for the audit: values under names that sound secret and what looks like a secret are hidden, long texts
/// are cut. `None` if they cannot be read as values, or are too many.
fn hide_secrets(arguments: &Raw) -> Option<serde_json::Value> {
    debug_assert_eq!(arguments.kind(), Kind::Object);
    if arguments.len() > LARGEST {
        return None;
    }
    let mut value = arguments.read().ok()?;
    hide(&mut value);
    Some(value)
}

fn hide(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                if redact::is_secret_name(name) && !value.is_boolean() && !value.is_null() {
                    *value = redact::HIDDEN.into();
                } else if let Some(text) = value.as_str().filter(|_| name.starts_with("content")) {
                    // A whole file has secrets of no known shape.
                    let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
                    *value = format!("{} bytes, sha256 {hash}", text.len()).into();
                } else {
                    hide(value);
                }
            }
        }
        serde_json::Value::Array(items) => {
            // It may be the words of a command.
            redact::words(items);
            items.iter_mut().for_each(hide);
        }
        serde_json::Value::String(text) => {
            // Before it is cut: half a secret has no shape.
            let mut hidden = redact::secrets(text);
            if let Some((at, _)) = hidden.char_indices().nth(1024) {
                hidden.truncate(at);
                hidden.push('…');
            }
            *text = hidden;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(arguments: serde_json::Value) -> String {
        hide_secrets(&Raw::of(&arguments)).unwrap().to_string()
    }

    #[test]
    fn arguments_lose_their_secrets_by_name_and_by_shape_and_keep_the_rest() {
        let text = hidden(serde_json::json!({
            "image": "busybox", "confirm_token": "hunter2", "detach": true,
            "environment": {"DB_PASSWORD": "hunter2", "URL": "postgres://me:hunter2@db/x", "PLAIN": "fine"},
            "labels": "{\"api_key\": \"hunter2\"}",
            "command": ["mysql", "--password", "hunter2", "-e", "select 1"],
            "note": "log in with ghp_0123456789abcdefghij0123456789abcdef",
            "content": "PLAIN=words hunter2", "content_base64": "aHVudGVyMg==",
            "deep": [{"list": [{"secret": ["hunter2"]}]}],
        }));
        assert!(!text.contains("hunter2") && !text.contains("ghp_") && !text.contains("aHVudGVyMg"), "{text}");
        assert!(text.contains("\"content\":\"19 bytes, sha256 "), "{text}");
        for kept in ["busybox", "postgres://me:", "@db/x", "\"PLAIN\":\"fine\"", "mysql", "select 1", "\"detach\":true"]
        {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_too_many_arguments_are_left_to_their_hash() {
        let text = hidden(serde_json::json!({ "text": "ä".repeat(5000) }));
        assert!(text.chars().count() < 1100, "{}", text.len());
        assert!(hide_secrets(&Raw::of(&serde_json::json!({ "text": "x".repeat(LARGEST) }))).is_none());
    }
}
