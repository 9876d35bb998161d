//! One process from its start to its last group member.
//!
//! Three tasks move bytes; a fourth, the life, owns the process and sees it end, whichever way that
//! comes about: it exits, it closes a pipe it should not, or it is told to stop. It then fails what
//! the child still owed, and makes sure that nothing of it is left. A [`Process`] is a handle to
//! that life: dropping it ends the life in good order, and if there is no runtime any more, dropping
//! the life's task kills the group on the spot.

use super::audience::Audience;
use super::core::{Core, Presence};
use super::group::{self, Group};
use super::hearing::Hearing;
use super::lines::Lines;
use super::queue::Queue;
use super::stderr::Stderr;
use super::wire::Wire;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a process may take to exit after it closed a pipe, and its last words to arrive after
/// it exited. Both are there at once, unless somebody else holds the pipe.
const MOMENT: Duration = Duration::from_millis(500);

/// See the module.
pub(super) struct Process {
    pub(super) wire: Arc<Wire>,
    hearing: Arc<Hearing>,
    stderr: Arc<Stderr>,
    /// Dropped, it ends the life as well.
    quit: watch::Sender<bool>,
    died: watch::Receiver<Option<Arc<str>>>,
}

impl Process {
    /// Starts one for everybody, or, with an audience of its own, for one caller.
    pub(super) fn start(core: &Arc<Core>, own: Option<&Arc<Audience>>) -> Result<Self, String> {
        let presence = core.enter().ok_or("it was stopped")?;
        let settings = &core.settings;
        if settings.cwd.as_deref().is_some_and(|cwd| !cwd.is_dir()) {
            return Err("its working directory does not exist".into());
        }
        let mut command = Command::new(&settings.command);
        command.args(&settings.args).env_clear().envs(settings.env.iter().map(|(n, v)| (n, v)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(cwd) = &settings.cwd {
            command.current_dir(cwd);
        }
        group::in_own_group(&mut command);
        let no_start = |error: &io::Error| cannot_start(&settings.command, error);
        core.reaper.prepare();
        let mut child = command.spawn().map_err(|e| no_start(&e))?;
        let group = Group::new(child.id(), core.reaper.clone());
        let no_pipe = || io::Error::other("no pipe");
        let input = child.stdin.take().ok_or_else(no_pipe).and_then(group::input).map_err(|e| no_start(&e))?;
        let output = child.stdout.take().ok_or_else(no_pipe).and_then(group::output).map_err(|e| no_start(&e))?;

        let stderr = Arc::new(Stderr::new(&settings.env));
        let queue = Queue::new(input, settings.queue_bytes);
        let wire = Arc::new(Wire::new(queue, Arc::clone(&core.late)));
        let hearing =
            Arc::new(Hearing::new(Arc::clone(&core.server), own.is_some(), Arc::clone(own.unwrap_or(&core.audience))));
        let writing = tokio::spawn({
            let wire = Arc::clone(&wire);
            async move { wire.queue.write(&wire.pending).await }
        });
        let lines = Lines::new(output, settings.max_line);
        let reading = tokio::spawn(Arc::clone(&hearing).read(Arc::clone(&wire), lines));
        let listening = child.stderr.take().map(|pipe| {
            let follow = Arc::clone(&stderr).follow(Arc::clone(&core.server), pipe);
            tokio::spawn(follow)
        });
        let (quit, told) = watch::channel(false);
        let (dead, died) = watch::channel(None);
        let life = Life {
            core: Arc::clone(core),
            group,
            child,
            wire: Arc::clone(&wire),
            hearing: Arc::clone(&hearing),
            stderr: Arc::clone(&stderr),
            writing,
            reading,
            listening,
            _presence: presence,
        };
        tokio::spawn(life.live(told, dead));
        Ok(Self { wire, hearing, stderr, quit, died })
    }

    /// See [`Hearing::lists`].
    pub(super) fn lists(&self) -> Option<u64> {
        self.hearing.lists()
    }

    /// What its output tells about why it does not start.
    pub(super) fn epilogue(&self) -> String {
        self.hearing.noise.epilogue() + &self.stderr.epilogue()
    }

    /// Whether nothing more comes from it.
    pub(super) fn is_dead(&self) -> bool {
        self.died.borrow().is_some() || self.died.has_changed().is_err()
    }

    /// Waits until nothing is left of it, and says why.
    pub(super) async fn died(&self) -> Arc<str> {
        let mut died = self.died.clone();
        let reason = died.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_else(|| "it was stopped".into())
    }

    /// Ends it in good order, and does not wait for that.
    pub(super) fn quit(&self) {
        self.quit.send_replace(true);
    }
}

fn cannot_start(command: &str, error: &io::Error) -> String {
    // Where a program lies is nobody's business.
    let program = Path::new(command).file_name().unwrap_or_default().to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => format!("the command {program:?} was not found"),
        io::ErrorKind::PermissionDenied => format!("the command {program:?} may not be executed"),
        _ => format!("the command {program:?} could not be started: {error}"),
    }
}

async fn told_to_quit(told: &mut watch::Receiver<bool>) {
    // An error means that nobody holds the process any more.
    let _ = told.wait_for(|quit| *quit).await;
}

struct Life {
    core: Arc<Core>,
    /// Before the child: while that one was not waited for, the number of the group is ours.
    group: Option<Group>,
    child: Child,
    wire: Arc<Wire>,
    hearing: Arc<Hearing>,
    stderr: Arc<Stderr>,
    writing: JoinHandle<io::Result<()>>,
    reading: JoinHandle<()>,
    listening: Option<JoinHandle<()>>,
    _presence: Presence,
}

impl Life {
    async fn live(mut self, mut told: watch::Receiver<bool>, dead: watch::Sender<Option<Arc<str>>>) {
        let core = Arc::clone(&self.core);
        let reason = tokio::select! {
            status = self.child.wait() => self.exited(status).await,
            _ = &mut self.reading => self.hung_up("closed its standard output").await,
            _ = &mut self.writing => self.hung_up("closed its standard input").await,
            () = told_to_quit(&mut told) => self.stopped("was stopped").await,
            () = core.stopped() => self.stopped("was stopped").await,
        };
        self.wire.close(&reason);
        self.hearing.stop();
        self.writing.abort();
        self.reading.abort();
        if let Some(listening) = &self.listening {
            listening.abort();
        }
        // Before anybody learns of it, so that who does finds nothing left.
        drop(self.group.take());
        dead.send_replace(Some(reason));
    }

