//! What everything that answers MCP requests is.

use crate::call::{Call, Caller};
use crate::error::Error;
use crate::raw::{Kind, Raw};
use crate::request::{Note, Request};
use crate::revision::Era;
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// An answer in the making. Dropping it cancels the request; every holder is drop-safe.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;
/// Changes as they happen. Dropping it ends the interest.
pub type Watching = Pin<Box<dyn Stream<Item = Change> + Send>>;

/// See [`Server::settled`].
pub type Settling = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything that answers MCP requests. Only the gate calls one.
pub trait Server: Send + Sync + 'static {
    /// What is known now. Never blocks.
    fn about(&self) -> Arc<About>;

    /// Answers one request. Owned, because a call may outlive its exchange with the client.
    fn answer(self: Arc<Self>, request: Request, call: Call) -> Answering;

    /// A notification from the client.
    fn tell(&self, note: Note, call: &Call);

    /// Changes while held: one shape for legacy subscriptions and for `subscriptions/listen`.
    fn watch(self: Arc<Self>, interest: Interest, call: Call) -> Watching;

    /// Resolves once a change of anything that this caller watches now would be told: at once, unless
    /// somebody else has to be asked to tell. May never resolve.
    fn settled(self: Arc<Self>, _caller: &Caller) -> Settling {
        Box::pin(std::future::ready(()))
    }

    /// The process ends, or this server is no longer wanted: it ends what it does by itself, and writes down what is to
    /// outlive it.
    fn close(self: Arc<Self>) -> Settling {
        Box::pin(std::future::ready(()))
    }

    /// Numbers what is listed to this caller alone, if that is not what all see: another number
    /// means other lists. Never blocks.
    fn own_lists(&self, _caller: &Caller) -> Option<u64> {
        None
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Its result.
    Complete(Raw),
    /// A modern server's questions, passed through: the request is to be sent again with the
    /// answers and the state.
    #[allow(missing_docs)]
    NeedsInput { requests: Asks, state: Option<Box<str>> },
}

/// `inputRequests`: requests to the client by key, raw.
#[derive(Clone, Debug)]
pub struct Asks(pub Raw);

/// What a server says about itself.
#[derive(Clone, Debug)]
pub struct About {
    /// `serverInfo`: an object with `name` and `version`, raw.
    pub info: Raw,
    /// Guidance for the model.
    pub instructions: Option<String>,
    /// What it can do.
    pub capabilities: ServerCapabilities,
    /// How it is.
    pub state: State,
    /// Why, when it is not healthy; for operators and callers, so without paths and secrets.
    pub reason: String,
    /// Counts starts: a server with another number may offer other things.
    pub incarnation: u64,
    /// Whether what it lists depends on what the caller can be asked: legacy servers are told once
    /// per connection, and some list tools that ask only to clients that can be asked.
    pub varies: bool,
    /// Whether it is one of ours.
    pub is_built_in: bool,
    /// What only a built-in server knows about its tools.
    pub tools: Arc<HashMap<String, ToolTraits>>,
}

/// How a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not ready for the first time.
    Starting,
    /// Answers.
    Healthy,
    /// Answers, but not all of it works.
    Degraded,
    /// Does not answer now; it is tried again.
    Down,
    /// Switched off by the operator.
    Disabled,
}

impl State {
    /// Its name in health reports and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Disabled => "disabled",
        }
    }

    /// Whether requests can be answered.
    pub const fn answers(self) -> bool {
        matches!(self, Self::Healthy | Self::Degraded)
    }
}

/// How much harm a tool can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Only reads.
    Safe,
    /// Changes things that can be changed back.
    Moderate,
    /// May destroy something.
    Destructive,
}

impl Tier {
    /// Its name in settings and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Moderate => "moderate",
            Self::Destructive => "destructive",
        }
    }
}

/// What stands beside a built-in tool.
#[derive(Clone, Copy)]
pub struct ToolTraits {
    /// How much harm it can do.
    pub tier: Tier,
    /// What a call with these arguments costs against rate limits; 1 is an ordinary call.
    pub cost: fn(Option<&Raw>) -> u32,
    /// Whether a call that was asked something may be run again from the start with the answers,
    /// so that nothing has to be held meanwhile.
    pub replayable: bool,
}

impl fmt::Debug for ToolTraits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolTraits")
            .field("tier", &self.tier)
            .field("replayable", &self.replayable)
            .finish_non_exhaustive()
    }
}

/// What a server can do: the parts that both eras know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ServerCapabilities {
    pub tools: bool,
    pub tools_changed: bool,
    pub prompts: bool,
    pub prompts_changed: bool,
    pub resources: bool,
    pub resources_changed: bool,
    pub subscribe: bool,
    pub completions: bool,
    pub logging: bool,
    /// `extensions`, raw.
    pub extensions: Option<Raw>,
}

