//! Volumes.

use super::containers::{Details, details};
use super::{AGAIN, Offer, PLAIN, items, text};
use crate::confirm::{Consent, Doom, DryRun};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, path};
use crate::environment;
use crate::fault::Fault;
use crate::filters::Filters;
use crate::lenient::{Lenient, Scalar, maybe};
use crate::mounts::apart::Mount;
use crate::names;
use crate::protect;
use crate::volumes::{bind_device, driver_options};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_inspect_volume", "Get detailed information about a Docker volume.", AGAIN, inspect);
    offer.add("docker_create_volume", "Create a new Docker volume.", AGAIN, create);
    offer.add("docker_remove_volume", "Remove a Docker volume and all that is in it.", PLAIN, remove);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "VolumeName")]
struct OfVolume {
    /// Volume name
    volume_name: String,
}

async fn found(dock: &Dock, given: &str) -> Result<Value, Fault> {
    Ok(dock.engine.json(Ask::get(path(&["volumes", names::volume(given)?]))).await?)
}

async fn inspect(dock: Arc<Dock>, asked: OfVolume, call: Call) -> Result<Structured<Details>, Fail> {
    dock.run(&call, Pace::Quick, async { Ok(details(&dock, &call, found(&dock, &asked.volume_name).await?)) }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CreateVolume")]
struct Create {
    /// Volume name (auto-generated if not set)
    name: Option<String>,
    /// Volume driver
    #[serde(default = "local")]
    driver: String,
    /// Driver-specific options, like {"type": "nfs", "device": ":/path", "o": "addr=10.0.0.1"}
    driver_opts: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Volume labels as key-value pairs
    labels: Option<Lenient<BTreeMap<String, Scalar>>>,
}

fn local() -> String {
    "local".into()
}

#[derive(Debug, Serialize, JsonSchema)]
struct Created {
    name: String,
    driver: String,
    mountpoint: String,
}

async fn create(dock: Arc<Dock>, asked: Create, call: Call) -> Result<Structured<Created>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let name = asked.name.as_deref().filter(|name| !name.is_empty()).map(names::volume).transpose()?;
        let options = driver_options(&dock, &asked.driver, maybe(asked.driver_opts, "driver_opts")?).await?;
        if let Some(device) = bind_device(&options) {
            let mount = Mount::new(PathBuf::from(device), true);
            crate::start::apart(&dock, &[mount], "").await?;
        }
        let labels = environment::labels(maybe(asked.labels, "labels")?)?;
        let mut body = json!({ "Driver": asked.driver, "DriverOpts": options, "Labels": labels });
        if let (Some(name), Some(body)) = (name, body.as_object_mut()) {
            body.insert("Name".into(), name.into());
        }
        let answer = dock.engine.json(Ask::post("/volumes/create").json(&body)).await?;
        let part = |key| text(&answer, key).to_owned();
        Ok(Structured(Created { name: part("Name"), driver: part("Driver"), mountpoint: part("Mountpoint") }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RemoveVolume")]
struct Remove {
    /// Volume name
    volume_name: String,
    /// Force removal
    #[serde(default)]
    force: bool,
    #[serde(flatten)]
    consent: Consent,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Removed {
    volume_name: String,
    #[serde(flatten)]
    told: DryRun,
}

async fn remove(dock: Arc<Dock>, asked: Remove, call: Call) -> Result<Structured<Removed>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let name = names::volume(&asked.volume_name)?;
        let found = found(&dock, name).await?;
        protect::check(dock.safety(), "volume", [name], found.get("Labels"))?;
        let mut things = vec![described(&found)];
        let mut filters = Filters::default();
        filters.set("volume", name);
        let users =
            dock.engine.json(Ask::get("/containers/json").flag("all", true).maybe("filters", filters.query())).await?;
        for user in users.as_array().into_iter().flatten() {
            let user = items(user, "Names").first().and_then(Value::as_str).unwrap_or_default();
            things.push(format!("it is used by {}", crate::redact::clean(user.trim_start_matches('/'))));
        }
        let options = if asked.force { "force".into() } else { String::new() };
        let doom = Doom { tool: "docker_remove_volume", what: "remove with all data in it".into(), things, options };
        let told = asked.consent.given(&dock, &call, doom).await?;
        if told.is_none() {
            dock.engine.act(Ask::delete(path(&["volumes", name])).flag("force", asked.force)).await?;
        }
        Ok(Structured(Removed { volume_name: asked.volume_name.clone(), told: told.unwrap_or_default() }))
    })
    .await
}

/// A volume in one line, for people.
pub(super) fn described(found: &Value) -> String {
    let line = format!("volume {} (driver {})", text(found, "Name"), text(found, "Driver"));
    crate::redact::clean(&line).into_owned()
}
