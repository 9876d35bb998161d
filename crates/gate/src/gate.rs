//! The gate: settings, the registry of servers, and who is let in.

use crate::audit::Audit;
use crate::exchange::{Exchange, Front};
use crate::held::Held;
use crate::identity::{Identity, Place, Principal, TokenSettings};
use crate::limits::{Buckets, Rate, household};
use crate::metrics::Metrics;
use crate::policy::{BadRule, Kind, Policy, RoleSettings, Rule};
use crate::registry::{Entry, ServerSettings};
use crate::route::{Destination, Found};
use arc_swap::ArcSwap;
use mcp::seal::Sealer;
use mcp::{About, Error, Raw, ServerCapabilities, State};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Everything that can change while the gate stands.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Settings {
    /// In order of settings.
    pub servers: Vec<ServerSettings>,
    pub tokens: Vec<TokenSettings>,
    /// `None`: whoever is let in may do everything.
    pub roles: Option<BTreeMap<String, RoleSettings>>,
    pub limits: LimitSettings,
    /// How long a call may take unless its server says otherwise.
    pub timeout: Duration,
    /// Entries of one page of a list.
    pub page_size: usize,
}

/// How much is allowed. `None` is without limit.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct LimitSettings {
    pub per_principal: Option<Rate>,
    pub per_address: Option<Rate>,
    /// Rates by policy rule, for each principal.
    pub per_tool: Vec<(String, Rate)>,
    /// Calls of one principal at a time.
    pub concurrent: Option<usize>,
    /// Calls of one principal that wait for a person.
    pub held: usize,
    /// Streams of changes of one principal.
    pub watches: usize,
    /// Legacy sessions of one principal.
    pub sessions: usize,
    /// How long a question stays open.
    pub question: Duration,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            per_principal: None,
            per_address: None,
            per_tool: Vec::new(),
            concurrent: None,
            held: 8,
            watches: 32,
            sessions: 1000,
            question: Duration::from_secs(600),
        }
    }
}

impl Settings {
    /// No servers, no tokens, no policy.
    pub fn empty() -> Self {
        Self {
            servers: Vec::new(),
            tokens: Vec::new(),
            roles: None,
            limits: LimitSettings::default(),
            timeout: Duration::from_secs(60),
            page_size: 500,
        }
    }
}

/// Settings as they are in force: pinned by each call from entry to end.
pub(crate) struct Snapshot {
    servers: Vec<Arc<Entry>>,
    by_name: HashMap<Arc<str>, Arc<Entry>>,
    identity: Identity,
    policy: Policy,
    limits: LimitSettings,
    per_tool: Vec<(Rule, Rate)>,
    timeout: Duration,
    page_size: usize,
}

/// How many lines about refusals an address has that shows no token that is known.
const STRANGERS: Rate = Rate { per_second: 5.0, burst: 50.0 };

/// The one door. See the crate.
pub struct Gate {
    snapshot: ArcSwap<Snapshot>,
    reloads: watch::Sender<u64>,
    audit: Audit,
    metrics: Arc<Metrics>,
    sealer: Sealer,
    /// Names this process in sealed state.
    owner: Box<str>,
    ids: AtomicU64,
    by_address: Buckets<IpAddr>,
    /// Lines about refusals of whoever is nobody we know.
    strangers: Buckets<IpAddr>,
    /// Such lines that were not written since the last one that was.
    left_out: AtomicU64,
    by_principal: Buckets<Arc<str>>,
    by_tool: Buckets<(Arc<str>, usize)>,
    pub(crate) held: Held,
}

/// Why somebody was not let in.
#[derive(Debug)]
pub enum Refusal {
    /// No token, or not one we know.
    #[allow(missing_docs)]
    Unauthorized { presented: bool },
    /// Too many requests from this address.
    #[allow(missing_docs)]
    Limited { retry_after: Duration },
}

