//! Changes, as far as they concern a caller: of the lists that this principal sees, and of the
//! resources it may read.

use crate::exchange::Exchange;
use crate::gate::{Gate, Guarded};
use crate::identity::Place;
use crate::policy::Kind;
use crate::route::{Destination, items};
use futures_core::Stream;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, SelectAll};
use mcp::watchers::{self, Changes, Teller};
use mcp::{Change, Error, Interest, Method, Raw};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio::task::AbortHandle;

/// Changes of lists that come within this time are told once.
const COALESCE: Duration = Duration::from_millis(100);
/// How long the answer to a subscription waits for servers elsewhere to be subscribed.
const SETTLED: Duration = Duration::from_secs(2);

/// Changes for one caller. Ends when the caller's token goes. Dropping it ends the interest.
pub struct Watch {
    changes: Changes,
    task: AbortHandle,
    _place: Place,
    _count: Count,
}

struct Count(prometheus_client::metrics::gauge::Gauge);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stream for Watch {
    type Item = Change;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        Pin::new(&mut self.changes).poll_next(cx)
    }
}

impl Guarded {
    /// Watches for changes on behalf of a caller. Uris that the caller may not read are left out.
    /// Whatever changes after this returns is told. One that takes the place of another may be there
    /// beside it for a moment, however many there are.
    pub fn watch(&self, interest: Interest, exchange: &Arc<Exchange>, replaces: bool) -> Result<Watch, Error> {
        let snapshot = self.gate.snapshot();
        // With the roles that the principal has now.
        let unknown = || Error::UnknownMethod("subscriptions/listen".into());
        let principal = snapshot.identity().current(&exchange.principal).ok_or_else(unknown)?;
        let exchange = &Arc::new(Exchange { principal, ..Exchange::clone(exchange) });
        let place = exchange
            .principal
            .usage
            .watches
            .take(Some(snapshot.limits().watches.saturating_add(usize::from(replaces))))
            .ok_or(Error::Limited { what: "too many streams of changes", retry_after: Duration::from_secs(10) })?;
        let metrics = self.gate.metrics();
        metrics.watches.inc();
        let (teller, changes) = watchers::pair(interest.clone());
        // From here on nothing is missed: the caller is told that it is watched when this returns.
        let before = if interest.has_lists() { view(&self.gate, &self.to, exchange) } else { View::default() };
        let first = Updates::of(&self.gate, &self.to, &interest, exchange);
        let watching =
            watch(Arc::clone(&self.gate), self.to.clone(), interest, Arc::clone(exchange), teller, before, first);
        let task = tokio::spawn(watching).abort_handle();
        Ok(Watch { changes, task, _place: place, _count: Count(metrics.watches.clone()) })
    }

    /// Waits, but not long, until the servers elsewhere tell of what this caller watches by now.
    pub async fn settled(&self, exchange: &Exchange) {
        let caller = crate::run::caller_of(exchange);
        let servers = self.gate.snapshot().servers_for(&self.to, &exchange.principal);
        let settling = servers.iter().map(|entry| Arc::clone(&entry.server).settled(&caller));
        // One that takes longer keeps nobody from an answer.
        let _ = tokio::time::timeout(SETTLED, futures_util::future::join_all(settling)).await;
    }

    /// The uris of these that the caller may read.
    pub fn readable(&self, uris: &[String], exchange: &Exchange) -> Vec<String> {
        let snapshot = self.gate.snapshot();
        let servers = snapshot.servers_for(&self.to, &exchange.principal);
        let readable = |uri: &&String| {
            servers.iter().any(|e| snapshot.policy().allows(&exchange.principal, &e.name, Kind::Resource, uri, None))
        };
        uris.iter().filter(readable).cloned().collect()
    }
}

/// What a caller sees of the three lists, as numbers to compare.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct View {
    tools: u64,
    prompts: u64,
    resources: u64,
}

fn view(gate: &Gate, to: &Destination, exchange: &Exchange) -> View {
    let snapshot = gate.snapshot();
    let servers = snapshot.servers_for(to, &exchange.principal);
    let joint = *to == Destination::All;
    let number = |methods: &[Method]| {
        let mut hasher = DefaultHasher::new();
        for method in methods {
            for item in items(&snapshot, &servers, joint, method, exchange) {
                item.raw.bytes().hash(&mut hasher);
            }
        }
        hasher.finish()
    };
    View {
        tools: number(&[Method::ToolsList]),
        prompts: number(&[Method::PromptsList]),
        resources: number(&[Method::ResourcesList, Method::TemplatesList]),
    }
}

