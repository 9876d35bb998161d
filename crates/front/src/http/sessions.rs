//! The legacy sessions of the HTTP front.
//!
//! The id a client holds is sealed: it says what `initialize` said, for whom, and which process
//! opened it. Any process with the same key can serve it; what this process opened and no longer
//! has, has expired or was ended.

use super::ring::{Budget, Ring};
use crate::session::Session;
use gate::{Front, Gate, Guarded, Place, Principal};
use mcp::seal::Purpose;
use mcp::{Capabilities, Raw, Revision};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a session is told of changes that nobody reads.
const GRACE: Duration = Duration::from_secs(3);

/// The most finished streams that a session keeps for clients that come back.
const MOST_FINISHED: usize = 16;

/// What a sealed session id says.
#[derive(Serialize, Deserialize)]
struct Ticket {
    nonce: String,
    owner: String,
    principal: String,
    /// The path it was opened at: a session of one server is none of another.
    path: String,
    revision: Revision,
    capabilities: Box<RawValue>,
}

/// A session with its streams.
pub(crate) struct HttpSession {
    pub(crate) core: Arc<Session>,
    budget: Budget,
    /// Changes and whatever belongs to no request.
    pub(crate) general: Arc<Ring>,
    streams: Mutex<Streams>,
    used: Mutex<Instant>,
    /// Since when nobody reads the session's own stream.
    unread: Mutex<Option<Instant>>,
    /// Changes may have been missed since the last reader went.
    missed: AtomicBool,
    /// Among the sessions of its principal.
    _place: Place,
}

#[derive(Default)]
struct Streams {
    rings: HashMap<u64, Arc<Ring>>,
    next: u64,
}

