//! Who may do what: roles that allow and deny by server, kind and name, up to a tier.
//!
//! A rule is `server/*` (everything of a server), or `server/kind:name` with the kind `tool`,
//! `prompt`, `resource` or `method`. Server and name are [`Glob`]s. A principal may do what one of
//! its roles allows and none of them denies. `server/*` does not include methods that no revision
//! defines: those need a `method` rule of their own. A completion has the right of what it
//! completes. A principal without roles has the role `default`.

use crate::glob::Glob;
use crate::identity::Principal;
use mcp::Tier;
use std::collections::BTreeMap;

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub(crate) enum Kind {
    Tool,
    Prompt,
    Resource,
    Method,
}

/// One line of `allow` or `deny`, or what a rate is about.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    server: Glob,
    /// `None` stands for everything the protocol defines.
    what: Option<(Kind, Glob)>,
}

/// A line of policy cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "policy rule {rule:?}: {why}; write `server/*` or `server/kind:name` with the kind tool, prompt, resource or method"
)]
pub struct BadRule {
    rule: String,
    why: &'static str,
}

impl Rule {
    pub(crate) fn parse(text: &str) -> Result<Self, BadRule> {
        let bad = |why| BadRule { rule: text.to_owned(), why };
        let (server, rest) = text.split_once('/').ok_or_else(|| bad("has no `/`"))?;
        if server.is_empty() {
            return Err(bad("names no server"));
        }
        let server = Glob::new(server);
        if rest == "*" {
            return Ok(Self { server, what: None });
        }
        let (kind, name) = rest.split_once(':').ok_or_else(|| bad("has no kind"))?;
        let kind = match kind {
            "tool" => Kind::Tool,
            "prompt" => Kind::Prompt,
            "resource" => Kind::Resource,
            "method" => Kind::Method,
            _ => return Err(bad("has an unknown kind")),
        };
        Ok(Self { server, what: Some((kind, Glob::new(name))) })
    }

    pub(crate) fn covers(&self, server: &str, kind: Kind, name: &str) -> bool {
        let what = match &self.what {
            None => kind != Kind::Method,
            Some((own, glob)) => *own == kind && glob.matches(name),
        };
        what && self.server.matches(server)
    }
}

/// What a role may do, as it stands in the settings.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct RoleSettings {
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    /// The most harmful tools it may call; `None` for all.
    pub tier: Option<Tier>,
}

#[derive(Debug)]
struct Role {
    allow: Vec<Rule>,
    deny: Vec<Rule>,
    tier: Option<Tier>,
}

/// All roles. See the module.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// `None`: no policy was written, everybody who is let in may do everything.
    roles: Option<BTreeMap<String, Role>>,
}

impl Policy {
    /// Compiles the roles of the settings.
    pub(crate) fn new(roles: Option<&BTreeMap<String, RoleSettings>>) -> Result<Self, BadRule> {
        let Some(roles) = roles else { return Ok(Self::default()) };
        let rules = |lines: &[String]| lines.iter().map(|l| Rule::parse(l)).collect::<Result<Vec<_>, _>>();
        let compile =
            |role: &RoleSettings| Ok(Role { allow: rules(&role.allow)?, deny: rules(&role.deny)?, tier: role.tier });
        let roles = roles.iter().map(|(name, role)| Ok((name.clone(), compile(role)?))).collect::<Result<_, _>>()?;
        Ok(Self { roles: Some(roles) })
    }

    /// Whether there is a policy at all.
    pub(crate) const fn is_written(&self) -> bool {
        self.roles.is_some()
    }

    /// Whether the principal may do this. `tier` is that of a tool, `None` for everything else.
    pub(crate) fn allows(&self, who: &Principal, server: &str, kind: Kind, name: &str, tier: Option<Tier>) -> bool {
        let Some(roles) = &self.roles else { return true };
        if kind != Kind::Resource {
            return Self::allows_name(roles, who, server, kind, name, tier);
        }
        // Who reads it may walk its path, or read another spelling: then it would not be what the
        // rules were asked about. So both spellings have to be allowed.
        if walks(name) || name.contains(char::is_control) || name.trim() != name {
            return false;
        }
        let normal = normal_form(name);
        Self::allows_name(roles, who, server, kind, name, tier)
            && (normal == name || Self::allows_name(roles, who, server, kind, &normal, tier))
    }

    fn allows_name(
        roles: &BTreeMap<String, Role>,
        who: &Principal,
        server: &str,
        kind: Kind,
        name: &str,
        tier: Option<Tier>,
    ) -> bool {
        let mine = || roles_of(who).filter_map(|n| roles.get(n));
        if mine().any(|role| role.deny.iter().any(|r| r.covers(server, kind, name))) {
            return false;
        }
        mine().any(|role| {
            let tame = match (role.tier, tier) {
                (Some(most), Some(tier)) => tier <= most,
                _ => true,
            };
            tame && role.allow.iter().any(|r| r.covers(server, kind, name))
        })
    }

    /// Whether the principal may know that this server exists.
    pub(crate) fn allows_some(&self, who: &Principal, server: &str) -> bool {
        let Some(roles) = &self.roles else { return true };
        let mine = || roles_of(who).filter_map(|n| roles.get(n));
        let all_denied = mine().any(|role| role.deny.iter().any(|r| r.what.is_none() && r.server.matches(server)));
        // `server/*` does not cover methods, so they can still be allowed.
        let counts = |r: &Rule| !all_denied || matches!(r.what, Some((Kind::Method, _)));
        mine().any(|role| role.allow.iter().any(|r| counts(r) && r.server.matches(server)))
    }
}

