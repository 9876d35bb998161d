//! From a request to the server that answers it: names of one server or of all together, seen
//! through policy. What policy refuses does not exist.

use crate::catalogue::{ListEntry, ToolEntry};
use crate::exchange::Exchange;
use crate::gate::{Gate, Snapshot};
use crate::joint;
use crate::pass::kind_of;
use crate::policy::Kind;
use crate::registry::Entry;
use mcp::seal::Purpose;
use mcp::{Error, Method, Raw, Request, State, Target};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Where a front's requests go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// To the server of that name.
    One(Arc<str>),
    /// To all servers that the caller may use, under joint names.
    All,
}

/// Who answers.
pub(crate) enum Found {
    /// The gate, at once.
    Here(Raw),
    /// The gate, from catalogues.
    Nearby(Listing),
    /// This server.
    Server { entry: Arc<Entry>, tool: Option<Arc<ToolEntry>> },
    /// The first of these that has it.
    OneOf(Vec<Arc<Entry>>),
}

impl Found {
    pub(crate) fn tool(&self) -> Option<&Arc<ToolEntry>> {
        match self {
            Self::Server { tool, .. } => tool.as_ref(),
            _ => None,
        }
    }

    /// The one server, if it is one.
    pub(crate) fn server(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Server { entry, .. } => Some(entry),
            Self::OneOf(entries) => entries.first(),
            Self::Here(_) | Self::Nearby(_) => None,
        }
    }

    /// Leaves only the server of that name, if one is given.
    pub(crate) fn only(self, name: Option<&str>) -> Result<Self, Error> {
        let Some(name) = name else { return Ok(self) };
        let is_it = |entry: &Arc<Entry>| entry.name.as_ref() == name;
        let left = match self {
            Self::OneOf(entries) => Self::OneOf(entries.into_iter().filter(is_it).collect()),
            other => other,
        };
        match left.server() {
            Some(entry) if is_it(entry) => Ok(left),
            _ => Err(Error::NotResumable("its question was another server's")),
        }
    }

    pub(crate) fn server_name(&self) -> Arc<str> {
        match self {
            Self::Server { entry, .. } => Arc::clone(&entry.name),
            Self::OneOf(entries) if entries.len() == 1 => {
                entries.first().map_or_else(|| Arc::from(""), |e| Arc::clone(&e.name))
            }
            Self::Nearby(Listing { servers, .. }) if servers.len() == 1 => {
                servers.first().map_or_else(|| Arc::from(""), |e| Arc::clone(&e.name))
            }
            _ => Arc::from(""),
        }
    }

    /// Tools say so themselves; prompts of built-in servers ask before they do anything.
    pub(crate) fn is_replayable(&self, request: &Request) -> bool {
        match self {
            Self::Server { tool: Some(tool), .. } => tool.replayable,
            Self::Server { entry, .. } => entry.server.about().is_built_in && request.method == Method::PromptsGet,
            _ => false,
        }
    }
}

/// Waits for all of these, but for none longer than a few seconds from its start: what is for all
/// servers is not held up by one.
pub(crate) async fn ready_or_late(servers: &[Arc<Entry>], exchange: &Exchange) {
    let waiting = servers.iter().map(|entry| tokio::time::timeout(entry.patience(), entry.ready(exchange)));
    futures_util::future::join_all(waiting).await;
}

