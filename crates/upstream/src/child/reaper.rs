//! What ends the children when the gateway was killed and could not do it itself.
//!
//! Nothing that runs inside a process survives its SIGKILL. So a tiny second process, the reaper,
//! holds the list of living process groups. It reads changes to the list from a pipe whose only
//! writer is the gateway: when the pipe ends, the gateway is gone, however that came about, and
//! the reaper ends what is left. It leads a group of its own, so that a signal to the gateway's
//! group does not end it first.
//!
//! Most children end by themselves when their standard input does. This is for those that do not,
//! and for what they started.

use super::group;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a group has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// A handle to the process that outlives the gateway. Cheap to clone.
#[derive(Clone, Default)]
pub struct Reaper(Option<Arc<Shared>>);

struct Shared {
    program: PathBuf,
    args: Vec<OsString>,
    state: Mutex<List>,
}

#[derive(Default)]
struct List {
    groups: BTreeSet<i32>,
    process: Option<std::process::Child>,
}

impl Reaper {
    /// A reaper that is started as `program args...` with the first child; that command must call
    /// [`reaper_main`]. It runs in `/`, so `program` must be absolute.
    pub fn start(program: PathBuf, args: Vec<OsString>) -> Self {
        Self(Some(Arc::new(Shared { program, args, state: Mutex::default() })))
    }

    /// No reaper: a killed gateway leaves its children to themselves.
    pub const fn none() -> Self {
        Self(None)
    }

    /// A group is about to be made: the reaper is there before it is, so that it is listed as soon
    /// as it lives.
    pub fn prepare(&self) {
        let Some(shared) = &self.0 else { return };
        let mut list = shared.list();
        if list.process.is_none() {
            shared.renew(&mut list);
        }
    }

    /// A group lives.
    pub fn add(&self, group: i32) {
        let Some(shared) = &self.0 else { return };
        let mut list = shared.list();
        list.groups.insert(group);
        shared.tell(&mut list, &format!("+{group}\n"));
    }

    /// A group is gone: its number may be somebody else's soon.
    pub fn remove(&self, group: i32) {
        let Some(shared) = &self.0 else { return };
        let mut list = shared.list();
        if list.groups.remove(&group) {
            shared.tell(&mut list, &format!("-{group}\n"));
        }
    }
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, List> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the change, or everything to a new reaper if there was none or it died.
    fn tell(&self, list: &mut List, line: &str) {
        if let Some(process) = &mut list.process {
            if process.stdin.as_mut().is_some_and(|pipe| pipe.write_all(line.as_bytes()).is_ok()) {
                return;
            }
            // Already dead, or it would read: so neither takes any time.
            let _ = process.kill();
            let _ = process.wait();
            list.process = None;
        }
        if !list.groups.is_empty() {
            self.renew(list);
        }
    }

    /// Starts a reaper and tells it everything.
    fn renew(&self, list: &mut List) {
        let started = self.run().and_then(|mut process| {
            let all: String = list.groups.iter().map(|group| format!("+{group}\n")).collect();
            if let Some(pipe) = process.stdin.as_mut() {
                pipe.write_all(all.as_bytes())?;
            }
            Ok(process)
        });
        match started {
            Ok(process) => list.process = Some(process),
            Err(error) => tracing::warn!(%error, "no reaper: a killed gateway would leave its children behind"),
        }
    }

    fn run(&self) -> io::Result<std::process::Child> {
        let mut command = Command::new(&self.program);
        group::alone(&mut command);
        command
            .args(&self.args)
            .env_clear()
            // It must not keep a mount busy, nor a pipe that somebody reads to its end.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Reaper" } else { "Reaper(none)" })
    }
}

/// What the reaper does, in a process of its own: reads its list from standard input, and at the
/// end of that ends every group still listed.
pub fn reaper_main() {
    let mut groups = BTreeSet::new();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        apply(&mut groups, &line);
    }
    group::end_all(groups.into_iter(), GRACE);
}

fn apply(groups: &mut BTreeSet<i32>, line: &str) {
    // 1 and below would be everybody.
    let number = |text: &str| text.parse::<i32>().ok().filter(|n| *n > 1);
    if let Some(group) = line.strip_prefix('+').and_then(number) {
        groups.insert(group);
    } else if let Some(group) = line.strip_prefix('-').and_then(number) {
        groups.remove(&group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_its_lines_say_and_never_everybody() {
        let mut groups = BTreeSet::new();
        for line in ["+12", "+13", "-12", "-99", "+1", "+0", "+-1", "x", "", "+"] {
            apply(&mut groups, line);
        }
        assert_eq!(groups.into_iter().collect::<Vec<_>>(), [13]);
    }
}
