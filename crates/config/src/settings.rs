//! The whole of the settings, and the top of the file.

use crate::audit::Audit;
use crate::auth::Auth;
use crate::error::Warning;
use crate::hosts::{self, HostPattern, Listen};
use crate::limits::Limits;
use crate::nearest::nearest;
use crate::policy::{Policy, check_roles};
use crate::read::{Item, Reader, Section};
use crate::server::{ServerSettings, read_servers};
use crate::state::StateSettings;
use crate::telemetry::Telemetry;
use crate::tree::{Node, quoted};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// What the gateway is to do. [`Settings::default`] is what an empty file says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `listen`: where. Default: `127.0.0.1:8000`.
    pub listen: Listen,
    /// `allowed_hosts`: the hosts that calls may name, beside loopback names and the address we
    /// listen on. Default: none.
    pub allowed_hosts: Vec<HostPattern>,
    /// `cors_origins`: the origins of web pages that may call, as browsers write them. Default: none.
    pub cors_origins: Vec<String>,
    /// `trusted_proxies`: the networks whose `X-Forwarded-For` is believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// `body_limit`: the largest body of a request, in bytes. Default: 4 MiB.
    pub body_limit: usize,
    /// `mcpServers`, in the order of the file, disabled ones among them.
    pub servers: Vec<ServerSettings>,
    /// `auth`.
    pub auth: Auth,
    /// `policy`. Default: none, everybody who is let in may do everything.
    pub policy: Option<Policy>,
    /// `limits`.
    pub limits: Limits,
    /// `audit`. Default: none.
    pub audit: Option<Audit>,
    /// `telemetry`.
    pub telemetry: Telemetry,
    /// `state`.
    pub state: StateSettings,
    /// `sse`: legacy HTTP+SSE is served. Default: false.
    pub sse: bool,
    /// `rest`: tools are served as REST with OpenAPI documents. Default: true.
    pub rest: bool,
    /// What is probably not what was meant, in the order of the file.
    pub warnings: Vec<Warning>,
    /// Where all this was read.
    pub source: Source,
}

/// Where settings came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file, as it was named to us; default: `settings`.
    pub origin: Arc<str>,
    /// The line of `listen`, counted from 1, if it is there. Whoever overrides `listen` from the
    /// command line clears it.
    pub listen_line: Option<usize>,
    /// What the commands call the settings that a refusal names.
    pub words: Words,
}

/// How whoever starts us says what would make an address safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// What asks callers for a token, as the object of "add" or "give".
    pub token: &'static str,
    /// What listens openly all the same, as the object of "set".
    pub insecure: &'static str,
}

impl Default for Words {
    /// Of a settings file.
    fn default() -> Self {
        Self {
            token: "add a token to auth.tokens (make one with \"portcullis token new\")",
            insecure: "set auth.insecure to true",
        }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self { origin: "settings".into(), listen_line: None, words: Words::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            body_limit: 4 << 20,
            servers: Vec::new(),
            auth: Auth::default(),
            policy: None,
            limits: Limits::default(),
            audit: None,
            telemetry: Telemetry::default(),
            state: StateSettings::default(),
            sse: false,
            rest: true,
            warnings: Vec::new(),
            source: Source::default(),
        }
    }
}

/// The keys at the top that are ours. A file with none of them was written for another client.
pub(crate) const OURS: [&str; 13] = [
    "listen",
    "allowed_hosts",
    "cors_origins",
    "trusted_proxies",
    "body_limit",
    "auth",
    "policy",
    "limits",
    "audit",
    "telemetry",
    "state",
    "sse",
    "rest",
];

impl Settings {
    /// What the tree says; problems go to the reader.
    pub(crate) fn read(reader: &Reader<'_>, node: &Node) -> Option<Self> {
        let mut section = reader.root(node).section()?;
        let foreign = section.has("mcpServers") && !OURS.iter().any(|key| section.has(key));
        let defaults = Self::default();
        let servers = section.get("mcpServers").map(|item| read_servers(&item)).unwrap_or_default();
        let listen = section.get("listen");
        let listen_line = listen.as_ref().map(Item::line);
        let settings = Self {
            listen: listen.and_then(|item| item.parse(hosts::listen)).unwrap_or_default(),
            allowed_hosts: list(&mut section, "allowed_hosts", |item| item.parse(hosts::host_pattern)),
            cors_origins: list(&mut section, "cors_origins", |item| item.parse(hosts::origin)),
            trusted_proxies: list(&mut section, "trusted_proxies", read_network),
            body_limit: section
                .get("body_limit")
                .and_then(|item| read_body_limit(&item))
                .unwrap_or(defaults.body_limit),
            auth: section.get("auth").and_then(|item| Auth::read(&item)).unwrap_or_default(),
            policy: section.get("policy").and_then(|item| Policy::read(&item, &servers)),
            limits: section.get("limits").and_then(|item| Limits::read(&item, &servers)).unwrap_or_default(),
            audit: section.get("audit").and_then(|item| Audit::read(&item)),
            telemetry: section.get("telemetry").and_then(|item| Telemetry::read(&item)).unwrap_or_default(),
            state: section.get("state").and_then(|item| StateSettings::read(&item)).unwrap_or_default(),
            sse: section.get("sse").and_then(|item| item.bool()).unwrap_or_default(),
            rest: section.get("rest").and_then(|item| item.bool()).unwrap_or(defaults.rest),
            servers,
            warnings: Vec::new(),
            source: Source { origin: Arc::clone(&reader.origin), listen_line, ..Source::default() },
        };
        // An editor's key.
        section.get("$schema");
        finish(&section, foreign);
        // A policy that could not be read is no reason to call its roles unknown.
        if settings.policy.is_some() || !section.has("policy") {
            check_roles(reader, &settings.auth, settings.policy.as_ref());
        }
        Some(settings)
    }
}

/// Unknown keys at the top: errors in a file of ours, warnings in another client's. One that looks
/// like a misspelt section of ours is an error in both: nobody may lose a policy by a slip.
fn finish(section: &Section<'_>, foreign: bool) {
    for (name, line) in section.unasked() {
        let slip = nearest(name, OURS).is_some_and(|near| {
            let distance = strsim::osa_distance(&name.to_lowercase(), near);
            name != "oauth" && distance <= if name.len() < 6 { 1 } else { 2 }
        });
        if foreign && !slip {
            section.warn(line, format!("unknown key {} has no effect", quoted(name)));
        } else {
            section.unknown(name, line);
        }
    }
}

fn list<T>(section: &mut Section<'_>, key: &'static str, mut read: impl FnMut(&Item<'_>) -> Option<T>) -> Vec<T> {
    section.get(key).and_then(|item| item.list_of(|item| read(&item))).unwrap_or_default()
}

/// An address or a network. The error continues a sentence that begins with the text.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().map(|network| network.trunc());
    let network = network.or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "is no address or network; write it like 10.0.0.5 or 10.0.0.0/8".to_owned())
}

fn read_network(item: &Item<'_>) -> Option<IpNet> {
    let network = item.parse(parse_network)?;
    if network.prefix_len() == 0 {
        item.warn("trusts every machine, so that callers can pretend to have any address; name the proxies alone");
    }
    Some(network)
}

fn read_body_limit(item: &Item<'_>) -> Option<usize> {
    let size = item.size()?;
    let limit = usize::try_from(size).ok();
    if limit.is_none() {
        item.error("is more than this machine can hold");
    }
    limit
}
