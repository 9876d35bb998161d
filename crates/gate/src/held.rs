//! Calls that wait for an answer of the client, and the sealed state that leads back to them.
//!
//! Format of the state (`requestState`), sealed for [`Purpose::Question`]: JSON of [`Ticket`].
//! Possession of a ticket is no right: it is bound to the principal, the server, and the method,
//! target and arguments of the request, it expires, and it is good for one retry.

use crate::gate::Gate;
use crate::identity::{Place, Principal};
use crate::run::Core;
use mcp::seal::Purpose;
use mcp::{Error, Raw, Reply, Request};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a question's state says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ticket {
    pub(crate) kind: TicketKind,
    /// The process that holds the call.
    pub(crate) owner: String,
    pub(crate) server: String,
    pub(crate) principal: String,
    /// Of method, target and arguments.
    pub(crate) digest: String,
    /// Seconds since the epoch.
    pub(crate) expires: u64,
    pub(crate) nonce: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum TicketKind {
    /// The call is held by its owner under the nonce.
    Held,
    /// The request is run again with the answers so far.
    Replay(HashMap<String, Box<RawValue>>),
    /// The server's own state, passed through.
    Passed(Option<String>),
}

/// A call that is held.
pub(crate) struct HeldCall {
    pub(crate) core: Core,
    pub(crate) questions: Vec<(String, Waiting)>,
    expires: Instant,
}

/// A question of a held call.
pub(crate) struct Waiting {
    /// `method` and `params`, as the client was asked.
    pub(crate) asked: Raw,
    pub(crate) reply: Reply,
}

#[derive(Default)]
pub(crate) struct Held {
    calls: Mutex<HashMap<String, HeldCall>>,
    /// Nonces that were used, until they would have expired anyway.
    spent: Mutex<HashMap<String, Spent>>,
}

struct Spent {
    until: Instant,
    _place: Place,
}

/// How many used nonces are remembered, of all principals and of one; beyond it no question can be
/// answered until some expire.
const MOST_SPENT: usize = 200_000;
const MOST_SPENT_BY_ONE: usize = 50_000;

impl Held {
    pub(crate) fn put(&self, nonce: String, core: Core, questions: Vec<(String, Waiting)>, limit: Duration) {
        let held = HeldCall { core, questions, expires: Instant::now() + limit };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(nonce, held);
    }

    pub(crate) fn take(&self, nonce: &str) -> Option<HeldCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(nonce)
    }

    /// Uses up a nonce; false if it was used before.
    pub(crate) fn spend(&self, who: &Principal, nonce: &str, limit: Duration) -> bool {
        let Some(place) = who.usage.spent.take(Some(MOST_SPENT_BY_ONE)) else { return false };
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= MOST_SPENT || spent.contains_key(nonce) {
            return false;
        }
        spent.insert(nonce.to_owned(), Spent { until: Instant::now() + limit, _place: place });
        true
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Lets go of everything that expired or that `keep` does not want.
    fn sweep(&self, keep: impl Fn(&HeldCall) -> bool) {
        let now = Instant::now();
        let mut gone = Vec::new();
        {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let over: Vec<_> =
                calls.iter().filter(|(_, c)| c.expires <= now || !keep(c)).map(|(nonce, _)| nonce.clone()).collect();
            gone.extend(over.iter().filter_map(|nonce| calls.remove(nonce)));
        }
        // Dropping a call cancels it, which may take locks of its own.
        drop(gone);
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, spent| spent.until > now);
    }
}

/// Ends what expired, and what belongs to principals that are gone, until the gate is.
pub(crate) async fn sweep(gate: Weak<Gate>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let Some(gate) = gate.upgrade() else { return };
        let snapshot = gate.snapshot();
        gate.held.sweep(|call| snapshot.identity().current(&call.core.exchange.principal).is_some());
        gate.metrics().held.set(i64::try_from(gate.held.len()).unwrap_or(i64::MAX));
    }
}

