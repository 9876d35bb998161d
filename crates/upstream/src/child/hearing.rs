//! What a child says of its own accord: questions, progress, log lines, changes.
//!
//! Nothing on the pipe says which call a question or a log line belongs to. On an instance that
//! many callers share it therefore belongs to nobody: questions are refused and log lines go to our
//! own log. On a personal instance all calls come from one caller, and the newest of them hears it.
//! Only progress names its call, by the token that we chose.

use super::audience::Audience;
use super::failure::Failure;
use super::group::Output;
use super::lines::{Line, Lines, id_of};
use super::noise::Noise;
use super::wire::Wire;
use mcp::error::code;
use mcp::request::key::{PROGRESS_TOKEN, SUBSCRIPTION_ID};
use mcp::{Call, Change, Error, ErrorObject, Id, Incoming, Level, Limits, Message, Method, Raw};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;

/// How many questions of one child wait for a client at a time.
const QUESTIONS: usize = 16;
/// How many characters of a log line go to our own log.
const LOGGED: usize = 500;

/// See the module.
pub(super) struct Hearing {
    server: Arc<str>,
    /// All calls come from one caller.
    personal: bool,
    audience: Arc<Audience>,
    /// Numbers what the child lists since it said that something in its lists changed; 0 before.
    lists: AtomicU64,
    pub(super) noise: Noise,
    /// Questions that wait for their answer.
    asked: Mutex<HashMap<Id, AbortHandle>>,
}

