//! What waits to be written to a child.
//!
//! While nothing waits and nobody else is being served, a line is written right where its call is:
//! that saves waking a task, and wake-ups are half of what a call costs. Otherwise lines are queued,
//! and one task writes whatever has gathered in one go.
//!
//! The queue is bounded in bytes, counted until they are written. A call that finds no room waits
//! for it, within its own deadline. A call that is given up leaves its line behind, but the line is
//! not written: whether somebody still expects the answer is looked up at the last moment. A child
//! that never reads therefore costs its callers their deadlines and us a bounded amount of memory.

use super::group::Input;
use super::pending::Pending;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};
use tokio::task::yield_now;

/// How much is written at once: what a pipe holds.
const BATCH: usize = 64 * 1024;
/// How many bytes of what never waits for room (cancellations, answers to pings) there may be. A
/// child that does not read loses what is beyond.
const ASIDE: usize = 256 * 1024;

/// See the module.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Free bytes.
    room: Semaphore,
    bytes: usize,
    ready: Notify,
}

struct State {
    entries: VecDeque<Entry>,
    aside: usize,
    /// `None` once nothing more is written.
    pipe: Option<Arc<Input>>,
    /// Whether the task is writing.
    busy: bool,
}

struct Entry {
    line: Bytes,
    /// The request in it, unless it is something else or was written in part.
    id: Option<i64>,
    /// How many bytes of room it takes.
    room: usize,
    /// How many bytes it takes beside that.
    aside: usize,
}

/// Nothing more is written.
#[derive(Debug)]
pub(super) struct Closed;

