//! What a server offers, as the gate knows it: each entry raw, with what decides about it read.
//!
//! A catalogue is immutable and numbered; a new one replaces it as a whole. Lists, documents and
//! the right to call anything are rendered from it, so that what is not in it does not exist.

use mcp::header::MirroredParam;
use mcp::{Answer, Call, Error, Method, Raw, Request, Server, Tier};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// Counts the catalogues of this server; 0 before anything was read.
    pub generation: u64,
    /// In the server's order.
    pub tools: Vec<Arc<ToolEntry>>,
    /// In the server's order.
    pub prompts: Vec<Arc<ListEntry>>,
    /// In the server's order; the name is the uri.
    pub resources: Vec<Arc<ListEntry>>,
    /// In the server's order; the name is the template.
    pub templates: Vec<Arc<ListEntry>>,
    tools_by_name: HashMap<Arc<str>, Arc<ToolEntry>>,
}

/// A tool.
#[derive(Clone, Debug)]
pub struct ToolEntry {
    /// Its name.
    pub name: Arc<str>,
    /// Its entry in `tools/list`.
    pub raw: Raw,
    /// How much harm it can do.
    pub tier: Tier,
    /// What a call costs.
    pub cost: fn(Option<&Raw>) -> u32,
    /// Whether it may be run again with the answers to what it asked.
    pub replayable: bool,
    /// Arguments that modern callers mirror into headers.
    pub mirrored: Vec<MirroredParam>,
    /// Why it cannot be called although it is there.
    pub unavailable: Option<&'static str>,
}

/// A prompt, a resource or a template.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct ListEntry {
    pub name: Arc<str>,
    pub raw: Raw,
}

/// What the settings say about the tools of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolRules {
    /// Tiers by tool name; they win over everything else.
    pub tiers: BTreeMap<String, Tier>,
    /// Tools that do not exist for anybody.
    pub disabled: BTreeSet<String>,
    /// Whether the server's own annotations decide about tiers.
    pub trust_annotations: bool,
}

/// The most pages of one list that are read, and the most entries that are kept.
const MOST_PAGES: usize = 1000;
const MOST_ENTRIES: usize = 50_000;
/// The most bytes of one list.
const MOST_BYTES: usize = 64 * 1024 * 1024;

impl Catalogue {
    /// The tool of that name.
    pub fn tool(&self, name: &str) -> Option<&Arc<ToolEntry>> {
        self.tools_by_name.get(name)
    }

    /// The entry of a prompt.
    pub fn prompt(&self, name: &str) -> Option<&Arc<ListEntry>> {
        self.prompts.iter().find(|p| p.name.as_ref() == name)
    }

    /// Reads everything that the server offers.
    pub(crate) async fn read(
        server: &Arc<dyn Server>,
        rules: &ToolRules,
        generation: u64,
        call: impl Fn() -> Call,
    ) -> Result<Self, Error> {
        let about = server.about();
        let list = async |offered: bool, method, key| {
            if offered { read_list(server, method, key, &call).await } else { Ok(Vec::new()) }
        };
        let offered = &about.capabilities;
        let tools = list(offered.tools, Method::ToolsList, "tools").await?;
        let prompts = list(offered.prompts, Method::PromptsList, "prompts").await?;
        let resources = list(offered.resources, Method::ResourcesList, "resources").await?;
        // Servers with resources but without templates commonly do not know this method.
        let templates = match list(offered.resources, Method::TemplatesList, "resourceTemplates").await {
            Err(Error::Upstream(_) | Error::UnknownMethod(_)) => Vec::new(),
            other => other?,
        };
        let mut catalogue = Self {
            generation,
            prompts: named(prompts, "name"),
            resources: named(resources, "uri"),
            templates: named(templates, "uriTemplate"),
            ..Self::default()
        };
        for raw in tools {
            let Some(name) = raw.get_text("name").map(Arc::<str>::from) else { continue };
            if rules.disabled.contains(name.as_ref()) || catalogue.tools_by_name.contains_key(&name) {
                continue;
            }
            let traits = about.tools.get(name.as_ref());
            let tool = Arc::new(ToolEntry {
                tier: rules.tier_of(&name, &raw, traits.map(|t| t.tier)),
                cost: traits.map_or(|_| 1, |t| t.cost),
                replayable: traits.is_some_and(|t| t.replayable),
                mirrored: raw.get("inputSchema").map(|s| mcp::header::mirrored_params(&s)).unwrap_or_default(),
                unavailable: unavailable(&raw),
                name: Arc::clone(&name),
                raw,
            });
            catalogue.tools_by_name.insert(name, Arc::clone(&tool));
            catalogue.tools.push(tool);
        }
        Ok(catalogue)
    }

