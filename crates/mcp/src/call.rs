//! The circumstances of one request, and the way back to its caller while it is answered.
//!
//! A [`Call`] is made by the gate only, together with its [`Ears`]. The server keeps the call and
//! says things into a small outbox; the gate, which polls the answer in place, empties the outbox
//! through the ears and filters what it finds. No task and no channel exist for a call that says
//! nothing. Whoever holds a call may drop it at any time.

use crate::capability::Capabilities;
use crate::error::{Error, ErrorObject};
use crate::method::Method;
use crate::raw::Raw;
use crate::request::Level;
use crate::revision::Era;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;

/// Who calls, and under which conditions.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Name of the principal.
    pub principal: Arc<str>,
    /// The legacy session the request came in, if any: questions of one session go to one person.
    pub session: Option<Arc<str>>,
    /// How the caller speaks.
    pub era: Era,
    /// What the caller can be asked.
    pub capabilities: Capabilities,
    /// From which level on the caller wants log lines; `None` leaves it to the server in the
    /// legacy era and means none in the modern one.
    pub log_level: Option<Level>,
    /// Whether progress is wanted.
    pub wants_progress: bool,
    /// W3C trace context to hand on: `traceparent` and `tracestate`.
    pub trace: Option<Raw>,
}

/// See the module. Cloning gives another handle to the same call.
#[derive(Clone)]
pub struct Call(Arc<Shared>);

/// The gate's end of a [`Call`].
pub struct Ears(Arc<Shared>);

struct Shared {
    caller: Caller,
    /// Answers that a retry brought along, by the key of their question.
    answers: HashMap<String, Raw>,
    outbox: Mutex<Outbox>,
    details: Mutex<Vec<Detail>>,
}

/// What a server says about a call for the audit, see [`Call::note`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What the value is, such as `engine`.
    pub name: &'static str,
    /// At most 512 characters.
    pub value: String,
}

#[derive(Default)]
struct Outbox {
    said: VecDeque<Said>,
    bytes: usize,
    waker: Option<Waker>,
    /// Nobody listens any more.
    closed: bool,
    wants_progress: bool,
    log_level: Option<Level>,
    last_progress: Option<f64>,
    open_questions: usize,
    /// Keys of questions whose answers were there already.
    used: HashSet<String>,
    /// Log lines that found the outbox full.
    lost: u64,
}

/// Something a server says while it answers.
#[derive(Debug)]
pub enum Said {
    /// Parameters of a progress notification without their token.
    Progress(Raw),
    /// Parameters of a log notification.
    Log(Level, Raw),
    /// A request to the client.
    Question(Question),
}

/// A request of a server to the client in the course of a call.
#[derive(Debug)]
pub struct Question {
    /// Names it among the questions of this call, so that a retry can bring its answer.
    pub key: String,
    /// `sampling/createMessage`, `elicitation/create` or `roots/list`.
    pub method: Method,
    /// Its parameters.
    pub params: Raw,
    /// Where the answer goes. Dropping it cancels the question.
    pub reply: Reply,
}

/// Takes the answer to a [`Question`].
#[derive(Debug)]
pub struct Reply(oneshot::Sender<Result<Raw, ErrorObject>>);

impl Reply {
    /// Gives the client's result or error.
    pub fn send(self, answer: Result<Raw, ErrorObject>) {
        // Whoever asked may be gone; then nobody needs the answer.
        let _ = self.0.send(answer);
    }
}

/// What an outbox holds at most; beyond it, progress is coalesced and log lines are lost and counted.
const MAX_SAID: usize = 64;
const MAX_BYTES: usize = 256 * 1024;
/// How many details a call has at most, and how many characters each.
const MAX_DETAILS: usize = 8;
const LONGEST_DETAIL: usize = 512;

impl Call {
    /// Makes a call and its ears. For the gate, and for tests of servers.
    pub fn new(caller: Caller, answers: HashMap<String, Raw>) -> (Self, Ears) {
        let outbox = Outbox { wants_progress: caller.wants_progress, log_level: caller.log_level, ..Outbox::default() };
        let shared = Arc::new(Shared { caller, answers, outbox: Mutex::new(outbox), details: Mutex::default() });
        (Self(Arc::clone(&shared)), Ears(shared))
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.0.caller
    }

    /// Whether somebody waits for an answer of the client.
    pub fn has_open_question(&self) -> bool {
        self.0.outbox().open_questions > 0
    }

    /// Whether progress is wanted now.
    pub fn wants_progress(&self) -> bool {
        self.0.outbox().wants_progress
    }