/// The same a little later, once what only this caller sees was read anew.
async fn look(gate: Arc<Gate>, to: Destination, exchange: Arc<Exchange>) -> View {
    tokio::time::sleep(COALESCE).await;
    let servers = gate.snapshot().servers_for(&to, &exchange.principal);
    futures_util::future::join_all(servers.iter().map(|entry| entry.read_own(&exchange))).await;
    view(&gate, &to, &exchange)
}

/// Where changes come from.
struct Updates {
    /// Of single resources, and of what only this caller sees.
    updates: SelectAll<mcp::Watching>,
    /// Of lists.
    versions: Vec<Receiver<crate::registry::Versions>>,
}

impl Updates {
    fn of(gate: &Gate, to: &Destination, interest: &Interest, exchange: &Exchange) -> Self {
        let snapshot = gate.snapshot();
        let servers = snapshot.servers_for(to, &exchange.principal);
        let mut updates = SelectAll::new();
        for entry in &servers {
            let allowed =
                |uri: &&String| snapshot.policy().allows(&exchange.principal, &entry.name, Kind::Resource, uri, None);
            let uris: Vec<_> = interest.uris.iter().filter(allowed).cloned().collect();
            // The lists that all see are watched by who keeps the catalogue.
            let own = crate::registry::may_differ(exchange);
            if own || !uris.is_empty() {
                let call = crate::run::call_of(exchange, false, HashMap::new()).0;
                let interest = Interest { tools: own, prompts: own, resources: own, uris };
                updates.push(Arc::clone(&entry.server).watch(interest, call));
            }
        }
        Self { updates, versions: servers.iter().map(|e| e.versions()).collect() }
    }
}

async fn watch(
    gate: Arc<Gate>,
    to: Destination,
    interest: Interest,
    mut exchange: Arc<Exchange>,
    teller: Teller,
    mut before: View,
    first: Updates,
) {
    let mut reloads = gate.reloads();
    let mut first = Some(first);
    loop {
        let snapshot = gate.snapshot();
        // With the roles that the principal has now.
        let Some(principal) = snapshot.identity().current(&exchange.principal) else { return };
        exchange = Arc::new(Exchange { principal, ..Exchange::clone(&exchange) });
        let Updates { mut updates, mut versions } =
            first.take().unwrap_or_else(|| Updates::of(&gate, &to, &interest, &exchange));
        // What changed before we looked at the versions, and what other roles change.
        let looks = || Box::pin(look(Arc::clone(&gate), to.clone(), Arc::clone(&exchange)));
        let mut looking = interest.has_lists().then(looks);
        let mut changed_meanwhile = false;
        loop {
            let mut changed: FuturesUnordered<_> = versions.iter_mut().map(Receiver::changed).collect();
            let any_change = async {
                // A server that is gone says so by an error: then the registry changed as well.
                while let Some(result) = changed.next().await {
                    if result.is_ok() {
                        return;
                    }
                }
                std::future::pending::<()>().await;
            };
            let seen = async {
                match &mut looking {
                    Some(looking) => looking.await,
                    None => std::future::pending().await,
                }
            };
            // What is looked at takes its time; updates of resources do not wait for it.
            tokio::select! {
                after = seen => {
                    looking = None;
                    tell(&mut before, after, &teller);
                }
                () = any_change => changed_meanwhile = true,
                Some(change) = updates.next(), if !updates.is_empty() => match change {
                    Change::Updated(_) => drop(teller.tell(&change)),
                    _ => changed_meanwhile = true,
                },
                reload = reloads.changed() => {
                    if reload.is_err() {
                        return;
                    }
                    break;
                }
                () = teller.unread() => return,
            }
            if changed_meanwhile && looking.is_none() && interest.has_lists() {
                changed_meanwhile = false;
                looking = Some(looks());
            }
        }
    }
}

/// Tells in which lists two views differ.
fn tell(before: &mut View, after: View, teller: &Teller) {
    let told = [
        (before.tools != after.tools, Change::Tools),
        (before.prompts != after.prompts, Change::Prompts),
        (before.resources != after.resources, Change::Resources),
    ];
    *before = after;
    for (_, change) in told.iter().filter(|(differs, _)| *differs) {
        teller.tell(change);
    }
}

/// The notification that tells of a change; nothing for what clients are not told.
pub fn notification(change: &Change) -> Option<(&'static str, Option<Raw>)> {
    match change {
        Change::Tools => Some(("notifications/tools/list_changed", None)),
        Change::Prompts => Some(("notifications/prompts/list_changed", None)),
        Change::Resources => Some(("notifications/resources/list_changed", None)),
        Change::Updated(uri) => Some(("notifications/resources/updated", Some(Raw::object([("uri", &Raw::of(uri))])))),
        Change::About => None,
    }
}