pub(crate) async fn find(
    snapshot: &Snapshot,
    to: &Destination,
    request: &mut Request,
    exchange: &Exchange,
) -> Result<Found, Error> {
    let who = &exchange.principal;
    let servers = snapshot.servers_for(to, who);
    let unknown = || unknown(request);
    if servers.is_empty() && matches!(to, Destination::One(_)) {
        return Err(unknown());
    }
    match request.method {
        Method::Ping | Method::SetLevel | Method::Listen | Method::Initialize | Method::Discover => {
            return Ok(Found::Here(Raw::empty_object()));
        }
        Method::ToolsList | Method::PromptsList | Method::ResourcesList | Method::TemplatesList => {
            return Ok(Found::Nearby(Listing { servers, joint: *to == Destination::All }));
        }
        _ => {}
    }
    let joint = *to == Destination::All;
    let alone = snapshot.is_alone();
    match (&request.method, &request.target) {
        (Method::ToolsCall, Target::Tool(name)) => {
            for entry in candidates(&servers, name, joint && !alone) {
                wait(snapshot, &entry, exchange).await?;
                let catalogue = entry.catalogue(exchange);
                let own =
                    own_name(name, &entry.name, joint && !alone, || Box::new(catalogue.tools.iter().map(|t| &t.name)));
                let Some(tool) = own.and_then(|own| catalogue.tool(&own)) else { continue };
                if !snapshot.policy().allows(who, &entry.name, Kind::Tool, &tool.name, Some(tool.tier)) {
                    return Err(unknown());
                }
                if let Some(why) = tool.unavailable {
                    return Err(Error::InvalidParams(why.into()));
                }
                let tool = Arc::clone(tool);
                rename(request, &tool.name);
                return Ok(Found::Server { entry, tool: Some(tool) });
            }
            Err(unknown())
        }
        (Method::PromptsGet | Method::Complete, Target::Prompt(name)) => {
            for entry in candidates(&servers, name, joint && !alone) {
                wait(snapshot, &entry, exchange).await?;
                let catalogue = entry.catalogue(exchange);
                let own = own_name(name, &entry.name, joint && !alone, || {
                    Box::new(catalogue.prompts.iter().map(|p| &p.name))
                });
                let Some(prompt) = own.and_then(|own| catalogue.prompt(&own).cloned()) else { continue };
                if !snapshot.policy().allows(who, &entry.name, Kind::Prompt, &prompt.name, None) {
                    return Err(unknown());
                }
                rename(request, &prompt.name);
                return Ok(Found::Server { entry, tool: None });
            }
            Err(unknown())
        }
        (_, Target::Resource(uri) | Target::Template(uri)) => {
            let uri = uri.clone();
            let allowed = |entry: &&Arc<Entry>| snapshot.policy().allows(who, &entry.name, Kind::Resource, &uri, None);
            let owners: Vec<_> = servers.iter().filter(allowed).cloned().collect();
            if joint {
                ready_or_late(&owners, exchange).await;
            } else if let Some(entry) = owners.first() {
                wait(snapshot, entry, exchange).await?;
            }
            let serves = |e: &Arc<Entry>| {
                let about = e.server.about();
                about.state.answers() && (about.capabilities.resources || !joint)
            };
            let owners: Vec<_> = owners.into_iter().filter(serves).collect();
            let owners = by_ownership(owners, &uri, exchange);
            if owners.is_empty() {
                return Err(unknown());
            }
            if matches!(request.method, Method::ResourcesSubscribe | Method::ResourcesUnsubscribe) {
                // The watch of the session does the work; here it is only allowed.
                if owners.iter().any(|e| e.server.about().capabilities.subscribe) {
                    return Ok(Found::Here(Raw::empty_object()));
                }
                return Err(Error::UnknownMethod(request.method.to_string()));
            }
            Ok(Found::OneOf(owners))
        }
        _ => {
            let (kind, name) = kind_of(&request.method, &request.target);
            let entry = servers.first().filter(|_| !joint || alone).ok_or_else(unknown)?;
            if !matches!(request.method, Method::Other(_)) || !snapshot.allows_method(who, &entry.name, kind, name) {
                return Err(unknown());
            }
            wait(snapshot, entry, exchange).await?;
            Ok(Found::Server { entry: Arc::clone(entry), tool: None })
        }
    }
}

/// What a request is told about something that does not exist, or not for this caller.
fn unknown(request: &Request) -> Error {
    match &request.target {
        Target::Tool(name) => Error::UnknownTool(name.clone()),
        Target::Prompt(name) => Error::UnknownPrompt(name.clone()),
        Target::Resource(uri) | Target::Template(uri) => Error::UnknownResource(uri.clone()),
        Target::Server => Error::UnknownMethod(request.method.to_string()),
    }
}

/// Waits for a server that is starting; a server that is down answers nothing.
pub(crate) async fn wait(snapshot: &Snapshot, entry: &Arc<Entry>, exchange: &Exchange) -> Result<(), Error> {
    let limit = snapshot.deadline(Some(entry));
    let ready = entry.ready(exchange);
    tokio::time::timeout(limit, ready).await.map_err(|_| Error::TimedOut(limit))?;
    let about = entry.server.about();
    if about.state.answers() || about.state == State::Starting {
        return Ok(());
    }
    Err(Error::Unavailable {
        server: entry.name.to_string(),
        state: about.state.as_str(),
        reason: about.reason.clone(),
        retry_after: Some(Duration::from_secs(1)),
    })
}