    /// Reports progress. `params` are those of `notifications/progress`; a token in them does not
    /// count. Dropped unless wanted and greater than what was reported before.
    pub fn progress(&self, params: &Raw) {
        let Some(value) = params.get("progress").and_then(|p| p.read::<f64>().ok()) else { return };
        let mut outbox = self.0.outbox();
        if outbox.closed || !outbox.wants_progress || outbox.last_progress.is_some_and(|last| value <= last) {
            return;
        }
        let params = params.rewritten(&["progressToken"], &[]);
        let full = !outbox.has_room(params.len());
        if full {
            // Only the latest matters to somebody who does not keep up.
            let Some(at) = outbox.said.iter().rposition(|s| matches!(s, Said::Progress(_))) else { return };
            if let Some(Said::Progress(old)) = outbox.said.remove(at) {
                outbox.bytes -= old.len();
            }
        }
        outbox.last_progress = Some(value);
        outbox.push(Said::Progress(params));
    }

    /// Whether a log line of this level would reach the caller.
    pub fn wants_log(&self, level: Level) -> bool {
        let outbox = self.0.outbox();
        !outbox.closed && outbox.wants_log(level, self.0.caller.era)
    }

    /// Sends a log line: parameters of `notifications/message`.
    pub fn log(&self, level: Level, params: Raw) {
        let mut outbox = self.0.outbox();
        if outbox.closed || !outbox.wants_log(level, self.0.caller.era) {
            return;
        }
        if outbox.has_room(params.len()) {
            outbox.push(Said::Log(level, params));
        } else {
            outbox.lost += 1;
        }
    }

    /// Notes something about this call that its audit line says besides what the gate knows, such as which engine did
    /// it. A value takes the place of an earlier one of that name; what is longer than 512 characters is cut, and of
    /// more than eight names the later ones are left out. Secrets are to be taken out before.
    pub fn note(&self, name: &'static str, value: &str) {
        let end = value.char_indices().nth(LONGEST_DETAIL).map_or(value.len(), |(at, _)| at);
        let value = value.get(..end).unwrap_or_default().to_owned();
        let mut details = self.0.details.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(detail) = details.iter_mut().find(|detail| detail.name == name) {
            detail.value = value;
        } else if details.len() < MAX_DETAILS {
            details.push(Detail { name, value });
        }
    }

    /// What was noted so far, in the order in which it was first said.
    pub fn details(&self) -> Vec<Detail> {
        self.0.details.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the client and waits for its answer: the result, or the client's error as
    /// [`Error::Upstream`].
    pub async fn ask(&self, key: &str, method: Method, params: Raw) -> Result<Raw, Error> {
        if let Some(answer) = self.0.answers.get(key) {
            self.0.outbox().used.insert(key.to_owned());
            return Ok(answer.clone());
        }
        if !self.0.caller.capabilities.allows(&method) {
            return Err(Error::MissingCapability(Capabilities::required_for(&method)));
        }
        let (reply, answer) = oneshot::channel();
        {
            let mut outbox = self.0.outbox();
            if outbox.closed {
                return Err(Error::Cancelled);
            }
            outbox.open_questions += 1;
            outbox.push(Said::Question(Question { key: key.to_owned(), method, params, reply: Reply(reply) }));
        }
        let _open = OpenQuestion(&self.0);
        match answer.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(Error::Upstream(error)),
            Err(_) => Err(Error::Cancelled),
        }
    }
}

/// Counts a question as open for as long as somebody waits for its answer.
struct OpenQuestion<'a>(&'a Shared);

