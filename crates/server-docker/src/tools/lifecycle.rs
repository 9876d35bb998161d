//! Starting, stopping and changing containers.

use super::{AGAIN, OfContainer, Offer, PLAIN, text};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::lenient::Scalar;
use crate::names;
use crate::protect;
use crate::units;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_start_container", "Start a stopped Docker container.", AGAIN, start);
    offer.add("docker_stop_container", "Stop a running Docker container gracefully.", AGAIN, stop);
    offer.add("docker_restart_container", "Restart a Docker container.", AGAIN, restart);
    offer.add("docker_pause_container", "Pause all processes of a container.", AGAIN, pause);
    offer.add("docker_unpause_container", "Let the processes of a paused container go on.", AGAIN, unpause);
    offer.add("docker_kill_container", "Send a signal to a container, SIGKILL unless another is named.", PLAIN, kill);
    offer.add("docker_rename_container", "Give a container another name.", PLAIN, rename);
    offer.add("docker_update_container", "Change limits and restart policy of a container.", AGAIN, update);
    offer.add("docker_wait_container", "Wait until a container has ended; gives its exit code.", AGAIN, wait);
}

#[derive(Debug, Serialize, JsonSchema)]
struct State {
    container_id: String,
    /// Its state now, as Docker names it.
    status: String,
}

/// Its state after something was done.
async fn state(dock: &Dock, given: String) -> Result<Structured<State>, Fault> {
    let status = match dock.container(&given).await {
        Ok(found) => found.pointer("/State/Status").and_then(Value::as_str).unwrap_or("unknown").to_owned(),
        // A container that removes itself is gone when it has stopped.
        Err(Fault::Engine(error)) if error.is_missing() => "removed".to_owned(),
        Err(fault) => return Err(fault),
    };
    Ok(Structured(State { container_id: given, status }))
}

async fn tell(dock: &Dock, given: String, verb: &str) -> Result<Structured<State>, Fault> {
    let name = names::container(&given)?;
    dock.engine.act(Ask::post(path(&["containers", name, verb]))).await?;
    state(dock, given).await
}

async fn start(dock: Arc<Dock>, asked: OfContainer, call: Call) -> Result<Structured<State>, Fail> {
    dock.run(&call, Pace::Quick, async {
        begin(&dock, &asked.container_id).await?;
        state(&dock, asked.container_id).await
    })
    .await
}

/// Starts it, if what it was created with may still be.
pub(super) async fn begin(dock: &Dock, given: &str) -> Result<(), Fault> {
    let found = dock.container(given).await?;
    crate::start::check(dock, &found).await?;
    // By id: a name could belong to another one by now.
    dock.engine.act(Ask::post(path(&["containers", text(&found, "Id"), "start"]))).await?;
    Ok(())
}

async fn pause(dock: Arc<Dock>, asked: OfContainer, call: Call) -> Result<Structured<State>, Fail> {
    dock.run(&call, Pace::Quick, async {
        if is(&dock, &asked.container_id, "paused").await? {
            return state(&dock, asked.container_id).await;
        }
        tell(&dock, asked.container_id, "pause").await
    })
    .await
}

async fn unpause(dock: Arc<Dock>, asked: OfContainer, call: Call) -> Result<Structured<State>, Fail> {
    dock.run(&call, Pace::Quick, async {
        if is(&dock, &asked.container_id, "running").await? {
            return state(&dock, asked.container_id).await;
        }
        tell(&dock, asked.container_id, "unpause").await
    })
    .await
}

async fn is(dock: &Dock, given: &str, status: &str) -> Result<bool, Fault> {
    let found = dock.container(given).await?;
    Ok(found.pointer("/State/Status").and_then(Value::as_str) == Some(status))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "StopContainer")]
struct Stop {
    /// Container ID or name
    container_id: String,
    /// Timeout in seconds before killing
    #[serde(default = "ten")]
    timeout: u32,
}

const fn ten() -> u32 {
    10
}

/// The longest that a container may take to stop.
const LONGEST_STOP: u32 = 600;

async fn halt(dock: &Dock, call: &Call, asked: Stop, verb: &str) -> Result<Structured<State>, Fail> {
    if asked.timeout > LONGEST_STOP {
        return Err(Fail::Tool(format!("timeout is {LONGEST_STOP} s at most.")));
    }
    // The engine answers when it has stopped, so its time comes on top of ours.
    let limit = dock.limit(Pace::Quick).map(|limit| limit + Duration::from_secs(asked.timeout.into()));
    dock.within(call, limit, async {
        let found = dock.container(&asked.container_id).await?;
        if verb == "restart" {
            crate::start::check(dock, &found).await?;
        }
        let ask = Ask::post(path(&["containers", text(&found, "Id"), verb])).query("t", asked.timeout);
        // Without the client's own limit: a container that ignores SIGTERM takes all of its time.
        dock.engine.open(ask, None).await?;
        state(dock, asked.container_id.clone()).await
    })
    .await
}

async fn stop(dock: Arc<Dock>, asked: Stop, call: Call) -> Result<Structured<State>, Fail> {
    halt(&dock, &call, asked, "stop").await
}

async fn restart(dock: Arc<Dock>, asked: Stop, call: Call) -> Result<Structured<State>, Fail> {
    halt(&dock, &call, asked, "restart").await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "KillContainer")]
struct Kill {
    /// Container ID or name
    container_id: String,
    /// Signal, like SIGHUP
    #[serde(default = "sigkill")]
    signal: String,
}

fn sigkill() -> String {
    "SIGKILL".into()
}

