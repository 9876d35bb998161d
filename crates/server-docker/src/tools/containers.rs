//! Containers: what one is, how one is made and removed.

use super::{AGAIN, OfContainer, Offer, PLAIN, Truncation, text};
use crate::confirm::{Consent, Doom, DryRun};
use crate::dock::{Dock, Pace, head};
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::fence::NOTICE;
use crate::names;
use crate::options::{self, Create};
use crate::protect;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_inspect_container", "Get detailed information about a Docker container.", AGAIN, inspect);
    offer.add(
        "docker_create_container",
        "Create a new Docker container from an image; it is not started.",
        PLAIN,
        create,
    );
    offer.add("docker_remove_container", "Remove a Docker container.", PLAIN, remove);
}

/// What the engine says of a thing.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Details {
    /// The engine's own attributes, secrets hidden.
    details: Map<String, Value>,
    truncation_info: Truncation,
    /// What the texts in here are.
    notice: &'static str,
}

/// As an answer.
pub(super) fn details(dock: &Dock, call: &Call, value: Value) -> Structured<Details> {
    let mut value = dock.shown(value);
    let limits = &dock.settings.limits;
    let mut info = Truncation::default();
    if limits.truncate_inspect {
        let before = value.to_string();
        let mut cut = 0;
        shorten(&mut value, limits.inspect_field_bytes, &mut cut);
        if cut > 0 {
            info.truncated = true;
            info.original_size = Some(before.len() as u64);
            info.truncated_size = Some(value.to_string().len() as u64);
            info.output_id = dock.keep(call, before, 0);
            info.message = Some(format!("{cut} long texts were cut; docker_output_rest gives all of it."));
        }
    }
    let details = match value {
        Value::Object(details) => details,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    Structured(Details { details, truncation_info: info, notice: NOTICE })
}

fn shorten(value: &mut Value, most: usize, cut: &mut u64) {
    match value {
        Value::String(text) if text.len() > most => {
            *text = format!("{}… [cut, {} bytes in all]", head(text, most), text.len());
            *cut += 1;
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shorten(item, most, cut)),
        Value::Object(members) => members.values_mut().for_each(|item| shorten(item, most, cut)),
        _ => {}
    }
}

async fn inspect(dock: Arc<Dock>, asked: OfContainer, call: Call) -> Result<Structured<Details>, Fail> {
    dock.run(&call, Pace::Quick, async { Ok(details(&dock, &call, dock.container(&asked.container_id).await?)) }).await
}

/// What was created.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Created {
    pub(super) container_id: String,
    pub(super) name: Option<String>,
    pub(super) warnings: Option<Vec<String>>,
}

/// Creates a container.
pub(super) async fn make(dock: &Dock, given: Create) -> Result<Created, Fault> {
    let body = options::body(dock, given).await?;
    let ask = Ask::post("/containers/create").maybe("name", body.name.as_deref()).maybe("platform", body.platform);
    let answer = dock.engine.json(ask.json(&body.json)).await?;
    let id = text(&answer, "Id").to_owned();
    let said = answer.get("Warnings").and_then(Value::as_array).cloned().unwrap_or_default();
    let warnings: Vec<_> = said.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let name = match body.name {
        Some(name) => Some(name),
        None => dock.container(&id).await.ok().map(|c| text(&c, "Name").trim_start_matches('/').to_owned()),
    };
    Ok(Created { container_id: id, name, warnings: Some(warnings).filter(|w| !w.is_empty()) })
}

async fn create(dock: Arc<Dock>, asked: Create, call: Call) -> Result<Structured<Created>, Fail> {
    dock.run(&call, Pace::Quick, async { make(&dock, asked).await.map(Structured) }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RemoveContainer")]
struct Remove {
    /// Container ID or name
    container_id: String,
    /// Force removal of running container
    #[serde(default)]
    force: bool,
    /// Remove associated anonymous volumes
    #[serde(default)]
    volumes: bool,
    #[serde(flatten)]
    consent: Consent,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Removed {
    container_id: String,
    removed_volumes: bool,
    #[serde(flatten)]
    told: DryRun,
}

async fn remove(dock: Arc<Dock>, asked: Remove, call: Call) -> Result<Structured<Removed>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let name = names::container(&asked.container_id)?;
        let found = dock.container(name).await?;
        let own = text(&found, "Name").trim_start_matches('/');
        protect::check(dock.safety(), "container", [own], found.pointer("/Config/Labels"))?;
        let state = found.pointer("/State/Status").and_then(Value::as_str).unwrap_or_default();
        let mut things = vec![described("container", own, &found, state)];
        if asked.volumes {
            let mounts = super::items(&found, "Mounts").iter().filter(|m| text(m, "Type") == "volume");
            things.extend(mounts.map(|m| format!("volume {} if it has no name of its own", text(m, "Name"))));
        }
        let running = matches!(state, "running" | "paused" | "restarting");
        let doom = Doom {
            tool: "docker_remove_container",
            what: if running { "stop and remove" } else { "remove" }.to_owned(),
            things,
            options: if asked.force { "force".into() } else { String::new() },
        };
        let container_id = asked.container_id.clone();
        if let Some(told) = asked.consent.given(&dock, &call, doom).await? {
            return Ok(Structured(Removed { container_id, removed_volumes: false, told }));
        }
        // By id: a name could belong to another one by now.
        let id = text(&found, "Id");
        let ask = Ask::delete(path(&["containers", id])).flag("force", asked.force).flag("v", asked.volumes);
        dock.engine.act(ask).await?;
        Ok(Structured(Removed { container_id, removed_volumes: asked.volumes, told: DryRun::default() }))
    })
    .await
}

/// A thing in one line, for people.
pub(super) fn described(kind: &str, name: &str, found: &Value, state: &str) -> String {
    let id: String = text(found, "Id").chars().take(12).collect();
    let image = found.pointer("/Config/Image").and_then(Value::as_str).unwrap_or_default();
    crate::redact::clean(&format!("{kind} {name} ({id}, of {image}, {state})")).into_owned()
}
