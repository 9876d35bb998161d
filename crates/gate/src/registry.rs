//! The servers behind the gate, and who keeps their catalogues up to date.

use crate::catalogue::{Catalogue, ToolRules};
use crate::exchange::Exchange;
use crate::metrics::Metrics;
use crate::run::caller_of;
use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::StreamExt as _;
use mcp::{Call, Caller, Capabilities, Era, Interest, Raw, Server, State};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// What the settings say about one server.
#[derive(Clone)]
pub struct ServerSettings {
    /// Its name, which is the first part of its paths and of its joint names.
    pub name: String,
    /// What tells whether the settings changed: a server with the same key goes on running.
    pub key: String,
    /// Who answers.
    pub server: Arc<dyn Server>,
    /// About its tools.
    pub tools: ToolRules,
    /// How long a call may take, if this server has a deadline of its own.
    pub timeout: Option<Duration>,
}

/// A server behind the gate.
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    pub(crate) key: String,
    pub(crate) server: Arc<dyn Server>,
    pub(crate) timeout: Option<Duration>,
    rules: ToolRules,
    /// What callers see that cannot be asked anything, which for most servers is what all see.
    catalogue: ArcSwap<Catalogue>,
    /// What callers see that can be asked, once the first of them came.
    asking: ArcSwapOption<Catalogue>,
    /// What single callers see whose instances of the server list something else.
    own: Mutex<HashMap<Owner, Arc<OwnView>>>,
    /// Held while the view of those that can be asked is read for the first time.
    reading: tokio::sync::Mutex<()>,
    /// That it was tried, with success or not: from then on it is kept up to date.
    asking_tried: AtomicBool,
    /// Told when it could not be read, so that it is tried again.
    asking_failed: Arc<Notify>,
    since: Instant,
    versions: watch::Sender<Versions>,
    keeper: std::sync::OnceLock<JoinHandle<()>>,
}

/// Whether a server may offer something else to this caller alone.
pub(crate) const fn may_differ(exchange: &Exchange) -> bool {
    exchange.capabilities.any() || exchange.log_level.is_some()
}

/// Whose instances of a server list something else.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Owner {
    principal: Arc<str>,
    session: Option<Arc<str>>,
    capabilities: bytes::Bytes,
}

impl Owner {
    fn of(exchange: &Exchange) -> Self {
        Self {
            principal: Arc::clone(&exchange.principal.name),
            session: exchange.session.clone(),
            capabilities: exchange.capabilities.raw().bytes().clone(),
        }
    }
}

/// What only one caller sees.
struct OwnView {
    caller: Caller,
    /// As it was last read.
    catalogue: ArcSwapOption<Catalogue>,
    /// Up to which change it was read; held while it is.
    number: tokio::sync::Mutex<u64>,
}

impl OwnView {
    fn of(exchange: &Exchange) -> Self {
        Self { caller: caller_of(exchange), catalogue: ArcSwapOption::empty(), number: tokio::sync::Mutex::default() }
    }
}

/// How often each list of a server changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) tools: u64,
    pub(crate) prompts: u64,
    pub(crate) resources: u64,
    /// Whether the catalogue was ever read, or at least tried to be.
    pub(crate) tried: bool,
    pub(crate) state: u64,
}

/// Changes that come shortly after one another are read together.
const SETTLE: Duration = Duration::from_millis(20);
/// How long one list may take.
const READ_DEADLINE: Duration = Duration::from_secs(15);
/// How long what is for all servers waits for one, from its start, or for a view of it that is read
/// for the first time.
const PATIENCE: Duration = Duration::from_secs(3);

impl Entry {
    /// Takes a server in and starts to keep its catalogue.
    pub(crate) fn new(settings: ServerSettings, metrics: Arc<Metrics>) -> Arc<Self> {
        let entry = Arc::new(Self {
            name: settings.name.into(),
            key: settings.key,
            server: settings.server,
            timeout: settings.timeout,
            rules: settings.tools,
            catalogue: ArcSwap::default(),
            asking: ArcSwapOption::empty(),
            own: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            asking_tried: AtomicBool::new(false),
            asking_failed: Arc::default(),
            since: Instant::now(),
            versions: watch::Sender::new(Versions::default()),
            keeper: std::sync::OnceLock::new(),
        });
        let keeper = tokio::spawn(keep(Arc::downgrade(&entry), metrics));
        // Nobody else sets it.
        let _ = entry.keeper.set(keeper);
        entry
    }

    /// What this caller sees.
    pub(crate) fn catalogue(&self, exchange: &Exchange) -> Arc<Catalogue> {
        let own = self.own_lists(exchange).and_then(|_| self.own().get(&Owner::of(exchange))?.catalogue.load_full());
        let asking = || if exchange.capabilities.any() { self.asking.load_full() } else { None };
        own.or_else(asking).unwrap_or_else(|| self.catalogue.load_full())
    }

