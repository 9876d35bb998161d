//! Which address leads where.

use super::{Settings, rest};
use crate::admin::Page;
use gate::Destination;

/// Where a path leads.
pub(super) enum Place {
    Mcp(Destination),
    Sse(Destination),
    Messages(Destination),
    Rest(rest::Place),
    Admin(Page),
}

impl Place {
    /// Where an undecoded path leads; nothing, if it leads nowhere.
    pub(super) fn of(path: &str, settings: &Settings) -> Option<Self> {
        if let Some(page) = Page::of(path) {
            return Some(Self::Admin(page));
        }
        Self::mcp(path, settings)
            .or_else(|| settings.rest.as_ref().and_then(|rest| rest::Place::of(path, rest)).map(Self::Rest))
    }

    fn mcp(path: &str, settings: &Settings) -> Option<Self> {
        let mut segments = path.trim_matches('/').split('/');
        let (first, second, rest) = (segments.next()?, segments.next(), segments.next());
        if rest.is_some() {
            return None;
        }
        let (to, last) = match second {
            None => (Destination::All, first),
            // No server is called that: these are tools with the names of other addresses.
            Some(_) if first == "tools" => return None,
            Some(last) => (Destination::One(first.into()), last),
        };
        match last {
            "mcp" => Some(Self::Mcp(to)),
            "" if settings.mcp_at_root && second.is_none() => Some(Self::Mcp(to)),
            "sse" if settings.sse => Some(Self::Sse(to)),
            "messages" if settings.sse => Some(Self::Messages(to)),
            _ => None,
        }
    }
}
