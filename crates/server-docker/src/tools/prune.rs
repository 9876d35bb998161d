//! Prunes: what would go is found first, shown, confirmed, and then removed one by one, so that nothing goes
//! that was not named and nothing that is protected.

use super::images::objects;
use super::list::tags;
use super::{Offer, PLAIN, images, items, networks, text, volumes};
use crate::confirm::{Doom, agreed};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, EngineError, path};
use crate::fault::Fault;
use crate::filters::{Filters, Given};
use crate::lenient::Scalar;
use crate::protect;
use crate::when;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add(
        "docker_prune_images",
        "Prune Docker images: dangling ones; with all=true every image that no container uses; with force_all=true all \
         images, tagged and used ones too (only if a person asked for just that). Protected images stay.",
        PLAIN,
        prune_images,
    );
    offer.add(
        "docker_prune_volumes",
        "Prune Docker volumes: unused ones without a name; with all=true every unused volume; with force_all=true all \
         volumes that no container holds (only if a person asked for just that). Protected volumes stay.",
        PLAIN,
        prune_volumes,
    );
    offer.add("docker_prune_containers", "Prune Docker containers: those that do not run.", PLAIN, prune_containers);
    offer.add("docker_prune_networks", "Prune Docker networks: those that no container is in.", PLAIN, prune_networks);
    offer.add("docker_prune_build_cache", "Prune the cache of builds.", PLAIN, prune_build_cache);
    let about = "Prune all unused Docker resources (containers, images, networks, build cache, and volumes if asked).";
    offer.add("docker_system_prune", about, PLAIN, prune_system);
    offer.add("docker_prune_system", "The same as docker_system_prune.", PLAIN, prune_system);
}

/// Something that would go.
struct Doomed {
    id: String,
    line: String,
    bytes: u64,
}

/// What was kept, and why.
#[derive(Debug, Serialize, JsonSchema)]
struct Kept {
    id: String,
    reason: String,
}

/// Which things are meant.
struct Which {
    until: Option<i64>,
    labels: Vec<(bool, String, Option<String>)>,
    dangling: Option<bool>,
}

impl Which {
    fn read(given: Given, known: &[&str]) -> Result<Self, Fault> {
        let Filters(all) = Filters::read(given)?;
        let mut which = Self { until: None, labels: Vec::new(), dangling: None };
        for (name, values) in all {
            if !known.contains(&name.as_str()) {
                return Err(Fault::new(format!("filters: {name:?} is none of {}.", known.join(", "))));
            }
            for value in values {
                match name.as_str() {
                    "until" => which.until = Some(when::seconds("filters.until", &Scalar::Text(value))?),
                    "dangling" => which.dangling = Some(matches!(value.to_ascii_lowercase().as_str(), "true" | "1")),
                    _ => {
                        let (key, wanted) =
                            value.split_once('=').map_or((value.as_str(), None), |(k, v)| (k, Some(v.to_owned())));
                        which.labels.push((name == "label", key.to_owned(), wanted));
                    }
                }
            }
        }
        Ok(which)
    }

    fn covers(&self, labels: &Value, created: Option<i64>) -> bool {
        let has = |key: &str, wanted: &Option<String>| {
            let found = labels.get(key).and_then(Value::as_str);
            found.is_some_and(|found| wanted.as_ref().is_none_or(|wanted| wanted == found))
        };
        // What has no known age is not old.
        self.until.is_none_or(|until| created.is_some_and(|created| created < until))
            && self.labels.iter().all(|(is_wanted, key, value)| has(key, value) == *is_wanted)
    }
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok()).unwrap_or_default()
}

/// Whether one may go: its line, or why it is kept.
fn sort(dock: &Dock, names: &[String], labels: &Value, doomed: Doomed, into: &mut Vec<Doomed>, kept: &mut Vec<Kept>) {
    match protect::why(dock.safety(), names.iter().map(String::as_str), labels) {
        Some(reason) => kept.push(Kept { id: doomed.id, reason }),
        None => into.push(doomed),
    }
}