async fn kill(dock: Arc<Dock>, asked: Kill, call: Call) -> Result<Structured<State>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let name = names::container(&asked.container_id)?;
        let signal = asked.signal.trim();
        if signal.is_empty() || !signal.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-')) {
            return Err(Fault::new(format!("signal: {signal:?} is none; write it like SIGTERM or 15.")));
        }
        dock.engine.act(Ask::post(path(&["containers", name, "kill"])).query("signal", signal)).await?;
        state(&dock, asked.container_id.clone()).await
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RenameContainer")]
struct Rename {
    /// Container ID or name
    container_id: String,
    new_name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Renamed {
    container_id: String,
    name: String,
}

async fn rename(dock: Arc<Dock>, asked: Rename, call: Call) -> Result<Structured<Renamed>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let new = names::container(&asked.new_name)?;
        let found = dock.container(&asked.container_id).await?;
        let old = text(&found, "Name").trim_start_matches('/');
        // Its name is what protects it.
        if let Some(why) = protect::why(dock.safety(), [old], &Value::Null) {
            return Err(Fault::refused(format!("this container keeps its name: {why}.")));
        }
        let id = text(&found, "Id");
        dock.engine.act(Ask::post(path(&["containers", id, "rename"])).query("name", new)).await?;
        Ok(Structured(Renamed { container_id: asked.container_id.clone(), name: new.to_owned() }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "UpdateContainer")]
struct Update {
    /// Container ID or name
    container_id: String,
    /// Memory limit (e.g., '512m', '1.5g')
    mem_limit: Option<Scalar>,
    memory_reservation: Option<Scalar>,
    /// Memory and swap together; -1 for unlimited swap
    memory_swap: Option<Scalar>,
    /// CPU shares (relative weight)
    cpu_shares: Option<i64>,
    /// Processors, like 1.5
    cpus: Option<f64>,
    /// Processors to run on, like 0-2
    cpuset_cpus: Option<String>,
    pids_limit: Option<i64>,
    /// no, always, unless-stopped, on-failure or on-failure:N
    restart_policy: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Updated {
    container_id: String,
    warnings: Vec<String>,
}

async fn update(dock: Arc<Dock>, asked: Update, call: Call) -> Result<Structured<Updated>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let name = names::container(&asked.container_id)?;
        let mut body = Map::new();
        let memory = |name: &str, given: &Option<Scalar>| given.as_ref().map(|m| units::bytes(name, m)).transpose();
        let swap = match &asked.memory_swap {
            Some(swap) if swap.to_string().trim() == "-1" => Some(-1),
            other => memory("memory_swap", other)?,
        };
        let members = [
            ("Memory", memory("mem_limit", &asked.mem_limit)?.map(Value::from)),
            ("MemoryReservation", memory("memory_reservation", &asked.memory_reservation)?.map(Value::from)),
            ("MemorySwap", swap.map(Value::from)),
            ("CpuShares", asked.cpu_shares.map(Value::from)),
            ("NanoCpus", asked.cpus.map(units::nano_cpus).transpose()?.map(Value::from)),
            ("CpusetCpus", asked.cpuset_cpus.map(Value::from)),
            ("PidsLimit", asked.pids_limit.map(Value::from)),
            ("RestartPolicy", asked.restart_policy.as_deref().map(crate::options::restart).transpose()?),
        ];
        body.extend(members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        if body.is_empty() {
            return Err(Fault::new("nothing is to be changed; name at least one limit or a restart_policy."));
        }
        let ask = Ask::post(path(&["containers", name, "update"])).json(&Value::Object(body));
        let answer = dock.engine.json(ask).await?;
        let warnings = super::items(&answer, "Warnings").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Structured(Updated { container_id: asked.container_id.clone(), warnings }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "WaitContainer")]
struct Wait {
    /// Container ID or name
    container_id: String,
    /// Seconds to wait at most (60)
    timeout: Option<Scalar>,
    /// not-running, next-exit or removed
    condition: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Waited {
    container_id: String,
    /// Whether it has ended.
    ended: bool,
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The longest that anything here waits.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

async fn wait(dock: Arc<Dock>, asked: Wait, _call: Call) -> Result<Structured<Waited>, Fail> {
    let given = asked.timeout.unwrap_or(Scalar::Int(60));
    let patience = units::duration("timeout", &given).map_err(Fail::from)?.min(LONGEST_WAIT);
    let condition = asked.condition.unwrap_or_else(|| "not-running".into());
    if !["not-running", "next-exit", "removed"].contains(&condition.as_str()) {
        return Err(Fail::Tool("condition is not-running, next-exit or removed.".into()));
    }
    // No place is taken: it only waits.
    let (ended, exit_code, error) =
        match tokio::time::timeout(patience, exit(&dock, &asked.container_id, &condition)).await {
            Ok(result) => {
                let (code, error) = result.map_err(Fail::from)?;
                (true, Some(code), error)
            }
            Err(_) => (false, None, None),
        };
    Ok(Structured(Waited { container_id: asked.container_id, ended, exit_code, error }))
}

/// Waits for its end.
pub(super) async fn exit(dock: &Dock, given: &str, condition: &str) -> Result<(i64, Option<String>), Fault> {
    let name = names::container(given)?;
    let ask = Ask::post(path(&["containers", name, "wait"])).query("condition", condition);
    let mut lines = dock.engine.lines(ask).await?;
    let answer = lines.next().await?.unwrap_or_else(|| json!({}));
    let error = answer.get("Error").map(|e| text(e, "Message").to_owned()).filter(|e| !e.is_empty());
    Ok((answer.get("StatusCode").and_then(Value::as_i64).unwrap_or(-1), error))
}
