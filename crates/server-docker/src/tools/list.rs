//! Lists of containers, images, networks and volumes.

use super::{AGAIN, Offer, Truncation, items, text};
use crate::dock::{Dock, Pace};
use crate::engine::Ask;
use crate::fault::Fault;
use crate::filters::{Filters, Given};
use crate::image::familiar;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_list_containers", "List Docker containers with optional filters.", AGAIN, containers);
    offer.add("docker_list_images", "List Docker images with optional filters.", AGAIN, images);
    offer.add("docker_list_networks", "List Docker networks with optional filters.", AGAIN, networks);
    offer.add("docker_list_volumes", "List Docker volumes with optional filters.", AGAIN, volumes);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ListAll")]
struct Asked {
    /// Show all (default shows just running containers, or images without intermediate ones)
    #[serde(default)]
    all: bool,
    /// Filters, like {"status": ["running"], "label": ["env=prod"]} or {"reference": "ubuntu:*"}
    filters: Given,
    /// Entries to pass over: the next page of a long list
    #[serde(default)]
    offset: usize,
    /// Entries at most
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "List")]
struct AskedPlain {
    /// Filters, like {"name": "web"}, {"driver": ["bridge"]} or {"label": ["env=prod"]}
    filters: Given,
    /// Entries to pass over: the next page of a long list
    #[serde(default)]
    offset: usize,
    /// Entries at most
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Containers {
    containers: Vec<Container>,
    /// Entries in this answer.
    count: usize,
    truncation_info: Truncation,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Container {
    id: String,
    short_id: String,
    name: String,
    /// What it was made of.
    image: String,
    /// created, running, paused, restarting, removing, exited, dead
    status: String,
    labels: Map<String, Value>,
    /// Status in words, with health.
    status_text: String,
    /// Unix time.
    created: i64,
    /// Published ports, like 127.0.0.1:8080->80/tcp.
    ports: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Images {
    images: Vec<Image>,
    count: usize,
    truncation_info: Truncation,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Image {
    id: String,
    short_id: String,
    tags: Vec<String>,
    labels: Map<String, Value>,
    /// Bytes.
    size: i64,
    created: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Networks {
    networks: Vec<Network>,
    count: usize,
    truncation_info: Truncation,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Network {
    id: String,
    short_id: String,
    name: String,
    driver: String,
    scope: String,
    labels: Map<String, Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Volumes {
    volumes: Vec<Volume>,
    count: usize,
    truncation_info: Truncation,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Volume {
    name: String,
    driver: String,
    mountpoint: String,
    labels: Map<String, Value>,
    scope: String,
}

async fn containers(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Containers>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let filters = Filters::read(asked.filters)?;
        // A filter by state shows what it names, running or not.
        let all = asked.all || filters.0.contains_key("status");
        let ask = Ask::get("/containers/json").flag("all", all).maybe("filters", filters.query());
        let (found, truncation_info) =
            page(&dock, dock.engine.list(ask, &OF_CONTAINER).await?, asked.offset, asked.limit)?;
        let containers: Vec<_> = found.iter().map(container).collect();
        Ok(Structured(Containers { count: containers.len(), containers, truncation_info }))
    })
    .await
}

fn container(value: &Value) -> Container {
    let id = text(value, "Id").to_owned();
    let name = items(value, "Names").first().and_then(Value::as_str).unwrap_or_default();
    Container {
        short_id: short(&id),
        id,
        name: name.trim_start_matches('/').to_owned(),
        image: familiar(text(value, "Image")).to_owned(),
        status: text(value, "State").to_owned(),
        labels: labels(value),
        status_text: text(value, "Status").to_owned(),
        created: value.get("Created").and_then(Value::as_i64).unwrap_or_default(),
        ports: items(value, "Ports").iter().map(port).collect(),
    }
}

fn port(value: &Value) -> String {
    let number = |key| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    let inner = format!("{}/{}", number("PrivatePort"), text(value, "Type"));
    match (text(value, "IP"), number("PublicPort")) {
        (_, 0) => inner,
        ("", outer) => format!("{outer}->{inner}"),
        (ip, outer) if ip.contains(':') => format!("[{ip}]:{outer}->{inner}"),
        (ip, outer) => format!("{ip}:{outer}->{inner}"),
    }
}

async fn images(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Images>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let filters = Filters::read(asked.filters)?;
        let ask = Ask::get("/images/json").flag("all", asked.all).maybe("filters", filters.query());
        let (found, truncation_info) = page(&dock, dock.engine.list(ask, &OF_IMAGE).await?, asked.offset, asked.limit)?;
        let images: Vec<_> = found.iter().map(image).collect();
        Ok(Structured(Images { count: images.len(), images, truncation_info }))
    })
    .await
}

fn image(value: &Value) -> Image {
    let id = text(value, "Id").to_owned();
    Image {
        short_id: short(&id),
        id,
        tags: tags(value),
        labels: labels(value),
        size: value.get("Size").and_then(Value::as_i64).unwrap_or_default(),
        created: value.get("Created").and_then(Value::as_i64).unwrap_or_default(),
    }
}

/// The names of an image. An engine that has none says so in its own way.
pub(super) fn tags(value: &Value) -> Vec<String> {
    let all = items(value, "RepoTags").iter().filter_map(Value::as_str);
    all.filter(|tag| !tag.starts_with("<none>")).map(|tag| familiar(tag).to_owned()).collect()
}

async fn networks(dock: Arc<Dock>, asked: AskedPlain, call: Call) -> Result<Structured<Networks>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let ask = Ask::get("/networks").maybe("filters", Filters::read(asked.filters)?.query());
        let (found, truncation_info) =
            page(&dock, dock.engine.list(ask, &OF_NETWORK).await?, asked.offset, asked.limit)?;
        let one = |value: &Value| Network {
            id: text(value, "Id").to_owned(),
            short_id: short(text(value, "Id")),
            name: text(value, "Name").to_owned(),
            driver: text(value, "Driver").to_owned(),
            scope: text(value, "Scope").to_owned(),
            labels: labels(value),
        };
        let networks: Vec<_> = found.iter().map(one).collect();
        Ok(Structured(Networks { count: networks.len(), networks, truncation_info }))
    })
    .await
}

async fn volumes(dock: Arc<Dock>, asked: AskedPlain, call: Call) -> Result<Structured<Volumes>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let ask = Ask::get("/volumes").maybe("filters", Filters::read(asked.filters)?.query());
        let answer = dock.engine.json(ask).await?;
        let found = items(&answer, "Volumes").to_vec();
        let (found, truncation_info) = page(&dock, found, asked.offset, asked.limit)?;
        let one = |value: &Value| Volume {
            name: text(value, "Name").to_owned(),
            driver: text(value, "Driver").to_owned(),
            mountpoint: text(value, "Mountpoint").to_owned(),
            labels: labels(value),
            scope: text(value, "Scope").to_owned(),
        };
        let volumes: Vec<_> = found.iter().map(one).collect();
        Ok(Structured(Volumes { count: volumes.len(), volumes, truncation_info }))
    })
    .await
}

