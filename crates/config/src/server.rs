//! `mcpServers`: what stands behind the gate.
//!
//! A file that was written for Claude Desktop or mcpo loads unchanged, so a key we do not know is a
//! warning here. Inside `limits` and `tools`, which no other client has, it is an error.

use crate::docker::{self, Docker};
use crate::fingerprint::fingerprint;
use crate::names;
use crate::nearest::{listed, nearest};
use crate::read::{Item, Section};
use crate::secret::{Secret, Text, mask_arguments};
use crate::tree::quoted;
use crate::units;
use crate::url::{read_url, url_of};
use crate::zim::Zim;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One entry of `mcpServers`.
#[derive(Clone)]
pub struct ServerSettings {
    /// Its name: the first segment of its addresses and the first half of joint tool names.
    pub name: String,
    /// What it is and how it is reached.
    pub kind: ServerKind,
    /// `disabled`: it is not started. Default: false.
    pub disabled: bool,
    /// `limits`: its own limits.
    pub limits: ServerLimits,
    /// `tools`: what the operator says about single tools, by their names.
    pub tools: BTreeMap<String, ToolSettings>,
    /// `disabledTools` (or `disabled_tools`): exact names of tools that do not exist for callers.
    pub disabled_tools: Vec<String>,
    /// `trust_annotations`: its own hints decide the tier of its tools where the operator says
    /// nothing. Default: false.
    pub trust_annotations: bool,
    /// `extensions`: the protocol extensions that may pass between it and callers.
    pub extensions: Vec<String>,
    /// SHA-256, in hex, of everything above with the secrets in it: settings with the same hash need
    /// no restart. Not in `Debug` and not to be shown: a guessed secret could be checked against it.
    pub hash: String,
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("disabled", &self.disabled)
            .field("limits", &self.limits)
            .field("tools", &self.tools)
            .field("disabled_tools", &self.disabled_tools)
            .field("trust_annotations", &self.trust_annotations)
            .field("extensions", &self.extensions)
            .finish_non_exhaustive()
    }
}

impl ServerSettings {
    /// An entry of that kind with nothing else said: what the single-server commands start from.
    pub fn new(name: impl Into<String>, kind: ServerKind) -> Self {
        let mut server = Self {
            name: name.into(),
            kind,
            disabled: false,
            limits: ServerLimits::default(),
            tools: BTreeMap::new(),
            disabled_tools: Vec::new(),
            trust_annotations: false,
            extensions: Vec::new(),
            hash: String::new(),
        };
        server.rehash();
        server
    }

    /// Computes [`Self::hash`] again, after a change by hand.
    pub fn rehash(&mut self) {
        self.hash = fingerprint(self);
    }
}

/// What a server is and how it is reached.
#[derive(Clone, Debug)]
pub enum ServerKind {
    /// `command`: a process that speaks MCP on stdin and stdout.
    Child {
        /// The program, looked up in `PATH` if it has no slash.
        command: Text,
        /// Its arguments. Default: none.
        args: Vec<Text>,
        /// Variables for it. Default: none.
        env: BTreeMap<String, Secret>,
        /// Its working directory, from the directory of the file. Default: ours.
        cwd: Option<PathBuf>,
    },
    /// `url`: an MCP server over HTTP.
    Remote {
        /// Its `http` or `https` address.
        url: Text,
        /// Which transport.
        kind: RemoteKind,
        /// Headers for every request, by their names. Default: none.
        headers: BTreeMap<String, Secret>,
    },
    /// `"type": "openapi"`: a REST service that its OpenAPI document describes. At least one of both
    /// is there.
    OpenApi {
        /// The `http` or `https` address of the service; default: what the document says.
        url: Option<Text>,
        /// The document; default: found at the address.
        document: Option<Document>,
        /// Headers for every request, by their names. Default: none.
        headers: BTreeMap<String, Secret>,
    },
    /// `"type": "zim"`: ZIM archives.
    Zim(Box<Zim>),
    /// `"type": "docker"`: a Docker engine.
    Docker(Box<Docker>),
    /// Any other `"type"`: the binary decides whether it has such a server built in.
    Builtin {
        /// The type, as it was written.
        type_name: String,
    },
}

