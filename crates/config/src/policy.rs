//! `policy`: who may do what.

use crate::auth::Auth;
use crate::names;
use crate::nearest::{did_you_mean, listed};
use crate::pattern::{pattern, server_of};
use crate::read::{Item, Reader};
use crate::server::{ServerSettings, Tier, names_of};
use crate::tree::quoted;
use std::collections::BTreeMap;

/// The section `policy`. Without it, everybody who is let in may do everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `roles`, by their names. A token without roles has the role `default`.
    pub roles: BTreeMap<String, Role>,
}

/// What a role may do: what one of `allow` matches and none of `deny`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Patterns, `server/*` or `server/kind:glob`. Default: none, so nothing.
    pub allow: Vec<String>,
    /// Patterns. Default: none.
    pub deny: Vec<String>,
    /// The most harmful tools it may call. Default: all.
    pub tier: Option<Tier>,
}

impl Policy {
    pub(crate) fn read(item: &Item<'_>, servers: &[ServerSettings]) -> Option<Self> {
        let mut section = item.section()?;
        let fields = section.need("roles", "name the roles and what each may do")?.fields()?;
        let roles = fields.into_iter().filter_map(|(name, item)| {
            if let Err(problem) = names::role(name) {
                item.error(format!("{} {problem}", quoted(name)));
            }
            Some((name.to_owned(), Role::read(&item, servers)?))
        });
        let roles = roles.collect();
        section.finish();
        Some(Self { roles })
    }
}

impl Role {
    fn read(item: &Item<'_>, servers: &[ServerSettings]) -> Option<Self> {
        let mut section = item.section()?;
        let mut patterns = |key| {
            let read = |item: Item<'_>| {
                let text = item.parse(|text| pattern(text).map(|()| text.to_owned()))?;
                warn_of_unknown_server(&item, &text, servers);
                Some(text)
            };
            section.get(key).and_then(|item: Item<'_>| item.list_of(read)).unwrap_or_default()
        };
        let (allow, deny) = (patterns("allow"), patterns("deny"));
        let tier = section.get("tier").and_then(|item| Tier::read(&item));
        section.finish();
        Some(Self { allow, deny, tier })
    }
}

/// A pattern for a server that is not there is no error, as servers come and go, but mostly a slip.
pub(crate) fn warn_of_unknown_server(item: &Item<'_>, pattern: &str, servers: &[ServerSettings]) {
    let Some(server) = server_of(pattern) else { return };
    if !servers.iter().any(|s| s.name == server) {
        item.warn(format!("there is no server {}; the servers are {}", quoted(server), names_of(servers)));
    }
}

/// Every role that a token names must be defined.
pub(crate) fn check_roles(reader: &Reader<'_>, auth: &Auth, policy: Option<&Policy>) {
    for token in &auth.tokens {
        let who = quoted(&token.name);
        for role in &token.roles {
            let problem = match policy {
                None => format!(
                    "token {who} has the role {}, but there is no policy; define it in policy.roles",
                    quoted(role)
                ),
                Some(policy) if !policy.roles.contains_key(role) => {
                    let known = || policy.roles.keys().map(String::as_str);
                    let hint = did_you_mean(role, known());
                    format!(
                        "token {who} has the role {}, which policy does not define{hint}; defined are {}",
                        quoted(role),
                        listed(known())
                    )
                }
                Some(_) => continue,
            };
            reader.error(token.line, "auth.tokens", problem);
        }
        if token.roles.is_empty() && policy.is_some_and(|policy| !policy.roles.contains_key("default")) {
            let problem =
                format!("token {who} has no roles, and policy defines no role \"default\": it may do nothing");
            reader.warn(token.line, "auth.tokens", problem);
        }
    }
}