/// What is read of what the engine says.
const OF_CONTAINER: [&str; 8] = ["Id", "Names", "Image", "State", "Labels", "Status", "Created", "Ports"];
const OF_IMAGE: [&str; 5] = ["Id", "RepoTags", "Labels", "Size", "Created"];
const OF_NETWORK: [&str; 5] = ["Id", "Name", "Driver", "Scope", "Labels"];

/// One page of a list, cleaned.
fn page(dock: &Dock, all: Vec<Value>, offset: usize, limit: Option<usize>) -> Result<(Vec<Value>, Truncation), Fault> {
    let most = match dock.settings.limits.list {
        0 => usize::MAX,
        most => most,
    };
    let limit = limit.unwrap_or(most).min(most);
    if limit == 0 {
        return Err(Fault::new("limit is 1 or more."));
    }
    let total = all.len();
    let page: Vec<_> = all.into_iter().skip(offset).take(limit).map(|value| dock.shown(value)).collect();
    let next = offset + page.len();
    let truncated = next < total;
    let info = Truncation {
        truncated,
        original_size: truncated.then_some(total as u64),
        truncated_size: truncated.then_some(page.len() as u64),
        message: truncated
            .then(|| format!("{} of {total} entries; call again with offset={next} for more.", page.len())),
        output_id: None,
    };
    Ok((page, info))
}

/// An id as people read it: with its algorithm if it has one.
pub(super) fn short(id: &str) -> String {
    let length = if id.starts_with("sha256:") { 19 } else { 12 };
    id.chars().take(length).collect()
}

pub(super) fn labels(value: &Value) -> Map<String, Value> {
    value
        .get("Labels")
        .or_else(|| value.pointer("/Config/Labels"))
        .unwrap_or(&json!({}))
        .as_object()
        .cloned()
        .unwrap_or_default()
}