/// The transport of a remote MCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteKind {
    /// `"type": "streamable-http"` or `"http"`; the default, unless the path of the URL ends in `/sse`.
    StreamableHttp,
    /// `"type": "sse"`: legacy HTTP+SSE.
    Sse,
}

/// Where an OpenAPI document is.
#[derive(Clone, Debug)]
pub enum Document {
    /// At an `http` or `https` address.
    Url(Text),
    /// In a file, from the directory of the settings.
    File(PathBuf),
}

/// How much harm a tool can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// It only reads.
    Safe,
    /// It changes what can be changed back.
    Moderate,
    /// It destroys.
    Destructive,
}

impl Tier {
    /// The word in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Moderate => "moderate",
            Self::Destructive => "destructive",
        }
    }

    pub(crate) fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("safe", Self::Safe), ("moderate", Self::Moderate), ("destructive", Self::Destructive)])
    }
}

/// Limits of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerLimits {
    /// How long one of its calls may take (`limits.timeout`, or another client's `timeout`);
    /// default: `limits.timeout` of the whole gateway.
    pub timeout: Option<Duration>,
}

/// What the operator says about one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolSettings {
    /// Its tier, whatever its server says.
    pub tier: Option<Tier>,
    /// It does not exist for callers. Default: false.
    pub disabled: bool,
}

/// Reads all entries, in the order of the file.
pub(crate) fn read_servers(item: &Item<'_>) -> Vec<ServerSettings> {
    let fields = item.fields().unwrap_or_default();
    fields.into_iter().filter_map(|(name, item)| read_server(name, &item.lenient())).collect()
}

fn read_server(name: &str, item: &Item<'_>) -> Option<ServerSettings> {
    let named = names::server_name(name);
    if let Err(problem) = &named {
        item.error(format!("{} {problem}", quoted(name)));
    }
    let mut section = item.section()?;
    let kind = read_kind(&mut section);
    let disabled = read_disabled(&mut section);
    let limits = read_limits(&mut section);
    let tools = read_tools(&mut section);
    let camel = section.get("disabledTools");
    let snake = section.get("disabled_tools");
    let disabled_tools = camel.or(snake).and_then(|item| item.words()).unwrap_or_default();
    let trust_annotations = section.get("trust_annotations").and_then(|item| item.bool()).unwrap_or_default();
    let extensions = section.get("extensions").and_then(|item| item.words()).unwrap_or_default();
    warn_of_the_rest(&section);
    named.ok()?;
    let mut server = ServerSettings {
        name: name.to_owned(),
        kind: kind?,
        disabled,
        limits,
        tools,
        disabled_tools,
        trust_annotations,
        extensions,
        hash: String::new(),
    };
    server.rehash();
    Some(server)
}

/// What an entry is, by its `type`, or else by what it has.
enum Form {
    Child,
    Remote(Option<RemoteKind>),
    OpenApi,
    Zim,
    Docker,
    Builtin(String),
}

fn read_kind(section: &mut Section<'_>) -> Option<ServerKind> {
    match form(section)? {
        Form::Child => read_child(section),
        Form::Remote(kind) => read_remote(section, kind),
        Form::OpenApi => read_openapi(section),
        Form::Zim => Some(ServerKind::Zim(Box::new(Zim::read(section)?))),
        Form::Docker => Some(ServerKind::Docker(Box::new(Docker::read(section)))),
        Form::Builtin(type_name) => Some(ServerKind::Builtin { type_name }),
    }
}

