//! What a container uses, runs and has changed.

use super::{AGAIN, OfContainer, Offer, text};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::fence::NOTICE;
use crate::lenient::Scalar;
use crate::names;
use crate::progress::Progress;
use crate::units;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_container_stats", "Get resource usage statistics for a Docker container.", AGAIN, run);
    offer.add("docker_container_top", "List the processes of a container.", AGAIN, top);
    offer.add("docker_container_diff", "List what a container changed in its file system.", AGAIN, diff);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ContainerStats")]
struct Asked {
    /// Container ID or name
    container_id: String,
    /// Tell of each snapshot as progress, for some seconds
    #[serde(default)]
    stream: bool,
    /// How long to go on when streaming (5)
    seconds: Option<Scalar>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Stats {
    /// The engine's own numbers, the newest.
    stats: Map<String, Value>,
    container_id: String,
    summary: Summary,
    /// How many snapshots came.
    snapshots: u64,
}

/// The numbers that people read.
#[derive(Debug, Default, Clone, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// Of one processor; 200 is two of them.
    pub(crate) cpu_percent: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) memory_limit_bytes: u64,
    pub(crate) memory_percent: f64,
    pub(crate) network_received_bytes: u64,
    pub(crate) network_sent_bytes: u64,
    pub(crate) block_read_bytes: u64,
    pub(crate) block_written_bytes: u64,
    pub(crate) processes: u64,
}

fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "a share for people")]
pub(crate) fn summary(stats: &Value) -> Summary {
    let used = number(stats, "/memory_stats/usage");
    // Pages of files that can be dropped at any time are no use of memory; cgroup 2 and 1 call them differently.
    let cache = ["/memory_stats/stats/inactive_file", "/memory_stats/stats/total_inactive_file"];
    let cache = cache.iter().map(|pointer| number(stats, pointer)).find(|bytes| *bytes > 0).unwrap_or_default();
    let memory = used.saturating_sub(cache);
    let limit = number(stats, "/memory_stats/limit");
    let cpu = number(stats, "/cpu_stats/cpu_usage/total_usage")
        .saturating_sub(number(stats, "/precpu_stats/cpu_usage/total_usage"));
    let system =
        number(stats, "/cpu_stats/system_cpu_usage").saturating_sub(number(stats, "/precpu_stats/system_cpu_usage"));
    let cpus = number(stats, "/cpu_stats/online_cpus").max(1);
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 };
    let two_digits = |share: f64| (share * 100.0).round() / 100.0;
    let networks = || stats.get("networks").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let blocks = |kind: &str| {
        let all = stats.pointer("/blkio_stats/io_service_bytes_recursive").and_then(Value::as_array);
        let all = all.into_iter().flatten().filter(|entry| text(entry, "op").eq_ignore_ascii_case(kind));
        all.map(|entry| number(entry, "/value")).sum()
    };
    Summary {
        cpu_percent: two_digits(share(cpu, system) * cpus as f64),
        memory_bytes: memory,
        memory_limit_bytes: limit,
        memory_percent: two_digits(share(memory, limit)),
        network_received_bytes: networks().map(|n| number(n, "/rx_bytes")).sum(),
        network_sent_bytes: networks().map(|n| number(n, "/tx_bytes")).sum(),
        block_read_bytes: blocks("read"),
        block_written_bytes: blocks("write"),
        processes: number(stats, "/pids_stats/current"),
    }
}

/// The numbers now.
pub(crate) async fn snapshot(dock: &Dock, given: &str) -> Result<(Value, Summary), Fault> {
    let name = names::container(given)?;
    let ask = Ask::get(path(&["containers", name, "stats"])).flag("stream", false);
    let stats = dock.engine.json(ask).await?;
    let summary = summary(&stats);
    Ok((stats, summary))
}