    fn own(&self) -> MutexGuard<'_, HashMap<Owner, Arc<OwnView>>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers the lists that only this caller sees.
    fn own_lists(&self, exchange: &Exchange) -> Option<u64> {
        if may_differ(exchange) { self.server.own_lists(&caller_of(exchange)) } else { None }
    }

    pub(crate) fn versions(&self) -> watch::Receiver<Versions> {
        self.versions.subscribe()
    }

    /// Waits until the catalogue for this caller is read, or the server turns out not to answer.
    pub(crate) async fn ready(&self, exchange: &Exchange) {
        self.ready_for_all().await;
        if !may_differ(exchange) {
            return;
        }
        let tried = || self.asking_tried.load(Ordering::Acquire);
        if exchange.capabilities.any() && !tried() && self.server.about().varies {
            let _reading = self.reading.lock().await;
            if !tried() {
                if !self.read_asking().await {
                    self.asking_failed.notify_one();
                }
                self.asking_tried.store(true, Ordering::Release);
            }
        }
        self.read_own(exchange).await;
    }

    /// Reads what only this caller sees, if that was not done since it changed. When it cannot be
    /// read, it stays what it was.
    pub(crate) async fn read_own(&self, exchange: &Exchange) {
        let Some(number) = self.own_lists(exchange) else { return };
        let view = {
            let mut own = self.own();
            if !own.contains_key(&Owner::of(exchange)) {
                // There are as many of these as instances of single callers.
                own.retain(|_, view| self.server.own_lists(&view.caller).is_some());
            }
            Arc::clone(own.entry(Owner::of(exchange)).or_insert_with(|| Arc::new(OwnView::of(exchange))))
        };
        let mut read = view.number.lock().await;
        if *read >= number {
            return;
        }
        let call = || Call::new(caller_of(exchange), HashMap::new()).0;
        let generation = self.catalogue.load().generation;
        let reading = Catalogue::read(&self.server, &self.rules, generation, call);
        match tokio::time::timeout(READ_DEADLINE, reading).await {
            Ok(Ok(new)) => view.catalogue.store(Some(Arc::new(new))),
            Ok(Err(error)) => {
                tracing::info!(server = %self.name, error = ?error.to_string(), "what a caller's own instance offers cannot be read");
            }
            Err(_) => {
                tracing::info!(server = %self.name, "what a caller's own instance offers was not told in time");
            }
        }
        *read = number;
    }

    /// Reads what callers see that can be asked. When it cannot be read, they see what they saw before,
    /// or what all see; false then.
    async fn read_asking(&self) -> bool {
        let generation = self.catalogue.load().generation;
        let reading = Catalogue::read(&self.server, &self.rules, generation, || own_call(everything()));
        match tokio::time::timeout(READ_DEADLINE, reading).await {
            Ok(Ok(new)) => {
                self.asking.store(Some(Arc::new(new)));
                return true;
            }
            Ok(Err(error)) => {
                tracing::info!(server = %self.name, error = ?error.to_string(), "what it offers to callers that can be asked cannot be read");
            }
            Err(_) => {
                tracing::info!(server = %self.name, "what it offers to callers that can be asked was not told in time");
            }
        }
        false
    }

    /// How long what is for all servers waits for this one.
    pub(crate) fn patience(&self) -> Duration {
        if self.versions.borrow().tried { PATIENCE } else { PATIENCE.saturating_sub(self.since.elapsed()) }
    }