fn form(section: &mut Section<'_>) -> Option<Form> {
    let (command, url) = (section.has("command"), section.has("url"));
    let Some(item) = section.get("type") else {
        return match (command, url) {
            (true, true) => {
                section.item.warn("has a command and a url; the command is used, take one of them out");
                Some(Form::Child)
            }
            (true, false) => Some(Form::Child),
            (false, true) => Some(Form::Remote(None)),
            (false, false) => {
                no_form(section);
                None
            }
        };
    };
    let written = item.filled()?.value;
    match written.to_ascii_lowercase().replace('_', "-").as_str() {
        "stdio" | "local" => Some(Form::Child),
        "http" | "streamable-http" | "streamablehttp" => Some(Form::Remote(Some(RemoteKind::StreamableHttp))),
        "sse" => Some(Form::Remote(Some(RemoteKind::Sse))),
        "openapi" => Some(Form::OpenApi),
        "zim" => Some(Form::Zim),
        "docker" => Some(Form::Docker),
        _ if command => {
            item.warn("is no type we know; as there is a command, it is started as a child");
            Some(Form::Child)
        }
        _ if url => {
            item.error("is no type of server with a url; write \"streamable-http\", \"sse\" or \"openapi\"");
            None
        }
        other if other.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => Some(Form::Builtin(written)),
        _ => {
            item.error("is no type; write \"stdio\", \"streamable-http\", \"sse\", \"openapi\", \"zim\" or \"docker\"");
            None
        }
    }
}

fn no_form(section: &Section<'_>) {
    let meant = section.unasked().find_map(|(name, _)| {
        nearest(name, ["command", "url", "type"]).map(|near| format!("; did you mean \"{near}\" by {}?", quoted(name)))
    });
    section.item.error(format!(
        "has neither \"command\" (a process to start) nor \"url\" (a server to reach) nor \"type\" (one built in){}",
        meant.unwrap_or_default()
    ));
}

fn read_child(section: &mut Section<'_>) -> Option<ServerKind> {
    let command = section.need("command", "name the program to start").and_then(|item| {
        let command = item.shown_text()?;
        no_zero_byte(&item, command.expose())?;
        Some(command)
    });
    let args = section.get("args").and_then(|item| {
        item.list_of(|item| {
            let text = item.scalar()?;
            no_zero_byte(&item, &text.value)?;
            Some(text)
        })
    });
    let args = args.unwrap_or_default();
    let shown = mask_arguments(&args.iter().map(|arg| arg.written.clone()).collect::<Vec<_>>());
    let args = args.into_iter().zip(shown).map(|(arg, shown)| Text::new(arg.value, shown)).collect();
    let env = section.get("env").and_then(|item| read_env(&item)).unwrap_or_default();
    let cwd = section.get("cwd").and_then(|item| item.path());
    Some(ServerKind::Child { command: command?, args, env, cwd })
}

fn no_zero_byte(item: &Item<'_>, text: &str) -> Option<()> {
    if text.contains('\0') {
        item.error("has a zero byte in it, which no process can be given");
        return None;
    }
    Some(())
}

fn read_env(item: &Item<'_>) -> Option<BTreeMap<String, Secret>> {
    let mut env = BTreeMap::new();
    for (name, item) in item.fields()? {
        if name.is_empty() || name.contains(['=', '\0']) {
            item.error("is no name of a variable");
            continue;
        }
        if let Some(text) = item.scalar()
            && no_zero_byte(&item, &text.value).is_some()
        {
            env.insert(name.to_owned(), Secret::new(text.value));
        }
    }
    Some(env)
}

fn read_remote(section: &mut Section<'_>, kind: Option<RemoteKind>) -> Option<ServerKind> {
    let url = section.need("url", "write the server's address").and_then(|item| read_url(&item));
    let headers = read_headers(section);
    let url = url?;
    let kind = kind.unwrap_or_else(|| {
        let path = url.expose().split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        if path.ends_with("/sse") { RemoteKind::Sse } else { RemoteKind::StreamableHttp }
    });
    Some(ServerKind::Remote { url, kind, headers })
}

fn read_headers(section: &mut Section<'_>) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (name, item) in section.get("headers").and_then(|item| item.fields()).unwrap_or_default() {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            item.error("is no name of a header");
            continue;
        }
        if !seen.insert(name.to_ascii_lowercase()) {
            item.error("stands twice, in different case; keep one");
            continue;
        }
        let Some(value) = item.scalar() else { continue };
        if http::HeaderValue::from_str(&value.value).is_err() {
            item.error("has a value that no header can have: a line break or a control character");
            continue;
        }
        headers.insert(name.to_owned(), Secret::new(value.value));
    }
    headers
}