/// Whether a segment of the uri's path is `.` or `..`, also percent-encoded.
fn walks(uri: &str) -> bool {
    let plain = uri.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    plain.split(['/', '\\', '?', '#']).any(|segment| matches!(segment, "." | ".."))
}

/// The uri as parsers read it (WHATWG URL, section 4.4): scheme and host in lower case, backslashes as
/// slashes, characters that need no percent-encoding without it; of files, no host and no empty
/// segments.
fn normal_form(uri: &str) -> String {
    let mut plain = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let decoded = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).map(char::from);
        match decoded.filter(|c| c.is_ascii_alphanumeric() || "-._~".contains(*c)) {
            Some(c) => {
                plain.push(c);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    let Some((scheme, rest)) = plain.split_once(':') else { return plain };
    let (scheme, rest) = (scheme.to_ascii_lowercase(), rest.replace('\\', "/"));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None if scheme == "file" => ("", rest.as_str()),
        None => return format!("{scheme}:{rest}"),
    };
    if scheme != "file" {
        return format!("{scheme}://{}{path}", authority.to_ascii_lowercase());
    }
    let mut path = path.to_owned();
    while path.contains("//") {
        path = path.replace("//", "/");
    }
    format!("file://{path}")
}

/// The names of a principal's roles.
fn roles_of(who: &Principal) -> impl Iterator<Item = &str> {
    let default = if who.roles.is_empty() { Some("default") } else { None };
    who.roles.iter().map(String::as_str).chain(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Written<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Option<Tier>);

    fn policy(roles: &[Written<'_>]) -> Policy {
        let owned = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
        let roles = roles
            .iter()
            .map(|(n, a, d, t)| ((*n).to_owned(), RoleSettings { allow: owned(a), deny: owned(d), tier: *t }))
            .collect();
        Policy::new(Some(&roles)).unwrap()
    }

    fn who(roles: &[&str]) -> Principal {
        Principal::named("p", roles.iter().map(|r| (*r).to_owned()).collect())
    }

    #[test]
    fn what_no_role_allows_or_one_denies_is_refused() {
        let policy = policy(&[
            ("reader", &["wiki/*", "docker/tool:docker_list_*"], &["wiki/tool:zim_admin"], Some(Tier::Safe)),
            ("admin", &["*/*", "*/method:x/*"], &[], None),
        ]);
        let reader = who(&["reader"]);
        let safe = Some(Tier::Safe);
        assert!(policy.allows(&reader, "wiki", Kind::Tool, "zim_get", safe));
        assert!(policy.allows(&reader, "wiki", Kind::Resource, "zim://a", None));
        assert!(!policy.allows(&reader, "wiki", Kind::Tool, "zim_get", Some(Tier::Moderate)));
        assert!(!policy.allows(&reader, "wiki", Kind::Tool, "zim_admin", safe));
        assert!(!policy.allows(&reader, "wiki", Kind::Method, "x/y", None));
        assert!(policy.allows(&reader, "docker", Kind::Tool, "docker_list_images", safe));
        assert!(!policy.allows(&reader, "docker", Kind::Tool, "docker_rm", safe));
        assert!(!policy.allows(&reader, "docker", Kind::Resource, "r", None));
        assert!(!policy.allows(&reader, "notes", Kind::Tool, "t", safe));
        assert!(policy.allows(&who(&["admin"]), "notes", Kind::Tool, "t", Some(Tier::Destructive)));
        assert!(policy.allows(&who(&["admin"]), "notes", Kind::Method, "x/y", None));
        assert!(!policy.allows(&who(&[]), "wiki", Kind::Tool, "zim_get", safe), "there is no default role");
        assert!(policy.allows_some(&reader, "docker") && !policy.allows_some(&reader, "notes"));
        let without = self::policy(&[("most", &["*/*"], &["docker/*"], None)]);
        assert!(without.allows_some(&who(&["most"]), "wiki") && !without.allows_some(&who(&["most"]), "docker"));
        assert!(!policy.allows(&who(&["reader", "admin"]), "wiki", Kind::Tool, "zim_admin", safe));
    }

    #[test]
    fn a_uri_that_walks_is_not_what_the_rules_were_asked_about() {
        let policy = policy(&[("r", &["fs/resource:file:///public/*"], &[], None)]);
        let allows = |uri| policy.allows(&who(&["r"]), "fs", Kind::Resource, uri, None);
        assert!(allows("file:///public/a..b/c.txt"));
        for uri in ["file:///public/../secret", "file:///public/%2E%2e/secret", "file:///public/x/..%2f..%2Fsecret"] {
            assert!(!allows(uri), "{uri}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_understood_is_an_error() {
        for rule in ["wiki", "wiki/tool", "wiki/gizmo:x", "/tool:x"] {
            let roles = [("r".to_owned(), RoleSettings { allow: vec![rule.into()], ..RoleSettings::default() })].into();
            assert!(Policy::new(Some(&roles)).is_err(), "{rule}");
        }
    }

    #[test]
    fn a_resource_is_denied_in_every_spelling_that_means_it() {
        let policy = policy(&[("default", &["fs/*"], &["fs/resource:file:///secret/*"], None)]);
        let may = |uri: &str| policy.allows(&who(&[]), "fs", Kind::Resource, uri, None);
        assert!(may("file:///public/x") && may("https://Example.com/A%20b"));
        for spelling in [
            "file:///secret/x",
            "FILE:///secret/x",
            "file://localhost/secret/x",
            "file:///%73ecret/x",
            "file:/secret/x",
            "file:////secret/x",
            "file:///secret\\x",
            " file:///secret/x",
            "file:///sec\tret/x",
            "file:///public/.\t./secret/x",
            "file:///public/../secret/x",
        ] {
            assert!(!may(spelling), "{spelling:?}");
        }
    }
}