impl Gate {
    /// A gate with these settings. Must be called within a Tokio runtime.
    pub fn new(settings: Settings, audit: Audit, sealer: Sealer) -> Result<Arc<Self>, BadRule> {
        let metrics = Arc::new(Metrics::default());
        let snapshot = Snapshot::new(settings, None, &metrics)?;
        // Without randomness the sealer could not have been made either.
        let owner = mcp::seal::random::<8>().map(|b| crate::audit::hex(&b)).unwrap_or_default();
        let gate = Arc::new(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            reloads: watch::Sender::new(0),
            audit,
            metrics,
            sealer,
            owner: owner.into(),
            ids: AtomicU64::new(0),
            by_address: Buckets::default(),
            strangers: Buckets::default(),
            left_out: AtomicU64::new(0),
            by_principal: Buckets::default(),
            by_tool: Buckets::default(),
            held: Held::default(),
        });
        tokio::spawn(crate::held::sweep(Arc::downgrade(&gate)));
        Ok(gate)
    }

    /// Puts other settings in force at once, or, if they are not valid, changes nothing. Servers
    /// whose key stayed the same go on with their catalogue; calls that run keep what they began
    /// with.
    pub fn reload(&self, settings: Settings) -> Result<(), BadRule> {
        let before = self.snapshot.load_full();
        let new = Snapshot::new(settings, Some(&before), &self.metrics)?;
        self.snapshot.store(Arc::new(new));
        self.reloads.send_modify(|n| *n += 1);
        Ok(())
    }

    /// Limits per address: what comes first of all, also for what is refused.
    pub fn arrives(&self, address: IpAddr) -> Result<(), Refusal> {
        let Some(rate) = self.snapshot.load().limits.per_address else { return Ok(()) };
        let taken = self.by_address.take(household(address), rate, 1.0, Instant::now());
        taken.map_err(|retry_after| Refusal::Limited { retry_after })
    }

    /// Who it is. `bearer` is the token that was shown.
    pub fn admit(&self, front: Front, bearer: Option<&str>) -> Result<Arc<Principal>, Refusal> {
        let snapshot = self.snapshot.load();
        if front == Front::Stdio {
            return Ok(snapshot.identity.local());
        }
        if !snapshot.identity.is_required() {
            return Ok(snapshot.identity.anonymous());
        }
        bearer
            .and_then(|token| snapshot.identity.of_token(token))
            .ok_or(Refusal::Unauthorized { presented: bearer.is_some() })
    }

    /// Whether whoever calls has to show a token.
    pub fn asks_for_tokens(&self) -> bool {
        self.snapshot.load().identity.is_required()
    }

    /// Whoever does not say who they are: where no token is asked for, or for what is public.
    pub fn anonymous(&self) -> Arc<Principal> {
        self.snapshot.load().identity.anonymous()
    }

    /// Writes down that a front refused something before it became a request.
    pub fn refused(
        &self,
        front: Front,
        address: Option<IpAddr>,
        who: Option<&Principal>,
        path: &str,
        reason: &'static str,
    ) {
        self.metrics.refused(front.as_str(), reason);
        if !self.audit.is_on() {
            return;
        }
        // A stranger must not push what matters out of the audit, or fill the disk.
        if let (None, Some(address)) = (who, address)
            && self.strangers.take(household(address), STRANGERS, 1.0, Instant::now()).is_err()
        {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let who = who.map(|p| p.name.as_ref());
        let mut line = crate::audit::Line::now(front.as_str(), None, self.next_id(), None, who, address);
        line.asks(None, path);
        line.end(true, reason, None, 0, Duration::ZERO, None);
        line.left_out(self.left_out.swap(0, Ordering::Relaxed));
        match self.audit.try_reserve() {
            Some(slot) => drop(slot.send(&line)),
            None => tracing::error!("an audit line was lost: the writer does not keep up"),
        }
    }

    /// One of the places for legacy sessions that a principal has; given back when dropped.
    pub fn session_place(&self, who: &Principal) -> Option<Place> {
        who.usage.sessions.take(Some(self.snapshot.load().limits.sessions))
    }

    /// Whether a principal may have one more stream of changes.
    pub fn has_room_to_watch(&self, who: &Principal) -> bool {
        who.usage.watches.has_room(self.snapshot.load().limits.watches)
    }

    /// The way to one server or to all: the only thing fronts hold.
    pub fn guarded(self: &Arc<Self>, to: Destination) -> Guarded {
        Guarded { gate: Arc::clone(self), to }
    }

    /// Whether there is a server of that name that this principal may know of.
    pub fn has(&self, name: &str, who: &Principal) -> bool {
        let snapshot = self.snapshot.load();
        snapshot.by_name.contains_key(name) && snapshot.policy.allows_some(who, name)
    }

    /// Names and states of all servers, in order of settings.
    pub fn states(&self) -> Vec<(Arc<str>, Arc<About>)> {
        self.snapshot.load().servers.iter().map(|e| (Arc::clone(&e.name), e.server.about())).collect()
    }

    /// The same of the servers that this principal may know of.
    pub fn states_for(&self, who: &Principal) -> Vec<(Arc<str>, Arc<About>)> {
        let servers = self.snapshot.load().servers_for(&Destination::All, who);
        servers.iter().map(|e| (Arc::clone(&e.name), e.server.about())).collect()
    }

    /// All numbers of this process.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Seals state that travels through clients.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// The audit.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Names this process in sealed state.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// A number that this process gives only once: names calls and exchanges.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether somebody who was let in before still would be, and as whom.
    pub fn still_admits(&self, who: &Principal) -> Option<Arc<Principal>> {
        self.snapshot.load().identity.current(who)
    }

    /// Told whenever other settings came into force.
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.reloads.subscribe()
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }
}