fn read_openapi(section: &mut Section<'_>) -> Option<ServerKind> {
    let (has_url, has_document) = (section.has("url"), section.has("document"));
    let url = section.get("url").map(|item| read_url(&item));
    let document = section.get("document").map(|item| {
        let text = item.filled()?;
        if text.value.contains("://") {
            url_of(&item, text).map(Document::Url)
        } else {
            item.path_of(&text).map(Document::File)
        }
    });
    let headers = read_headers(section);
    if !has_url && !has_document {
        section.item.error("has neither \"url\" (the service) nor \"document\" (what describes it); write one of them");
        return None;
    }
    // Of what is there, nothing may be broken.
    let url = url.map_or(Some(None), |url| url.map(Some))?;
    let document = document.map_or(Some(None), |document| document.map(Some))?;
    Some(ServerKind::OpenApi { url, document, headers })
}

/// `disabled`, or another client's `enabled`.
fn read_disabled(section: &mut Section<'_>) -> bool {
    let disabled = section.get("disabled").and_then(|item| item.bool());
    let enabled = section.get("enabled").and_then(|item| item.bool());
    disabled.unwrap_or_default() || enabled == Some(false)
}

fn read_limits(section: &mut Section<'_>) -> ServerLimits {
    let own = section.get("limits").and_then(|item| {
        let mut limits = item.section()?;
        let timeout = limits.get("timeout").and_then(|item| item.duration());
        limits.finish();
        timeout
    });
    let foreign = section.get("timeout").and_then(|item| {
        // Clients mean different things by a number: none at all by 0, milliseconds by a large one.
        let Some(number) = item.number() else { return item.duration() };
        let timeout = units::duration(&number.to_string()).ok();
        if timeout.is_none() {
            item.warn("is no timeout we can keep, and has no effect; write one like \"30s\"");
        } else if number >= 1000.0 {
            item.warn(format!("is read as {number} seconds; write it with its unit, like \"{number}ms\""));
        }
        timeout
    });
    ServerLimits { timeout: own.or(foreign) }
}

fn read_tools(section: &mut Section<'_>) -> BTreeMap<String, ToolSettings> {
    let Some(item) = section.get("tools") else { return BTreeMap::new() };
    if item.is_list() {
        item.warn("is another client's list of allowed tools and has no effect here; use \"disabledTools\", or a role of policy");
        return BTreeMap::new();
    }
    let mut tools = BTreeMap::new();
    for (name, item) in item.fields().unwrap_or_default() {
        let Some(mut tool) = item.section() else { continue };
        let tier = tool.get("tier").and_then(|item| Tier::read(&item));
        let disabled = tool.get("disabled").and_then(|item| item.bool()).unwrap_or_default();
        tool.finish();
        tools.insert(name.to_owned(), ToolSettings { tier, disabled });
    }
    tools
}

/// Keys that mean something for one kind of server.
const KEYS_OF_KINDS: [&str; 9] = ["type", "command", "args", "env", "cwd", "url", "headers", "document", "paths"];

fn warn_of_the_rest(section: &Section<'_>) {
    for (name, line) in section.unasked() {
        let key = quoted(name);
        if KEYS_OF_KINDS.contains(&name) || docker::KEYS.contains(&name) {
            section.warn(line, format!("{key} has no effect on a server of this type"));
            continue;
        }
        match name {
            "alwaysAllow" | "autoApprove" => {
                section.warn(line, format!("{key} has no effect here; what may be called is decided by policy"));
            }
            "oauth" => {
                section.warn(
                    line,
                    format!("{key} has no effect in this version; the server is reached without signing in"),
                );
            }
            _ => {
                let known = section.known().chain(KEYS_OF_KINDS);
                let hint = nearest(name, known).map(|near| format!("; did you mean \"{near}\"?"));
                section.warn(line, format!("unknown key {key} has no effect{}", hint.unwrap_or_default()));
            }
        }
    }
}

/// The names of the servers, for messages.
pub(crate) fn names_of(servers: &[ServerSettings]) -> String {
    listed(servers.iter().map(|server| server.name.as_str()))
}
