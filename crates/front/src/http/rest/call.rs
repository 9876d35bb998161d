//! One call of a tool.

use super::super::respond::{self, Answer, Refusal, Surface};
use super::super::speech::Speech;
use super::{Arrival, exchange};
use bytes::Bytes;
use gate::{Event, Exchange, ToolEntry};
use http::StatusCode;
use mcp::{Error, Method, Raw, Request, sse};
use openapi::{Reply, Validator};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Semaphore;

/// What checks the arguments of each tool, made at its first call, kept as long as its entry.
pub(in super::super) struct Validators {
    made: Mutex<HashMap<usize, Made>>,
    /// Places to make one, and to check what is large.
    making: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// For a tool as it stands in a catalogue.
type Made = (Weak<ToolEntry>, Arc<Validator>);

impl Default for Validators {
    fn default() -> Self {
        Self { made: Mutex::default(), making: Arc::new(Semaphore::new(1)), large: Arc::new(Semaphore::new(2)) }
    }
}

impl Validators {
    async fn of(&self, tool: &Arc<ToolEntry>) -> Arc<Validator> {
        // An entry of a catalogue never changes, and its address is its own while it is there.
        let key = Arc::as_ptr(tool).addr();
        let known = || {
            let table = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            table.get(&key).filter(|(weak, _)| weak.strong_count() > 0).map(|(_, v)| Arc::clone(v))
        };
        if let Some(known) = known() {
            return known;
        }
        // One at a time, and each once: who waited finds it made.
        let place = Arc::clone(&self.making).acquire_owned().await;
        if let Some(known) = known() {
            return known;
        }
        let schema = tool.raw.get("inputSchema").unwrap_or_else(Raw::null);
        // Large schemas take their time. If the thread panics, nothing is checked here; the server does.
        // A thread cannot be called off: its place is taken until it is done, whoever goes away.
        let making = move || (Validator::new(&schema), place);
        let made = tokio::task::spawn_blocking(making).await;
        let (made, _place) = made.map_or((None, None), |(made, place)| (Some(made), place.ok()));
        let made = Arc::new(made.unwrap_or_else(|| Validator::new(&Raw::of(&true))));
        if let Some(why) = made.unchecked() {
            tracing::warn!(tool = ?tool.name, "arguments are passed on unchecked: {why}");
        }
        let mut table = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        // Making one is dearer than looking which are of tools that are gone.
        table.retain(|_, (weak, _)| weak.strong_count() > 0);
        table.insert(key, (Arc::downgrade(tool), Arc::clone(&made)));
        made
    }
}

/// Calls a tool with the body as its arguments. Dropping this cancels the call.
pub(in super::super) async fn call(validators: &Validators, arrival: &Arrival, name: &str, body: Bytes) -> Answer {
    let exchange = exchange(arrival);
    let tool = match arrival.guarded.tool(name, &exchange).await {
        Ok(tool) => tool,
        Err(error) => return refuse(arrival, &exchange, error.kind(), failure(&error)),
    };
    let validator = validators.of(&tool).await;
    let validated = if body.len() > LARGE {
        // What takes its time costs something before it does, happens elsewhere, and not often at once.
        if let Err(limited) = arrival.guarded.charge(&exchange) {
            return arrival.refused(limited.kind(), failure(&limited));
        }
        let Ok(place) = Arc::clone(&validators.large).acquire_owned().await else {
            return failure(&Error::Cancelled);
        };
        let bytes = body.clone();
        let unchecked = || Ok(Raw::parse(body, &mcp::Limits::INBOUND).unwrap_or_else(|_| Raw::empty_object()));
        // If that panics, the server decides.
        let checking = move || {
            let _place = place;
            validator.validate(bytes)
        };
        tokio::task::spawn_blocking(checking).await.unwrap_or_else(|_| unchecked())
    } else {
        validator.validate(body)
    };
    let arguments = match validated {
        Ok(arguments) => arguments,
        Err(invalid) => return refuse(arrival, &exchange, "invalid", answer(Reply::of_invalid(&invalid))),
    };
    let name = Raw::of(name);
    let mut params = Raw::object([("name", &name), ("arguments", &arguments)]);
    if arrival.accepts_events {
        let meta = Raw::object([("progressToken", &Raw::of(&1))]);
        params = params.rewritten(&[], &[("_meta", &meta)]);
    }
    let request = match Request::read(Method::ToolsCall.as_str(), Some(params)) {
        Ok(request) => request,
        Err(error) => return arrival.refused(error.kind(), failure(&error)),
    };
    let mut run = arrival.guarded.pass(request, &exchange);
    if arrival.accepts_events {
        return respond::events(Speech { run, frame: Box::new(event) }.stream(None));
    }
    answer(reply_of(&run.finish().await))
}

/// Bodies above this size are not checked on an async thread.
const LARGE: usize = 32 * 1024;

/// Refuses what never becomes a call. It counts against the caller's rate all the same.
fn refuse(arrival: &Arrival, exchange: &Exchange, reason: &'static str, refusal: Answer) -> Answer {
    match arrival.guarded.charge(exchange) {
        Ok(()) => arrival.refused(reason, refusal),
        Err(limited) => arrival.refused(limited.kind(), failure(&limited)),
    }
}

fn reply_of(reply: &Result<gate::Reply, Error>) -> Reply {
    match reply {
        Ok(gate::Reply::Complete(result)) => Reply::of_result(result),
        Ok(gate::Reply::NeedsInput { .. }) => Reply::of_error(&Error::Internal("a question to nobody".into())),
        Err(error) => Reply::of_error(error),
    }
}

/// What happens in the course of a call, for who reads events: `progress` as it comes, then
/// `result`, or `error` with the status that it would have had.
fn event(event: Event) -> Option<Bytes> {
    match event {
        Event::Progress(params) => Some(sse::event("progress", &text(params.bytes()))),
        Event::Log(_) | Event::Question(_) => None,
        Event::Done(reply) => {
            let reply = reply_of(&reply);
            if reply.status == 200 {
                return Some(sse::event("result", &text(&reply.body)));
            }
            let status = Raw::of(&reply.status);
            let body = Raw::parse(reply.body, &mcp::Limits::OUTBOUND).unwrap_or_else(|_| Raw::empty_object());
            let body = body.rewritten(&[], &[("status", &status)]);
            Some(sse::event("error", &text(body.bytes())))
        }
    }
}

fn text(json: &[u8]) -> String {
    String::from_utf8_lossy(json).into_owned()
}

/// A tool that is not there looks like any other address that is not.
fn failure(error: &Error) -> Answer {
    match error {
        Error::UnknownTool(_) => Refusal::NotFound.into_response(Surface::Rest),
        error => answer(Reply::of_error(error)),
    }
}

fn answer(reply: Reply) -> Answer {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond::json_bytes(status, reply.body);
    if let Some(seconds) = reply.retry_after {
        respond::set_retry_after(&mut response, std::time::Duration::from_secs(seconds));
    }
    response
}