/// The way to a server, through the gate.
#[derive(Clone)]
pub struct Guarded {
    pub(crate) gate: Arc<Gate>,
    pub(crate) to: Destination,
}

impl Guarded {
    /// The gate it leads through.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Where it leads.
    pub fn destination(&self) -> &Destination {
        &self.to
    }

    /// What this principal is told about the server, or about all together. Waits a little for one
    /// that is starting for the first time.
    pub async fn about(&self, who: &Principal) -> Option<Arc<About>> {
        let snapshot = self.gate.snapshot();
        let servers = snapshot.servers_for(&self.to, who);
        let patience = |entry: &Entry| match self.to {
            Destination::One(_) => Duration::from_secs(10),
            Destination::All => entry.patience(),
        };
        let waiting = servers.iter().map(|entry| tokio::time::timeout(patience(entry), entry.ready_for_all()));
        futures_util::future::join_all(waiting).await;
        match (&self.to, servers.as_slice()) {
            (Destination::One(_), []) => None,
            (Destination::One(_), [entry, ..]) => Some(about_of(entry)),
            (Destination::All, [entry]) if snapshot.is_alone() => Some(about_of(entry)),
            (Destination::All, servers) => Some(Arc::new(joint_about(servers))),
        }
    }

    /// `serverInfo` for this principal, as it is known now.
    pub fn info(&self, who: &Principal) -> Raw {
        let snapshot = self.gate.snapshot();
        match snapshot.servers_for(&self.to, who).as_slice() {
            [entry] if self.to != Destination::All || snapshot.is_alone() => entry.server.about().info.clone(),
            _ => our_info(),
        }
    }

    /// Checks the headers that mirror arguments of a tool: only a tool that this caller may call
    /// says anything.
    pub fn check_mirrored<'a>(
        &self,
        exchange: &Exchange,
        request: &mcp::Request,
        header: impl Fn(&str) -> Vec<&'a [u8]>,
    ) -> Result<(), Error> {
        let mcp::Target::Tool(name) = &request.target else { return Ok(()) };
        let snapshot = self.gate.snapshot();
        let servers = snapshot.servers_for(&self.to, &exchange.principal);
        let joint = self.to == Destination::All && !snapshot.is_alone();
        for entry in servers {
            let catalogue = entry.catalogue(exchange);
            let named = |t: &&Arc<crate::ToolEntry>| {
                if joint {
                    crate::joint::name(&entry.name, &t.name, false) == name.as_str()
                } else {
                    t.name.as_ref() == name
                }
            };
            let tool = if joint { catalogue.tools.iter().find(named) } else { catalogue.tool(name) };
            let Some(tool) = tool else { continue };
            if snapshot.policy.allows(&exchange.principal, &entry.name, Kind::Tool, &tool.name, Some(tool.tier)) {
                return mcp::header::check_params(&tool.mirrored, request.arguments.as_ref(), header);
            }
        }
        Ok(())
    }

    /// Hands a notification of the client to the servers it concerns.
    pub fn tell(&self, note: &mcp::Note, exchange: &Exchange) {
        let snapshot = self.gate.snapshot();
        let call = crate::run::call_of(exchange, false, HashMap::new()).0;
        for entry in snapshot.servers_for(&self.to, &exchange.principal) {
            entry.server.tell(note.clone(), &call);
        }
    }
}

fn our_info() -> Raw {
    Raw::of(&serde_json::json!({ "name": "portcullis", "version": env!("CARGO_PKG_VERSION") }))
}

/// What a server says of itself. One that never answered yet may have anything: a client that is
/// told of nothing would not ask again.
fn about_of(entry: &Entry) -> Arc<About> {
    let about = entry.server.about();
    if about.incarnation > 0 || about.is_built_in || about.capabilities != ServerCapabilities::default() {
        return about;
    }
    let capabilities =
        ServerCapabilities { tools: true, prompts: true, resources: true, ..ServerCapabilities::default() };
    Arc::new(About { capabilities, ..About::clone(&about) })
}