impl Hearing {
    pub(super) fn new(server: Arc<str>, personal: bool, audience: Arc<Audience>) -> Self {
        let (lists, noise, asked) = (AtomicU64::new(0), Noise::default(), Mutex::default());
        Self { server, personal, audience, lists, noise, asked }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<Id, AbortHandle>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the end of the child's output.
    pub(super) async fn read(self: Arc<Self>, wire: Arc<Wire>, mut lines: Lines<Output>) {
        loop {
            match lines.next().await {
                Ok(Some(Line::Text(line))) => self.line(&wire, line),
                Ok(Some(Line::TooLong { head, tail, len })) => {
                    self.noise.skipped(&self.server, &format_args!("a line of {len} bytes"));
                    if let Some(id) = id_of(&head, &tail) {
                        wire.answered(&Id::Number(id), Err(Failure::TooLong(len)));
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(server = %self.server, %error, "cannot read from the child");
                    return;
                }
            }
        }
    }

    /// Gives up all questions.
    pub(super) fn stop(&self) {
        for (_, question) in self.asked().drain() {
            question.abort();
        }
    }

    fn line(self: &Arc<Self>, wire: &Arc<Wire>, line: bytes::Bytes) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match Incoming::parse(line, &Limits::OUTBOUND) {
            Ok(Incoming::One(message)) => self.message(wire, message),
            Ok(Incoming::Batch(entries)) => {
                for entry in entries {
                    match entry {
                        Ok(message) => self.message(wire, message),
                        Err(bad) => self.noise.skipped(&self.server, &bad),
                    }
                }
            }
            Err(bad) => self.noise.skipped(&self.server, &bad),
        }
    }

    fn message(self: &Arc<Self>, wire: &Arc<Wire>, message: Message) {
        match message {
            Message::Response { id, outcome } => wire.answered(&id, outcome.map_err(Failure::Answered)),
            Message::Notification { method, params } => {
                self.notification(wire, &Method::parse(&method), params.unwrap_or_else(Raw::empty_object));
            }
            Message::Request { id, method, params } => {
                self.request(wire, id, Method::parse(&method), params.unwrap_or_else(Raw::empty_object));
            }
            Message::Failure { error } => {
                let message = error.message();
                if !wire.failed(error) {
                    tracing::debug!(server = %self.server, "an error that answers no request: {}", cut(&message));
                }
            }
        }
    }

    fn request(self: &Arc<Self>, wire: &Arc<Wire>, id: Id, method: Method, params: Raw) {
        let askable = matches!(method, Method::CreateMessage | Method::Elicit | Method::RootsList);
        let refusal = match method {
            Method::Ping => return wire.respond_aside(&id, &Ok(Raw::empty_object())),
            _ if !askable => ErrorObject::new(code::METHOD_NOT_FOUND, "method not found"),
            _ => match self.addressee(wire) {
                None => ErrorObject::new(code::METHOD_NOT_FOUND, "this client cannot be asked"),
                Some(call) => match self.ask(wire, &id, call, method, params) {
                    Ok(()) => return,
                    Err(TooMany) => ErrorObject::new(code::INTERNAL_ERROR, "too many questions at a time"),
                },
            },
        };
        wire.respond_aside(&id, &Err(refusal));
    }

    /// Who hears what names no call.
    fn addressee(&self, wire: &Wire) -> Option<Call> {
        if self.personal { wire.pending.newest() } else { None }
    }

    fn ask(
        self: &Arc<Self>,
        wire: &Arc<Wire>,
        id: &Id,
        call: Call,
        method: Method,
        params: Raw,
    ) -> Result<(), TooMany> {
        // The lock is held until the question is listed, so it cannot be over before.
        let mut asked = self.asked();
        if asked.len() >= QUESTIONS || asked.contains_key(id) {
            return Err(TooMany);
        }
        let (hearing, wire, asked_as) = (Arc::clone(self), Arc::clone(wire), id.clone());
        let question = tokio::spawn(async move {
            let answer = call.ask(&format!("q{asked_as}"), method, params).await;
            drop(call);
            hearing.asked().remove(&asked_as);
            let answer = answer.map_err(|error| match error {
                Error::Upstream(error) => error,
                Error::MissingCapability(_) => {
                    ErrorObject::new(code::METHOD_NOT_FOUND, "this client cannot be asked that")
                }
                _ => ErrorObject::new(code::INTERNAL_ERROR, "the client did not answer"),
            });
            wire.respond(&asked_as, &answer).await;
        });
        asked.insert(id.clone(), question.abort_handle());
        Ok(())
    }

    fn notification(&self, wire: &Wire, method: &Method, params: Raw) {
        match method {
            Method::Progress => {
                let token = params.get(PROGRESS_TOKEN).and_then(|token| token.read().ok());
                if let Some(call) = token.and_then(|id| wire.pending.call(id)) {
                    call.progress(&params);
                }
            }
            Method::Log => self.log(wire, params),
            Method::Acknowledged => {
                let id = params.get("_meta").and_then(|meta| meta.get(SUBSCRIPTION_ID)).and_then(|id| id.read().ok());
                if let Some(id) = id {
                    wire.pending.acknowledge(id);
                }
            }
            Method::Cancelled => self.cancelled(wire, &params),
            Method::ToolsChanged => self.lists_changed(&Change::Tools),
            Method::PromptsChanged => self.lists_changed(&Change::Prompts),
            Method::ResourcesChanged => self.lists_changed(&Change::Resources),
            Method::ResourceUpdated => {
                if let Some(uri) = params.get_text("uri") {
                    self.audience.tell(&Change::Updated(uri));
                }
            }
            _ => tracing::trace!(server = %self.server, "ignored the notification {:?}", cut(method.as_str())),
        }
    }

    /// Whether all calls come from one caller.
    pub(super) const fn is_personal(&self) -> bool {
        self.personal
    }

    /// Numbers what the child lists, if that changed since it was started: no two instances and no
    /// two states of one have the same number.
    pub(super) fn lists(&self) -> Option<u64> {
        Some(self.lists.load(Ordering::Acquire)).filter(|number| *number > 0)
    }

    fn lists_changed(&self, change: &Change) {
        static CHANGES: AtomicU64 = AtomicU64::new(0);
        self.lists.store(CHANGES.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Release);
        self.audience.tell(change);
    }

    fn log(&self, wire: &Wire, params: Raw) {
        let level = params.get("level").and_then(|level| Level::parse(&level)).unwrap_or(Level::Info);
        match self.addressee(wire) {
            Some(call) => call.log(level, params),
            None => {
                let text = String::from_utf8_lossy(params.bytes());
                tracing::debug!(server = %self.server, level = level.as_str(), "log: {}", cut(&text));
            }
        }
    }

    /// The child takes back a question, or ends a subscription of ours.
    fn cancelled(&self, wire: &Wire, params: &Raw) {
        let Some(id) = params.get("requestId") else { return };
        let id = match (id.text(), id.read()) {
            (Some(text), _) => Id::Text(text.into()),
            (None, Ok(number)) => Id::Number(number),
            (None, Err(_)) => return,
        };
        if let Some(question) = self.asked().remove(&id) {
            question.abort();
            return;
        }
        if let Id::Number(id) = id {
            wire.pending.end_listen(id);
        }
    }
}

/// There are as many questions as there may be.
struct TooMany;

fn cut(text: &str) -> String {
    text.chars().take(LOGGED).collect()
}