    /// It ended by itself. What it started and left behind is killed, and what it said last is
    /// read: an answer that was written before the end is an answer.
    async fn exited(&mut self, status: io::Result<ExitStatus>) -> Arc<str> {
        drop(self.group.take());
        if !self.reading.is_finished() {
            let _ = timeout(MOMENT, &mut self.reading).await;
        }
        if let Some(listening) = &mut self.listening {
            let _ = timeout(MOMENT, listening).await;
            self.listening = None;
        }
        let how = status.map_or_else(|error| format!("is gone: {error}"), group::how_it_ended);
        format!("it {how}{}", self.last_words()).into()
    }

    /// What it wrote last, for those who may know: why it did not start, or its only caller. What it
    /// writes later may be about the calls of others, so that is for our log.
    fn last_words(&self) -> String {
        let words = self.stderr.epilogue();
        if self.hearing.is_personal() || self.wire.is_greeting() {
            return words;
        }
        if !words.is_empty() {
            tracing::warn!(server = %self.core.server, "the child ended{words}");
        }
        String::new()
    }

    /// It closed a pipe: most often because it ends.
    async fn hung_up(&mut self, how: &str) -> Arc<str> {
        match timeout(MOMENT, self.child.wait()).await {
            Ok(status) => self.exited(status).await,
            Err(_) => self.stopped(&format!("{how}{}", self.last_words())).await,
        }
    }

    /// It is to end.
    async fn stopped(&mut self, how: &str) -> Arc<str> {
        let reason = format!("it {how}").into();
        self.wire.close(&reason);
        self.writing.abort();
        let latest = Instant::now() + self.core.settings.stop_grace;
        if let Some(group) = &self.group {
            group.terminate();
            if timeout_at(latest, self.child.wait()).await.is_ok() {
                // A wrapper is gone before what it wraps.
                group.gone(latest).await;
            }
            group.kill();
        }
        // At once, unless the system cannot let go of it; then it is not ours to wait for.
        if timeout(MOMENT, self.child.wait()).await.is_err() {
            tracing::warn!(server = %self.core.server, "the child does not end, not even when killed");
        }
        reason
    }
}
