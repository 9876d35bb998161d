//! A stream of events that can be read again: what went out is kept in a ring, so that a client
//! whose connection broke can come back with `Last-Event-ID`.

use bytes::Bytes;
use futures_core::Stream;
use mcp::{Raw, sse};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The number of a session's own stream; those of requests have others.
pub(crate) const GENERAL: u64 = 0;

/// Bytes that one stream keeps, the last event apart.
const MOST_PER_STREAM: usize = 1024 * 1024;
/// Bytes that all streams of one principal keep, and all streams, the last event of each apart.
const MOST_PER_PRINCIPAL: usize = 32 * 1024 * 1024;
const MOST_IN_ALL: usize = 256 * 1024 * 1024;
/// How often a silent stream shows that it is alive.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client is to wait before it comes back, in milliseconds.
const RETRY_MS: u64 = 1000;

/// What all rings of a front keep together, and those of one principal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget {
    all: Arc<AtomicUsize>,
    mine: Arc<AtomicUsize>,
}

impl Budget {
    /// The share of a principal, counted where it counts.
    pub(crate) fn of(&self, mine: &Arc<AtomicUsize>) -> Self {
        Self { all: Arc::clone(&self.all), mine: Arc::clone(mine) }
    }

    fn take(&self, bytes: usize) {
        self.all.fetch_add(bytes, Ordering::Relaxed);
        self.mine.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.all.fetch_sub(bytes, Ordering::Relaxed);
        self.mine.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether more is kept than there should be.
    pub(crate) fn is_spent(&self) -> bool {
        self.mine.load(Ordering::Relaxed) > MOST_PER_PRINCIPAL || self.all.load(Ordering::Relaxed) > MOST_IN_ALL
    }
}

pub(crate) struct Ring {
    number: u64,
    budget: Budget,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: VecDeque<Bytes>,
    /// Sequence number of the first event kept.
    first: u64,
    bytes: usize,
    ended: bool,
    /// The newest reader; older ones end, so that each event goes to one connection only.
    reader: u64,
    waker: Option<Waker>,
}

impl Ring {
    pub(crate) fn new(number: u64, budget: &Budget) -> Arc<Self> {
        // Number 0 of the sequence is the priming event.
        let state = State { first: 1, ..State::default() };
        Arc::new(Self { number, budget: budget.clone(), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a message.
    pub(crate) fn push(&self, message: &Raw) {
        let mut state = self.state();
        let seq = state.first + state.events.len() as u64;
        let event = sse::message(Some(&format!("{}-{seq}", self.number)), message);
        state.bytes += event.len();
        self.budget.take(event.len());
        state.events.push_back(event);
        while state.events.len() > 1 && (state.bytes > MOST_PER_STREAM || self.budget.is_spent()) {
            state.forget_first(&self.budget);
        }
        state.wake();
    }

    /// No more events come.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.wake();
    }

    /// Reads from the beginning, or from after the event of this sequence number.
    pub(crate) fn read(self: &Arc<Self>, after: Option<u64>, priming: bool) -> Reader {
        let mut state = self.state();
        state.reader += 1;
        let priming = priming.then(|| sse::priming(&format!("{}-{}", self.number, after.unwrap_or(0)), RETRY_MS));
        let next = after.map_or(state.first, |seq| seq.saturating_add(1)).max(state.first);
        // Wake the reader before us, which is to end.
        state.wake();
        Reader {
            generation: state.reader,
            ring: Arc::clone(self),
            next,
            priming,
            keep_alive: Box::pin(tokio::time::sleep(KEEP_ALIVE)),
        }
    }

    /// Reads what comes from now on.
    pub(crate) fn read_on(self: &Arc<Self>, priming: bool) -> Reader {
        let last = {
            let state = self.state();
            state.first + state.events.len() as u64 - 1
        };
        self.read(Some(last), priming)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn forget_first(&mut self, budget: &Budget) {
        if let Some(old) = self.events.pop_front() {
            self.bytes -= old.len();
            budget.give_back(old.len());
            self.first += 1;
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let bytes = self.state().bytes;
        self.budget.give_back(bytes);
    }
}

/// One connection that reads a [`Ring`].
pub(crate) struct Reader {
    ring: Arc<Ring>,
    generation: u64,
    next: u64,
    priming: Option<Bytes>,
    keep_alive: Pin<Box<Sleep>>,
}

impl Stream for Reader {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        if let Some(priming) = this.priming.take() {
            return Poll::Ready(Some(priming));
        }
        {
            let mut state = this.ring.state();
            // A newer connection took over, or this one is so slow that events were forgotten.
            if state.reader != this.generation || this.next < state.first {
                return Poll::Ready(None);
            }
            let at = usize::try_from(this.next - state.first).unwrap_or(usize::MAX);
            if let Some(event) = state.events.get(at).cloned() {
                this.next += 1;
                this.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
                return Poll::Ready(Some(event));
            }
            if state.ended {
                return Poll::Ready(None);
            }
            state.waker = Some(cx.waker().clone());
        }
        match this.keep_alive.as_mut().poll(cx) {
            Poll::Ready(()) => {
                this.keep_alive.as_mut().reset(Instant::now() + KEEP_ALIVE);
                Poll::Ready(Some(sse::KEEP_ALIVE))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Reads `Last-Event-ID`: the number of a stream and a sequence number.
pub(crate) fn parse_event_id(text: &str) -> Option<(u64, u64)> {
    let (stream, seq) = text.split_once('-')?;
    Some((stream.parse().ok()?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;

    async fn all(reader: Reader) -> Vec<String> {
        reader.map(|b| String::from_utf8(b.to_vec()).unwrap()).collect().await
    }

    #[tokio::test]
    async fn a_client_that_comes_back_reads_what_it_missed() {
        let ring = Ring::new(7, &Budget::default());
        for n in 0..3 {
            ring.push(&Raw::of(&n));
        }
        ring.end();
        let whole = all(ring.read(None, true)).await;
        assert_eq!(whole.len(), 4);
        assert!(whole[0].starts_with("id: 7-0\nretry: "));
        assert!(whole[3].contains("id: 7-3") && whole[3].contains("data: 2"));
        assert_eq!(parse_event_id("7-1"), Some((7, 1)));
        let rest = all(ring.read(Some(1), false)).await;
        assert_eq!(rest.len(), 2);
        assert!(rest[0].contains("data: 1"));
        assert!(all(ring.read(Some(99), false)).await.is_empty());
    }

    #[tokio::test]
    async fn memory_is_bounded_and_given_back() {
        let budget = Budget::default();
        let ring = Ring::new(1, &budget);
        let big = Raw::of(&"x".repeat(100_000));
        for _ in 0..50 {
            ring.push(&big);
        }
        assert!(budget.all.load(Ordering::Relaxed) <= MOST_PER_STREAM);
        drop(ring);
        assert_eq!(budget.all.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_keeps_too_much_forgets_what_is_its_own_and_nobody_elses() {
        let all_of_us = Budget::default();
        let (greedy, modest) = (all_of_us.of(&Arc::default()), all_of_us.of(&Arc::default()));
        let theirs = Ring::new(1, &modest);
        theirs.push(&Raw::of(&1));
        theirs.push(&Raw::of(&2));
        let big = Raw::of(&"x".repeat(300_000));
        let rings: Vec<_> = (0..100).map(|n| Ring::new(n, &greedy)).collect();
        for ring in &rings {
            for _ in 0..3 {
                ring.push(&big);
            }
        }
        assert!(greedy.is_spent() && !modest.is_spent());
        let kept = greedy.mine.load(Ordering::Relaxed);
        assert!(kept <= MOST_PER_PRINCIPAL + rings.len() * 310_000, "{kept}");
        theirs.end();
        assert_eq!(all(theirs.read(None, false)).await.len(), 2);
        let last = rings.last().unwrap();
        last.end();
        assert_eq!(all(last.read(None, false)).await.len(), 1, "the last event is kept");
    }

    #[tokio::test]
    async fn a_newer_reader_takes_over() {
        let ring = Ring::new(1, &Budget::default());
        let mut old = ring.read(None, false);
        let mut new = ring.read(None, false);
        ring.push(&Raw::null());
        assert!(old.next().await.is_none());
        assert!(new.next().await.is_some());
    }
}
