//! Process groups and pipes: all of this module's parent that differs between platforms.
//!
//! A child leads a group of its own, so that a signal reaches what it started as well, and a
//! Ctrl-C in the terminal of the gateway does not reach it behind our back. Whoever holds a
//! [`Group`] owns those processes: dropping it kills them.
//!
//! The number of a group is only ours while a member of it lives. A signal right after the leader
//! was reaped could in theory reach a stranger's group of the same number; for that, all process
//! numbers would have to be used up within microseconds. What must not happen is to keep a number
//! for later, so a group is given up as soon as its leader is gone and the rest was killed.

use super::reaper::Reaper;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep};

/// Our end of a child's standard input.
pub(super) type Input = tokio::net::unix::pipe::Sender;
/// Our end of a child's standard output.
pub(super) type Output = tokio::net::unix::pipe::Receiver;

/// Makes the child the leader of a new group.
pub(super) fn in_own_group(command: &mut Command) {
    command.process_group(0);
}

/// See [`in_own_group`].
pub(super) fn alone(command: &mut std::process::Command) {
    command.process_group(0);
}

/// The pipe itself: unlike [`ChildStdin`], it can be written to from wherever a call is.
pub(super) fn input(stdin: ChildStdin) -> io::Result<Input> {
    Input::from_owned_fd(stdin.into_owned_fd()?)
}

/// See [`input`].
pub(super) fn output(stdout: ChildStdout) -> io::Result<Output> {
    Output::from_owned_fd(stdout.into_owned_fd()?)
}

/// What became of a process, as the rest of a sentence.
pub(super) fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// How often a group that was asked to end is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A child and all it started that stayed in its group.
pub(super) struct Group {
    leader: Pid,
    reaper: Reaper,
}

impl Group {
    /// The group of a child that was just started.
    pub(super) fn new(leader: Option<u32>, reaper: Reaper) -> Option<Self> {
        let leader = Pid::from_raw(i32::try_from(leader?).ok()?)?;
        reaper.add(leader.as_raw_nonzero().get());
        Some(Self { leader, reaper })
    }

    /// Asks all of them to end.
    pub(super) fn terminate(&self) {
        // An error means that there is nobody left to ask.
        let _ = kill_process_group(self.leader, Signal::TERM);
    }

    /// Ends all of them.
    pub(super) fn kill(&self) {
        let _ = kill_process_group(self.leader, Signal::KILL);
    }

    /// Waits until nobody is left, but not longer than until `latest`. Only after the leader was
    /// waited for.
    pub(super) async fn gone(&self, latest: Instant) {
        while !is_gone(self.leader) && Instant::now() < latest {
            sleep(LOOK).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.reaper.remove(self.leader.as_raw_nonzero().get());
    }
}

/// Whether a group has no members, not even dead ones that nobody waited for.
fn is_gone(group: Pid) -> bool {
    // As the first process of a container we inherit the children of our children, and nobody
    // else will wait for them.
    while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
    test_kill_process_group(group).is_err()
}

/// For the process that cleans up after a crash: ends these groups, those that do not listen by
/// force.
pub(super) fn end_all(groups: impl Iterator<Item = i32>, grace: Duration) {
    let mut groups: Vec<Pid> = groups.filter_map(Pid::from_raw).collect();
    for group in &groups {
        let _ = kill_process_group(*group, Signal::TERM);
    }
    let latest = std::time::Instant::now() + grace;
    while !groups.is_empty() && std::time::Instant::now() < latest {
        std::thread::sleep(LOOK);
        groups.retain(|group| test_kill_process_group(*group).is_ok());
    }
    for group in groups {
        let _ = kill_process_group(group, Signal::KILL);
    }
}
