//! Images: what one is, its names, its end, and searching for others.

use super::containers::{Details, details};
use super::list::tags;
use super::{AGAIN, OPEN_AGAIN, Offer, PLAIN, items, text};
use crate::confirm::{Consent, Doom, DryRun};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, image_path};
use crate::fault::Fault;
use crate::fence::NOTICE;
use crate::filters::{Filters, Given};
use crate::image::{Image, is_tag};
use crate::protect;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_inspect_image", "Get detailed information about a Docker image.", AGAIN, inspect);
    offer.add("docker_image_history", "View the history of a Docker image.", AGAIN, history);
    offer.add("docker_tag_image", "Tag a Docker image.", AGAIN, tag);
    offer.add("docker_remove_image", "Remove a Docker image.", PLAIN, remove);
    offer.add("docker_search_images", "Search Docker Hub for images.", OPEN_AGAIN, search);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ImageName")]
struct OfImageName {
    /// Image name or ID
    image_name: String,
}

async fn inspect(dock: Arc<Dock>, asked: OfImageName, call: Call) -> Result<Structured<Details>, Fail> {
    dock.run(&call, Pace::Quick, async {
        Ok(details(&dock, &call, found(&dock, &Image::parse(&asked.image_name)?).await?))
    })
    .await
}

/// What the engine says of an image.
pub(super) async fn found(dock: &Dock, image: &Image) -> Result<Value, Fault> {
    Ok(dock.engine.json(Ask::get(image_path(image, "/json"))).await?)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OfImage")]
struct OfImage {
    /// Image name or ID
    image: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct History {
    history: Vec<Map<String, Value>>,
    count: usize,
    notice: &'static str,
}

async fn history(dock: Arc<Dock>, asked: OfImage, call: Call) -> Result<Structured<History>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let image = Image::parse(&asked.image)?;
        let answer = dock.shown(dock.engine.json(Ask::get(image_path(&image, "/history"))).await?);
        let Value::Array(all) = answer else { return Err(Fault::new("the engine's history cannot be read.")) };
        let history: Vec<_> =
            all.into_iter().filter_map(|layer| if let Value::Object(l) = layer { Some(l) } else { None }).collect();
        Ok(Structured(History { count: history.len(), history, notice: NOTICE }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TagImage")]
struct Tag {
    /// Source image name or ID
    image: String,
    /// Target repository
    repository: String,
    /// Tag name
    #[serde(default = "latest")]
    tag: String,
}

fn latest() -> String {
    "latest".into()
}

#[derive(Debug, Serialize, JsonSchema)]
struct Tagged {
    source: String,
    target: String,
}

async fn tag(dock: Arc<Dock>, asked: Tag, call: Call) -> Result<Structured<Tagged>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let image = Image::parse(&asked.image)?;
        if !is_tag(&asked.tag) {
            return Err(Fault::new(format!("tag: {:?} is none; those have letters, digits, _, . and -.", asked.tag)));
        }
        let target = Image::parse(&asked.repository)?.with_tag(Some(&asked.tag))?;
        let ask = Ask::post(image_path(&image, "/tag")).query("repo", target.repository()).query("tag", &asked.tag);
        dock.engine.act(ask).await?;
        Ok(Structured(Tagged { source: asked.image.clone(), target: target.as_str().to_owned() }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RemoveImage")]
struct Remove {
    /// Image name or ID
    image: String,
    /// Force removal
    #[serde(default)]
    force: bool,
    /// Do not delete untagged parents
    #[serde(default)]
    noprune: bool,
    #[serde(flatten)]
    consent: Consent,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Removed {
    /// What went: {"Untagged": …} or {"Deleted": …}.
    deleted: Vec<Map<String, Value>>,
    #[serde(flatten)]
    told: DryRun,
}

/// Objects of a list.
pub(super) fn objects(value: Value) -> Vec<Map<String, Value>> {
    let Value::Array(all) = value else { return Vec::new() };
    all.into_iter().filter_map(|one| if let Value::Object(one) = one { Some(one) } else { None }).collect()
}

async fn remove(dock: Arc<Dock>, asked: Remove, call: Call) -> Result<Structured<Removed>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let image = Image::parse(&asked.image)?;
        let found = found(&dock, &image).await?;
        let names = tags(&found);
        protect::check(dock.safety(), "image", names.iter().map(String::as_str), found.pointer("/Config/Labels"))?;
        let things = vec![described(&found)];
        let options = [(asked.force, "force"), (asked.noprune, "noprune")];
        let options: Vec<_> = options.into_iter().filter(|(on, _)| *on).map(|(_, word)| word).collect();
        let what = format!("remove the image {}", image.as_str());
        let doom = Doom { tool: "docker_remove_image", what, things, options: options.join(", ") };
        if let Some(told) = asked.consent.given(&dock, &call, doom).await? {
            return Ok(Structured(Removed { deleted: Vec::new(), told }));
        }
        let ask = Ask::delete(image_path(&image, "")).flag("force", asked.force).flag("noprune", asked.noprune);
        let deleted = objects(dock.engine.json(ask).await?);
        Ok(Structured(Removed { deleted, told: DryRun::default() }))
    })
    .await
}

/// An image in one line, for people.
#[allow(clippy::cast_precision_loss, reason = "megabytes for people")]
pub(super) fn described(found: &Value) -> String {
    let names = tags(found);
    let names = if names.is_empty() { "without a name".to_owned() } else { names.join(", ") };
    let size = found.get("Size").and_then(Value::as_u64).unwrap_or_default() as f64 / 1e6;
    let line = format!("image {} ({names}, {size:.1} MB)", super::list::short(text(found, "Id")));
    crate::redact::clean(&line).into_owned()
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SearchImages")]
struct Search {
    /// What to look for
    term: String,
    /// Results, 1 to 100
    #[serde(default = "twenty_five")]
    limit: u32,
    /// Filters, like {"is-official": true} or {"stars": 10}
    filters: Given,
}

const fn twenty_five() -> u32 {
    25
}

#[derive(Debug, Serialize, JsonSchema)]
struct Results {
    results: Vec<Hit>,
    count: usize,
    notice: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Hit {
    name: String,
    description: String,
    stars: u64,
    official: bool,
}

async fn search(dock: Arc<Dock>, asked: Search, call: Call) -> Result<Structured<Results>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let term = asked.term.trim();
        if term.is_empty() || term.len() > 255 {
            return Err(Fault::new("term: say what to look for, in 255 characters at most."));
        }
        if !(1..=100).contains(&asked.limit) {
            return Err(Fault::new("limit is a number from 1 to 100."));
        }
        let filters = Filters::read(asked.filters)?;
        let ask = Ask::get("/images/search")
            .query("term", term)
            .query("limit", asked.limit)
            .maybe("filters", filters.query());
        let answer = dock.shown(dock.engine.json(ask).await?);
        let one = |hit: &Value| Hit {
            name: text(hit, "name").to_owned(),
            description: text(hit, "description").to_owned(),
            stars: hit.get("star_count").and_then(Value::as_u64).unwrap_or_default(),
            official: hit.get("is_official").and_then(Value::as_bool).unwrap_or_default(),
        };
        let list = serde_json::json!({ "all": answer });
        let results: Vec<_> = items(&list, "all").iter().map(one).collect();
        Ok(Structured(Results { count: results.len(), results, notice: NOTICE }))
    })
    .await
}