impl ServerCapabilities {
    /// Reads `capabilities` of an `initialize` or `server/discover` result.
    pub fn read(raw: &Raw) -> Self {
        let part = |name| raw.get(name).filter(|v| v.kind() == Kind::Object);
        let flag = |name, flag| part(name).and_then(|p| p.get(flag)).is_some_and(|f| f.is_true());
        Self {
            tools: part("tools").is_some(),
            tools_changed: flag("tools", "listChanged"),
            prompts: part("prompts").is_some(),
            prompts_changed: flag("prompts", "listChanged"),
            resources: part("resources").is_some(),
            resources_changed: flag("resources", "listChanged"),
            subscribe: flag("resources", "subscribe"),
            completions: part("completions").is_some(),
            logging: part("logging").is_some(),
            extensions: part("extensions"),
        }
    }

    /// As it is advertised. List changes always are: the gate finds out about them by itself.
    pub fn to_raw(&self) -> Raw {
        let changed = Raw::of(&serde_json::json!({ "listChanged": true }));
        let resources = Raw::of(&serde_json::json!({ "subscribe": self.subscribe, "listChanged": true }));
        let empty = Raw::empty_object();
        let members = [
            (self.tools, "tools", &changed),
            (self.prompts, "prompts", &changed),
            (self.resources, "resources", if self.subscribe { &resources } else { &changed }),
            (self.completions, "completions", &empty),
            (self.logging, "logging", &empty),
        ];
        Raw::object(members.into_iter().filter(|m| m.0).map(|(_, name, value)| (name, value)))
    }

    /// What one of the two can do.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            tools: self.tools | other.tools,
            tools_changed: self.tools_changed | other.tools_changed,
            prompts: self.prompts | other.prompts,
            prompts_changed: self.prompts_changed | other.prompts_changed,
            resources: self.resources | other.resources,
            resources_changed: self.resources_changed | other.resources_changed,
            subscribe: self.subscribe | other.subscribe,
            completions: self.completions | other.completions,
            logging: self.logging | other.logging,
            extensions: None,
        }
    }
}

/// Which changes are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Interest {
    pub tools: bool,
    pub prompts: bool,
    pub resources: bool,
    /// Uris of single resources.
    pub uris: Vec<String>,
}

impl Interest {
    /// All lists and no single resource.
    pub const fn lists() -> Self {
        Self { tools: true, prompts: true, resources: true, uris: Vec::new() }
    }
}

impl Interest {
    /// Whether any list is wanted.
    pub const fn has_lists(&self) -> bool {
        self.tools || self.prompts || self.resources
    }

    /// Whether this change is wanted.
    pub fn covers(&self, change: &Change) -> bool {
        match change {
            Change::Tools => self.tools,
            Change::Prompts => self.prompts,
            Change::Resources => self.resources,
            Change::Updated(uri) => self.uris.iter().any(|u| u == uri),
            Change::About => self.has_lists(),
        }
    }
}

/// Something changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources or of resource templates.
    Resources,
    /// The resource of this uri.
    Updated(String),
    /// What [`Server::about`] says.
    About,
}

/// The methods whose results have cache hints in the modern era.
pub const CACHEABLE: [&str; 6] =
    ["server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read"];

/// A result as a caller of `era` gets it: members that this era requires are added where they are
/// missing, members that only the other era knows are taken out, everything else keeps its bytes.
///
/// Cache hints are ours: a gateway that applies policy cannot promise that a result stays the same
/// or is the same for others.
pub fn result_for(era: Era, method: &str, result: &Raw, server_info: &Raw) -> Raw {
    const MODERN_ONLY: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];
    match era {
        Era::Legacy => {
            let has = result.members().any(|m| MODERN_ONLY.contains(&m.key.as_ref()));
            if has { result.rewritten(&MODERN_ONLY, &[]) } else { result.clone() }
        }
        Era::Modern => {
            let complete = Raw::of("complete");
            let mut kind = complete;
            let mut meta = None;
            for member in result.members() {
                match member.key.as_ref() {
                    "resultType" => kind = member.value,
                    "_meta" => meta = Some(member.value),
                    _ => {}
                }
            }
            let key = crate::request::key::SERVER_INFO;
            let meta = meta.unwrap_or_else(Raw::empty_object);
            let meta = if meta.get(key).is_some() { meta } else { meta.rewritten(&[], &[(key, server_info)]) };
            let (ttl, scope) = (Raw::of(&0), Raw::of("private"));
            let without = ["resultType", "ttlMs", "cacheScope", "_meta"];
            if CACHEABLE.contains(&method) {
                let with = [("resultType", &kind), ("ttlMs", &ttl), ("cacheScope", &scope), ("_meta", &meta)];
                result.rewritten(&without, &with)
            } else {
                result.rewritten(&["resultType", "_meta"], &[("resultType", &kind), ("_meta", &meta)])
            }
        }
    }
}
