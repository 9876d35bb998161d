//! Who hears of changes in an instance: everybody, of the shared one; one caller, of its own.

use futures_core::Stream;
use mcp::watchers::Watchers;
use mcp::{Change, Interest};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::watch;

/// See the module.
#[derive(Default)]
pub(super) struct Audience {
    watchers: Watchers,
    /// How often somebody began or ceased to watch.
    moves: watch::Sender<u64>,
    /// Who tells the child what is watched: up to which move, by a number of their own.
    followers: watch::Sender<BTreeMap<u64, u64>>,
}

impl Audience {
    /// Changes of this interest from now on.
    pub(super) fn watch(self: &Arc<Self>, interest: Interest) -> impl Stream<Item = Change> + Send + use<> {
        let changes = Box::pin(self.watchers.watch(interest));
        self.moves.send_modify(|moves| *moves += 1);
        Watch { changes, _end: End(Arc::clone(self)) }
    }

    /// For one who tells the child what is watched.
    pub(super) fn follow(self: &Arc<Self>) -> Following {
        let mut number = 0;
        self.followers.send_modify(|followers| {
            number = followers.last_key_value().map_or(0, |(last, _)| last + 1);
            followers.insert(number, 0);
        });
        Following { audience: Arc::clone(self), number, moves: self.moves.subscribe() }
    }

    /// Resolves once all followers have told what is watched now.
    pub(super) async fn settled(&self) {
        let now = *self.moves.borrow();
        let mut followers = self.followers.subscribe();
        // The sender is ours, so there is no error.
        let _ = followers.wait_for(|followers| followers.values().all(|told| *told >= now)).await;
    }

    /// Tells everybody whom it concerns.
    pub(super) fn tell(&self, change: &Change) {
        self.watchers.tell(change);
    }

    fn uris(&self) -> std::collections::BTreeSet<String> {
        self.watchers.uris()
    }
}

/// See [`Audience::follow`].
pub(super) struct Following {
    audience: Arc<Audience>,
    number: u64,
    moves: watch::Receiver<u64>,
}

impl Following {
    /// The uris that somebody watches now, and the number of the move that made them so.
    pub(super) fn wanted(&mut self) -> (std::collections::BTreeSet<String>, u64) {
        // The number first: what comes in between counts as not told yet.
        let moves = *self.moves.borrow_and_update();
        (self.audience.uris(), moves)
    }

    /// Resolves when somebody began or ceased to watch since [`Following::wanted`].
    pub(super) async fn moved(&mut self) {
        if self.moves.changed().await.is_err() {
            // The audience is ours, so it is there.
            std::future::pending::<()>().await;
        }
    }

    /// The child was told up to this move.
    pub(super) fn told(&self, moves: u64) {
        self.audience.followers.send_modify(|followers| {
            followers.insert(self.number, moves);
        });
    }

    /// Nothing can be told to this child.
    pub(super) fn nothing_to_tell(&self) {
        self.told(u64::MAX);
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.audience.followers.send_modify(|followers| {
            followers.remove(&self.number);
        });
    }
}

/// The order matters: the interest is gone before its end is told.
struct Watch<S> {
    changes: Pin<Box<S>>,
    _end: End,
}

struct End(Arc<Audience>);

impl<S: Stream<Item = Change>> Stream for Watch<S> {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        self.changes.as_mut().poll_next(cx)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.moves.send_modify(|moves| *moves += 1);
    }
}