fn joint_about(servers: &[Arc<Entry>]) -> About {
    let abouts: Vec<_> = servers.iter().map(|e| (Arc::clone(&e.name), about_of(e))).collect();
    let capabilities =
        abouts.iter().fold(ServerCapabilities::default(), |all, (_, about)| all.union(&about.capabilities));
    let guidance: Vec<String> = abouts
        .iter()
        .filter_map(|(name, about)| Some(format!("# {name}\n\n{}", about.instructions.as_ref()?)))
        .collect();
    About {
        info: our_info(),
        instructions: (!guidance.is_empty()).then(|| guidance.join("\n\n")),
        capabilities,
        state: State::Healthy,
        reason: String::new(),
        incarnation: 0,
        varies: false,
        is_built_in: false,
        tools: Arc::default(),
    }
}

impl Snapshot {
    fn new(settings: Settings, before: Option<&Self>, metrics: &Arc<Metrics>) -> Result<Self, BadRule> {
        let policy = Policy::new(settings.roles.as_ref())?;
        let per_tool = settings.limits.per_tool.iter().map(|(rule, rate)| Ok((Rule::parse(rule)?, *rate)));
        let per_tool = per_tool.collect::<Result<_, BadRule>>()?;
        let kept = |s: &ServerSettings| {
            before?
                .servers
                .iter()
                .find(|e| *e.name == *s.name && e.key == s.key && Arc::ptr_eq(&e.server, &s.server))
                .cloned()
        };
        let servers: Vec<_> = settings
            .servers
            .into_iter()
            .map(|s| kept(&s).unwrap_or_else(|| Entry::new(s, Arc::clone(metrics))))
            .collect();
        Ok(Self {
            by_name: servers.iter().map(|e| (Arc::clone(&e.name), Arc::clone(e))).collect(),
            servers,
            identity: Identity::new(&settings.tokens, before.map(|b| &b.identity)),
            policy,
            limits: settings.limits,
            per_tool,
            timeout: settings.timeout,
            page_size: settings.page_size.max(1),
        })
    }

    /// The servers behind a destination that this principal may know of, in order of settings.
    pub(crate) fn servers_for(&self, to: &Destination, who: &Principal) -> Vec<Arc<Entry>> {
        let allowed = |e: &&Arc<Entry>| self.policy.allows_some(who, &e.name);
        match to {
            Destination::One(name) => self.by_name.get(name).into_iter().filter(allowed).cloned().collect(),
            Destination::All => self.servers.iter().filter(allowed).cloned().collect(),
        }
    }

    /// Whether there is one server only, so that joint names need no prefix.
    pub(crate) fn is_alone(&self) -> bool {
        self.servers.len() == 1
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) const fn limits(&self) -> &LimitSettings {
        &self.limits
    }

    pub(crate) const fn page_size(&self) -> usize {
        self.page_size
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn allows_method(&self, who: &Principal, server: &str, kind: Kind, name: &str) -> bool {
        // Without a policy, unknown methods are denied too.
        self.policy.is_written() && self.policy.allows(who, server, kind, name, None)
    }

    /// How long a call may take, to this server if it is known.
    pub(crate) fn deadline(&self, server: Option<&Arc<Entry>>) -> Duration {
        server.and_then(|entry| entry.timeout).unwrap_or(self.timeout)
    }

    /// Takes one unit from the principal's bucket.
    pub(crate) fn charge(&self, gate: &Gate, who: &Principal) -> Result<(), Error> {
        let limited = |retry_after| Error::Limited { what: "too many requests", retry_after };
        match self.limits.per_principal {
            Some(rate) => gate.by_principal.take(Arc::clone(&who.name), rate, 1.0, Instant::now()).map_err(limited),
            None => Ok(()),
        }
    }

    /// Takes what a call costs from the principal's buckets.
    pub(crate) fn take(&self, gate: &Gate, who: &Principal, found: &Found, cost: u32) -> Result<(), Error> {
        let now = Instant::now();
        let limited = |retry_after| Error::Limited { what: "too many requests", retry_after };
        let cost = f64::from(cost.max(1));
        if let Some(rate) = self.limits.per_principal {
            gate.by_principal.take(Arc::clone(&who.name), rate, cost, now).map_err(limited)?;
        }
        if let Some(tool) = found.tool() {
            let server = found.server_name();
            for (at, (rule, rate)) in self.per_tool.iter().enumerate() {
                if rule.covers(&server, Kind::Tool, &tool.name) {
                    gate.by_tool.take((Arc::clone(&who.name), at), *rate, cost, now).map_err(limited)?;
                }
            }
        }
        Ok(())
    }

    /// One of the principal's places for calls at a time.
    pub(crate) fn permit(&self, who: &Principal) -> Result<Place, Error> {
        who.usage
            .running
            .take(self.limits.concurrent)
            .ok_or(Error::Limited { what: "too many requests at a time", retry_after: Duration::from_secs(1) })
    }
}
