//! A legacy session: what `initialize` said, and what is under way. Shared by every front that
//! speaks the legacy era; how messages travel is the front's own business.

use futures_util::{FutureExt as _, StreamExt as _};
use gate::{Asking, Exchange, Front, Guarded, Principal, Watch};
use mcp::{
    Capabilities, Change, Era, Error, ErrorObject, Id, Interest, Level, Method, Note, Question, Raw,
    Reply as QuestionReply, Request, Revision, Target, message,
};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

pub(crate) struct Session {
    /// Names it: for whom questions are, and in records.
    pub(crate) id: Arc<str>,
    pub(crate) principal: Arc<Principal>,
    pub(crate) revision: Revision,
    pub(crate) capabilities: Capabilities,
    front: Front,
    guarded: Guarded,
    state: Mutex<State>,
    next_question: AtomicI64,
    tasks: Mutex<JoinSet<()>>,
    /// Told when the client wants to know of other changes.
    interest_changed: Arc<Notify>,
    /// Held while a watch takes the place of another, so that the newer interest is the one in force.
    watching: Mutex<()>,
}

#[derive(Default)]
struct State {
    level: Option<Level>,
    running: HashMap<Id, Arc<Notify>>,
    questions: HashMap<Id, Open>,
    uris: BTreeSet<String>,
    wants_lists: bool,
    watching: Option<AbortHandle>,
    /// A watch that is to take the place of the one there is.
    next_watch: Option<Watch>,
    closed: bool,
}

struct Open {
    reply: QuestionReply,
    expires: Instant,
}

/// The most requests of one session at a time, and the most resources it may watch.
const MOST_RUNNING: usize = 1024;
const MOST_URIS: usize = 1024;
/// How long a question on a stream stays open.
const QUESTION: Duration = Duration::from_secs(600);

/// A request under way. Dropping it ends that.
pub(crate) struct Running {
    session: Arc<Session>,
    id: Id,
    cancelled: Arc<Notify>,
}

impl Session {
    pub(crate) fn new(
        id: Arc<str>,
        principal: Arc<Principal>,
        revision: Revision,
        capabilities: Capabilities,
        front: Front,
        guarded: Guarded,
    ) -> Arc<Self> {
        guarded.gate().metrics().sessions.inc();
        Arc::new(Self {
            id,
            principal,
            revision,
            capabilities,
            front,
            guarded,
            state: Mutex::default(),
            next_question: AtomicI64::new(1),
            tasks: Mutex::default(),
            interest_changed: Arc::default(),
            watching: Mutex::default(),
        })
    }

    pub(crate) const fn guarded(&self) -> &Guarded {
        &self.guarded
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The circumstances of one request of this session.
    pub(crate) fn exchange(
        &self,
        principal: Arc<Principal>,
        address: Option<IpAddr>,
        trace: Option<Raw>,
        can_ask: bool,
    ) -> Arc<Exchange> {
        let asks = can_ask && self.capabilities.any();
        Arc::new(Exchange {
            session: Some(Arc::clone(&self.id)),
            capabilities: if asks { self.capabilities.clone() } else { Capabilities::none() },
            log_level: self.state().level,
            asking: if asks { Asking::OnStream } else { Asking::Never },
            trace,
            ..Exchange::alone(self.guarded.gate(), principal, address, self.front, Era::Legacy)
        })
    }

    /// Registers a request, so that it can be cancelled. `None` if its id is in use, or there are
    /// too many.
    pub(crate) fn begin(self: &Arc<Self>, id: &Id) -> Option<Running> {
        let mut state = self.state();
        if state.closed || state.running.len() >= MOST_RUNNING || state.running.contains_key(id) {
            return None;
        }
        let cancelled = Arc::new(Notify::new());
        state.running.insert(id.clone(), Arc::clone(&cancelled));
        Some(Running { session: Arc::clone(self), id: id.clone(), cancelled })
    }

    /// Whether a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.state().running.is_empty()
    }

