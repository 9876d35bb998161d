//! What the server is told.

use crate::endpoint::{Host, TlsFiles};
use crate::mounts;
use mcp::Tier;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Settings of a Docker server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where the engine is. Default: as the `docker` command finds it, and then by its socket.
    pub host: Option<Host>,
    /// For an engine with TLS.
    pub tls: TlsFiles,
    /// How long the engine may take for a plain request (`DOCKER_TIMEOUT`).
    pub timeout: Duration,
    /// How often an engine that does not answer is tried.
    pub retry: Duration,
    /// Registries are logged in to with what `docker login` left on this machine. Only where callers are its
    /// own user.
    pub stored_logins: bool,
    /// What may be done.
    pub safety: Safety,
    /// How much is read, shown and done at once.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: None,
            tls: TlsFiles::default(),
            timeout: Duration::from_secs(60),
            retry: Duration::from_secs(2),
            stored_logins: false,
            safety: Safety::default(),
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// Only what reads: for the demo, and for monitoring.
    pub fn read_only() -> Self {
        let mut settings = Self::default();
        settings.safety.tier = Tier::Safe;
        settings
    }
}

/// What may be done.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the operator")]
pub struct Safety {
    /// The most harmful tools that exist. Default: moderate.
    pub tier: Tier,
    /// Whether moderate tools exist, if the tier does not rule them out.
    pub moderate: bool,
    /// A destructive call asks the person first. Default: yes.
    pub confirm: bool,
    /// Only these tools exist, if any are named.
    pub allowed_tools: Vec<String>,
    /// These tools do not exist, whatever else is said.
    pub denied_tools: Vec<String>,
    /// Only these prompts exist, if this is given.
    pub allowed_prompts: Option<Vec<String>>,
    /// Only these resources exist (`container_logs`, `container_stats`), if this is given.
    pub allowed_resources: Option<Vec<String>>,
    /// Host paths that may be mounted or built from, with all below them: nothing else, if any are named, and
    /// also those of them that are refused otherwise.
    pub mount_allow: Vec<PathBuf>,
    /// Host paths that are refused besides those that always are, whatever else is said.
    pub mount_block: Vec<PathBuf>,
    /// Files and folders that decide what this process does: its settings, secrets, audit and program. What has one
    /// inside, or is inside one, is refused unless exactly that path is in `mount_allow`.
    pub guarded: Vec<PathBuf>,
    /// What is allowed by name although it opens the host; see [`is_exception`].
    pub allow: Vec<String>,
    /// Nothing about mounts, devices, namespaces, capabilities and security options is refused.
    pub unchecked: bool,
    /// Which ports may be published.
    pub publish: Publish,
    /// Things with these labels (`key` or `key=value`) or names are never removed; `*` stands for any letters.
    pub protect_labels: Vec<String>,
    #[allow(missing_docs)]
    pub protect_names: Vec<String>,
    /// Secrets are hidden in what inspect, prompts, logs and outputs show. Default: yes.
    pub redact: bool,
    /// Text from strangers stands between marks. Default: yes.
    pub fence: bool,
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            tier: Tier::Moderate,
            moderate: true,
            confirm: true,
            allowed_tools: Vec::new(),
            denied_tools: Vec::new(),
            allowed_prompts: None,
            allowed_resources: None,
            mount_allow: Vec::new(),
            mount_block: Vec::new(),
            guarded: Vec::new(),
            allow: Vec::new(),
            unchecked: false,
            publish: Publish::Any,
            protect_labels: Vec::new(),
            protect_names: Vec::new(),
            redact: true,
            fence: true,
        }
    }
}

/// Which ports of the host a container may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// On every address.
    Any,
    /// On loopback addresses, which is then also the default address.
    Loopback,
    /// None.
    Nothing,
}

impl Safety {
    /// Whether this is allowed by its name.
    pub(crate) fn allows(&self, exception: &str) -> bool {
        self.unchecked || self.allow.iter().any(|allowed| allowed == exception)
    }

    /// Rules of paths, for an engine that keeps everything in `root`.
    pub(crate) fn mounts<'a>(&'a self, root: Option<&'a Path>) -> mounts::Rules<'a> {
        mounts::Rules {
            allow: &self.mount_allow,
            block: &self.mount_block,
            unchecked: self.unchecked,
            guarded: &self.guarded,
            root,
        }
    }
}

/// Whether a name can stand in [`Safety::allow`]: `privileged`; `network:host`, `pid:host`, `ipc:host`,
/// `uts:host`, `userns:host`, `cgroupns:host`; `cap:NAME`, `device:PATH`, `security-opt:TEXT`,
/// `volume-driver:NAME`, `network-driver:NAME`, `device-driver:NAME`, `log-driver:NAME`; `build-context:remote`.
pub fn is_exception(name: &str) -> bool {
    let spaces = ["network:host", "pid:host", "ipc:host", "uts:host", "userns:host", "cgroupns:host"];
    let kinds =
        ["cap:", "device:/", "security-opt:", "volume-driver:", "network-driver:", "device-driver:", "log-driver:"];
    matches!(name, "privileged" | "build-context:remote")
        || spaces.contains(&name)
        || kinds.iter().any(|kind| name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()))
}

/// How much is read, shown and done at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Lines of a log that one answer has at most.
    pub log_lines: u64,
    /// Bytes of the output of a command, or of a log, that one answer has at most.
    pub output_bytes: usize,
    /// Things in one list.
    pub list: usize,
    /// Long texts in what inspect shows are cut.
    pub truncate_inspect: bool,
    /// Bytes of such a text.
    pub inspect_field_bytes: usize,
    /// How many calls are at work at once. Others wait.
    pub concurrent: usize,
    /// How long a tool may take; those that read logs, run commands or prune twice as long, those that
    /// move images ten times. `None`: as long as the caller waits.
    pub tool_timeout: Option<Duration>,
    /// How long a followed log or stream of statistics goes on at most.
    pub follow: Duration,
    /// Bytes of a build context at most.
    pub context_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            log_lines: 10_000,
            output_bytes: 1 << 20,
            list: 1000,
            truncate_inspect: false,
            inspect_field_bytes: 65_536,
            concurrent: 10,
            tool_timeout: Some(Duration::from_secs(30)),
            follow: Duration::from_secs(30),
            context_bytes: 1 << 30,
        }
    }
}
