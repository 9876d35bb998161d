//! What would go: found, and what is protected sorted out.

use super::which::Which;
use crate::dock::Dock;
use crate::engine::Ask;
use crate::fault::Fault;
use crate::filters::Filters;
use crate::lenient::Scalar;
use crate::protect;
use crate::tools::list::tags;
use crate::tools::{images, items, networks, text, volumes};
use crate::when;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;

/// Something that would go.
pub(super) struct Doomed {
    pub(super) id: String,
    pub(super) line: String,
    pub(super) bytes: u64,
}

/// What was kept, and why.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) reason: String,
}

pub(super) fn number(value: &Value, pointer: &str) -> u64 {
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
pub(super) enum Reach {
    Dangling,
    Unused,
    All,
}

pub(super) async fn images(
    dock: &Dock,
    which: &Which,
    reach: Reach,
    kept: &mut Vec<Kept>,
) -> Result<Vec<Doomed>, Fault> {
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

pub(super) async fn containers(dock: &Dock, which: &Which, kept: &mut Vec<Kept>) -> Result<Vec<Doomed>, Fault> {
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

pub(super) async fn networks(dock: &Dock, which: &Which, kept: &mut Vec<Kept>) -> Result<Vec<Doomed>, Fault> {
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

pub(super) async fn volumes(
    dock: &Dock,
    which: &Which,
    reach: Reach,
    kept: &mut Vec<Kept>,
) -> Result<Vec<Doomed>, Fault> {
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
