//! `"type": "docker"`: a Docker engine, and what may be done with it.

use crate::read::{Item, Section};
use crate::server::Tier;
use crate::tree::quoted;
use std::path::PathBuf;
use std::time::Duration;

/// An entry of that type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Docker {
    /// `safety`: the most harmful tools that exist. Default: moderate.
    pub safety: Tier,
    /// `engine`: where it is.
    pub engine: Engine,
    /// `rules`: what may be done.
    pub rules: Rules,
    /// The only caller is this machine's own user, whose logins to registries may be used. No file can say so.
    pub own_logins: bool,
    /// Files and folders that decide what this process does, which are never mounted. No file can say so: whoever reads
    /// settings fills it in.
    pub guarded: Vec<PathBuf>,
    /// What only the variables of mcp-docker say, each with its value; see the command `docker`.
    pub variables: Vec<(String, String)>,
}

/// The section `engine`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// `host`: its address, like `unix:///run/podman/podman.sock`. Default: as the docker command finds it.
    pub host: Option<String>,
    /// `tls_ca`, `tls_cert`, `tls_key`: PEM files for an engine with TLS, from the directory of the file.
    pub tls_ca: Option<PathBuf>,
    #[allow(missing_docs)]
    pub tls_cert: Option<PathBuf>,
    #[allow(missing_docs)]
    pub tls_key: Option<PathBuf>,
    /// `timeout`: how long it may take for a plain request. Default: 60 s.
    pub timeout: Option<Duration>,
}

/// The section `rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `confirm`: a destructive call asks the person first. Default: true.
    pub confirm: bool,
    /// `allow`: what opens the host and is allowed all the same, by its name.
    pub allow: Vec<String>,
    /// `mount_allow`: the only paths of the host that may be mounted.
    pub mount_allow: Vec<PathBuf>,
    /// `mount_block`: paths that are refused besides those that always are.
    pub mount_block: Vec<PathBuf>,
    /// `publish`: which ports may be published. Default: any.
    pub publish: Publish,
    /// `protect_labels`, `protect_names`: what is never removed.
    pub protect_labels: Vec<String>,
    #[allow(missing_docs)]
    pub protect_names: Vec<String>,
    /// `redact`: secrets are hidden in what is shown. Default: true.
    pub redact: bool,
    /// `fence`: text of containers stands between marks. Default: true.
    pub fence: bool,
}

/// Which ports may be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// `any`.
    Any,
    /// `loopback`.
    Loopback,
    /// `none`.
    Nothing,
}

impl Publish {
    /// The word in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Loopback => "loopback",
            Self::Nothing => "none",
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            confirm: true,
            allow: Vec::new(),
            mount_allow: Vec::new(),
            mount_block: Vec::new(),
            publish: Publish::Any,
            protect_labels: Vec::new(),
            protect_names: Vec::new(),
            redact: true,
            fence: true,
        }
    }
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            safety: Tier::Moderate,
            engine: Engine::default(),
            rules: Rules::default(),
            own_logins: false,
            guarded: Vec::new(),
            variables: Vec::new(),
        }
    }
}

/// Keys of an entry that only this type has.
pub(crate) const KEYS: [&str; 3] = ["safety", "engine", "rules"];

impl Docker {
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        Self {
            safety: section.get("safety").and_then(|item| Tier::read(&item)).unwrap_or(Tier::Moderate),
            engine: section.get("engine").and_then(|item| Engine::read(&item)).unwrap_or_default(),
            rules: section.get("rules").and_then(|item| Rules::read(&item)).unwrap_or_default(),
            own_logins: false,
            guarded: Vec::new(),
            variables: Vec::new(),
        }
    }
}

impl Engine {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let engine = Self {
            host: section.get("host").and_then(|item| item.filled()).map(|text| text.value),
            tls_ca: section.get("tls_ca").and_then(|item| item.path()),
            tls_cert: section.get("tls_cert").and_then(|item| item.path()),
            tls_key: section.get("tls_key").and_then(|item| item.path()),
            timeout: section.get("timeout").and_then(|item| item.duration()),
        };
        section.finish();
        Some(engine)
    }
}

impl Rules {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let defaults = Self::default();
        let words = [("any", Publish::Any), ("loopback", Publish::Loopback), ("none", Publish::Nothing)];
        let rules = Self {
            confirm: section.get("confirm").and_then(|item| item.bool()).unwrap_or(defaults.confirm),
            allow: section.get("allow").and_then(|item| item.words()).unwrap_or_default(),
            mount_allow: paths(&mut section, "mount_allow"),
            mount_block: paths(&mut section, "mount_block"),
            publish: section.get("publish").and_then(|item| item.word(&words)).unwrap_or(defaults.publish),
            protect_labels: section.get("protect_labels").and_then(|item| item.words()).unwrap_or_default(),
            protect_names: section.get("protect_names").and_then(|item| item.words()).unwrap_or_default(),
            redact: section.get("redact").and_then(|item| item.bool()).unwrap_or(defaults.redact),
            fence: section.get("fence").and_then(|item| item.bool()).unwrap_or(defaults.fence),
        };
        section.finish();
        Some(rules)
    }
}

/// Paths of the engine's machine: from its root, for ours may be another.
fn paths(section: &mut Section<'_>, key: &'static str) -> Vec<PathBuf> {
    let one = |item: Item<'_>| {
        let text = item.filled()?;
        if !text.value.starts_with('/') {
            item.error(format!("{} is no absolute path", quoted(&text.written)));
            return None;
        }
        Some(PathBuf::from(text.value))
    };
    section.get(key).and_then(|item| item.list_of(one)).unwrap_or_default()
}
