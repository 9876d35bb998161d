//! The engine of these tests, and a caller of its server.

mod caller;
mod daemon;
mod stall;

pub use caller::{Caller, caller};
pub use daemon::{Daemon, Engine, docker, engine, wait_for};
pub use stall::Stall;

/// A name that no other test has.
pub fn unique(name: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The engine, or the end of the test if there is none.
#[macro_export]
macro_rules! engine {
    () => {
        match $crate::support::engine() {
            Some(engine) => engine,
            None => return,
        }
    };
}
