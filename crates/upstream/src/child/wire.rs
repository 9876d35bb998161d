//! Requests, notifications and answers to one child, with ids of our own.
//!
//! An id is an integer that this wire has never used before. It exists before the parameters are
//! built, because it is the progress token as well, and it is composed into a new envelope: what
//! the caller sent is carried as it is.
//!
//! Whoever makes a request holds its [`Ticket`]. Dropping that gives the request up, at any moment:
//! what was not written never will be, and the child is told to stop working on what it may have
//! read. An answer that comes later is counted and dropped.

use super::failure::Failure;
use super::pending::{Hears, Outcome, Pending};
use super::queue::{Closed, Queue};
use mcp::{ErrorObject, Id, Method, Raw, message};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use tokio::sync::oneshot;

/// See the module.
pub(super) struct Wire {
    pub(super) queue: Queue,
    pub(super) pending: Pending,
    next: AtomicI64,
    /// Only the handshake has begun yet.
    greeting: AtomicBool,
    /// Counts answers that nobody waited for.
    late: Arc<AtomicU64>,
}

impl Wire {
    pub(super) fn new(queue: Queue, late: Arc<AtomicU64>) -> Self {
        Self { queue, pending: Pending::default(), next: AtomicI64::new(1), greeting: AtomicBool::new(true), late }
    }

    /// An id for a request.
    pub(super) fn id(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes a request of ours and waits for its answer.
    pub(super) async fn request(self: &Arc<Self>, method: &Method, params: &Raw) -> Outcome {
        let mut ticket = self.expect(self.id(), Hears::Nobody)?;
        ticket.send(method, params).await?;
        ticket.answer().await
    }

    /// Expects an answer to a request that is about to be sent.
    pub(super) fn expect(self: &Arc<Self>, id: i64, hears: Hears) -> Result<Ticket, Failure> {
        let (answer, others) = self.pending.expect(id, hears)?;
        let alone = others == 0;
        Ok(Ticket { wire: Arc::clone(self), id, answer, alone, written: false, settled: false, cancellable: true })
    }

    /// Sends a notification as soon as there is room.
    pub(super) async fn notify(&self, method: &Method, params: Option<&Raw>) -> Result<(), Failure> {
        let line = message::notification(method.as_str(), params).single_line();
        self.queue.push(line, None).await.map_err(closed)
    }

    /// Sends a notification, or loses it if the child does not read.
    pub(super) fn notify_aside(&self, method: &Method, params: &Raw) {
        self.queue.push_aside(message::notification(method.as_str(), Some(params)).single_line());
    }

    /// Answers a request of the child as soon as there is room.
    pub(super) async fn respond(&self, id: &Id, answer: &Result<Raw, ErrorObject>) {
        // A child that is gone needs no answer.
        let _ = self.queue.push(response(id, answer), None).await;
    }

    /// Answers a request of the child, or loses the answer if the child does not read.
    pub(super) fn respond_aside(&self, id: &Id, answer: &Result<Raw, ErrorObject>) {
        self.queue.push_aside(response(id, answer));
    }

    /// Takes an answer of the child.
    pub(super) fn answered(&self, id: &Id, outcome: Outcome) {
        let taken = matches!(id, Id::Number(id) if self.pending.answer(*id, outcome));
        if !taken {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether only the handshake has begun yet.
    pub(super) fn is_greeting(&self) -> bool {
        self.greeting.load(Ordering::Relaxed)
    }

    /// The handshake is over.
    pub(super) fn greeted(&self) {
        self.greeting.store(false, Ordering::Relaxed);
    }

    /// Takes an error that names no request. In the handshake there is only one that it can be
    /// about; later it may as well be about a notification. `false` if nobody gets it.
    pub(super) fn failed(&self, error: ErrorObject) -> bool {
        self.greeting.load(Ordering::Relaxed) && self.pending.answer_only(Err(Failure::Answered(error)))
    }

    /// Fails everything that is expected, and whatever comes later.
    pub(super) fn close(&self, reason: &Arc<str>) {
        self.pending.close(reason);
        self.queue.close();
    }
}

fn response(id: &Id, answer: &Result<Raw, ErrorObject>) -> bytes::Bytes {
    match answer {
        Ok(result) => message::response(id, result),
        Err(error) => message::failure(Some(id), error),
    }
    .single_line()
}

fn closed(_: Closed) -> Failure {
    Failure::Died { reason: "it takes no more input".into(), written: false }
}

/// One request. See the module.
pub(super) struct Ticket {
    wire: Arc<Wire>,
    id: i64,
    answer: oneshot::Receiver<Outcome>,
    /// Nothing else was expected when this was.
    alone: bool,
    /// It was written right here.
    written: bool,
    /// Nothing more comes.
    settled: bool,
    cancellable: bool,
}

impl Ticket {
    /// The child is not told when this is given up: some requests cannot be cancelled.
    pub(super) const fn never_cancelled(mut self) -> Self {
        self.cancellable = false;
        self
    }

    /// Sends the request as soon as there is room.
    pub(super) async fn send(&mut self, method: &Method, params: &Raw) -> Result<(), Failure> {
        let line = message::request(&Id::Number(self.id), method.as_str(), Some(params)).single_line();
        self.written = self.alone && self.wire.queue.write_now(&line);
        if self.written {
            return Ok(());
        }
        match self.wire.queue.push(line, Some(self.id)).await {
            Ok(()) => Ok(()),
            // Closing fails what is expected first, so there is a reason.
            Err(Closed) => self.answer().await.map(drop),
        }
    }

    /// Waits for the answer.
    pub(super) async fn answer(&mut self) -> Outcome {
        let outcome = (&mut self.answer).await;
        self.settled = true;
        let mut outcome = outcome.unwrap_or_else(|_| Err(closed(Closed)));
        if let Err(Failure::Died { written, .. }) = &mut outcome {
            // The table knows only of what the task wrote.
            *written |= self.written;
        }
        outcome
    }

    /// The answer, if it is there already.
    pub(super) fn answer_now(&mut self) -> Option<Outcome> {
        self.answer.try_recv().ok().inspect(|_| self.settled = true)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let Some(taken) = self.wire.pending.forget(self.id) else { return };
        if self.cancellable && (taken || self.written) {
            let params = Raw::object([
                ("requestId", &Raw::of(&self.id)),
                ("reason", &Raw::of("the answer is no longer wanted")),
            ]);
            self.wire.notify_aside(&Method::Cancelled, &params);
        }
    }
}
