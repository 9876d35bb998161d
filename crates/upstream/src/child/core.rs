//! What all parts of one child share: its settings, its state as others see it, and the means to
//! end everything at once.
//!
//! Every task of a child holds an `Arc` of this, and none of them the [`super::Child`] itself, so
//! that dropping that one ends them.

use super::audience::Audience;
use super::instance::Instance;
use super::reaper::Reaper;
use super::settings::Settings;
use arc_swap::{ArcSwap, ArcSwapOption};
use mcp::handshake::Welcome;
use mcp::{About, Change, Era, Error, Raw, ServerCapabilities, State};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// See the module.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) server: Arc<str>,
    pub(super) reaper: Reaper,
    pub(super) about: ArcSwap<About>,
    /// Of the shared instance.
    pub(super) audience: Arc<Audience>,
    pub(super) plain: watch::Sender<Plain>,
    /// What the server said when it was last started.
    pub(super) welcome: ArcSwapOption<Welcome>,
    /// Answers that nobody waited for.
    pub(super) late: Arc<AtomicU64>,
    pub(super) stopping: watch::Sender<bool>,
    /// How many tasks and processes there are that [`super::Child::stop`] waits for.
    pub(super) present: watch::Sender<usize>,
}

/// The shared instance.
pub(super) enum Plain {
    /// On its way: calls wait.
    Starting,
    Up(Arc<Instance>),
    /// Calls fail at once.
    Down {
        reason: String,
        retry_at: Option<Instant>,
    },
}

/// Counts in [`Core::present`] while it lives.
pub(super) struct Presence(Arc<Core>);

impl Core {
    pub(super) fn new(settings: Settings, reaper: Reaper) -> Self {
        let about = About {
            info: Raw::object([("name", &Raw::of(&settings.name)), ("version", &Raw::of("unknown"))]),
            instructions: None,
            capabilities: ServerCapabilities::default(),
            state: State::Starting,
            reason: String::new(),
            incarnation: 0,
            varies: false,
            is_built_in: false,
            tools: Arc::default(),
        };
        Self {
            server: settings.name.as_str().into(),
            settings,
            reaper,
            about: ArcSwap::from_pointee(about),
            audience: Arc::default(),
            plain: watch::Sender::new(Plain::Starting),
            welcome: ArcSwapOption::empty(),
            late: Arc::default(),
            stopping: watch::Sender::new(false),
            present: watch::Sender::new(0),
        }
    }

    /// Something begins that has to end before the child counts as stopped; `None` if it is being
    /// stopped. Counted first and looked at then, so that nothing begins unseen.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Presence> {
        self.present.send_modify(|present| *present += 1);
        let presence = Presence(Arc::clone(self));
        (!*self.stopping.borrow()).then_some(presence)
    }

    /// Ends when the child is to be stopped.
    pub(super) async fn stopped(&self) {
        // The sender is ours, so there is no error.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// The era of the server, as far as it is known.
    pub(super) fn era(&self) -> Option<Era> {
        self.settings.era.or_else(|| self.welcome.load().as_ref().map(|w| w.revision.era()))
    }

    /// The shared instance, waiting for it if it is on its way.
    pub(super) async fn plain(&self) -> Result<Arc<Instance>, Error> {
        if let Plain::Up(instance) = &*self.plain.borrow() {
            return Ok(Arc::clone(instance));
        }
        let mut plain = self.plain.subscribe();
        let now = plain.wait_for(|plain| !matches!(plain, Plain::Starting)).await;
        match now.as_deref() {
            Ok(Plain::Up(instance)) => Ok(Arc::clone(instance)),
            Ok(Plain::Down { reason, retry_at }) => Err(self.unavailable(reason, *retry_at)),
            Ok(Plain::Starting) | Err(_) => Err(self.unavailable("it is starting", None)),
        }
    }

    /// The error of calls that cannot be answered now.
    pub(super) fn unavailable(&self, reason: &str, retry_at: Option<Instant>) -> Error {
        let left = retry_at.map(|at| at.saturating_duration_since(Instant::now()));
        let soonest = self.settings.backoff.first;
        Error::Unavailable {
            server: self.settings.name.clone(),
            state: State::Down.as_str(),
            reason: reason.to_owned(),
            retry_after: Some(left.unwrap_or(soonest).max(soonest.min(Duration::from_millis(100)))),
        }
    }

    /// The shared instance is up.
    pub(super) fn is_up(&self, instance: &Arc<Instance>) {
        let welcome = &instance.welcome;
        self.welcome.store(Some(Arc::clone(welcome)));
        let mut about = About::clone(&self.about.load());
        about.info = named(welcome, &self.settings.name);
        about.capabilities = welcome.capabilities.clone();
        about.instructions.clone_from(&welcome.instructions);
        about.varies = welcome.revision.era() == Era::Legacy;
        about.state = State::Healthy;
        about.reason.clear();
        about.incarnation += 1;
        self.about.store(Arc::new(about));
        self.plain.send_replace(Plain::Up(Arc::clone(instance)));
        self.audience.tell(&Change::About);
    }

    /// The shared instance is not up. What is known about the server is kept.
    pub(super) fn is_down(&self, reason: &str, retry_at: Option<Instant>) {
        let mut about = About::clone(&self.about.load());
        about.state = State::Down;
        reason.clone_into(&mut about.reason);
        self.about.store(Arc::new(about));
        self.plain.send_replace(Plain::Down { reason: reason.to_owned(), retry_at });
        self.audience.tell(&Change::About);
    }
}

/// `serverInfo`, with a name even if the server told none.
fn named(welcome: &Welcome, name: &str) -> Raw {
    if welcome.info.get_text("name").is_some_and(|name| !name.is_empty()) {
        return welcome.info.clone();
    }
    welcome.info.rewritten(&["name"], &[("name", &Raw::of(name))])
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.present.send_modify(|present| *present -= 1);
    }
}