/// What binds a ticket to its request. Arguments count by value: a client may write the same ones
/// down in another way.
pub(crate) fn digest(request: &Request) -> String {
    let arguments = request.arguments.as_ref().map_or_else(|| b"{}".to_vec(), canonical);
    let hash = Sha256::new()
        .chain_update(request.method.as_str())
        .chain_update([0])
        .chain_update(request.target.name())
        .chain_update([0])
        .chain_update(arguments)
        .finalize();
    crate::audit::hex(&hash)
}

/// The same value always as the same text: keys sorted, no space; numbers as they were written,
/// since floats would make different ones equal.
fn canonical(value: &Raw) -> Vec<u8> {
    let mut out = Vec::new();
    match value.kind() {
        mcp::Kind::Object => {
            let mut members: Vec<_> = value.members().map(|m| (m.key.into_owned(), m.value)).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, value) in members {
                out.extend_from_slice(Raw::of(&key).bytes());
                out.push(b':');
                out.extend(canonical(&value));
                out.push(b',');
            }
            [&b"{"[..], &out, b"}"].concat()
        }
        mcp::Kind::Array => {
            for item in value.items() {
                out.extend(canonical(&item));
                out.push(b',');
            }
            [&b"["[..], &out, b"]"].concat()
        }
        mcp::Kind::String => value.text().map_or_else(Vec::new, |t| Raw::of(t.as_ref()).bytes().to_vec()),
        _ => value.bytes().to_vec(),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl Ticket {
    /// A new ticket, sealed, and its nonce.
    pub(crate) fn seal(
        gate: &Gate,
        kind: TicketKind,
        server: &str,
        principal: &str,
        digest: &str,
        limit: Duration,
    ) -> Result<(String, String), Error> {
        let fault = |e: mcp::seal::NoRandomness| Error::Internal(e.to_string());
        let nonce = crate::audit::hex(&mcp::seal::random::<16>().map_err(fault)?);
        let ticket = Self {
            kind,
            owner: gate.owner().to_owned(),
            server: server.to_owned(),
            principal: principal.to_owned(),
            digest: digest.to_owned(),
            expires: now() + limit.as_secs(),
            nonce: nonce.clone(),
        };
        let sealed = gate.sealer().seal(Purpose::Question, &ticket).map_err(fault)?;
        if sealed.len() > mcp::seal::MAX_SEALED {
            return Err(Error::TooLarge("the answers so far are too large to be carried by the client".into()));
        }
        Ok((sealed, nonce))
    }

    /// How long it can still be shown, with a little more for the edges of seconds.
    pub(crate) fn left(&self) -> Duration {
        Duration::from_secs(self.expires.saturating_sub(now()) + 2)
    }

    /// Opens a ticket and checks everything that it is bound to but its single use.
    /// The digest of the request is made only for a ticket of ours.
    pub(crate) fn open(gate: &Gate, sealed: &str, principal: &str, request: &Request) -> Result<Self, Error> {
        let wrong = "its state is not one of this gateway";
        let ticket: Self = gate.sealer().open(Purpose::Question, sealed).ok_or(Error::NotResumable(wrong))?;
        if ticket.principal != principal {
            return Err(Error::NotResumable(wrong));
        }
        if ticket.digest != digest(request) {
            return Err(Error::NotResumable("its method, target or arguments are not those of the first request"));
        }
        // What was used is remembered by each process by itself: a call that asked before it acts is
        // not run again by another one.
        if matches!(ticket.kind, TicketKind::Replay(_)) && ticket.owner != gate.owner() {
            return Err(Error::NotResumable("it was asked by another process"));
        }
        if ticket.expires < now() {
            return Err(Error::NotResumable("the question has expired"));
        }
        Ok(ticket)
    }
}

/// Answers as the core of a call takes them, from `inputResponses`. What is no object is no answer.
pub(crate) fn answers(responses: Option<&Raw>) -> HashMap<String, Raw> {
    responses
        .into_iter()
        .flat_map(|r| r.members().collect::<Vec<_>>())
        .filter(|m| m.value.kind() == mcp::Kind::Object)
        .map(|m| (m.key.into_owned(), m.value))
        .collect()
}
