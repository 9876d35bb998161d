//! Who is told of changes, and what waits to be told.
//!
//! What waits for a reader is a set, in the order in which it first changed: a change that is told
//! already is not told twice. So it is bounded by what the reader wants to know of, and nothing is
//! lost however slowly it reads.

use crate::server::{Change, Interest};
use futures_core::Stream;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;

/// A watcher's two ends: who tells, and who reads.
pub fn pair(interest: Interest) -> (Teller, Changes) {
    let shared = Arc::new(Shared { interest, state: Mutex::default(), unread: Notify::new() });
    (Teller(Arc::clone(&shared)), Changes(shared))
}

/// Tells a watcher. Dropping it ends the stream once that is read.
pub struct Teller(Arc<Shared>);

/// Changes as they are told. Dropping it ends the interest.
pub struct Changes(Arc<Shared>);

struct Shared {
    interest: Interest,
    state: Mutex<State>,
    /// Told when the reader is gone.
    unread: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Change>,
    /// The same, to be looked up.
    known: HashSet<Change>,
    waker: Option<Waker>,
    over: bool,
    gone: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Teller {
    /// Tells of a change, if it is one that is wanted. False if nobody reads any more.
    pub fn tell(&self, change: &Change) -> bool {
        let mut state = self.0.state();
        if state.gone {
            return false;
        }
        if self.0.interest.covers(change) && state.known.insert(change.clone()) {
            state.waiting.push_back(change.clone());
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
        true
    }

    /// Waits until nobody reads any more.
    pub async fn unread(&self) {
        loop {
            let told = self.0.unread.notified();
            if self.0.state().gone {
                return;
            }
            told.await;
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.over = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Stream for Changes {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        let mut state = self.0.state();
        match state.waiting.pop_front() {
            Some(change) => {
                state.known.remove(&change);
                Poll::Ready(Some(change))
            }
            None if state.over => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.0.state().gone = true;
        self.0.unread.notify_one();
    }
}

/// All watchers of one thing.
#[derive(Default)]
pub struct Watchers(Mutex<Vec<Teller>>);

impl Watchers {
    fn tellers(&self) -> MutexGuard<'_, Vec<Teller>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes of this interest from now on.
    pub fn watch(&self, interest: Interest) -> Changes {
        let (teller, changes) = pair(interest);
        let mut tellers = self.tellers();
        // Nothing may ever happen here that would find out who is gone.
        if tellers.len() == tellers.capacity() {
            tellers.retain(|teller| !teller.0.state().gone);
        }
        tellers.push(teller);
        changes
    }

    /// Tells everybody whom it concerns.
    pub fn tell(&self, change: &Change) {
        self.tellers().retain(|teller| teller.tell(change));
    }

    /// The uris that somebody watches now.
    pub fn uris(&self) -> BTreeSet<String> {
        let mut tellers = self.tellers();
        tellers.retain(|teller| !teller.0.state().gone);
        tellers.iter().flat_map(|teller| teller.0.interest.uris.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(changes: &mut Changes) -> Poll<Option<Change>> {
        Pin::new(changes).poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn however_slowly_it_is_read_nothing_is_lost_and_nothing_waits_twice() {
        let uris: Vec<String> = (0..1000).map(|n| format!("a://{n}")).collect();
        let watchers = Watchers::default();
        let mut changes = watchers.watch(Interest { uris: uris.clone(), ..Interest::lists() });
        for _ in 0..3 {
            watchers.tell(&Change::Tools);
            for uri in &uris {
                watchers.tell(&Change::Updated(uri.clone()));
            }
            watchers.tell(&Change::Updated("b://unwatched".into()));
        }
        assert_eq!(next(&mut changes), Poll::Ready(Some(Change::Tools)));
        for uri in &uris {
            assert_eq!(next(&mut changes), Poll::Ready(Some(Change::Updated(uri.clone()))));
        }
        assert_eq!(next(&mut changes), Poll::Pending);
        watchers.tell(&Change::Tools);
        drop(watchers);
        assert_eq!(next(&mut changes), Poll::Ready(Some(Change::Tools)));
        assert_eq!(next(&mut changes), Poll::Ready(None));
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let watchers = Watchers::default();
        let kept = watchers.watch(Interest { uris: vec!["a://1".into()], ..Interest::default() });
        drop(watchers.watch(Interest { uris: vec!["a://2".into()], ..Interest::default() }));
        assert_eq!(watchers.uris(), BTreeSet::from(["a://1".to_owned()]));
        drop(kept);
        assert!(watchers.uris().is_empty());
        for _ in 0..1000 {
            drop(watchers.watch(Interest::lists()));
        }
        assert!(watchers.tellers().len() < 16, "also where nothing happens");
    }
}