async fn run(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Stats>, Fail> {
    if !asked.stream {
        return dock
            .run(&call, Pace::Quick, async {
                let (stats, summary) = snapshot(&dock, &asked.container_id).await?;
                Ok(answer(asked.container_id, stats, summary, 1))
            })
            .await;
    }
    let seconds = units::duration("seconds", &asked.seconds.unwrap_or(Scalar::Int(5))).map_err(Fail::from)?;
    let patience = seconds.min(dock.settings.limits.follow);
    let limit = dock.limit(Pace::Quick).map(|limit| limit + patience);
    dock.within(&call, limit, async {
        let name = names::container(&asked.container_id)?;
        let ask = Ask::get(path(&["containers", name, "stats"])).flag("stream", true);
        let mut lines = dock.engine.lines(ask).await?;
        let (mut last, mut count) = (Value::Null, 0);
        let mut progress = Progress::new(&call);
        let reading = async {
            while let Some(stats) = lines.next().await? {
                let now = summary(&stats);
                progress.tell(&format!("cpu {} %, memory {} MB", now.cpu_percent, now.memory_bytes >> 20));
                last = stats;
                count += 1;
            }
            Ok::<_, Fault>(())
        };
        if let Ok(ended) = tokio::time::timeout(patience.max(Duration::from_secs(1)), reading).await {
            ended?;
        }
        if count == 0 {
            return Err(Fault::new("no numbers came within this time; give it more seconds."));
        }
        let now = summary(&last);
        Ok(answer(asked.container_id, last, now, count))
    })
    .await
}

fn answer(container_id: String, stats: Value, summary: Summary, snapshots: u64) -> Structured<Stats> {
    let stats = match stats {
        Value::Object(stats) => stats,
        _ => Map::new(),
    };
    Structured(Stats { stats, container_id, summary, snapshots })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Processes {
    container_id: String,
    /// The names of the columns.
    titles: Vec<String>,
    processes: Vec<Vec<String>>,
    notice: &'static str,
}

async fn top(dock: Arc<Dock>, asked: OfContainer, call: Call) -> Result<Structured<Processes>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let name = names::container(&asked.container_id)?;
        let answer = dock.engine.json(Ask::get(path(&["containers", name, "top"]))).await?;
        if answer.is_null() {
            return Err(Fault::new(
                "this engine told nothing of the processes; Podman before 4.4 does so. Use docker_exec_command with ps.",
            ));
        }
        let mut answer = dock.shown(answer);
        if dock.safety().redact {
            for row in answer.get_mut("Processes").and_then(Value::as_array_mut).into_iter().flatten() {
                for cell in row.as_array_mut().into_iter().flatten() {
                    *cell = json!(crate::redact::secrets(cell.as_str().unwrap_or_default()));
                }
            }
        }
        let words = |value: &Value| {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Ok(Structured(Processes {
            container_id: asked.container_id.clone(),
            titles: words(answer.get("Titles").unwrap_or(&Value::Null)),
            processes: super::items(&answer, "Processes").iter().map(words).collect(),
            notice: NOTICE,
        }))
    })
    .await
}

#[derive(Debug, Serialize, JsonSchema)]
struct Changes {
    container_id: String,
    changes: Vec<Changed>,
    count: usize,
    truncated: bool,
    notice: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Changed {
    path: String,
    /// modified, added or deleted
    kind: &'static str,
}

async fn diff(dock: Arc<Dock>, asked: OfContainer, call: Call) -> Result<Structured<Changes>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let name = names::container(&asked.container_id)?;
        let answer = dock.engine.json(Ask::get(path(&["containers", name, "changes"]))).await?;
        let answer = dock.shown(answer);
        let all = answer.as_array().map(Vec::as_slice).unwrap_or_default();
        let most = dock.settings.limits.list.max(1);
        let one = |value: &Value| Changed {
            path: text(value, "Path").to_owned(),
            kind: match value.get("Kind").and_then(Value::as_u64) {
                Some(1) => "added",
                Some(2) => "deleted",
                _ => "modified",
            },
        };
        let changes: Vec<_> = all.iter().take(most).map(one).collect();
        let truncated = all.len() > changes.len();
        Ok(Structured(Changes {
            container_id: asked.container_id.clone(),
            count: changes.len(),
            changes,
            truncated,
            notice: NOTICE,
        }))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_that_docker_stats_shows() {
        let stats = json!({
            "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
            "memory_stats": {"usage": 300, "limit": 1000, "stats": {"inactive_file": 100}},
            "networks": {"a": {"rx_bytes": 1, "tx_bytes": 2}, "b": {"rx_bytes": 3, "tx_bytes": 4}},
            "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 5}, {"op": "write", "value": 6}]},
        });
        let now = summary(&stats);
        assert_eq!((now.cpu_percent, now.memory_bytes, now.memory_percent), (40.0, 200, 20.0));
        assert_eq!((now.network_received_bytes, now.network_sent_bytes), (4, 6));
        assert_eq!((now.block_read_bytes, now.block_written_bytes), (5, 6));
        assert_eq!(summary(&json!({})).cpu_percent, 0.0);
    }
}
