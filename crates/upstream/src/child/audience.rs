//! Who hears of changes in an instance: everybody, of the shared one; one caller, of its own.

use futures_core::Stream;
use mcp::watchers::Watchers;
use mcp::{Change, Interest};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::watch;

/// See the module.
#[derive(Default)]
pub(super) struct Audience {
    watchers: Watchers,
    /// Somebody began or ceased to watch.
    moved: watch::Sender<()>,
}

impl Audience {
    /// Changes of this interest from now on.
    pub(super) fn watch(self: &Arc<Self>, interest: Interest) -> impl Stream<Item = Change> + Send + use<> {
        let changes = Box::pin(self.watchers.watch(interest));
        self.moved.send_replace(());
        Watch { changes, _end: End(Arc::clone(self)) }
    }

    /// Tells everybody whom it concerns.
    pub(super) fn tell(&self, change: &Change) {
        self.watchers.tell(change);
    }

    /// The uris that somebody watches now.
    pub(super) fn uris(&self) -> std::collections::BTreeSet<String> {
        self.watchers.uris()
    }

    /// Told whenever somebody begins or ceases to watch.
    pub(super) fn moves(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
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
        self.0.moved.send_replace(());
    }
}
