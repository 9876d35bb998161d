//! The requests a child has yet to answer.
//!
//! One table behind one lock: it is held for a lookup, never across an await, and does not show in
//! a profile. A request leaves the table exactly once, with its answer, with the death of the child,
//! or with its caller's loss of interest, and whichever comes first wins.

use super::failure::Failure;
use mcp::{Call, Raw};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What becomes of a request.
pub(super) type Outcome = Result<Raw, Failure>;

/// See the module.
#[derive(Default)]
pub(super) struct Pending(Mutex<Table>);

#[derive(Default)]
struct Table {
    waiting: HashMap<i64, Waiting>,
    /// Why nothing more is taken.
    closed: Option<Arc<str>>,
}

/// Who hears what a child says about a request.
pub(super) enum Hears {
    /// Nobody but who waits for the answer.
    Nobody,
    /// The call it was made for.
    Call(Call),
    /// It is a subscription: the child says when it is made, and may end it.
    Watchers(Option<oneshot::Sender<()>>),
}

struct Waiting {
    reply: oneshot::Sender<Outcome>,
    hears: Hears,
    /// Whether the writing task has taken it, so that the child may see it.
    written: bool,
}

impl Pending {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects an answer. Says how many others are expected.
    pub(super) fn expect(&self, id: i64, hears: Hears) -> Result<(oneshot::Receiver<Outcome>, usize), Failure> {
        let (reply, answer) = oneshot::channel();
        let mut table = self.table();
        if let Some(reason) = &table.closed {
            return Err(Failure::Died { reason: Arc::clone(reason), written: false });
        }
        let others = table.waiting.len();
        table.waiting.insert(id, Waiting { reply, hears, written: false });
        Ok((answer, others))
    }

    /// Hands over an answer. `false` if nobody waits for it any more.
    pub(super) fn answer(&self, id: i64, outcome: Outcome) -> bool {
        let waiting = self.table().waiting.remove(&id);
        waiting.is_some_and(|waiting| waiting.reply.send(outcome).is_ok())
    }

    /// Hands over an error that names no request, if there is only one it can be meant for.
    pub(super) fn answer_only(&self, outcome: Outcome) -> bool {
        let mut table = self.table();
        let mut ids = table.waiting.keys().copied();
        let (Some(id), None) = (ids.next(), ids.next()) else { return false };
        let waiting = table.waiting.remove(&id);
        drop(table);
        waiting.is_some_and(|waiting| waiting.reply.send(outcome).is_ok())
    }

    /// Forgets a request. If it was still expected, whether the task wrote it.
    pub(super) fn forget(&self, id: i64) -> Option<bool> {
        self.table().waiting.remove(&id).map(|waiting| waiting.written)
    }

    /// Keeps those that are still expected, and takes them for written.
    pub(super) fn write<T>(&self, batch: &mut Vec<T>, id: impl Fn(&T) -> Option<i64>) {
        let mut table = self.table();
        batch.retain(|entry| match id(entry) {
            None => true,
            Some(id) => table.waiting.get_mut(&id).map(|waiting| waiting.written = true).is_some(),
        });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table().waiting.len()
    }

    /// The call that a request was made for.
    pub(super) fn call(&self, id: i64) -> Option<Call> {
        self.table().waiting.get(&id)?.call().cloned()
    }

    /// The child made a subscription.
    pub(super) fn acknowledge(&self, id: i64) {
        if let Some(Waiting { hears: Hears::Watchers(made), .. }) = self.table().waiting.get_mut(&id) {
            // Whoever does not wait for it need not know.
            made.take().map(|made| made.send(()));
        }
    }

    /// The child ended a subscription.
    pub(super) fn end_listen(&self, id: i64) {
        let mut table = self.table();
        if !matches!(table.waiting.get(&id), Some(Waiting { hears: Hears::Watchers(_), .. })) {
            return;
        }
        let ended = table.waiting.remove(&id);
        drop(table);
        if let Some(ended) = ended {
            let _ = ended.reply.send(Ok(Raw::empty_object()));
        }
    }

    /// The call that was made last.
    pub(super) fn newest(&self) -> Option<Call> {
        let table = self.table();
        let calls = table.waiting.iter().filter_map(|(id, waiting)| Some((id, waiting.call()?)));
        calls.max_by_key(|(id, _)| **id).map(|(_, call)| call.clone())
    }

    /// Fails all of them and whatever comes later.
    pub(super) fn close(&self, reason: &Arc<str>) {
        let mut table = self.table();
        table.closed.get_or_insert_with(|| Arc::clone(reason));
        let waiting = std::mem::take(&mut table.waiting);
        drop(table);
        for waiting in waiting.into_values() {
            // Whoever is gone need not know.
            let _ = waiting.reply.send(Err(Failure::Died { reason: Arc::clone(reason), written: waiting.written }));
        }
    }
}

impl Waiting {
    const fn call(&self) -> Option<&Call> {
        match &self.hears {
            Hears::Call(call) => Some(call),
            Hears::Nobody | Hears::Watchers(_) => None,
        }
    }
}