/// Images, by how much is meant.
#[derive(Clone, Copy, PartialEq)]
enum Reach {
    Dangling,
    Unused,
    All,
}

async fn doomed_images(dock: &Dock, which: &Which, reach: Reach, kept: &mut Vec<Kept>) -> Result<Vec<Doomed>, Fault> {
    let list = dock.engine.json(Ask::get("/images/json")).await?;
    let containers = dock.engine.json(Ask::get("/containers/json").flag("all", true)).await?;
    let used: HashSet<_> = containers.as_array().into_iter().flatten().map(|c| text(c, "ImageID")).collect();
    let mut doomed = Vec::new();
    for image in list.as_array().into_iter().flatten() {
        let (id, names) = (text(image, "Id"), tags(image));
        let meant = match reach {
            Reach::All => true,
            Reach::Unused => !used.contains(id),
            Reach::Dangling => names.is_empty() && !used.contains(id),
        };
        let labels = image.get("Labels").unwrap_or(&Value::Null);
        if meant && which.covers(labels, image.get("Created").and_then(Value::as_i64)) {
            let one = Doomed { id: id.to_owned(), line: images::described(image), bytes: number(image, "/Size") };
            sort(dock, &names, labels, one, &mut doomed, kept);
        }
    }
    Ok(doomed)
}

async fn doomed_containers(dock: &Dock, which: &Which, kept: &mut Vec<Kept>) -> Result<Vec<Doomed>, Fault> {
    let ask = Ask::get("/containers/json").flag("all", true).flag("size", true);
    let list = dock.engine.json(ask).await?;
    let mut doomed = Vec::new();
    for container in list.as_array().into_iter().flatten() {
        let labels = container.get("Labels").unwrap_or(&Value::Null);
        let stopped = matches!(text(container, "State"), "exited" | "created" | "dead" | "configured" | "stopped");
        if stopped && which.covers(labels, container.get("Created").and_then(Value::as_i64)) {
            let names: Vec<_> = items(container, "Names")
                .iter()
                .filter_map(Value::as_str)
                .map(|n| n.trim_start_matches('/').to_owned())
                .collect();
            let id: String = text(container, "Id").chars().take(12).collect();
            let line = format!("container {} ({id}, {})", names.join(", "), text(container, "Status"));
            let line = crate::redact::clean(&line).into_owned();
            let one = Doomed { id: text(container, "Id").to_owned(), line, bytes: number(container, "/SizeRw") };
            sort(dock, &names, labels, one, &mut doomed, kept);
        }
    }
    Ok(doomed)
}

/// Networks that engines make for themselves.
const OWN_NETWORKS: [&str; 5] = ["bridge", "host", "none", "ingress", "podman"];

async fn doomed_networks(dock: &Dock, which: &Which, kept: &mut Vec<Kept>) -> Result<Vec<Doomed>, Fault> {
    let list = dock.engine.json(Ask::get("/networks")).await?;
    let containers = dock.engine.json(Ask::get("/containers/json").flag("all", true)).await?;
    let mut used = HashSet::new();
    for container in containers.as_array().into_iter().flatten() {
        let all = container.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
        for (name, one) in all.into_iter().flatten() {
            used.extend([name.as_str(), text(one, "NetworkID")]);
        }
    }
    let mut doomed = Vec::new();
    for network in list.as_array().into_iter().flatten() {
        let (id, name) = (text(network, "Id"), text(network, "Name"));
        let labels = network.get("Labels").unwrap_or(&Value::Null);
        let created = when::seconds("Created", &Scalar::Text(text(network, "Created").to_owned())).ok();
        if OWN_NETWORKS.contains(&name) || used.contains(id) || used.contains(name) || !which.covers(labels, created) {
            continue;
        }
        let one = Doomed { id: id.to_owned(), line: networks::described(network), bytes: 0 };
        sort(dock, &[name.to_owned()], labels, one, &mut doomed, kept);
    }
    Ok(doomed)
}

