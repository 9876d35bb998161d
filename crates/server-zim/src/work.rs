//! Work on the disk, away from the async threads.
//!
//! A call takes one of a few places and runs on a blocking thread until it is done, its deadline has come or
//! its caller has gone: loops ask [`Work::check`]. The place is given back when the thread is done, not when
//! the caller is, so a medium that hangs takes no more threads than there are places.

use crate::fault::Fault;
use crate::library::{Library, Shelf};
use mcp::builtin::Fail;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;

/// What the tools work on.
pub(crate) struct Desk {
    pub(crate) holdings: Arc<Library>,
    places: Arc<Semaphore>,
}

/// One call at work.
pub(crate) struct Work {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) holdings: Arc<Library>,
    until: Instant,
    gone: Arc<AtomicBool>,
}

impl Work {
    /// Fails if nobody waits any more.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.gone.load(Ordering::Relaxed) || Instant::now() >= self.until {
            return Err(timed_out());
        }
        Ok(())
    }

    /// Half of the time that was there is over: for work that can give a part of its result.
    pub(crate) fn is_late(&self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        self.gone.load(Ordering::Relaxed) || left < self.holdings.settings.deadline / 2
    }
}

fn timed_out() -> Fault {
    Fault::new("timeout", "This took too long and was given up. Ask for less, or try again.")
}

impl Desk {
    pub(crate) fn new(library: &Arc<Library>) -> Self {
        let places = Arc::new(Semaphore::new(library.settings.threads.max(1)));
        Self { holdings: Arc::clone(library), places }
    }

    /// Does it on a blocking thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Work) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fail> {
        let deadline = self.holdings.settings.deadline;
        let until = Instant::now() + deadline;
        let gone = Arc::new(AtomicBool::new(false));
        let _leaving = Leaving(Arc::clone(&gone));
        let holdings = Arc::clone(&self.holdings);
        let working = async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let running = tokio::task::spawn_blocking(move || {
                let _place = place;
                let shelf = holdings.shelf();
                let work = Work { shelf, holdings, until, gone };
                work.check()?;
                act(&work)
            });
            match running.await {
                Ok(result) => result,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => Err(timed_out()),
            }
        };
        match tokio::time::timeout(deadline, working).await {
            Ok(result) => result.map_err(Fail::from),
            Err(_) => Err(timed_out().into()),
        }
    }
}

/// Tells the thread when the caller goes.
struct Leaving(Arc<AtomicBool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