impl Drop for OpenQuestion<'_> {
    fn drop(&mut self) {
        let mut outbox = self.0.outbox();
        outbox.open_questions = outbox.open_questions.saturating_sub(1);
        if let Some(waker) = outbox.waker.take() {
            waker.wake();
        }
    }
}

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    fn has_room(&self, bytes: usize) -> bool {
        self.said.len() < MAX_SAID && self.bytes + bytes <= MAX_BYTES
    }

    fn wants_log(&self, level: Level, era: Era) -> bool {
        match self.log_level {
            Some(from) => level >= from,
            None => era == Era::Legacy,
        }
    }

    fn push(&mut self, said: Said) {
        self.bytes += said.size();
        self.said.push_back(said);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Said {
    fn size(&self) -> usize {
        match self {
            Self::Progress(raw) | Self::Log(_, raw) => raw.len(),
            Self::Question(question) => question.params.len(),
        }
    }
}

impl Ears {
    /// The next thing said. When there is none, the task is woken for the next one.
    pub fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<Said> {
        let mut outbox = self.0.outbox();
        match outbox.said.pop_front() {
            Some(said) => {
                outbox.bytes -= said.size();
                Poll::Ready(said)
            }
            None => {
                match &mut outbox.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    None => outbox.waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    /// What was said already, without waiting.
    pub fn try_said(&mut self) -> Option<Said> {
        let mut outbox = self.0.outbox();
        let said = outbox.said.pop_front()?;
        outbox.bytes -= said.size();
        Some(said)
    }

    /// Whether somebody waits for an answer of the client.
    pub fn has_open_question(&self) -> bool {
        self.0.outbox().open_questions > 0
    }

    /// Keys of the answers that were asked for.
    pub fn used_answers(&self) -> HashSet<String> {
        self.0.outbox().used.clone()
    }

    /// The call goes on in a new exchange of the same caller, who may want other things now.
    pub fn resume(&self, wants_progress: bool, log_level: Option<Level>) {
        let mut outbox = self.0.outbox();
        outbox.wants_progress = wants_progress;
        outbox.log_level = log_level;
        outbox.last_progress = None;
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        let mut outbox = self.0.outbox();
        outbox.closed = true;
        // Dropping the replies of open questions wakes who asked them.
        let said = std::mem::take(&mut outbox.said);
        let lost = outbox.lost;
        drop(outbox);
        drop(said);
        if lost > 0 {
            tracing::debug!(lost, "log lines of a call found its outbox full");
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("caller", &self.0.caller).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Limits;

    fn call(wants_progress: bool, log_level: Option<Level>) -> (Call, Ears) {
        let capabilities =
            Capabilities::read(&Raw::parse(r#"{"elicitation":{}}"#.into(), &Limits::INBOUND).unwrap()).unwrap();
        let caller = Caller {
            principal: "p".into(),
            session: None,
            era: Era::Modern,
            capabilities,
            log_level,
            wants_progress,
            trace: None,
        };
        Call::new(caller, HashMap::new())
    }

    fn progress(value: f64) -> Raw {
        Raw::of(&serde_json::json!({"progressToken": 9, "progress": value, "x": 1}))
    }

    #[test]
    fn progress_grows_and_is_told_only_to_who_wants_it() {
        let (call, mut ears) = call(true, None);
        for value in [1.0, 1.0, 0.5, 2.0] {
            call.progress(&progress(value));
        }
        let mut told = Vec::new();
        while let Some(Said::Progress(raw)) = ears.try_said() {
            told.push(String::from_utf8(raw.bytes().to_vec()).unwrap());
        }
        assert_eq!(told, [r#"{"progress":1.0,"x":1}"#, r#"{"progress":2.0,"x":1}"#]);
        let (silent, mut ears) = self::call(false, None);
        silent.progress(&progress(1.0));
        assert!(ears.try_said().is_none());
    }

    #[test]
    fn details_are_few_short_and_the_last_word_counts() {
        let (call, _ears) = call(false, None);
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "a"] {
            call.note(name, &"ä".repeat(600));
        }
        call.note("b", "new");
        let details = call.details();
        assert_eq!((details.len(), details[1].value.as_str()), (8, "new"));
        assert_eq!(details[0].value.chars().count(), 512);
        assert!(!details.iter().any(|detail| detail.name == "i"));
    }

    #[test]
    fn the_outbox_is_bounded() {
        let (call, mut ears) = call(true, Some(Level::Debug));
        for i in 0..1000 {
            call.progress(&progress(f64::from(i)));
            call.log(Level::Info, Raw::null());
        }
        let mut said = Vec::new();
        while let Some(one) = ears.try_said() {
            said.push(one);
        }
        assert!(said.len() <= MAX_SAID);
        let last = said.iter().rev().find_map(|s| if let Said::Progress(p) = s { Some(p) } else { None });
        assert_eq!(last.unwrap().get("progress").unwrap().read::<f64>().unwrap(), 999.0);
    }

    #[test]
    fn a_modern_caller_without_a_level_gets_no_log_lines() {
        let (call, mut ears) = call(true, None);
        call.log(Level::Emergency, Raw::null());
        assert!(ears.try_said().is_none());
        ears.resume(true, Some(Level::Warning));
        call.log(Level::Info, Raw::null());
        call.log(Level::Error, Raw::null());
        assert!(matches!(ears.try_said(), Some(Said::Log(Level::Error, _))));
        assert!(ears.try_said().is_none());
    }

    #[tokio::test]
    async fn a_question_needs_the_capability_and_ends_with_its_ears() {
        let (call, mut ears) = call(true, None);
        let denied = call.ask("k", Method::CreateMessage, Raw::empty_object()).await;
        assert!(matches!(denied, Err(Error::MissingCapability(_))));
        let asking = tokio::spawn({
            let call = call.clone();
            async move { call.ask("k", Method::Elicit, Raw::empty_object()).await }
        });
        let said = std::future::poll_fn(|cx| ears.poll_said(cx)).await;
        assert!(matches!(said, Said::Question(_)) && ears.has_open_question());
        drop(said);
        assert!(matches!(asking.await.unwrap(), Err(Error::Cancelled)));
        assert!(!ears.has_open_question());
        drop(ears);
        assert!(matches!(call.ask("k", Method::Elicit, Raw::empty_object()).await, Err(Error::Cancelled)));
    }
}
