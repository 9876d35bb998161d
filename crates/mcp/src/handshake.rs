//! How a connection begins: `initialize` in the legacy era, `server/discover` in the modern one,
//! seen from both sides.

use crate::capability::Capabilities;
use crate::error::{Error, ErrorObject, code};
use crate::raw::Raw;
use crate::request::{Level, key};
use crate::revision::{Era, Revision};
use crate::server::{About, ServerCapabilities, result_for};
use serde::{Deserialize, Serialize};

/// Name and version of a piece of software.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Software {
    pub name: String,
    pub version: String,
}

/// The parameters of a client's `initialize`.
#[derive(Clone, Debug)]
pub struct Hello {
    /// The revision that both will speak: the requested one, or our latest legacy one.
    pub revision: Revision,
    /// What the client can be asked.
    pub capabilities: Capabilities,
    /// Which software it is; cut to a sensible length.
    pub client: Software,
}

impl Hello {
    /// Reads the parameters of `initialize`.
    pub fn read(params: &Raw) -> Result<Self, Error> {
        let requested = params
            .get_text("protocolVersion")
            .ok_or_else(|| Error::InvalidParams("`protocolVersion` must be a string".into()))?;
        let revision =
            Revision::parse(&requested).filter(|r| r.era() == Era::Legacy).unwrap_or(Revision::LATEST_LEGACY);
        let capabilities = match params.get("capabilities") {
            Some(raw) => Capabilities::read(&raw).map_err(Error::InvalidParams)?,
            None => Capabilities::none(),
        };
        let part = |name| {
            let text = params.get("clientInfo").and_then(|i| i.get_text(name)).unwrap_or_default();
            text.chars().filter(|c| !c.is_control()).take(64).collect()
        };
        Ok(Self { revision, capabilities, client: Software { name: part("name"), version: part("version") } })
    }
}

/// The result of `initialize`.
pub fn initialize_result(revision: Revision, about: &About) -> Raw {
    let version = Raw::of(revision.as_str());
    let capabilities = about.capabilities.to_raw();
    let instructions = about.instructions.as_ref().map(Raw::of);
    let mut members = vec![("protocolVersion", &version), ("capabilities", &capabilities), ("serverInfo", &about.info)];
    if let Some(instructions) = &instructions {
        members.push(("instructions", instructions));
    }
    Raw::object(members)
}

/// The result of `server/discover`.
pub fn discover_result(about: &About) -> Raw {
    let versions: Vec<_> = Revision::ALL.iter().map(|r| r.as_str()).collect();
    let versions = Raw::of(&versions);
    let capabilities = about.capabilities.to_raw();
    let instructions = about.instructions.as_ref().map(Raw::of);
    let mut members = vec![("supportedVersions", &versions), ("capabilities", &capabilities)];
    if let Some(instructions) = &instructions {
        members.push(("instructions", instructions));
    }
    result_for(Era::Modern, "server/discover", &Raw::object(members), &about.info)
}

/// What a server said about itself to us as its client.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Welcome {
    pub revision: Revision,
    pub info: Raw,
    pub capabilities: ServerCapabilities,
    pub instructions: Option<String>,
}

impl Welcome {
    /// Reads the result of `initialize`.
    pub fn from_initialize(result: &Raw) -> Result<Self, String> {
        let version = result.get_text("protocolVersion").ok_or("its `initialize` result has no protocol version")?;
        let revision = Revision::parse(&version)
            .filter(|r| r.era() == Era::Legacy)
            .ok_or_else(|| format!("it answered `initialize` with the unknown protocol version {version:?}"))?;
        Ok(Self::read(revision, result, result.get("serverInfo")))
    }

    /// Reads the result of `server/discover`; `None` if the server names no modern revision.
    pub fn from_discover(result: &Raw) -> Option<Self> {
        let versions = result.get("supportedVersions")?;
        let revision =
            versions.items().filter_map(|v| Revision::parse(&v.text()?)).filter(|r| r.era() == Era::Modern).max()?;
        let info = result.get("_meta").and_then(|m| m.get(key::SERVER_INFO));
        Some(Self::read(revision, result, info))
    }

    fn read(revision: Revision, result: &Raw, info: Option<Raw>) -> Self {
        Self {
            revision,
            info: info.unwrap_or_else(|| Raw::of(&Software::default())),
            capabilities: ServerCapabilities::read(&result.get("capabilities").unwrap_or_else(Raw::empty_object)),
            instructions: result.get_text("instructions"),
        }
    }
}

/// Parameters of our own `initialize` as a client.
pub fn initialize_params(revision: Revision, capabilities: &Capabilities, us: &Software) -> Raw {
    Raw::object([
        ("protocolVersion", &Raw::of(revision.as_str())),
        ("capabilities", capabilities.raw()),
        ("clientInfo", &Raw::of(us)),
    ])
}

/// `_meta` before a modern upstream: what the caller sent, with our revision and name and the
/// caller's capabilities.
pub fn modern_meta(caller: Option<&Raw>, capabilities: &Capabilities, log_level: Option<Level>, us: &Software) -> Raw {
    let version = Raw::of(Revision::LATEST.as_str());
    let us = Raw::of(us);
    let level = log_level.map(|l| Raw::of(l.as_str()));
    let mut with = vec![
        (key::PROTOCOL_VERSION, &version),
        (key::CLIENT_CAPABILITIES, capabilities.raw()),
        (key::CLIENT_INFO, &us),
    ];
    if let Some(level) = &level {
        with.push((key::LOG_LEVEL, level));
    }
    caller.cloned().unwrap_or_else(Raw::empty_object).rewritten(&key::MODERN, &with)
}

/// `_meta` before a legacy upstream: what the caller sent without what only the modern era knows.
pub fn legacy_meta(caller: Option<&Raw>) -> Raw {
    caller.map_or_else(Raw::empty_object, |meta| meta.rewritten(&key::MODERN, &[]))
}

/// Whether an error that answers `server/discover` proves a modern server that we share no revision
/// with; anything else means legacy (2026-07-28, `basic/lifecycle`).
pub fn refuses_us(error: &ErrorObject) -> bool {
    error.code() == code::UNSUPPORTED_VERSION
        && error.data().and_then(|d| d.get("supported")).is_some_and(|supported| {
            supported.items().count() > 0
                && !supported.items().any(|v| v.text().is_some_and(|v| Revision::parse(&v).is_some()))
        })
}
