//! A run that speaks on a stream of its own, for fronts where a closed stream cancels.

use super::ring;
use bytes::Bytes;
use futures_core::Stream;
use gate::{Event, Run};
use mcp::sse;
use std::collections::VecDeque;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// See the module.
pub(super) struct Speech {
    pub(super) run: Run,
    /// What an event looks like on the stream; nothing, if it is not told.
    pub(super) frame: Box<dyn Fn(Event) -> Option<Bytes> + Send + Sync>,
}

/// How many messages wait for a client that reads slowly. Beyond it, progress and log lines are lost.
const WAITING: usize = 64;

impl Speech {
    /// A task runs the call from here on, so that its deadline holds even if nobody reads; dropping
    /// the stream cancels it.
    pub(super) fn stream(self, first: Option<Event>) -> impl Stream<Item = Bytes> + Send {
        let (out, messages) = mpsc::channel(1);
        let task = Cancelling(tokio::spawn(self.speak(first, out)).abort_handle());
        futures_util::stream::unfold((messages, task), |(mut messages, task)| async move {
            let event = tokio::select! {
                event = messages.recv() => event?,
                () = tokio::time::sleep(ring::KEEP_ALIVE) => sse::KEEP_ALIVE,
            };
            Some((event, (messages, task)))
        })
    }

    async fn speak(mut self, first: Option<Event>, out: mpsc::Sender<Bytes>) {
        let mut waiting: VecDeque<Bytes> = VecDeque::new();
        let mut over = false;
        if let Some(first) = first {
            over = self.take(first, &mut waiting);
        }
        while !over || !waiting.is_empty() {
            tokio::select! {
                biased;
                place = out.reserve(), if !waiting.is_empty() => match (place, waiting.pop_front()) {
                    (Ok(place), Some(event)) => place.send(event),
                    _ => return,
                },
                event = self.run.next(), if !over => over = self.take(event, &mut waiting),
            }
        }
    }

    /// Puts a message in line; says whether it is the last.
    fn take(&self, event: Event, waiting: &mut VecDeque<Bytes>) -> bool {
        let over = matches!(event, Event::Done(_));
        if over || waiting.len() < WAITING {
            waiting.extend((self.frame)(event));
        }
        over
    }
}

/// Ends a task when it is dropped.
struct Cancelling(AbortHandle);

impl Drop for Cancelling {
    fn drop(&mut self) {
        self.0.abort();
    }
}