impl Queue {
    pub(super) fn new(pipe: Input, bytes: usize) -> Self {
        let bytes = bytes.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let state = State { entries: VecDeque::new(), aside: 0, pipe: Some(Arc::new(pipe)), busy: false };
        Self { state: Mutex::new(state), room: Semaphore::new(bytes), bytes, ready: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the line at once if nothing is in the way. `false` if something is.
    pub(super) fn write_now(&self, line: &Bytes) -> bool {
        if line.len() >= BATCH {
            return false;
        }
        let mut state = self.state();
        if state.busy || !state.entries.is_empty() {
            return false;
        }
        let Some(pipe) = &state.pipe else { return false };
        // An error is left for the task to find.
        let Ok(written) = pipe.try_write_vectored(&[IoSlice::new(line), IoSlice::new(b"\n")]) else { return false };
        if written <= line.len() {
            state.entries.push_back(Entry { line: line.slice(written..), id: None, room: 0, aside: 0 });
            drop(state);
            self.ready.notify_one();
        }
        true
    }

    /// Queues a line as soon as there is room.
    pub(super) async fn push(&self, line: Bytes, id: Option<i64>) -> Result<(), Closed> {
        // In range: `bytes` is.
        let room = u32::try_from(line.len().min(self.bytes)).unwrap_or(u32::MAX);
        let taken = match self.room.try_acquire_many(room) {
            Ok(taken) => taken,
            Err(_) => self.room.acquire_many(room).await.map_err(|_| Closed)?,
        };
        let mut state = self.state();
        if state.pipe.is_none() {
            return Err(Closed);
        }
        taken.forget();
        state.entries.push_back(Entry { line, id, room: room as usize, aside: 0 });
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Queues a short line without waiting. `false` if the child reads so little that it is lost.
    pub(super) fn push_aside(&self, line: Bytes) -> bool {
        let mut state = self.state();
        if state.pipe.is_none() || state.aside + line.len() > ASIDE {
            return false;
        }
        state.aside += line.len();
        state.entries.push_back(Entry { aside: line.len(), line, id: None, room: 0 });
        drop(state);
        self.ready.notify_one();
        true
    }

    /// Closes the child's input and lets nobody wait any longer. What it has not read is lost.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.pipe = None;
        state.entries.clear();
        drop(state);
        self.room.close();
        self.ready.notify_one();
    }

    /// Writes what is queued until the queue or the child's input is closed. Dropping this closes
    /// our end of the pipe, if the queue is closed.
    pub(super) async fn write(&self, pending: &Pending) -> io::Result<()> {
        let mut taken = Vec::new();
        let mut batch = Vec::new();
        loop {
            if pending.len() > 1 {
                // Others are about to say something: one write for all of them.
                yield_now().await;
            }
            let Some(pipe) = self.take(&mut taken) else {
                if self.state().pipe.is_none() {
                    return Ok(());
                }
                self.ready.notified().await;
                continue;
            };
            let (room, aside) = taken.iter().fold((0, 0), |(r, a), e| (r + e.room, a + e.aside));
            pending.write(&mut taken, |entry| entry.id);
            for entry in taken.drain(..) {
                batch.extend_from_slice(&entry.line);
                batch.push(b'\n');
            }
            let written = write_all(&pipe, &batch).await;
            self.wrote(room, aside);
            written?;
            batch.clear();
            batch.shrink_to(BATCH);
        }
    }

    fn take(&self, taken: &mut Vec<Entry>) -> Option<Arc<Input>> {
        let mut state = self.state();
        let pipe = Arc::clone(state.pipe.as_ref()?);
        let mut bytes = 0;
        while bytes < BATCH {
            let Some(entry) = state.entries.pop_front() else { break };
            bytes += entry.line.len() + 1;
            taken.push(entry);
        }
        state.busy = !taken.is_empty();
        state.busy.then_some(pipe)
    }

    fn wrote(&self, room: usize, aside: usize) {
        self.room.add_permits(room);
        let mut state = self.state();
        state.busy = false;
        state.aside = state.aside.saturating_sub(aside);
    }
}

async fn write_all(pipe: &Input, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match pipe.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pipe.writable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::lines::{Line, Lines};
    use super::super::pending::Hears;
    use super::*;
    use std::time::Duration;
    use tokio::net::unix::pipe;
    use tokio::time::timeout;

    fn line(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[tokio::test]
    async fn lines_arrive_in_order_however_they_were_written() {
        let (ours, theirs) = pipe::pipe().unwrap();
        ours.writable().await.unwrap();
        let (queue, pending) = (Arc::new(Queue::new(ours, 100)), Arc::new(Pending::default()));
        assert!(queue.write_now(&line("1")));
        queue.push(line("2"), None).await.unwrap();
        assert!(!queue.write_now(&line("9")), "what waits goes first");
        assert!(queue.push_aside(line("3")));
        let writing = tokio::spawn({
            let (queue, pending) = (Arc::clone(&queue), Arc::clone(&pending));
            async move { queue.write(&pending).await }
        });
        // Longer than the queue, and than the pipe.
        queue.push(line(&"4".repeat(200_000)), None).await.unwrap();
        let mut lines = Lines::new(theirs, 1 << 20);
        for expected in ["1", "2", "3", &"4".repeat(200_000)] {
            assert_eq!(lines.next().await.unwrap(), Some(Line::Text(line(expected))));
        }
        queue.close();
        writing.await.unwrap().unwrap();
        assert_eq!(lines.next().await.unwrap(), None);
        assert!(queue.push(line("5"), None).await.is_err());
    }

    #[tokio::test]
    async fn a_child_that_does_not_read_bounds_what_is_queued() {
        let (ours, theirs) = pipe::pipe().unwrap();
        let (queue, pending) = (Arc::new(Queue::new(ours, 10_000)), Arc::new(Pending::default()));
        let writing = tokio::spawn({
            let (queue, pending) = (Arc::clone(&queue), Arc::clone(&pending));
            async move { queue.write(&pending).await }
        });
        let mut answers = Vec::new();
        for id in 0..1000 {
            answers.push(pending.expect(id, Hears::Nobody).unwrap());
            let pushed = queue.push(line(&"x".repeat(1000)), Some(id));
            if timeout(Duration::from_millis(100), pushed).await.is_err() {
                break;
            }
        }
        assert!(answers.len() < 1000, "the queue fills up");
        let given_up = i64::try_from(answers.len()).unwrap();
        let queued = (0..given_up).filter(|id| pending.forget(*id) == Some(false)).count();
        assert!(queued > 0);
        assert!(queue.state().entries.len() <= 10);
        while queue.push_aside(line("aside")) {}
        assert!(queue.state().aside <= ASIDE);
        // Once the child reads again, only what is still wanted is written.
        let (_answer, _) = pending.expect(5000, Hears::Nobody).unwrap();
        let mut lines = Lines::new(theirs, 1 << 20);
        let reading = tokio::spawn(async move {
            let mut requests = 0;
            loop {
                let Some(Line::Text(text)) = lines.next().await.unwrap() else { panic!("the end") };
                match text.as_ref() {
                    b"wanted" => return requests,
                    b"aside" => {}
                    _ => requests += 1,
                }
            }
        });
        queue.push(line("given up"), Some(4999)).await.unwrap();
        queue.push(line("wanted"), Some(5000)).await.unwrap();
        let requests = timeout(Duration::from_secs(10), reading).await.unwrap().unwrap();
        assert_eq!(requests, answers.len() - queued);
        assert_eq!(pending.forget(5000), Some(true), "it was written");
        queue.close();
        writing.await.unwrap().unwrap();
    }
}