    /// Makes a question the client's: gives the request to send.
    pub(crate) fn ask(&self, question: Question) -> Raw {
        let id = Id::Number(self.next_question.fetch_add(1, Ordering::Relaxed));
        let request = message::request(&id, question.method.as_str(), Some(&question.params));
        let mut state = self.state();
        if !state.closed {
            let open = Open { reply: question.reply, expires: Instant::now() + QUESTION };
            state.questions.insert(id, open);
        }
        request
    }

    /// The client answers a question; false if there is none of that id.
    pub(crate) fn answer(&self, id: &Id, outcome: Result<Raw, ErrorObject>) -> bool {
        let open = self.state().questions.remove(id);
        match open {
            Some(open) => {
                open.reply.send(outcome);
                true
            }
            None => {
                self.guarded.gate().metrics().discarded.inc();
                false
            }
        }
    }

    /// A notification of the client.
    pub(crate) fn note(&self, method: &str, params: Option<Raw>, exchange: &Exchange) {
        let params = params.unwrap_or_else(Raw::empty_object);
        let method = Method::parse(method);
        match method {
            Method::Cancelled => {
                let id = params.get("requestId").and_then(|id| id_of(&id));
                let running = id.and_then(|id| self.state().running.get(&id).cloned());
                match running {
                    Some(cancelled) => cancelled.notify_one(),
                    None => drop(self.guarded.gate().metrics().discarded.inc()),
                }
            }
            Method::RootsChanged => self.guarded.tell(&Note { method, params }, exchange),
            _ => {}
        }
    }

    /// The reply, once what it changes about the session is in force, at servers elsewhere too.
    pub(crate) async fn settled(
        self: &Arc<Self>,
        request: &Request,
        exchange: &Exchange,
        tell: impl Tell,
        reply: Result<gate::Reply, Error>,
    ) -> Result<gate::Reply, Error> {
        let reply = reply?;
        self.settle(request, exchange, tell)?;
        if request.method == Method::ResourcesSubscribe {
            self.guarded.settled(&self.watching_exchange(exchange)).await;
        }
        Ok(reply)
    }

    /// What a request that succeeded changes about the session. An error if that cannot be.
    fn settle(self: &Arc<Self>, request: &Request, exchange: &Exchange, tell: impl Tell) -> Result<(), Error> {
        let too_many =
            || Error::Limited { what: "too many resources are watched", retry_after: Duration::from_secs(10) };
        let watches_else = {
            let mut state = self.state();
            match (&request.method, &request.target) {
                (Method::SetLevel, _) => {
                    let before = state.level;
                    state.level = request.params.get("level").and_then(|l| Level::parse(&l));
                    // From the first level on, a server may be another instance.
                    before.is_none() && state.watching.is_some()
                }
                (Method::ResourcesSubscribe, Target::Resource(uri)) => {
                    if state.uris.len() >= MOST_URIS && !state.uris.contains(uri) {
                        return Err(too_many());
                    }
                    state.uris.insert(uri.clone())
                }
                (Method::ResourcesUnsubscribe, Target::Resource(uri)) => state.uris.remove(uri),
                _ => false,
            }
        };
        if !watches_else {
            return Ok(());
        }
        let watched = self.watch(exchange, tell);
        if watched.is_err()
            && let (Method::ResourcesSubscribe, Target::Resource(uri)) = (&request.method, &request.target)
        {
            self.state().uris.remove(uri);
        }
        watched
    }

    /// Runs a task for as long as the session lasts.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }

    /// Tells of changes of lists from now on.
    pub(crate) fn watch_lists(self: &Arc<Self>, exchange: &Exchange, tell: impl Tell) {
        let before = std::mem::replace(&mut self.state().wants_lists, true);
        if (!before || !self.is_watching())
            && let Err(error) = self.watch(exchange, tell)
        {
            tracing::info!(%error, "a client gets no changes");
        }
    }

    /// Gives the watch back while nobody reads what it tells. True if there was one.
    pub(crate) fn pause(&self) -> bool {
        let (task, _next) = {
            let mut state = self.state();
            (state.watching.take(), state.next_watch.take())
        };
        task.as_ref().inspect(|task| task.abort()).is_some()
    }

