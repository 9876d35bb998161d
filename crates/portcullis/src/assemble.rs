//! From settings to rooms: the only place that knows both the settings' words and the rooms' types.

use config::{HostPort, ServerKind};
use front::http::{Guard, HostPattern, MetricsAccess, rest};
use gate::{AuditSettings, LimitSettings, Rate, RoleSettings, ServerSettings, TokenHash, TokenSettings, ToolRules};
use mcp::{
    About, Answering, Call, Error, Interest, Note, Raw, Request, Server, ServerCapabilities, State, Tier, Watching,
};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use upstream::{Child, Reaper};

/// Built-in servers by their `type`.
#[derive(Clone)]
pub struct Builtins {
    types: HashMap<&'static str, fn() -> Arc<dyn Server>>,
    /// How ZIM servers are, but for their paths.
    zim: server_zim::Settings,
}

impl Default for Builtins {
    /// Those that need no settings of their own.
    fn default() -> Self {
        let demo: fn() -> Arc<dyn Server> = || server_zim::server(server_zim::Settings::demo());
        let mut zim = server_zim::Settings::default();
        zim.cache_folder = server_zim::cache_folder();
        Self { types: HashMap::from([(crate::demo::TYPE, demo)]), zim }
    }
}

impl Builtins {
    /// Adds a type.
    #[must_use]
    pub fn with(mut self, name: &'static str, make: fn() -> Arc<dyn Server>) -> Self {
        self.types.insert(name, make);
        self
    }

    /// Says how ZIM servers are, but for their paths.
    #[must_use]
    pub(crate) fn with_zim(mut self, zim: server_zim::Settings) -> Self {
        self.zim = zim;
        self
    }
}

/// A server that runs because of the settings.
#[derive(Clone)]
pub(crate) struct Running {
    /// Of its effective settings: the same key means that nothing has to be restarted.
    pub(crate) key: String,
    pub(crate) server: Arc<dyn Server>,
    pub(crate) child: Option<Arc<Child>>,
}

/// Variables that a child gets although the file does not name them: without them most programs
/// cannot be found or cannot write their caches, and none of them is a secret of ours.
const INHERITED: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    "TERM",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
];
const INHERITED_PREFIXES: [&str; 3] = ["LC_", "UV_", "npm_config_"];

/// What of our own environment children get.
#[derive(Clone, Debug, Default)]
pub(crate) enum Inheritance {
    /// A small list, which stands above.
    #[default]
    Small,
    /// All of it, and these: what mcpo's children get.
    Everything(Vec<(String, config::Secret)>),
}

impl Inheritance {
    fn covers(&self, name: &str) -> bool {
        match self {
            Self::Small => INHERITED.contains(&name) || INHERITED_PREFIXES.iter().any(|p| name.starts_with(p)),
            // What is meant for us is none of theirs, the key that guards them least of all.
            Self::Everything(_) => !name.starts_with("PORTCULLIS_"),
        }
    }