/// The servers that a name may belong to.
fn candidates(servers: &[Arc<Entry>], name: &str, joint: bool) -> Vec<Arc<Entry>> {
    if !joint {
        return servers.iter().take(1).cloned().collect();
    }
    // A shortened name may have lost a part of the server's own name, but not its beginning.
    let is_head =
        |e: &&Arc<Entry>| name.strip_prefix(e.name.as_ref()).is_some_and(|rest| rest.starts_with(joint::SEPARATOR));
    let mut found: Vec<_> = servers.iter().filter(is_head).cloned().collect();
    if found.is_empty() && name.chars().count() == joint::MOST {
        found = servers.to_vec();
    }
    found
}

/// The server's own name for something with this joint name.
fn own_name<'a>(
    name: &'a str,
    server: &str,
    joint: bool,
    all: impl FnOnce() -> Box<dyn Iterator<Item = &'a Arc<str>> + 'a>,
) -> Option<Cow<'a, str>> {
    if !joint {
        return Some(Cow::Borrowed(name));
    }
    let direct = name.strip_prefix(server).and_then(|rest| rest.strip_prefix(joint::SEPARATOR));
    if let Some(own) = direct
        && joint::name(server, own, false) == name
    {
        return Some(Cow::Borrowed(own));
    }
    all().find(|own| joint::name(server, own, false) == name).map(|own| Cow::Owned(own.to_string()))
}

/// The request with the server's own name in it.
fn rename(request: &mut Request, own: &str) {
    if request.target.name() == own {
        return;
    }
    match request.method {
        Method::Complete => {
            let reference = request.params.get("ref").unwrap_or_else(Raw::empty_object);
            let reference = reference.rewritten(&["name"], &[("name", &Raw::of(own))]);
            request.params = request.params.rewritten(&["ref"], &[("ref", &reference)]);
            request.target = Target::Prompt(own.to_owned());
        }
        _ => {
            request.params = request.params.rewritten(&["name"], &[("name", &Raw::of(own))]);
            request.target = match request.target {
                Target::Tool(_) => Target::Tool(own.to_owned()),
                _ => Target::Prompt(own.to_owned()),
            };
        }
    }
}

/// Who lists the uri, else who has a template for it, else everybody in order of settings.
fn by_ownership(servers: Vec<Arc<Entry>>, uri: &str, exchange: &Exchange) -> Vec<Arc<Entry>> {
    if servers.len() < 2 {
        return servers;
    }
    let lists = |e: &&Arc<Entry>| {
        let catalogue = e.catalogue(exchange);
        catalogue.resources.iter().any(|r| r.name.as_ref() == uri)
            || catalogue.templates.iter().any(|t| t.name.as_ref() == uri)
    };
    if let Some(owner) = servers.iter().find(lists) {
        return vec![Arc::clone(owner)];
    }
    let fits = |e: &Arc<Entry>| e.catalogue(exchange).templates.iter().any(|t| template_fits(&t.name, uri));
    let (mut first, rest): (Vec<_>, Vec<_>) = servers.into_iter().partition(fits);
    first.extend(rest);
    first
}

/// Whether a uri can have come from a template (RFC 6570): each expression stands for any text.
fn template_fits(template: &str, uri: &str) -> bool {
    let mut pattern = String::new();
    let mut inside = false;
    for c in template.chars() {
        match c {
            '{' => {
                inside = true;
                pattern.push('*');
            }
            '}' => inside = false,
            '*' | '?' if !inside => pattern.push('?'),
            c if !inside => pattern.push(c),
            _ => {}
        }
    }
    crate::glob::Glob::new(&pattern).matches(uri)
}

/// A list of one server or of all.
pub(crate) struct Listing {
    servers: Vec<Arc<Entry>>,
    joint: bool,
}

/// Where a list goes on: after this entry, or at this place if the entry is gone.
#[derive(Serialize, Deserialize)]
struct Cursor {
    principal: String,
    method: String,
    server: String,
    name: String,
    at: usize,
}

