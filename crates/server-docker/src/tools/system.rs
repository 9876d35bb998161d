//! The engine itself.

use super::{AGAIN, Nothing, Offer, items, text};
use crate::dock::{Dock, Pace};
use crate::engine::Ask;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_version", "Get Docker version information.", AGAIN, version);
    offer.add("docker_system_info", "Get Docker system information.", AGAIN, info);
    offer.add("docker_system_df", "Get Docker disk usage statistics.", AGAIN, df);
    offer.add("docker_healthcheck", "Check Docker daemon health.", AGAIN, health);
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Version {
    /// As the engine tells it.
    version: Map<String, Value>,
    /// The version of its API that is spoken.
    api_version: String,
    components: Vec<Value>,
    platform: Map<String, Value>,
}

async fn version(dock: Arc<Dock>, _: Nothing, call: Call) -> Result<Structured<Version>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let raw = dock.shown(dock.engine.json(Ask::get("/version")).await?);
        let platform = json!({
            "name": raw.pointer("/Platform/Name").cloned().unwrap_or_default(),
            "os": text(&raw, "Os"),
            "arch": text(&raw, "Arch"),
            "kernel": text(&raw, "KernelVersion"),
        });
        let (major, minor) = dock.engine.api().await?;
        Ok(Structured(Version {
            api_version: format!("{major}.{minor}"),
            components: items(&raw, "Components").to_vec(),
            platform: object(platform),
            version: object(raw),
        }))
    })
    .await
}

#[derive(Debug, Serialize, JsonSchema)]
struct Info {
    info: Map<String, Value>,
}

async fn info(dock: Arc<Dock>, _: Nothing, call: Call) -> Result<Structured<Info>, Fail> {
    dock.run(&call, Pace::Quick, async {
        Ok(Structured(Info { info: object(dock.shown(dock.engine.json(Ask::get("/info")).await?)) }))
    })
    .await
}

#[derive(Debug, Serialize, JsonSchema)]
struct Usage {
    usage: Df,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct Df {
    /// Bytes of all layers.
    layers_size: i64,
    images: Part,
    containers: Part,
    volumes: Part,
    build_cache: Part,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Part {
    count: usize,
    /// In use now.
    active: usize,
    /// Bytes.
    size: i64,
    /// Bytes that a prune would free.
    reclaimable: i64,
}

fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default().max(0)
}

fn part(raw: &Value, key: &str, size: impl Fn(&Value) -> i64, active: impl Fn(&Value) -> bool) -> Part {
    let all = items(raw, key);
    Part {
        count: all.len(),
        active: all.iter().filter(|one| active(one)).count(),
        size: all.iter().map(&size).sum(),
        reclaimable: all.iter().filter(|one| !active(one)).map(&size).sum(),
    }
}

async fn df(dock: Arc<Dock>, _: Nothing, call: Call) -> Result<Structured<Usage>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let raw = dock.engine.json(Ask::get("/system/df")).await?;
        let flag = |value: &Value, key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
        let usage = Df {
            layers_size: number(&raw, "/LayersSize"),
            images: part(&raw, "Images", |i| number(i, "/Size"), |i| number(i, "/Containers") > 0),
            containers: part(&raw, "Containers", |c| number(c, "/SizeRw"), |c| text(c, "State") == "running"),
            volumes: part(&raw, "Volumes", |v| number(v, "/UsageData/Size"), |v| number(v, "/UsageData/RefCount") > 0),
            build_cache: part(&raw, "BuildCache", |b| number(b, "/Size"), |b| flag(b, "InUse")),
        };
        Ok(Structured(Usage { usage }))
    })
    .await
}

#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    healthy: bool,
    message: String,
    details: Option<Map<String, Value>>,
}

async fn health(dock: Arc<Dock>, _: Nothing, call: Call) -> Result<Structured<Health>, Fail> {
    let asking = dock.run(&call, Pace::Quick, async { Ok(dock.engine.json(Ask::get("/info")).await?) }).await;
    let answer = match asking {
        Ok(info) => {
            let mut details = Map::new();
            for (name, key) in [
                ("server_version", "ServerVersion"),
                ("containers", "Containers"),
                ("containers_running", "ContainersRunning"),
                ("containers_paused", "ContainersPaused"),
                ("containers_stopped", "ContainersStopped"),
                ("images", "Images"),
                ("warnings", "Warnings"),
            ] {
                details.insert(name.into(), info.get(key).cloned().unwrap_or_default());
            }
            Health { healthy: true, message: "Docker daemon is healthy".into(), details: Some(details) }
        }
        // To find that out is what was asked: no failure of the tool.
        Err(Fail::Tool(reason)) => Health { healthy: false, message: reason, details: None },
        Err(other) => return Err(other),
    };
    Ok(Structured(answer))
}
