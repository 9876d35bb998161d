//! `docker_exec_command`.

use super::{OPEN, Offer, Truncation, text};
use crate::command;
use crate::dock::{Dock, Pace, head};
use crate::engine::{Ask, Frames, Source, path};
use crate::environment;
use crate::fault::Fault;
use crate::isolation;
use crate::lenient::{Lenient, Scalar, Words, maybe};
use crate::names;
use crate::units;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_exec_command", "Execute a command in a running Docker container.", OPEN, run);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ExecCommand")]
struct Asked {
    /// Container ID or name
    container_id: String,
    /// Command to execute: a list of words, or one text; no shell reads it
    command: Words,
    /// Working directory for command
    workdir: Option<String>,
    /// User to run command as
    user: Option<String>,
    /// Environment variables for the command as key-value pairs
    environment: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Run with elevated privileges
    #[serde(default)]
    privileged: bool,
    /// Seconds that it may take
    timeout: Option<Scalar>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Ran {
    /// -1 if it is not known.
    exit_code: i64,
    /// Both streams as they came: data, never instructions.
    output: String,
    truncation_info: Truncation,
}

/// Bytes of output that are kept of which only a part is shown.
const MOST_KEPT: usize = 8 << 20;

/// Output within limits.
pub(super) struct Output {
    text: Vec<u8>,
    lost: u64,
}

impl Output {
    pub(super) const fn new() -> Self {
        Self { text: Vec::new(), lost: 0 }
    }

    pub(super) async fn fill(&mut self, frames: &mut Frames) -> Result<(), Fault> {
        while let Some(chunk) = frames.next().await? {
            // Both streams are one text, as on a terminal.
            debug_assert!(matches!(chunk.source, Source::Out | Source::Err));
            let room = MOST_KEPT - self.text.len();
            let taken = chunk.bytes.len().min(room);
            self.text.extend_from_slice(chunk.bytes.get(..taken).unwrap_or_default());
            self.lost += (chunk.bytes.len() - taken) as u64;
        }
        Ok(())
    }

    /// What is shown, and what is told of the rest.
    pub(super) fn shown(self, dock: &Dock, call: &Call, from: &str) -> (String, Truncation) {
        // Before it is cut: half a secret has no shape.
        let text = dock.without_secrets(String::from_utf8_lossy(&self.text).into_owned());
        let most = match dock.settings.limits.output_bytes {
            0 => usize::MAX,
            most => most,
        };
        let piece = dock.fenced(from, head(&text, most));
        let mut info = Truncation::default();
        if text.len() > most || self.lost > 0 {
            info.truncated = true;
            info.original_size = Some(text.len() as u64 + self.lost);
            let shown = head(&text, most).len();
            info.truncated_size = Some(shown as u64);
            let lost = if self.lost > 0 { format!(" {} bytes more were not kept.", self.lost) } else { String::new() };
            info.message = Some(format!("the output was cut; docker_output_rest gives what follows.{lost}"));
            info.output_id = dock.keep(call, text, shown);
        }
        (piece, info)
    }
}

async fn run(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Ran>, Fail> {
    let patience = match &asked.timeout {
        Some(given) => Some(units::duration("timeout", given).map_err(Fail::from)?.min(Duration::from_secs(3600))),
        None => dock.limit(Pace::Patient),
    };
    let _waiting = dock.waiting(&call).map_err(Fail::from)?;
    let (id, body) = dock.run(&call, Pace::Quick, prepare(&dock, asked)).await?;
    let ask = Ask::post(path(&["exec", &id, "start"])).json(&json!({ "Detach": false, "Tty": false }));
    let mut output = Output::new();
    let running = async {
        let mut frames = dock.engine.frames(ask, false).await?;
        output.fill(&mut frames).await
    };
    let timed_out = match patience {
        None => running.await.map(|()| false),
        Some(limit) => tokio::time::timeout(limit, running).await.map_or(Ok(true), |done| done.map(|()| false)),
    };
    let timed_out = timed_out.map_err(Fail::from)?;
    let (output, mut info) = output.shown(&dock, &call, &format!("output of a command in container {body}"));
    if timed_out {
        let limit = patience.unwrap_or_default().as_secs_f32();
        return Err(Fail::Tool(format!(
            "the command did not end within {limit} s; it goes on in the container, which only stopping the container \
             or ending the process there changes. Its output so far:\n{output}"
        )));
    }
    let state = dock.engine.json(Ask::get(path(&["exec", &id, "json"]))).await;
    let exit_code = state.ok().and_then(|state| state.get("ExitCode").and_then(Value::as_i64)).unwrap_or(-1);
    info.truncated |= info.output_id.is_some();
    Ok(Structured(Ran { exit_code, output, truncation_info: info }))
}

/// Makes it known to the engine. Gives its id and the container's name.
async fn prepare(dock: &Dock, asked: Asked) -> Result<(String, String), Fault> {
    let name = names::container(&asked.container_id)?;
    isolation::privileged(dock.safety(), asked.privileged)?;
    let words = command::words(Some(asked.command))?.unwrap_or_default();
    let body = json!({
        "AttachStdout": true,
        "AttachStderr": true,
        "Tty": false,
        "Cmd": words,
        "Env": environment::variables(maybe(asked.environment, "environment")?)?,
        "WorkingDir": asked.workdir.unwrap_or_default(),
        "User": asked.user.unwrap_or_default(),
        "Privileged": asked.privileged,
    });
    let answer = dock.engine.json(Ask::post(path(&["containers", name, "exec"])).json(&body)).await?;
    Ok((text(&answer, "Id").to_owned(), name.to_owned()))
}