    /// Waits until the catalogue for all was read once, or the server turns out not to answer.
    pub(crate) async fn ready_for_all(&self) {
        if self.versions.borrow().tried {
            return;
        }
        let mut versions = self.versions.subscribe();
        let answers = |v: &Versions| v.tried || matches!(self.server.about().state, State::Down | State::Disabled);
        // The sender lives as long as we do.
        let _ = versions.wait_for(answers).await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

/// Of a client that can be asked whatever there is.
fn everything() -> Capabilities {
    let all = serde_json::json!({
        "elicitation": { "form": {}, "url": {} }, "sampling": { "tools": {}, "context": {} }, "roots": { "listChanged": true } });
    Capabilities::read(&Raw::of(&all)).unwrap_or_else(|_| Capabilities::none())
}

/// A call of the gate's own.
pub(crate) fn own_call(capabilities: Capabilities) -> Call {
    let caller = Caller {
        principal: "portcullis".into(),
        session: None,
        era: Era::Modern,
        capabilities,
        log_level: None,
        wants_progress: false,
        trace: None,
    };
    Call::new(caller, HashMap::new()).0
}

/// Reads the catalogue whenever the server says that something changed.
async fn keep(entry: std::sync::Weak<Entry>, metrics: Arc<Metrics>) {
    let Some((server, name, asking_failed)) =
        entry.upgrade().map(|e| (Arc::clone(&e.server), Arc::clone(&e.name), Arc::clone(&e.asking_failed)))
    else {
        return;
    };
    let mut changes = Arc::clone(&server).watch(Interest::lists(), own_call(Capabilities::none()));
    let mut retry = Duration::from_millis(250);
    loop {
        let about = server.about();
        metrics.server_is(&name, about.state, about.incarnation);
        let mut failed = false;
        let answers = about.state.answers();
        if answers {
            let Some((generation, rules)) =
                entry.upgrade().map(|e| (e.catalogue.load().generation + 1, e.rules.clone()))
            else {
                return;
            };
            let reading = Catalogue::read(&server, &rules, generation, || own_call(Capabilities::none()));
            match tokio::time::timeout(READ_DEADLINE, reading).await {
                Ok(Ok(new)) => {
                    let Some(entry) = entry.upgrade() else { return };
                    entry.publish(new);
                    if entry.asking_tried.load(Ordering::Acquire) && !entry.read_asking().await {
                        failed = true;
                    } else {
                        retry = Duration::from_millis(250);
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(server = %name, error = ?error.to_string(), "what the server offers cannot be read");
                    failed = true;
                }
                Err(_) => {
                    tracing::warn!(server = %name, "what the server offers was not told in time");
                    failed = true;
                }
            }
        }
        match entry.upgrade() {
            Some(entry) => entry.versions.send_modify(|v| {
                v.state += 1;
                v.tried |= failed;
            }),
            None => return,
        }
        let change = if failed {
            retry = (retry * 2).min(Duration::from_secs(30));
            tokio::time::timeout(retry, changes.next()).await.unwrap_or(Some(mcp::Change::About))
        } else {
            tokio::select! {
                change = changes.next() => change,
                () = asking_failed.notified() => {
                    tokio::time::sleep(retry).await;
                    Some(mcp::Change::About)
                }
            }
        };
        if change.is_none() {
            // The server is gone for good.
            return;
        }
        // Of a server that is starting nothing was read yet, and callers wait for that.
        if answers {
            tokio::time::sleep(SETTLE).await;
        }
        while let Some(Some(_)) = futures_util::FutureExt::now_or_never(changes.next()) {}
    }
}

impl Entry {
    fn publish(&self, mut new: Catalogue) {
        let (tools, prompts, resources) = self.catalogue.load().same_lists(&new);
        new.reuse(&self.catalogue.load());
        self.catalogue.store(Arc::new(new));
        self.versions.send_modify(|v| {
            v.tools += u64::from(!tools);
            v.prompts += u64::from(!prompts);
            v.resources += u64::from(!resources);
            v.tried = true;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Asking, Front};
    use crate::identity::Principal;
    use mcp::{About, Answer, Answering, Error, Note, Request, ServerCapabilities, Watching};
    use std::sync::atomic::AtomicU64;

    /// Lists a tool to callers that can be asked, but fails the first time it is asked for that.
    #[derive(Default)]
    struct Moody(AtomicU64);

    impl Server for Moody {
        fn about(&self) -> Arc<About> {
            Arc::new(About {
                info: Raw::empty_object(),
                instructions: None,
                capabilities: ServerCapabilities { tools: true, ..ServerCapabilities::default() },
                state: State::Healthy,
                reason: String::new(),
                incarnation: 1,
                varies: true,
                is_built_in: false,
                tools: Arc::default(),
            })
        }

        fn answer(self: Arc<Self>, _request: Request, call: Call) -> Answering {
            let fails = call.caller().capabilities.any() && self.0.fetch_add(1, Ordering::Relaxed) == 0;
            let tools = if call.caller().capabilities.any() {
                serde_json::json!([{ "name": "ask" }])
            } else {
                serde_json::json!([])
            };
            let result = Raw::of(&serde_json::json!({ "tools": tools }));
            Box::pin(std::future::ready(if fails { Err(Error::Cancelled) } else { Ok(Answer::Complete(result)) }))
        }

        fn tell(&self, _note: Note, _call: &Call) {}

        fn watch(self: Arc<Self>, _interest: Interest, _call: Call) -> Watching {
            Box::pin(futures_util::stream::pending())
        }
    }

    #[tokio::test]
    async fn what_could_not_be_read_for_callers_that_can_be_asked_is_read_again() {
        let settings = ServerSettings {
            name: "moody".into(),
            key: String::new(),
            server: Arc::new(Moody::default()),
            tools: ToolRules::default(),
            timeout: None,
        };
        let entry = Entry::new(settings, Arc::default());
        let exchange = Exchange {
            id: 1,
            principal: Arc::new(Principal::named("ann", Vec::new())),
            address: None,
            front: Front::Http,
            era: Era::Legacy,
            session: None,
            capabilities: everything(),
            log_level: None,
            asking: Asking::Never,
            trace: None,
        };
        entry.ready(&exchange).await;
        assert!(entry.catalogue(&exchange).tool("ask").is_none());
        let read = async {
            while entry.catalogue(&exchange).tool("ask").is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.expect("it is read again");
    }
}
