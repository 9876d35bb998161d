//! Keeps what is watched here watched there.
//!
//! However many callers watch a resource, the child is asked once. What is wanted is read from the
//! watchers each time something may have changed, and compared with what the child was told: so a
//! watcher that comes or goes in the middle of that, an error, or a new process all end in the same
//! comparison. After a restart changes may have been missed, so each resource is reported as
//! changed once.
//!
//! A legacy child tells list changes unasked and has a request for each resource; a modern one tells
//! everything in one subscription, which is replaced when it has to cover something else, the new
//! one before the old one ends.

use super::audience::{Audience, Following};
use super::core::{Core, Plain};
use super::failure::Failure;
use super::greeting::us;
use super::instance::Instance;
use super::pending::Hears;
use super::wire::Ticket;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mcp::handshake::modern_meta;
use mcp::{Capabilities, Change, Era, Method, Raw};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

/// How long the child may take to answer about one resource.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after a subscription ended by itself it is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long it may take to say that a subscription is made.
const ACKNOWLEDGED: Duration = Duration::from_secs(2);

type Uris = BTreeSet<String>;

/// What the child was told.
#[derive(Default)]
struct Told {
    /// Resources it tells changes of.
    subscribed: Uris,
    /// Resources it told changes of before it was started again, and does not yet again.
    owed: Uris,
    /// Told once all that is wanted was subscribed for the first time.
    ready: Option<oneshot::Sender<()>>,
}

impl Told {
    /// All that is wanted was subscribed.
    fn settle(&mut self, audience: &Audience) {
        for uri in std::mem::take(&mut self.owed) {
            audience.tell(&Change::Updated(uri));
        }
        // Whoever does not wait for it need not know.
        let _ = self.ready.take().map(|ready| ready.send(()));
    }
}

/// For the shared instance, until the child is to be stopped.
pub(super) async fn follow(core: Arc<Core>) {
    let Some(_presence) = core.enter() else { return };
    let lives = async {
        let mut told = Told::default();
        let mut following = core.audience.follow();
        let mut plain = core.plain.subscribe();
        loop {
            let Some(instance) = alive(&mut plain).await else { return };
            tokio::select! {
                _ = instance.died() => {}
                () = live(&core.server, &core.audience, &mut following, &instance, &mut told) => {}
            }
            told.owed.append(&mut told.subscribed);
            // The next process knows of nothing yet.
            following.told(0);
        }
    };
    tokio::select! {
        () = core.stopped() => {}
        () = lives => {}
    }
}

/// For a caller's own instance, until that is gone. Then its changes may be missed, so all that its
/// caller watches is reported as changed.
pub(super) async fn follow_own(
    core: Arc<Core>,
    audience: Arc<Audience>,
    instance: Arc<Instance>,
    ready: oneshot::Sender<()>,
) {
    let Some(_presence) = core.enter() else { return };
    let mut told = Told { ready: Some(ready), ..Told::default() };
    let mut following = audience.follow();
    tokio::select! {
        _ = instance.died() => {}
        () = core.stopped() => return,
        () = live(&core.server, &audience, &mut following, &instance, &mut told) => {}
    }
    drop(following);
    for change in [Change::Tools, Change::Prompts, Change::Resources] {
        audience.tell(&change);
    }
    for uri in told.subscribed {
        audience.tell(&Change::Updated(uri));
    }
}

/// The next instance that lives.
async fn alive(plain: &mut watch::Receiver<Plain>) -> Option<Arc<Instance>> {
    let up = plain.wait_for(|plain| matches!(plain, Plain::Up(instance) if !instance.is_dead())).await;
    match up.as_deref() {
        Ok(Plain::Up(instance)) => Some(Arc::clone(instance)),
        _ => None,
    }
}

/// For one life of the child.
async fn live(server: &str, audience: &Audience, following: &mut Following, instance: &Instance, told: &mut Told) {
    match instance.era() {
        Era::Legacy if instance.welcome.capabilities.subscribe => {
            requests(server, audience, following, instance, told).await;
        }
        Era::Legacy => {}
        Era::Modern => listen(server, audience, following, instance, told).await,
    }
    // Nothing more can be subscribed in this life.
    following.nothing_to_tell();
    told.settle(audience);
    std::future::pending::<()>().await;
}

