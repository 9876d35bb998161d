//! The server: tools in front, and what the library says about itself.

use crate::library::Library;
use crate::settings::Settings;
use crate::tools;
use crate::work::Desk;
use arc_swap::ArcSwap;
use mcp::builtin::Builtin;
use mcp::watchers::Watchers;
use mcp::{About, Answering, Call, Change, Interest, Note, Request, Server, State, Watching};
use std::sync::{Arc, Weak};
use tokio::runtime::Handle;

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
    let tools = tools::add(Builtin::new("portcullis-zim", env!("CARGO_PKG_VERSION"), Desk::new(&library)))
        .instructions(tools::INSTRUCTIONS)
        .build();
    let mut about = About::clone(&tools.about());
    about.state = State::Starting;
    about.reason = "looking for archives".to_owned();
    let server = Arc::new(ZimServer {
        tools,
        holdings: library,
        about: ArcSwap::from_pointee(about),
        watchers: Watchers::default(),
    });
    match Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(keep(Arc::downgrade(&server)));
        }
        Err(_) => {
            server.holdings.shelf();
            server.tell_state();
        }
    }
    server
}

/// Looks at the folders until the server is gone.
async fn keep(server: Weak<ZimServer>) {
    loop {
        let Some(library) = server.upgrade().map(|server| Arc::clone(&server.holdings)) else { return };
        let rescan = library.settings.rescan;
        // One thread at most: this waits for it, and a medium that hangs holds nothing else.
        let looked = tokio::task::spawn_blocking(move || drop(library.shelf())).await;
        if let Err(error) = looked {
            tracing::error!(%error, "looking for archives failed");
        }
        let Some(server) = server.upgrade() else { return };
        server.tell_state();
        drop(server);
        tokio::time::sleep(rescan.max(std::time::Duration::from_millis(10))).await;
    }
}

impl ZimServer {
    /// Takes over how the library is, and tells who watches if that is new.
    fn tell_state(&self) {
        let Some(shelf) = self.holdings.known() else { return };
        let before = self.about.load_full();
        if before.state == shelf.state && before.reason == shelf.reason {
            return;
        }
        let mut about = About::clone(&before);
        about.state = shelf.state;
        about.reason.clone_from(&shelf.reason);
        self.about.store(Arc::new(about));
        self.watchers.tell(&Change::About);
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
}