async fn doomed_volumes(dock: &Dock, which: &Which, reach: Reach, kept: &mut Vec<Kept>) -> Result<Vec<Doomed>, Fault> {
    let mut filters = Filters::default();
    if reach != Reach::All {
        filters.set("dangling", "true");
    }
    let list = dock.engine.json(Ask::get("/volumes").maybe("filters", filters.query())).await?;
    let sizes = dock.engine.json(Ask::get("/system/df")).await?;
    let mut doomed = Vec::new();
    for volume in items(&list, "Volumes") {
        let name = text(volume, "Name");
        let labels = volume.get("Labels").unwrap_or(&Value::Null);
        // As the engine tells them apart where it has no label for it.
        let unnamed = name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
            || labels.get("com.docker.volume.anonymous").is_some();
        let created = when::seconds("CreatedAt", &Scalar::Text(text(volume, "CreatedAt").to_owned())).ok();
        if (reach == Reach::Dangling && !unnamed) || !which.covers(labels, created) {
            continue;
        }
        let bytes = items(&sizes, "Volumes").iter().find(|v| text(v, "Name") == name);
        let bytes = bytes.map(|v| number(v, "/UsageData/Size")).unwrap_or_default();
        let one = Doomed { id: name.to_owned(), line: volumes::described(volume), bytes };
        sort(dock, &[name.to_owned()], labels, one, &mut doomed, kept);
    }
    Ok(doomed)
}

/// Removes them one by one. What is refused is kept, with the engine's reason.
async fn end<'a>(
    dock: &Dock,
    all: &'a [Doomed],
    kept: &mut Vec<Kept>,
    ask: impl Fn(&str) -> Ask<'static>,
) -> Result<Vec<(&'a Doomed, Value)>, Fault> {
    let mut gone = Vec::new();
    for one in all {
        match dock.engine.json(ask(&one.id)).await {
            Ok(answer) => gone.push((one, answer)),
            Err(EngineError::Refused { message, .. }) => kept.push(Kept { id: one.id.clone(), reason: message }),
            // Whatever went until now is told by the error's absence in the lists: better to say it.
            Err(error) if gone.is_empty() => return Err(error.into()),
            Err(error) => {
                kept.push(Kept { id: one.id.clone(), reason: crate::fault::sentence(&error) });
                break;
            }
        }
    }
    Ok(gone)
}