impl HttpSession {
    fn new(core: Arc<Session>, budget: &Budget, place: Place) -> Arc<Self> {
        let budget = budget.of(core.principal.kept());
        Arc::new(Self {
            core,
            general: Ring::new(0, &budget),
            budget,
            streams: Mutex::new(Streams { next: 1, ..Streams::default() }),
            used: Mutex::new(Instant::now()),
            unread: Mutex::default(),
            missed: AtomicBool::new(false),
            _place: place,
        })
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream for one request.
    pub(crate) fn open_stream(&self) -> Arc<Ring> {
        let mut streams = self.streams();
        let number = streams.next;
        streams.next += 1;
        let ring = Ring::new(number, &self.budget);
        let mut finished: Vec<_> = streams.rings.iter().filter(|(_, r)| r.has_ended()).map(|(n, _)| *n).collect();
        finished.sort_unstable();
        // Whoever keeps too much already keeps nothing that is over.
        let most = if self.budget.is_spent() { 0 } else { MOST_FINISHED - 1 };
        let surplus = finished.len().saturating_sub(most);
        for number in finished.into_iter().take(surplus) {
            streams.rings.remove(&number);
        }
        streams.rings.insert(number, Arc::clone(&ring));
        ring
    }

    /// Keeps nothing that is over, if its principal keeps too much.
    fn economise(&self) {
        if self.budget.is_spent() {
            self.streams().rings.retain(|_, ring| !ring.has_ended());
        }
    }

    /// The stream of that number, if it is still kept.
    pub(crate) fn stream(&self, number: u64) -> Option<Arc<Ring>> {
        if number == 0 { Some(Arc::clone(&self.general)) } else { self.streams().rings.get(&number).cloned() }
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_read(&self) -> bool {
        // The session holds one; a stream that is being read holds its ring.
        Arc::strong_count(&self.general) > 1
    }

    /// A client that went away without a word must not keep a place among its principal's watches.
    fn rest(&self, now: Instant) {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_read() {
            *unread = None;
        } else if now.duration_since(*unread.get_or_insert(now)) >= GRACE {
            self.pause();
        }
    }

    fn pause(&self) {
        if self.core.pause() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether changes may have been missed while nobody read; asked once.
    pub(crate) fn has_missed(&self) -> bool {
        self.missed.swap(false, Ordering::Relaxed)
    }

    fn idle_since(&self) -> Option<Instant> {
        (!self.is_read() && !self.core.is_busy()).then(|| *self.used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn end(&self) {
        self.core.close();
        self.general.end();
        for ring in self.streams().rings.values() {
            ring.end();
        }
    }
}

/// By the nonce in their sealed ids.
type Table = HashMap<String, Arc<HttpSession>>;

/// All sessions.
pub(crate) struct Sessions {
    table: Mutex<Table>,
    budget: Budget,
    idle: Duration,
    most: usize,
}

impl Sessions {
    pub(crate) fn new(idle: Duration, most: usize) -> Arc<Self> {
        let sessions = Arc::new(Self { table: Mutex::default(), budget: Budget::default(), idle, most });
        tokio::spawn(sweep(Arc::downgrade(&sessions)));
        sessions
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session; gives its sealed id. `None` if there is no room.
    pub(crate) fn open(
        &self,
        guarded: &Guarded,
        path: &str,
        principal: &Arc<Principal>,
        revision: Revision,
        capabilities: &Capabilities,
    ) -> Option<String> {
        let nonce = mcp::seal::random::<16>().ok()?.map(|b| format!("{b:02x}")).concat();
        let ticket = Ticket {
            nonce: nonce.clone(),
            owner: guarded.gate().owner().to_owned(),
            principal: principal.name.to_string(),
            path: path.to_owned(),
            revision,
            capabilities: capabilities.raw().read().ok()?,
        };
        let sealed = guarded.gate().sealer().seal(Purpose::Session, &ticket).ok()?;
        self.insert(&nonce, guarded, principal, revision, capabilities.clone())?;
        Some(sealed)
    }

    fn insert(
        &self,
        nonce: &str,
        guarded: &Guarded,
        principal: &Arc<Principal>,
        revision: Revision,
        capabilities: Capabilities,
    ) -> Option<Arc<HttpSession>> {
        let place = || guarded.gate().session_place(principal);
        let own = |session: &HttpSession| session.core.principal.name == principal.name;
        let place = place().or_else(|| {
            self.make_room(own)?;
            place()
        })?;
        let core =
            Session::new(nonce.into(), Arc::clone(principal), revision, capabilities, Front::Http, guarded.clone());
        let session = HttpSession::new(core, &self.budget, place);
        let gone = {
            let mut table = self.table();
            // Two requests of one session of another process may come at once.
            if let Some(known) = table.get(nonce) {
                return Some(Arc::clone(known));
            }
            let gone = if table.len() >= self.most { Some(self.take_idle(&mut table, |_| true)?) } else { None };
            table.insert(nonce.to_owned(), Arc::clone(&session));
            gone
        };
        if let Some(gone) = gone {
            gone.end();
        }
        Some(session)
    }

    /// Of these, the one that was idle longest makes room, if it was idle for long.
    fn make_room(&self, of: impl Fn(&HttpSession) -> bool) -> Option<()> {
        let gone = self.take_idle(&mut self.table(), of)?;
        gone.end();
        Some(())
    }

    fn take_idle(&self, table: &mut Table, of: impl Fn(&HttpSession) -> bool) -> Option<Arc<HttpSession>> {
        let idle = table.iter().filter(|(_, s)| of(s)).filter_map(|(n, s)| Some((s.idle_since()?, n.clone())));
        let (since, oldest) = idle.min()?;
        if since.elapsed() < Duration::from_secs(30).min(self.idle) {
            return None;
        }
        table.remove(&oldest)
    }

    /// The session of a sealed id. `None` if it is unknown, expired, or somebody else's.
    pub(crate) fn find(
        &self,
        guarded: &Guarded,
        path: &str,
        principal: &Arc<Principal>,
        sealed: &str,
    ) -> Option<Arc<HttpSession>> {
        let gate: &Gate = guarded.gate();
        let ticket: Ticket = gate.sealer().open(Purpose::Session, sealed)?;
        if ticket.principal != *principal.name || ticket.path != path {
            return None;
        }
        let known = self.table().get(&ticket.nonce).cloned();
        if let Some(session) = known {
            session.touch();
            return Some(session);
        }
        if ticket.owner == gate.owner() {
            return None;
        }
        // Another process with our key opened it.
        let capabilities = Capabilities::read(&Raw::of(&ticket.capabilities)).ok()?;
        self.insert(&ticket.nonce, guarded, principal, ticket.revision, capabilities)
    }

    /// Takes the places of this principal's watches that nobody reads, if there are no others.
    pub(crate) fn make_room_to_watch(&self, who: &Principal) {
        let all: Vec<_> = self.table().values().filter(|s| s.core.principal.name == who.name).cloned().collect();
        for session in all {
            if session.core.guarded().gate().has_room_to_watch(who) {
                return;
            }
            if !session.is_read() {
                session.pause();
            }
        }
    }

    /// Ends a session.
    pub(crate) fn remove(&self, session: &HttpSession) {
        let gone = self.table().remove(session.core.id.as_ref());
        if let Some(gone) = gone {
            gone.end();
        }
    }

    /// Ends the streams that would never end by themselves. Calls go on.
    pub(crate) fn end_streams(&self) {
        for session in self.table().values() {
            session.general.end();
        }
    }

    /// Ends all of them.
    pub(crate) fn end_all(&self) {
        let all = std::mem::take(&mut *self.table());
        for session in all.values() {
            session.end();
        }
    }
}

/// Ends sessions that are idle for too long or whose token was taken away.
async fn sweep(sessions: Weak<Sessions>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(sessions) = sessions.upgrade() else { return };
        let now = Instant::now();
        let mut gone = Vec::new();
        sessions.table().retain(|_, session| {
            session.core.sweep(now);
            session.rest(now);
            session.economise();
            let idle = session.idle_since().is_some_and(|since| now.duration_since(since) >= sessions.idle);
            let admitted = session.core.guarded().gate().still_admits(&session.core.principal).is_some();
            if idle || !admitted {
                gone.push(Arc::clone(session));
            }
            !idle && admitted
        });
        for session in gone {
            session.end();
        }
    }
}
