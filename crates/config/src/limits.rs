//! `limits`: how often, how many, how long.

use crate::pattern::pattern;
use crate::policy::warn_of_unknown_server;
use crate::read::Item;
use crate::server::ServerSettings;
use crate::tree::quoted;
use std::collections::BTreeMap;
use std::time::Duration;

/// The section `limits`.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// For each principal.
    pub per_principal: Rate,
    /// For each caller's address, before anything is known about who calls.
    pub per_address: Rate,
    /// For each principal and what a pattern (`server/kind:glob` or `server/*`) matches.
    pub per_tool: BTreeMap<String, Rate>,
    /// How long a call may take, where its server says nothing else. Default: 60 s.
    pub timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_principal: Rate::default(),
            per_address: Rate::default(),
            per_tool: BTreeMap::new(),
            timeout: Duration::from_secs(60),
        }
    }
}

/// Limits of one principal, address or tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// `rate`: calls (more exactly: their cost) a second. Default: no limit.
    pub rate: Option<PerSecond>,
    /// How many calls may come at once before the rate counts. Default: what comes in one second, at
    /// least 1. Without a rate it means nothing.
    pub burst: u32,
    /// How many calls may be under way at once. Default: no limit.
    pub concurrent: Option<u32>,
    /// How many calls may wait for an answer of the person. Default: 8.
    pub held: u32,
    /// How many streams of changes may be open. Default: 32.
    pub watches: u32,
    /// How many legacy sessions may be open; one that is idle makes room for a new one. Default: 1000.
    pub sessions: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Self { rate: None, burst: 1, concurrent: None, held: 8, watches: 32, sessions: 1000 }
    }
}

/// A rate in units a second: finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct PerSecond(f64);

impl PerSecond {
    /// `None` if it is not finite or not above zero.
    pub fn new(rate: f64) -> Option<Self> {
        (rate.is_finite() && rate > 0.0).then_some(Self(rate))
    }

    /// Units a second.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Limits {
    pub(crate) fn read(item: &Item<'_>, servers: &[ServerSettings]) -> Option<Self> {
        let mut section = item.section()?;
        let defaults = Self::default();
        let mut rate = |key| section.get(key).and_then(|item: Item<'_>| Rate::read(&item)).unwrap_or_default();
        let (per_principal, per_address) = (rate("per_principal"), rate("per_address"));
        let mut per_tool = BTreeMap::new();
        for (name, item) in section.get("per_tool").and_then(|item| item.fields()).unwrap_or_default() {
            match pattern(name) {
                Ok(()) => warn_of_unknown_server(&item, name, servers),
                Err(problem) => item.error(format!("{} {problem}", quoted(name))),
            }
            if let Some(rate) = Rate::read(&item) {
                per_tool.insert(name.to_owned(), rate);
            }
        }
        let timeout = section.get("timeout").and_then(|item| item.duration()).unwrap_or(defaults.timeout);
        section.finish();
        Some(Self { per_principal, per_address, per_tool, timeout })
    }
}

impl Rate {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let defaults = Self::default();
        let rate = section.get("rate").and_then(|item| item.rate()).and_then(PerSecond::new);
        let has_rate = section.has("rate");
        let burst = section.get("burst").and_then(|item| {
            if !has_rate {
                item.warn("means nothing without \"rate\"");
            }
            item.count(1)
        });
        let concurrent = section.get("concurrent").and_then(|item| item.count(1));
        let held = section.get("held").and_then(|item| item.count(0)).unwrap_or(defaults.held);
        let watches = section.get("watches").and_then(|item| item.count(0)).unwrap_or(defaults.watches);
        let sessions = section.get("sessions").and_then(|item| item.count(1)).unwrap_or(defaults.sessions);
        section.finish();
        let burst = burst.or_else(|| rate.map(one_second)).unwrap_or(defaults.burst);
        Some(Self { rate, burst, concurrent, held, watches, sessions })
    }
}

/// What comes in one second. The cast saturates.
fn one_second(rate: PerSecond) -> u32 {
    (rate.get().ceil() as u32).max(1)
}