    fn environment(&self, own: &BTreeMap<String, config::Secret>) -> Vec<(String, String)> {
        let ours =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut all: BTreeMap<String, String> = ours.filter(|(name, _)| self.covers(name)).collect();
        if let Self::Everything(more) = self {
            all.extend(more.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
        }
        all.extend(own.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
        all.into_iter().collect()
    }
}

/// What servers are started with.
pub(crate) struct Means {
    pub(crate) builtins: Builtins,
    pub(crate) reaper: Reaper,
    pub(crate) inheritance: Inheritance,
}

/// Starts the servers of the settings, or goes on with those whose settings stayed the same.
/// Returns them by name, in order.
pub(crate) fn servers(
    settings: &config::Settings,
    before: &HashMap<String, Running>,
    means: &Means,
) -> Result<Vec<(String, Running)>, String> {
    // First everything is checked, so that a wrong file starts nothing.
    check(settings, &means.builtins)?;
    let running = |server: &config::ServerSettings| {
        let kept = before.get(&server.name).filter(|running| running.key == server.hash);
        let running = kept.cloned().unwrap_or_else(|| start(server, means));
        (server.name.clone(), running)
    };
    Ok(settings.servers.iter().map(running).collect())
}

/// Whether there are servers of all the types that are asked for.
pub(crate) fn check(settings: &config::Settings, builtins: &Builtins) -> Result<(), String> {
    settings.servers.iter().filter(|s| !s.disabled).try_for_each(|server| check_kind(server, builtins))
}

fn check_kind(server: &config::ServerSettings, builtins: &Builtins) -> Result<(), String> {
    let missing = match &server.kind {
        ServerKind::Child { .. } | ServerKind::Zim(_) => return Ok(()),
        ServerKind::Docker(docker) => {
            let made = crate::docker::server_settings(docker);
            return made.map(|_| ()).map_err(|e| format!("server {:?}: {e}", server.name));
        }
        ServerKind::Builtin { type_name } if builtins.types.contains_key(type_name.as_str()) => return Ok(()),
        ServerKind::Builtin { type_name } => type_name.as_str(),
        ServerKind::Remote { .. } => "streamable-http or sse",
        ServerKind::OpenApi { .. } => "openapi",
    };
    Err(format!(
        "server {:?}: this version has no servers of the type {missing}; give it a `command`, or set `disabled` to true",
        server.name
    ))
}

fn start(settings: &config::ServerSettings, means: &Means) -> Running {
    let key = settings.hash.clone();
    if settings.disabled {
        return Running { key, server: Arc::new(Disabled), child: None };
    }
    match &settings.kind {
        ServerKind::Child { command, args, env, cwd } => {
            let args = args.iter().map(|a| a.expose().to_owned()).collect();
            let child = upstream::Settings {
                env: means.inheritance.environment(env),
                cwd: cwd.clone(),
                ..upstream::Settings::new(settings.name.clone(), command.expose(), args)
            };
            let child = Child::start(child, means.reaper.clone());
            Running { key, server: Arc::clone(&child) as Arc<dyn Server>, child: Some(child) }
        }
        ServerKind::Zim(zim) => {
            let server = server_zim::server(zim_settings(zim, &means.builtins.zim));
            Running { key, server, child: None }
        }
        ServerKind::Docker(docker) => match crate::docker::server_settings(docker) {
            Ok(docker) => Running { key, server: server_docker::server(docker), child: None },
            // It was checked before.
            Err(_) => Running { key, server: Arc::new(Disabled), child: None },
        },
        ServerKind::Builtin { type_name } => match means.builtins.types.get(type_name.as_str()) {
            Some(make) => Running { key, server: make(), child: None },
            None => Running { key, server: Arc::new(Disabled), child: None },
        },
        _ => Running { key, server: Arc::new(Disabled), child: None },
    }
}

/// A ZIM server's settings: what the entry says, and else what holds for all.
fn zim_settings(said: &config::Zim, all: &server_zim::Settings) -> server_zim::Settings {
    let bytes = |said: Option<u64>, all| said.map_or(all, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut zim = all.clone();
    zim.paths.clone_from(&said.paths);
    zim.simple = said.mode.map_or(all.simple, |mode| mode == config::ZimMode::Simple);
    zim.output_schemas = said.output_schemas.unwrap_or(all.output_schemas);
    zim.cache_folder = said.cache_folder.clone().or_else(|| all.cache_folder.clone());
    zim.builds_indexes = said.build_indexes.unwrap_or(all.builds_indexes);
    zim.keeps_answers = said.keep_answers.unwrap_or(all.keeps_answers);
    zim.presets = said.presets.clone().or_else(|| all.presets.clone());
    zim.articles = bytes(said.article_cache, all.articles);
    zim.cache = bytes(said.cluster_cache, all.cache);
    zim
}

/// A server that the operator has switched off: known, but silent.
struct Disabled;

impl Server for Disabled {
    fn about(&self) -> Arc<About> {
        Arc::new(About {
            info: Raw::empty_object(),
            instructions: None,
            capabilities: ServerCapabilities::default(),
            state: State::Disabled,
            reason: "switched off in the settings".into(),
            incarnation: 0,
            varies: false,
            is_built_in: false,
            tools: Arc::default(),
        })
    }

    fn answer(self: Arc<Self>, _request: Request, _call: Call) -> Answering {
        Box::pin(std::future::ready(Err(Error::Unavailable {
            server: String::new(),
            state: State::Disabled.as_str(),
            reason: "switched off in the settings".into(),
            retry_after: None,
        })))
    }

    fn tell(&self, _note: Note, _call: &Call) {}

    fn watch(self: Arc<Self>, _interest: Interest, _call: Call) -> Watching {
        Box::pin(futures_util::stream::pending())
    }
}

const fn tier(tier: config::Tier) -> Tier {
    match tier {
        config::Tier::Safe => Tier::Safe,
        config::Tier::Moderate => Tier::Moderate,
        config::Tier::Destructive => Tier::Destructive,
    }
}

/// The gate's settings.
pub(crate) fn gate(settings: &config::Settings, running: &[(String, Running)]) -> gate::Settings {
    let servers = settings.servers.iter().zip(running).map(|(server, (_, running))| ServerSettings {
        name: server.name.clone(),
        key: running.key.clone(),
        server: Arc::clone(&running.server),
        tools: tool_rules(server),
        timeout: server.limits.timeout.or_else(|| longest(&server.kind)),
    });
    let tokens = settings.auth.tokens.iter().map(|token| TokenSettings {
        name: token.name.clone(),
        token: match &token.credential {
            config::Credential::Plain(secret) => TokenHash::of(secret.expose()),
            config::Credential::Sha256(hash) => TokenHash::from_bytes(*hash),
        },
        roles: token.roles.clone(),
    });
    let role = |role: &config::Role| RoleSettings {
        allow: role.allow.clone(),
        deny: role.deny.clone(),
        tier: role.tier.map(tier),
    };
    let roles = settings.policy.as_ref().map(|p| p.roles.iter().map(|(name, r)| (name.clone(), role(r))).collect());
    gate::Settings {
        servers: servers.collect(),
        tokens: tokens.collect(),
        roles,
        limits: limits(&settings.limits),
        timeout: settings.limits.timeout,
        ..gate::Settings::empty()
    }
}

/// Servers whose tools have deadlines of their own have none from us, unless somebody says so.
fn longest(kind: &ServerKind) -> Option<Duration> {
    matches!(kind, ServerKind::Docker(_)).then_some(crate::docker::LONGEST_CALL)
}

fn tool_rules(server: &config::ServerSettings) -> ToolRules {
    let off = server.tools.iter().filter(|(_, t)| t.disabled).map(|(name, _)| name.clone());
    ToolRules {
        tiers: server.tools.iter().filter_map(|(name, t)| Some((name.clone(), tier(t.tier?)))).collect(),
        disabled: off.chain(server.disabled_tools.iter().cloned()).collect(),
        trust_annotations: server.trust_annotations,
    }
}

fn rate(limit: &config::Rate) -> Option<Rate> {
    Some(Rate { per_second: limit.rate?.get(), burst: f64::from(limit.burst.max(1)) })
}

fn limits(limits: &config::Limits) -> LimitSettings {
    let places = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let mine = &limits.per_principal;
    LimitSettings {
        per_principal: rate(mine),
        per_address: rate(&limits.per_address),
        per_tool: limits.per_tool.iter().filter_map(|(pattern, r)| Some((pattern.clone(), rate(r)?))).collect(),
        concurrent: mine.concurrent.map(places),
        held: places(mine.held),
        watches: places(mine.watches),
        sessions: places(mine.sessions),
        ..LimitSettings::default()
    }
}

/// The audit's settings.
pub(crate) fn audit(audit: &config::Audit) -> AuditSettings {
    AuditSettings {
        file: audit.file.clone(),
        sync: audit.sync,
        max_bytes: audit.max_bytes,
        max_age: audit.max_age,
        keep: audit.keep.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        arguments: audit.arguments == config::Arguments::Redacted,
    }
}

/// The HTTP front's settings.
pub(crate) fn http(settings: &config::Settings, rest: &rest::Settings, bound: Option<IpAddr>) -> front::http::Settings {
    let hosts = settings.allowed_hosts.iter().map(|pattern| HostPattern {
        host: pattern.host.clone(),
        port: match pattern.port {
            HostPort::Exactly(port) => Some(port),
            HostPort::Unstated | HostPort::Any => None,
        },
    });
    front::http::Settings {
        guard: Guard::new(bound, hosts.collect(), settings.cors_origins.clone()),
        trusted_proxies: settings.trusted_proxies.clone(),
        body_limit: settings.body_limit,
        session_idle: settings.state.session_idle,
        most_sessions: usize::try_from(settings.state.max_sessions).unwrap_or(usize::MAX),
        sse: settings.sse,
        rest: settings.rest.then(|| rest.clone()),
        metrics: match settings.telemetry.metrics {
            config::Metrics::Off => MetricsAccess::Nobody,
            config::Metrics::Token => MetricsAccess::WithToken,
            config::Metrics::Public => MetricsAccess::Everybody,
        },
        shutdown_grace: Duration::from_secs(10),
        ..front::http::Settings::new(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_child_inherits_the_key_that_guards_it() {
        for inheritance in [Inheritance::Small, Inheritance::Everything(Vec::new())] {
            assert!(inheritance.covers("PATH") && inheritance.covers("LC_ALL"));
            assert!(!inheritance.covers("PORTCULLIS_API_KEY") && !inheritance.covers("PORTCULLIS_TOKEN"));
        }
        assert!(
            !Inheritance::Small.covers("OTHER_API_KEY") && Inheritance::Everything(Vec::new()).covers("OTHER_API_KEY")
        );
    }
}