    /// Keeps the entries of tools that stayed the same, and with them what others keep beside an entry.
    pub(crate) fn reuse(&mut self, old: &Self) {
        for tool in &mut self.tools {
            let before = old.tool(&tool.name).filter(|before| {
                before.raw == tool.raw
                    && before.tier == tool.tier
                    && before.replayable == tool.replayable
                    && std::ptr::fn_addr_eq(before.cost, tool.cost)
            });
            if let Some(before) = before {
                *tool = Arc::clone(before);
                self.tools_by_name.insert(Arc::clone(&tool.name), Arc::clone(before));
            }
        }
    }

    /// Whether this offers the same as another catalogue, list by list: tools, prompts, resources.
    pub(crate) fn same_lists(&self, other: &Self) -> (bool, bool, bool) {
        let same = |a: &[Arc<ListEntry>], b: &[Arc<ListEntry>]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.raw == b.raw)
        };
        let tools = self.tools.len() == other.tools.len()
            && self.tools.iter().zip(&other.tools).all(|(a, b)| a.raw == b.raw && a.tier == b.tier);
        (
            tools,
            same(&self.prompts, &other.prompts),
            same(&self.resources, &other.resources) && same(&self.templates, &other.templates),
        )
    }
}

impl ToolRules {
    /// The settings decide; then a built-in's own word; then, if they are trusted, the annotations;
    /// what nobody vouches for counts as destructive.
    fn tier_of(&self, name: &str, raw: &Raw, own: Option<Tier>) -> Tier {
        if let Some(tier) = self.tiers.get(name).copied().or(own) {
            return tier;
        }
        let hint = |key| raw.get("annotations").and_then(|a| a.get(key)).map(|h| h.is_true());
        match self.trust_annotations {
            true if hint("readOnlyHint") == Some(true) => Tier::Safe,
            true if hint("destructiveHint") == Some(false) => Tier::Moderate,
            _ => Tier::Destructive,
        }
    }
}

/// Tools that cannot be called without tasks, which are not carried yet.
fn unavailable(raw: &Raw) -> Option<&'static str> {
    let needs_task = raw.get("execution").and_then(|e| e.get_text("taskSupport")).as_deref() == Some("required");
    needs_task.then_some("this tool runs only as a task, which this gateway does not carry yet")
}

fn named(list: Vec<Raw>, key: &str) -> Vec<Arc<ListEntry>> {
    list.into_iter()
        .filter_map(|raw| {
            let name = raw.get_text(key)?.into();
            Some(Arc::new(ListEntry { name, raw }))
        })
        .collect()
}

/// All pages of one list.
async fn read_list(
    server: &Arc<dyn Server>,
    method: Method,
    key: &str,
    call: &impl Fn() -> Call,
) -> Result<Vec<Raw>, Error> {
    let mut all = Vec::new();
    let mut params = Raw::empty_object();
    let mut bytes = 0;
    for _ in 0..MOST_PAGES {
        let request = Request::ours(method.clone(), params);
        let answer = Arc::clone(server).answer(request, call()).await?;
        let Answer::Complete(result) = answer else {
            return Err(Error::Internal(format!("{method} was answered with a question")));
        };
        bytes += result.len();
        if bytes > MOST_BYTES {
            tracing::warn!(%method, "a list has more than {MOST_BYTES} bytes; the rest is left out");
            return Ok(all);
        }
        all.extend(result.get(key).iter().flat_map(|list| list.items().collect::<Vec<_>>()));
        let next = result.get("nextCursor").filter(|c| c.text().is_some());
        match next {
            Some(cursor) if all.len() < MOST_ENTRIES => params = Raw::object([("cursor", &cursor)]),
            Some(_) => {
                tracing::warn!(%method, "a list has more than {MOST_ENTRIES} entries; the rest is left out");
                return Ok(all);
            }
            None => return Ok(all),
        }
    }
    tracing::warn!(%method, "a list has more than {MOST_PAGES} pages; the rest is left out");
    Ok(all)
}
