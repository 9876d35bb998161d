//! The account of one exchange: its audit line and its metrics, given from `Drop`.

use crate::audit::{Audit, Line, Slot};
use crate::exchange::Exchange;
use crate::metrics::{InFlight, Metrics};
use mcp::{Error, Kind, Raw, Request};
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
    pub(crate) fn found(&self, server: &Arc<str>, tool: Option<&Arc<str>>) {
        let mut state = self.state();
        state.server = Arc::clone(server);
        if let Some(tool) = tool {
            state.tool = Arc::clone(tool);
        }
    }

    pub(crate) fn deny(&self) {
        self.state().denied = true;
    }

    /// Ends the account. If that is to be waited for, the receiver is told when the line is on disk.
    pub(crate) fn finish(&self, outcome: &Result<usize, Error>) -> Option<oneshot::Receiver<()>> {
        let (name, error, bytes) = match outcome {
            Ok(bytes) => ("ok", None, *bytes),
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

/// Parts of keys that sound secret, small and without what stands between words.
const SECRET: [&str; 14] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "privatekey",
    "accesskey",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "signature",
];
/// Larger arguments stand in the audit as their hash.
const LARGEST: usize = 64 * 1024;

/// Arguments for the audit: values under keys that sound secret are hidden, long texts are cut. `None`
/// if they cannot be read as values, or are too many.
fn hide_secrets(arguments: &Raw) -> Option<serde_json::Value> {
    fn walk(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    let key: String =
                        key.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
                    if SECRET.iter().any(|word| key.contains(word)) {
                        *value = "[hidden]".into();
                    } else {
                        walk(value);
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(walk),
            serde_json::Value::String(text) if text.len() > 1024 => {
                let cut: String = text.chars().take(1024).collect();
                *text = cut + "…";
            }
            _ => {}
        }
    }
    debug_assert_eq!(arguments.kind(), Kind::Object);
    if arguments.len() > LARGEST {
        return None;
    }
    let mut value = arguments.read().ok()?;
    walk(&mut value);
    Some(value)
}