async fn ask_person(
    dock: &Dock,
    call: &Call,
    tool: &str,
    what: &str,
    lines: Vec<String>,
    token: Option<&str>,
) -> Result<(), Fault> {
    if lines.is_empty() {
        return Ok(());
    }
    let what = format!("{what} {} things", lines.len());
    let doom = Doom { tool, what, things: lines, options: String::new() };
    agreed(dock.safety(), &dock.tickets, call, &doom, token).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PruneReach")]
struct AskedReach {
    /// Everything unused, not only what has no name
    #[serde(default)]
    all: bool,
    /// Filters, like {"until": "24h"}, {"label": ["env=test"]}, {"label!": "keep"}
    filters: Given,
    /// Everything, also what has a name and is in use
    #[serde(default)]
    force_all: bool,
    /// Only tell what would be removed
    #[serde(default)]
    dry_run: bool,
    /// What a refusal for want of consent gave
    confirm_token: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct PrunedImages {
    deleted: Vec<Map<String, Value>>,
    /// Bytes.
    space_reclaimed: u64,
    /// What was to go and stayed.
    kept: Vec<Kept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_remove: Option<Vec<String>>,
}

/// Bytes of all layers.
async fn layers(dock: &Dock) -> Result<u64, Fault> {
    Ok(number(&dock.engine.json(Ask::get("/system/df")).await?, "/LayersSize"))
}

async fn prune_images(dock: Arc<Dock>, asked: AskedReach, call: Call) -> Result<Structured<PrunedImages>, Fail> {
    dock.run(Pace::Patient, async {
        let which = Which::read(asked.filters, &["until", "label", "label!", "dangling"])?;
        let reach = match (asked.force_all, asked.all || which.dangling == Some(false)) {
            (true, _) => Reach::All,
            (false, true) => Reach::Unused,
            (false, false) => Reach::Dangling,
        };
        let mut kept = Vec::new();
        let doomed = doomed_images(&dock, &which, reach, &mut kept).await?;
        let lines: Vec<_> = doomed.iter().map(|d| d.line.clone()).collect();
        if asked.dry_run {
            let space_reclaimed = doomed.iter().map(|d| d.bytes).sum();
            let done = PrunedImages {
                dry_run: Some(true),
                would_remove: Some(lines),
                kept,
                space_reclaimed,
                ..PrunedImages::default()
            };
            return Ok(Structured(done));
        }
        let force = reach == Reach::All;
        ask_person(
            &dock,
            &call,
            "docker_prune_images",
            if force { "force the removal of" } else { "remove" },
            lines,
            asked.confirm_token.as_deref(),
        )
        .await?;
        let (deleted, space_reclaimed) = end_images(&dock, &doomed, &mut kept, force || reach == Reach::Unused).await?;
        Ok(Structured(PrunedImages { deleted, space_reclaimed, kept, ..PrunedImages::default() }))
    })
    .await
}

async fn end_images(
    dock: &Dock,
    doomed: &[Doomed],
    kept: &mut Vec<Kept>,
    force: bool,
) -> Result<(Vec<Map<String, Value>>, u64), Fault> {
    if doomed.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let before = layers(dock).await?;
    // One id with several names is removed only by force.
    let gone = end(dock, doomed, kept, |id| Ask::delete(format!("/images/{id}")).flag("force", force)).await?;
    let deleted = gone.into_iter().flat_map(|(_, answer)| objects(answer)).collect();
    Ok((deleted, before.saturating_sub(layers(dock).await?)))
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Pruned {
    deleted: Vec<String>,
    /// Bytes.
    space_reclaimed: u64,
    /// What was to go and stayed.
    kept: Vec<Kept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_remove: Option<Vec<String>>,
}

/// What is common to prunes that give ids.
struct Simple<'a> {
    tool: &'a str,
    what: &'a str,
    dry_run: bool,
    token: Option<&'a str>,
}

impl Simple<'_> {
    async fn run(
        self,
        dock: &Dock,
        call: &Call,
        doomed: Vec<Doomed>,
        mut kept: Vec<Kept>,
        ask: impl Fn(&str) -> Ask<'static>,
    ) -> Result<Structured<Pruned>, Fault> {
        let lines: Vec<_> = doomed.iter().map(|d| d.line.clone()).collect();
        if self.dry_run {
            let space_reclaimed = doomed.iter().map(|d| d.bytes).sum();
            let done =
                Pruned { dry_run: Some(true), would_remove: Some(lines), kept, space_reclaimed, ..Pruned::default() };
            return Ok(Structured(done));
        }
        ask_person(dock, call, self.tool, self.what, lines, self.token).await?;
        let gone = end(dock, &doomed, &mut kept, ask).await?;
        let space_reclaimed = gone.iter().map(|(one, _)| one.bytes).sum();
        let deleted = gone.into_iter().map(|(one, _)| one.id.clone()).collect();
        Ok(Structured(Pruned { deleted, space_reclaimed, kept, ..Pruned::default() }))
    }
}

async fn prune_volumes(dock: Arc<Dock>, asked: AskedReach, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(Pace::Patient, async {
        let which = Which::read(asked.filters, &["until", "label", "label!", "dangling"])?;
        let reach = match (asked.force_all, asked.all) {
            (true, _) => Reach::All,
            (false, true) => Reach::Unused,
            (false, false) => Reach::Dangling,
        };
        let mut kept = Vec::new();
        let doomed = doomed_volumes(&dock, &which, reach, &mut kept).await?;
        let simple = Simple {
            tool: "docker_prune_volumes",
            what: "remove, with all data in them,",
            dry_run: asked.dry_run,
            token: asked.confirm_token.as_deref(),
        };
        let force = asked.force_all;
        simple.run(&dock, &call, doomed, kept, move |id| Ask::delete(path(&["volumes", id])).flag("force", force)).await
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Prune")]
struct Asked {
    /// Filters, like {"until": "24h"}, {"label": ["env=test"]}, {"label!": "keep"}
    filters: Given,
    /// Only tell what would be removed
    #[serde(default)]
    dry_run: bool,
    /// What a refusal for want of consent gave
    confirm_token: Option<String>,
}

const USUAL: [&str; 3] = ["until", "label", "label!"];

async fn prune_containers(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(Pace::Patient, async {
        let which = Which::read(asked.filters, &USUAL)?;
        let mut kept = Vec::new();
        let doomed = doomed_containers(&dock, &which, &mut kept).await?;
        let token = asked.confirm_token.as_deref();
        let simple = Simple { tool: "docker_prune_containers", what: "remove", dry_run: asked.dry_run, token };
        simple.run(&dock, &call, doomed, kept, |id| Ask::delete(path(&["containers", id]))).await
    })
    .await
}

async fn prune_networks(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(Pace::Patient, async {
        let which = Which::read(asked.filters, &USUAL)?;
        let mut kept = Vec::new();
        let doomed = doomed_networks(&dock, &which, &mut kept).await?;
        let token = asked.confirm_token.as_deref();
        let simple = Simple { tool: "docker_prune_networks", what: "remove", dry_run: asked.dry_run, token };
        simple.run(&dock, &call, doomed, kept, |id| Ask::delete(path(&["networks", id]))).await
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PruneBuildCache")]
struct AskedCache {
    /// All of it, not only what no build used lately
    #[serde(default)]
    all: bool,
    /// Filters, like {"until": "24h"}
    filters: Given,
    #[serde(default)]
    dry_run: bool,
    confirm_token: Option<String>,
}

async fn doomed_cache(dock: &Dock) -> Result<Vec<Doomed>, Fault> {
    let df = dock.engine.json(Ask::get("/system/df")).await?;
    let flag = |value: &Value, key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
    let one = |cache: &Value| Doomed {
        id: text(cache, "ID").to_owned(),
        line: crate::redact::clean(&format!("build cache {} ({})", text(cache, "ID"), text(cache, "Description")))
            .into_owned(),
        bytes: number(cache, "/Size"),
    };
    Ok(items(&df, "BuildCache").iter().filter(|cache| !flag(cache, "InUse")).map(one).collect())
}

async fn prune_cache(dock: &Dock, all: bool, filters: &Filters) -> Result<(Vec<String>, u64), Fault> {
    let answer = dock.engine.json(Ask::post("/build/prune").flag("all", all).maybe("filters", filters.query())).await?;
    let deleted = items(&answer, "CachesDeleted").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok((deleted, number(&answer, "/SpaceReclaimed")))
}

async fn prune_build_cache(dock: Arc<Dock>, asked: AskedCache, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(Pace::Patient, async {
        let filters = Filters::read(asked.filters)?;
        let doomed = doomed_cache(&dock).await?;
        let lines: Vec<_> = doomed.iter().map(|d| d.line.clone()).collect();
        if asked.dry_run {
            let space_reclaimed = doomed.iter().map(|d| d.bytes).sum();
            return Ok(Structured(Pruned {
                dry_run: Some(true),
                would_remove: Some(lines),
                space_reclaimed,
                ..Pruned::default()
            }));
        }
        ask_person(&dock, &call, "docker_prune_build_cache", "remove up to", lines, asked.confirm_token.as_deref())
            .await?;
        let (deleted, space_reclaimed) = prune_cache(&dock, asked.all, &filters).await?;
        Ok(Structured(Pruned { deleted, space_reclaimed, ..Pruned::default() }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PruneSystem")]
struct AskedSystem {
    /// Filters, like {"until": "24h"}, {"label": ["env=test"]}, {"label!": "keep"}
    filters: Given,
    /// Prune unused volumes in addition to other resources
    #[serde(default)]
    volumes: bool,
    /// All unused images, not only dangling ones
    #[serde(default)]
    all: bool,
    /// Only tell what would be removed
    #[serde(default)]
    dry_run: bool,
    /// What a refusal for want of consent gave
    confirm_token: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct PrunedSystem {
    containers_deleted: Vec<String>,
    images_deleted: Vec<Map<String, Value>>,
    networks_deleted: Vec<String>,
    volumes_deleted: Vec<String>,
    build_cache_deleted: Vec<String>,
    space_reclaimed: u64,
    kept: Vec<Kept>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_remove: Option<Vec<String>>,
}

async fn prune_system(dock: Arc<Dock>, asked: AskedSystem, call: Call) -> Result<Structured<PrunedSystem>, Fail> {
    dock.run(Pace::Patient, async {
        let which = Which::read(asked.filters, &USUAL)?;
        let mut kept = Vec::new();
        let containers = doomed_containers(&dock, &which, &mut kept).await?;
        let networks = doomed_networks(&dock, &which, &mut kept).await?;
        let reach = if asked.all { Reach::Unused } else { Reach::Dangling };
        let images = doomed_images(&dock, &which, reach, &mut kept).await?;
        let volumes =
            if asked.volumes { doomed_volumes(&dock, &which, Reach::Dangling, &mut kept).await? } else { Vec::new() };
        // Caches have no labels, so who names labels means none of them.
        let cache = if which.labels.is_empty() { doomed_cache(&dock).await.unwrap_or_default() } else { Vec::new() };
        let all = || [&containers, &networks, &images, &volumes, &cache].into_iter().flatten();
        let lines: Vec<_> = all().map(|d| d.line.clone()).collect();
        if asked.dry_run {
            let space_reclaimed = all().map(|d| d.bytes).sum();
            let done = PrunedSystem {
                dry_run: Some(true),
                would_remove: Some(lines),
                kept,
                space_reclaimed,
                ..PrunedSystem::default()
            };
            return Ok(Structured(done));
        }
        ask_person(&dock, &call, "docker_system_prune", "remove", lines, asked.confirm_token.as_deref()).await?;
        let ids = |gone: Vec<(&Doomed, Value)>| {
            let bytes: u64 = gone.iter().map(|(one, _)| one.bytes).sum();
            (gone.into_iter().map(|(one, _)| one.id.clone()).collect::<Vec<_>>(), bytes)
        };
        let (containers_deleted, a) =
            ids(end(&dock, &containers, &mut kept, |id| Ask::delete(path(&["containers", id]))).await?);
        let (networks_deleted, _) =
            ids(end(&dock, &networks, &mut kept, |id| Ask::delete(path(&["networks", id]))).await?);
        let (volumes_deleted, b) =
            ids(end(&dock, &volumes, &mut kept, |id| Ask::delete(path(&["volumes", id]))).await?);
        let (images_deleted, c) = end_images(&dock, &images, &mut kept, asked.all).await?;
        let (build_cache_deleted, d) = if cache.is_empty() {
            (Vec::new(), 0)
        } else {
            let mut filters = Filters::default();
            if let Some(until) = which.until {
                filters.set("until", until.to_string());
            }
            prune_cache(&dock, false, &filters).await?
        };
        let done = PrunedSystem {
            containers_deleted,
            images_deleted,
            networks_deleted,
            volumes_deleted,
            build_cache_deleted,
            space_reclaimed: a + b + c + d,
            kept,
            ..PrunedSystem::default()
        };
        Ok(Structured(done))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn which(filters: Value) -> Result<Which, Fault> {
        Which::read(serde_json::from_value(json!(filters)).unwrap(), &USUAL)
    }

    #[test]
    fn filters_decide_by_age_and_label_and_unknown_ones_are_refused() {
        let old = which(json!({"until": "24h", "label": ["env=test"], "label!": "keep"})).unwrap();
        assert!(old.covers(&json!({"env": "test"}), Some(1000)));
        assert!(!old.covers(&json!({"env": "test"}), Some(4_000_000_000)));
        assert!(!old.covers(&json!({"env": "test"}), None));
        assert!(!old.covers(&json!({"env": "prod"}), Some(1000)));
        assert!(!old.covers(&json!({"env": "test", "keep": ""}), Some(1000)));
        assert!(which(json!({"name": "x"})).is_err());
        assert!(which(json!({})).unwrap().covers(&Value::Null, None));
    }
}