impl Listing {
    pub(crate) async fn render(
        &self,
        gate: &Gate,
        snapshot: &Snapshot,
        exchange: &Exchange,
        request: &Request,
    ) -> Result<Raw, Error> {
        if self.joint {
            ready_or_late(&self.servers, exchange).await;
        } else if let Some(entry) = self.servers.first() {
            wait(snapshot, entry, exchange).await?;
        }
        let items = items(snapshot, &self.servers, self.joint, &request.method, exchange);
        let start = match request.params.get("cursor").filter(|c| c.kind() != mcp::Kind::Null) {
            None => 0,
            Some(cursor) => {
                let wrong = || Error::InvalidParams("this cursor is not one of this list".into());
                let text = cursor.text().ok_or_else(wrong)?;
                let cursor: Cursor = gate.sealer().open(Purpose::Cursor, &text).ok_or_else(wrong)?;
                if cursor.method != request.method.as_str() || cursor.principal != *exchange.principal.name {
                    return Err(wrong());
                }
                let after = |i: &Item| i.server.as_ref() == cursor.server && i.name.as_ref() == cursor.name;
                items.iter().position(after).map_or(cursor.at, |at| at + 1)
            }
        };
        let page: Vec<&Item> = items.iter().skip(start).take(snapshot.page_size()).collect();
        let key = match request.method {
            Method::ToolsList => "tools",
            Method::PromptsList => "prompts",
            Method::ResourcesList => "resources",
            _ => "resourceTemplates",
        };
        let list = Raw::array(page.iter().map(|i| &i.raw));
        let next = match page.last() {
            Some(last) if start + page.len() < items.len() => {
                let cursor = Cursor {
                    principal: exchange.principal.name.to_string(),
                    method: request.method.to_string(),
                    server: last.server.to_string(),
                    name: last.name.to_string(),
                    at: start + page.len(),
                };
                let sealed = gate.sealer().seal(Purpose::Cursor, &cursor);
                Some(Raw::of(&sealed.map_err(|e| Error::Internal(e.to_string()))?))
            }
            _ => None,
        };
        Ok(match &next {
            Some(next) => Raw::object([(key, &list), ("nextCursor", next)]),
            None => Raw::object([(key, &list)]),
        })
    }
}

/// One line of a list.
pub(crate) struct Item {
    pub(crate) server: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) raw: Raw,
}

/// What a principal sees of a list now.
pub(crate) fn items(
    snapshot: &Snapshot,
    servers: &[Arc<Entry>],
    joint: bool,
    method: &Method,
    exchange: &Exchange,
) -> Vec<Item> {
    let alone = snapshot.is_alone();
    let mut items = Vec::new();
    let mut names = std::collections::HashSet::new();
    for entry in servers {
        if !entry.server.about().state.answers() {
            continue;
        }
        let catalogue = entry.catalogue(exchange);
        let mut push = |name: &Arc<str>, raw: &Raw, kind: Kind, tier| {
            if !snapshot.policy().allows(&exchange.principal, &entry.name, kind, name, tier) {
                return;
            }
            let renamed = joint && !alone && matches!(kind, Kind::Tool | Kind::Prompt);
            let shown = if renamed { joint::name(&entry.name, name, false) } else { Cow::Borrowed(name.as_ref()) };
            if !names.insert(shown.to_string()) {
                tracing::debug!(server = %entry.name, name = %shown, "a name stands twice; the first in order of settings wins");
                return;
            }
            let raw =
                if renamed { raw.rewritten(&["name"], &[("name", &Raw::of(shown.as_ref()))]) } else { raw.clone() };
            items.push(Item { server: Arc::clone(&entry.name), name: Arc::clone(name), raw });
        };
        let mut push_all = |list: &[Arc<ListEntry>], kind| {
            for one in list {
                push(&one.name, &one.raw, kind, None);
            }
        };
        match method {
            Method::ToolsList => {
                for tool in catalogue.tools.iter().filter(|t| t.unavailable.is_none()) {
                    push(&tool.name, &tool.raw, Kind::Tool, Some(tool.tier));
                }
            }
            Method::PromptsList => push_all(&catalogue.prompts, Kind::Prompt),
            Method::ResourcesList => push_all(&catalogue.resources, Kind::Resource),
            _ => push_all(&catalogue.templates, Kind::Resource),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_fits_the_uris_it_can_make() {
        assert!(template_fits("test://template/{id}/data", "test://template/123/data"));
        assert!(template_fits("zim://{file}/entry/{+path}", "zim://a/entry/b/c"));
        assert!(!template_fits("test://template/{id}/data", "test://other/123/data"));
    }
}
