//! The server: tools in front, and what the library says about itself.

use crate::events::Events;
use crate::library::{Changed, How, Library};
use crate::resources::{self, Asked};
use crate::settings::Settings;
use crate::side::background;
use crate::work::Desk;
use crate::{prompts, tools};
use arc_swap::ArcSwap;
use mcp::builtin::Builtin;
use mcp::watchers::Watchers;
use mcp::{About, Answering, Call, Change, Interest, Note, Request, Server, Settling, State, Watching};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long what the system tells is gathered.
const TOGETHER: Duration = Duration::from_millis(50);
/// How often what is to outlive the process is written down, in case that it does not end in good order.
const SAVED: Duration = Duration::from_secs(300);

struct ZimServer {
    tools: Arc<Builtin<Desk>>,
    holdings: Arc<Library>,
    about: ArcSwap<About>,
    watchers: Watchers,
}

/// A server over these archives.
///
/// Made within a Tokio runtime it returns at once, in [`State::Starting`] until the folders were looked at, and
/// looks at them again as often as [`Settings::rescan`] says, for as long as it lives. Without a runtime it looks
/// at once, and later when it is called.
pub fn server(settings: Settings) -> Arc<dyn Server> {
    let library = Arc::new(Library::new(settings));
    let settings = &library.settings;
    let builtin = Builtin::new(&settings.server_name, env!("CARGO_PKG_VERSION"), Desk::new(&library));
    let instructions = if settings.simple { tools::SIMPLE_INSTRUCTIONS } else { tools::INSTRUCTIONS };
    let mut builtin = tools::add(builtin, settings).instructions(instructions);
    if !settings.simple {
        builtin = resources::add(prompts::add(builtin));
    }
    let tools = builtin.build();
    let mut about = About::clone(&tools.about());
    about.state = State::Starting;
    about.reason = "looking for archives".to_owned();
    about.capabilities.subscribe &= settings.subscriptions;
    let server = Arc::new(ZimServer {
        tools,
        holdings: library,
        about: ArcSwap::from_pointee(about),
        watchers: Watchers::default(),
    });
    let told = Arc::downgrade(&server);
    server.holdings.tell(move |changed| {
        if let Some(server) = told.upgrade() {
            server.tell_changes(changed);
        }
    });
    match Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(keep(Arc::downgrade(&server)));
            if server.holdings.background.is_on() {
                runtime.spawn(background::keep(Arc::downgrade(&server.holdings)));
            }
        }
        Err(_) => {
            server.holdings.restore();
            server.holdings.shelf();
            server.tell_state();
        }
    }
    server
}

/// Looks at the folders until the server is gone.
async fn keep(server: Weak<ZimServer>) {
    let (mut events, mut watched) = (None, Vec::new());
    let mut has_changed = false;
    let (mut is_first, mut saved) = (true, Instant::now());
    loop {
        let Some(kept) = server.upgrade() else { return };
        let is_due = saved.elapsed() >= SAVED;
        if is_due {
            saved = Instant::now();
        }
        let rescan = kept.holdings.settings.rescan.max(Duration::from_millis(10));
        // One thread at most: this waits for it, and a medium that hangs holds nothing else.
        let looked = tokio::task::spawn_blocking(move || {
            if is_first {
                kept.holdings.restore();
            }
            if is_due {
                kept.holdings.save();
            }
            let shelf = if has_changed { kept.holdings.fresh() } else { kept.holdings.shelf() };
            kept.tell_state();
            shelf
        });
        let looked = looked.await;
        is_first = false;
        match looked {
            Ok(shelf) if shelf.folders != watched => {
                watched.clone_from(&shelf.folders);
                events = server.upgrade().and_then(|server| Events::of(&watched, &server.holdings.stale));
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "looking for archives failed"),
        }
        let told = async {
            match &events {
                Some(events) => events.changed().await,
                None => std::future::pending().await,
            }
        };
        has_changed = tokio::time::timeout(rescan, told).await.is_ok();
        if has_changed {
            // What comes together is looked at together.
            tokio::time::sleep(TOGETHER).await;
        }
    }
}

impl ZimServer {
    /// Takes over how the library is, and tells who watches if that is new. Blocks.
    fn tell_state(&self) {
        let (state, reason) = self.holdings.state();
        let before = self.about.load_full();
        if before.state == state && before.reason == reason {
            return;
        }
        let mut about = About::clone(&before);
        about.state = state;
        about.reason = reason;
        self.about.store(Arc::new(about));
        self.watchers.tell(&Change::About);
    }

    /// Tells who watches the list of archives, or one of those that changed.
    fn tell_changes(&self, changed: &[Changed]) {
        if !self.holdings.settings.subscriptions {
            return;
        }
        if changed.iter().any(|change| change.how != How::Replaced) {
            self.watchers.tell(&Change::Resources);
        }
        self.watchers.tell(&Change::Updated(resources::FILES.to_owned()));
        for uri in self.watchers.uris() {
            if Asked::parse(&uri).is_some_and(|asked| changed.iter().any(|change| asked.is_of(&change.name))) {
                self.watchers.tell(&Change::Updated(uri));
            }
        }
    }
}

impl Server for ZimServer {
    fn about(&self) -> Arc<About> {
        self.about.load_full()
    }

    fn answer(self: Arc<Self>, request: Request, call: Call) -> Answering {
        Arc::clone(&self.tools).answer(request, call)
    }

    fn tell(&self, note: Note, call: &Call) {
        self.tools.tell(note, call);
    }

    fn watch(self: Arc<Self>, interest: Interest, _call: Call) -> Watching {
        Box::pin(self.watchers.watch(interest))
    }

    fn close(self: Arc<Self>) -> Settling {
        self.holdings.background.stop();
        let holdings = Arc::clone(&self.holdings);
        Box::pin(async move {
            let saved = tokio::task::spawn_blocking(move || holdings.save()).await;
            if let Err(error) = saved {
                tracing::error!(%error, "writing down what is to be kept failed");
            }
        })
    }
}