async fn requests(server: &str, audience: &Audience, following: &mut Following, instance: &Instance, told: &mut Told) {
    // What the child refused is not asked for again before it is wanted anew.
    let mut refused = Uris::new();
    // All at once: one that is not answered keeps no other one waiting.
    let mut asking = FuturesUnordered::new();
    let mut asked = Uris::new();
    let ask = |method: Method, uri: String| async move {
        let outcome = about(instance, &method, &uri).await;
        (method, uri, outcome)
    };
    loop {
        let (wanted, moves) = following.wanted();
        refused.retain(|uri| wanted.contains(uri));
        let settled = |uri: &&String| !refused.contains(*uri) && !asked.contains(*uri);
        let new: Vec<_> = wanted.difference(&told.subscribed).filter(settled).cloned().collect();
        let gone: Vec<_> = told.subscribed.difference(&wanted).filter(settled).cloned().collect();
        for (method, uris) in [(Method::ResourcesSubscribe, new), (Method::ResourcesUnsubscribe, gone)] {
            for uri in uris {
                asked.insert(uri.clone());
                asking.push(ask(method.clone(), uri));
            }
        }
        if asking.is_empty() {
            following.told(moves);
            told.settle(audience);
        }
        tokio::select! {
            () = following.moved() => {}
            Some((method, uri, outcome)) = asking.next() => {
                asked.remove(&uri);
                match (method, outcome) {
                    (Method::ResourcesSubscribe, Ok(())) => {
                        told.subscribed.insert(uri);
                    }
                    (Method::ResourcesSubscribe, Err(failure)) => {
                        tracing::debug!(server, "cannot subscribe to a resource: {failure}");
                        refused.insert(uri);
                    }
                    // If it fails, at worst there are notifications that nobody hears.
                    _ => {
                        told.subscribed.remove(&uri);
                    }
                }
            }
        }
    }
}

async fn about(instance: &Instance, method: &Method, uri: &str) -> Result<(), Failure> {
    let params = Raw::object([("uri", &Raw::of(uri))]);
    let asking = instance.wire().request(method, &params);
    let silent = |_| Err(Failure::Died { reason: "it does not answer".into(), written: true });
    timeout(PATIENCE, asking).await.unwrap_or_else(silent).map(drop)
}

async fn listen(server: &str, audience: &Audience, following: &mut Following, instance: &Instance, told: &mut Told) {
    let mut current: Option<Ticket> = None;
    loop {
        let (wanted, moves) = following.wanted();
        if current.is_none() || wanted != told.subscribed {
            let Ok(next) = subscribe(instance, &wanted).await else { return };
            // The old one is cancelled by this.
            current = Some(next);
            told.subscribed = wanted;
            told.settle(audience);
        }
        following.told(moves);
        let Some(ticket) = &mut current else { return };
        tokio::select! {
            () = following.moved() => {}
            ended = ticket.answer() => {
                if let Err(failure) = ended {
                    tracing::debug!(server, "the server tells no changes: {failure}");
                    return;
                }
                current = None;
                sleep(PAUSE).await;
            }
        }
    }
}

async fn subscribe(instance: &Instance, uris: &Uris) -> Result<Ticket, Failure> {
    let yes = Raw::of(&true);
    let resources = Raw::of(uris);
    let mut wanted = vec![("toolsListChanged", &yes), ("promptsListChanged", &yes), ("resourcesListChanged", &yes)];
    if !uris.is_empty() {
        wanted.push(("resourceSubscriptions", &resources));
    }
    let meta = modern_meta(None, &Capabilities::none(), None, &us());
    let params = Raw::object([("_meta", &meta), ("notifications", &Raw::object(wanted))]);
    let wire = instance.wire();
    let (made, is_made) = oneshot::channel();
    let mut ticket = wire.expect(wire.id(), Hears::Watchers(Some(made)))?;
    ticket.send(&Method::Listen, &params).await?;
    // One that does not say so may still tell changes.
    let _ = timeout(ACKNOWLEDGED, is_made).await;
    Ok(ticket)
}
