//! What is known about a child before it runs.
//!
//! The environment is the whole one: a child inherits nothing by accident, least of all the secrets
//! of its gateway or of its siblings. Whoever assembles the settings decides what `PATH` is.

use mcp::{Era, seal};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a child is started, spoken with and stopped.
#[derive(Clone)]
pub struct Settings {
    /// What the server is called in settings, errors and logs.
    pub name: String,
    /// The program, looked up in the `PATH` of [`Settings::env`]. No shell is involved.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Where it runs; where the gateway runs, if nothing is said.
    pub cwd: Option<PathBuf>,
    /// How long it may take from its start to the end of the handshake.
    pub start_timeout: Duration,
    /// How long it may take to end after SIGTERM before it is killed.
    pub stop_grace: Duration,
    /// The longest line that is read from it.
    pub max_line: usize,
    /// How many bytes of requests wait for it to read them; further calls wait for room.
    pub queue_bytes: usize,
    /// After how long without a call an instance of one caller's own is stopped; never, if zero.
    pub idle_stop: Duration,
    /// How many such instances there are at most.
    pub max_asking: usize,
    /// How many of them one principal without a session has at most.
    pub asking_per_principal: usize,
    /// When it is started again.
    pub backoff: Backoff,
    /// Its era, if it is known; otherwise it is found out.
    pub era: Option<Era>,
    /// How long an unknown server may take to answer `server/discover` before it counts as legacy.
    pub discover_timeout: Duration,
}

impl Settings {
    /// A child with an empty environment and the defaults.
    pub fn new(name: impl Into<String>, command: impl Into<String>, args: Vec<String>) -> Self {
        Self {
            name: name.into(),
            command: command.into(),
            args,
            env: Vec::new(),
            cwd: None,
            start_timeout: Duration::from_secs(30),
            stop_grace: Duration::from_secs(5),
            max_line: 16 << 20,
            queue_bytes: 4 << 20,
            idle_stop: Duration::from_secs(600),
            max_asking: 32,
            asking_per_principal: 16,
            backoff: Backoff { first: Duration::from_millis(250), most: Duration::from_secs(30) },
            era: None,
            discover_timeout: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for Settings {
    /// Arguments and values of the environment may be secrets, so they are only counted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("args", &self.args.len())
            .field("env", &self.env.len())
            .finish_non_exhaustive()
    }
}

/// How the pauses between starts grow: doubled each time, and shortened at random by up to half,
/// so that children that fell together do not rise together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest one.
    pub most: Duration,
}

impl Backoff {
    /// The pause after that many failures in a row.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let full = self.first.saturating_mul(2u32.saturating_pow(failures.min(20))).min(self.most);
        // Without randomness there is no jitter, but still a pause.
        let random = seal::random().map_or(u32::MAX, u32::from_ne_bytes);
        full.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary() {
        let backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) };
        for (failures, full) in [(0, 100), (1, 200), (2, 400), (3, 800), (4, 1000), (1000, 1000)] {
            for _ in 0..50 {
                let pause = backoff.pause(failures);
                let full = Duration::from_millis(full);
                assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?}");
            }
        }
        let pauses: std::collections::HashSet<_> = (0..20).map(|_| backoff.pause(3)).collect();
        assert!(pauses.len() > 1);
    }
}
