//! `state`: sessions and what is sealed.

use crate::read::Item;
use crate::secret::Secret;
use std::time::Duration;

/// The section `state`.
#[derive(Clone, Debug)]
pub struct StateSettings {
    /// `key`: the secret that sessions, questions and cursors are sealed with; the same on all
    /// replicas. Default: a random one, so that they end with the process.
    pub key: Option<Secret>,
    /// `session_idle`: legacy sessions that nobody used for so long end. Default: 30 min.
    pub session_idle: Duration,
    /// `max_sessions`: how many legacy sessions are alive at most. Default: 10,000.
    pub max_sessions: u32,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self { key: None, session_idle: Duration::from_secs(30 * 60), max_sessions: 10_000 }
    }
}

/// Shorter keys can be guessed, and whoever has one sealed text can try them at leisure.
const SHORT_KEY: usize = 32;

impl StateSettings {
    pub(crate) fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let defaults = Self::default();
        let state = Self {
            key: section.get("key").and_then(|item| read_key(&item)),
            session_idle: section.get("session_idle").and_then(|item| item.duration()).unwrap_or(defaults.session_idle),
            max_sessions: section.get("max_sessions").and_then(|item| item.count(1)).unwrap_or(defaults.max_sessions),
        };
        section.finish();
        Some(state)
    }
}

fn read_key(item: &Item<'_>) -> Option<Secret> {
    let key = item.secret()?;
    if key.expose().trim().is_empty() {
        item.error("is blank; make one with \"portcullis token new\", or take the key out for a random one");
        return None;
    }
    if key.expose().chars().count() < SHORT_KEY {
        item.warn(format!(
            "is shorter than {SHORT_KEY} characters and can be guessed; make one with \"portcullis token new\""
        ));
    }
    Some(key)
}