    /// Tells of changes of what the client wants to know of by now: of all that happen after this
    /// returns. A session has one watch for all of it, which another replaces when that is something
    /// else.
    fn watch(self: &Arc<Self>, exchange: &Exchange, tell: impl Tell) -> Result<(), Error> {
        let _watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let replaces = self.is_watching();
        let exchange = Arc::new(self.watching_exchange(exchange));
        let watch = self.guarded.watch(self.interest(), &exchange, replaces)?;
        if replaces {
            self.state().next_watch = Some(watch);
            self.interest_changed.notify_one();
            return Ok(());
        }
        let task = self.spawn(follow(Arc::downgrade(self), Arc::clone(&self.interest_changed), watch, tell));
        let mut state = self.state();
        state.watching = Some(task);
        state.next_watch = None;
        Ok(())
    }

    /// What a session can be asked and wants to be told decides which instances of a server are its
    /// own.
    fn watching_exchange(&self, exchange: &Exchange) -> Exchange {
        let (capabilities, log_level) = (self.capabilities.clone(), self.state().level);
        Exchange { capabilities, log_level, ..exchange.clone() }
    }

    fn is_watching(&self) -> bool {
        self.state().watching.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// What the client wants to know of.
    pub(crate) fn interest(&self) -> Interest {
        let state = self.state();
        let lists = state.wants_lists;
        Interest { tools: lists, prompts: lists, resources: lists, uris: state.uris.iter().cloned().collect() }
    }

    /// Lets go of questions that nobody answers.
    pub(crate) fn sweep(&self, now: Instant) {
        let mut over = Vec::new();
        {
            let mut state = self.state();
            let ids: Vec<_> =
                state.questions.iter().filter(|(_, q)| q.expires <= now).map(|(id, _)| id.clone()).collect();
            over.extend(ids.iter().filter_map(|id| state.questions.remove(id)));
        }
        // Dropping a reply wakes who asked.
        drop(over);
    }

    /// Ends everything under way.
    pub(crate) fn close(&self) {
        let (running, questions) = {
            let mut state = self.state();
            state.closed = true;
            state.next_watch = None;
            (std::mem::take(&mut state.running), std::mem::take(&mut state.questions))
        };
        for cancelled in running.values() {
            cancelled.notify_one();
        }
        drop(questions);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
        self.guarded.gate().metrics().sessions.dec();
    }
}

impl Running {
    /// Resolves when the client cancels the request or the session ends.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }

    pub(crate) const fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.session.state().running.remove(&self.id);
    }
}

/// Takes a message to the client; false if the client is gone.
pub(crate) trait Tell:
    Fn(Raw) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send>> + Clone + Send + Sync + 'static
{
}

impl<T: Fn(Raw) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send>> + Clone + Send + Sync + 'static> Tell for T {}

/// Tells of changes until the session, the client or its token is gone.
async fn follow(session: Weak<Session>, replaced: Arc<Notify>, mut watch: Watch, tell: impl Tell) {
    loop {
        let change = tokio::select! {
            change = watch.next() => change,
            () = replaced.notified() => {
                let next = session.upgrade().and_then(|session| session.state().next_watch.take());
                let Some(next) = next else { continue };
                // What came before is told before.
                let mut before = std::mem::replace(&mut watch, next);
                while let Some(Some(change)) = before.next().now_or_never() {
                    if !say(&tell, &change).await {
                        return;
                    }
                }
                continue;
            }
        };
        match change {
            Some(change) if say(&tell, &change).await => {}
            _ => return,
        }
    }
}

/// False if the client is gone.
async fn say(tell: &impl Tell, change: &Change) -> bool {
    match gate::notification(change) {
        Some((method, params)) => tell(message::notification(method, params.as_ref())).await,
        None => true,
    }
}

fn id_of(raw: &Raw) -> Option<Id> {
    match raw.kind() {
        mcp::Kind::String => raw.text().map(|t| Id::Text(t.into())),
        _ => raw.read().ok().map(Id::Number),
    }
}
