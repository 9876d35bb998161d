//! Compose projects, through `docker compose` or `docker-compose` where there is one.
//!
//! A compose file can say everything that `docker_create_container` refuses. So the file is first completed by
//! Compose itself (`config`), what comes out is decided service by service with the same rules, and exactly that
//! is what is then brought up: the file is not read a second time. Every tool but `config` does nothing with a file
//! that is refused. And Compose reaches the engine through us (`relay`), so that each container is decided once more
//! when it is created, and when it is started as every other one.

mod env_files;
mod protected;
mod real;
mod relay;
mod rules;
mod starts;
mod written;

use super::{AGAIN, OPEN, Offer, PLAIN, Truncation, files};
use crate::confirm::{Consent, Doom};
use crate::disk::{self, held, held::Held};
use crate::dock::{Dock, Pace, head};
use crate::fault::Fault;
use crate::redact;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use relay::Relay;
pub use rules::check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_compose_config", "Check a compose file and show its services as they would be.", AGAIN, config);
    offer.add("docker_compose_up", "Create and start the services of a compose file, in the background.", OPEN, up);
    offer.add("docker_compose_stop", "Stop the services of a compose file.", AGAIN, stop);
    offer.add("docker_compose_down", "Stop and remove the services of a compose file and their networks.", PLAIN, down);
    offer.add("docker_compose_ps", "List the containers of a compose file's services.", AGAIN, ps);
    offer.add("docker_compose_logs", "Get the logs of a compose file's services.", AGAIN, logs);
}

/// How Compose is called on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Compose {
    program: PathBuf,
    first: Option<&'static str>,
}

/// Compose, if there is one. Looked for once.
pub(crate) fn command() -> Option<&'static Compose> {
    static FOUND: OnceLock<Option<Compose>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            // It is not run to see: that would keep every start waiting.
            let docker = found("docker").filter(|_| plugin());
            let docker = docker.map(|program| Compose { program, first: Some("compose") });
            docker.or_else(|| found("docker-compose").map(|program| Compose { program, first: None }))
        })
        .as_ref()
}

/// Whether the plugin lies where the docker command looks for it: asking the command takes a while.
fn plugin() -> bool {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker/cli-plugins"));
    let system = [
        "/usr/local/lib/docker/cli-plugins",
        "/usr/local/libexec/docker/cli-plugins",
        "/usr/lib/docker/cli-plugins",
        "/usr/libexec/docker/cli-plugins",
    ];
    home.into_iter().chain(system.map(PathBuf::from)).any(|folder| folder.join("docker-compose").exists())
}

fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ComposeFile")]
struct Project {
    /// Absolute path of the compose file, or of the folder it lies in
    path: String,
    /// Name of the project; the folder's if left out
    project: Option<String>,
}

/// What Compose made of a file.
struct Ready {
    compose: &'static Compose,
    folder: PathBuf,
    project: String,
    text: String,
    model: Value,
    /// `COMPOSE_PROFILES` of the `.env`.
    profiles: Option<String>,
    services: Vec<String>,
    volumes: Vec<String>,
}

const FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// Bytes of what Compose says.
const MOST: u64 = 8 << 20;

/// Reads and completes it.
async fn read(dock: &Arc<Dock>, asked: &Project) -> Result<Ready, Fault> {
    let compose = command().ok_or_else(|| Fault::new("there is no docker compose on this machine."))?;
    let given = files::allowed(dock, &asked.path).await?;
    let file = if given.is_dir() {
        FILES.iter().map(|name| given.join(name)).find(|file| file.is_file())
    } else {
        Some(given.clone())
    };
    let file = file.filter(|file| file.is_file());
    let file = file.ok_or_else(|| Fault::new(format!("path: there is no compose file at {:?}.", asked.path)))?;
    // A link in an allowed folder leads where it leads.
    let file = files::allowed(dock, &file.to_string_lossy()).await?;
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    let project = project_name(asked.project.as_deref(), &folder)?;
    let written = reads(dock, &file).await?.unwrap_or_default();
    written::stands_alone(&written)?;
    let named = env_files::named(&written)?;
    let mut files = Vec::new();
    for file in &named {
        let text = match reads(dock, &folder.join(&file.path)).await? {
            None if file.required => return Err(Fault::new(format!("env_file: there is no {:?}.", file.path))),
            text => text.unwrap_or_default(),
        };
        files.push(held::text(&text)?);
    }
    let paths: Vec<_> = files.iter().map(Held::path).collect();
    let written = env_files::with_paths(&written, &named, &paths)?;
    let variables = reads(dock, &folder.join(".env")).await?.unwrap_or_default();
    // Compose reads what was looked at, and nothing that was put in its place.
    let (written, set) = (held::text(&written)?, held::text(&variables)?);
    let relay = Relay::open(dock).await?;
    let mut command = start(dock, compose, &folder, &relay).await?;
    command.arg("-f").arg(written.path()).arg("--env-file").arg(set.path());
    command.arg("--project-directory").arg(&folder).args(["-p", &project, "config"]);
    let (text, _) = run(command, None).await?;
    let model = written::completed(&text)?;
    let names =
        |key: &str| model.get(key).and_then(Value::as_object).into_iter().flat_map(|all| all.keys().cloned()).collect();
    let profiles = variables.lines().filter_map(|line| line.trim().strip_prefix("COMPOSE_PROFILES=")).next_back();
    let profiles = profiles.map(|all| all.trim().trim_matches(['"', '\'']).to_owned());
    Ok(Ready {
        compose,
        folder,
        project,
        services: names("services"),
        volumes: names("volumes"),
        text,
        model,
        profiles,
    })
}

/// The same, and decides it.
async fn ready(dock: &Arc<Dock>, asked: &Project) -> Result<Ready, Fault> {
    let ready = read(dock, asked).await?;
    rules::decide(dock, &ready.model, &ready.folder, &ready.project).await?;
    Ok(ready)
}

/// A file that Compose reads: one that may be touched, regular and small. `None` if there is none.
async fn reads(dock: &Dock, path: &Path) -> Result<Option<String>, Fault> {
    let open = |path: &Path| match disk::file(path) {
        Ok(file) => disk::text(file).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    files::on_disk(dock, &path.to_string_lossy(), open).await
}

fn project_name(given: Option<&str>, folder: &Path) -> Result<String, Fault> {
    let own = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let own: String = own.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    let name = given.map_or(own, str::to_owned);
    let sound = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && name.len() <= 100
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if sound {
        Ok(name)
    } else {
        Err(Fault::new(format!("project: {name:?} is no name; give one of lower-case letters, digits, - and _.")))
    }
}

/// A Compose process with nothing of our environment but what it needs, for the engine we use.
async fn start(dock: &Dock, compose: &Compose, folder: &Path, relay: &Relay) -> Result<Command, Fault> {
    // Without an engine it says why, better than Compose does.
    dock.engine.api().await?;
    let mut command = Command::new(&compose.program);
    command
        .env_clear()
        .current_dir(folder)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in ["PATH", "HOME", "LANG", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("DOCKER_HOST", relay.host()).env("COMPOSE_ANSI", "never").env("NO_COLOR", "1");
    // A repository that is allowed as a build context is fetched without the logins and keys of who runs us.
    command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_SSH_COMMAND", "false");
    if let Some(first) = compose.first {
        command.arg(first);
    }
    Ok(command)
}

/// Runs it to its end. Gives what it wrote to both streams.
async fn run(mut command: Command, input: Option<&str>) -> Result<(String, String), Fault> {
    let failed = |e: std::io::Error| Fault::new(format!("Compose cannot be run: {e}."));
    let mut child = command.spawn().map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // It may end before it has read everything; its own words say why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let read_out = async {
        if let Some(stdout) = stdout {
            let _ = stdout.take(MOST).read_to_end(&mut out).await;
        }
    };
    let read_err = async {
        if let Some(stderr) = stderr {
            let _ = stderr.take(MOST).read_to_end(&mut err).await;
        }
    };
    futures_util::future::join3(write, read_out, read_err).await;
    let status = child.wait().await.map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&out), text(&err));
    if status.success() {
        return Ok((out, err));
    }
    let told = if err.trim().is_empty() { &out } else { &err };
    let told = redact::secrets(&redact::clean(told.trim()));
    Err(Fault::new(format!("Compose failed: {}", head(&told, 4000))))
}

impl Ready {
    /// Compose with exactly what was decided.
    async fn call(&self, dock: &Arc<Dock>, arguments: &[&str]) -> Result<(String, String), Fault> {
        self.call_through(dock, &Relay::open(dock).await?, arguments).await
    }

    async fn call_through(&self, dock: &Dock, relay: &Relay, arguments: &[&str]) -> Result<(String, String), Fault> {
        let mut command = start(dock, self.compose, &self.folder, relay).await?;
        // Its variables are in the text already.
        let none = held::text("")?;
        command.args(["-f", "-", "--env-file"]).arg(none.path()).arg("--project-directory").arg(&self.folder);
        command.args(["-p", &self.project]).args(arguments);
        if let Some(profiles) = &self.profiles {
            command.env("COMPOSE_PROFILES", profiles);
        }
        run(command, Some(&self.text)).await
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Config {
    project: String,
    services: Vec<String>,
    volumes: Vec<String>,
    /// The whole file, completed, as JSON; secrets hidden.
    config: String,
    /// Whether docker_compose_up would be refused, and why.
    refused: Option<String>,
}

async fn config(dock: Arc<Dock>, asked: Project, call: Call) -> Result<Structured<Config>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let ready = read(&dock, &asked).await?;
        let decided = async {
            rules::decide(&dock, &ready.model, &ready.folder, &ready.project).await?;
            starts::check(&dock, &ready.model, &ready.project).await
        };
        let refused = match decided.await {
            Ok(()) => None,
            Err(Fault::Said(why) | Fault::Refused(why)) => Some(why),
            Err(other) => return Err(other),
        };
        let config = written::hidden(ready.model);
        Ok(Structured(Config {
            project: ready.project,
            services: ready.services,
            volumes: ready.volumes,
            config,
            refused,
        }))
    })
    .await
}

#[derive(Debug, Serialize, JsonSchema)]
struct Done {
    project: String,
    services: Vec<String>,
    output: String,
    truncation_info: Truncation,
}

fn done(dock: &Dock, call: &Call, ready: Ready, (out, err): (String, String)) -> Structured<Done> {
    let said = redact::secrets(&format!("{out}{err}"));
    let shown = head(&said, dock.settings.limits.output_bytes.max(1024));
    let output = dock.fenced("Compose", shown);
    let mut truncation_info = Truncation::default();
    if shown.len() < said.len() {
        let size = shown.len();
        truncation_info = Truncation {
            truncated: true,
            original_size: Some(said.len() as u64),
            truncated_size: Some(size as u64),
            message: Some("the output was cut; docker_output_rest gives what follows.".to_owned()),
            output_id: dock.keep(call, said, size),
        };
    }
    Structured(Done { project: ready.project, services: ready.services, output, truncation_info })
}

async fn up(dock: Arc<Dock>, asked: Project, call: Call) -> Result<Structured<Done>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let ready = ready(&dock, &asked).await?;
        let before = protected::may_come_up(&dock, &ready.project, &ready.folder).await?;
        // Before anything that runs is stopped for it.
        starts::check(&dock, &ready.model, &ready.project).await?;
        let relay = Relay::open(&dock).await?;
        let said = ready.call_through(&dock, &relay, &["up", "-d"]).await;
        let (refused, made) = relay.seen();
        match refused {
            None => Ok(done(&dock, &call, ready, said?)),
            Some(why) => Err(why.and(&made.undo(&dock, &before).await)),
        }
    })
    .await
}

async fn stop(dock: Arc<Dock>, asked: Project, call: Call) -> Result<Structured<Done>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let ready = ready(&dock, &asked).await?;
        let said = ready.call(&dock, &["stop"]).await?;
        Ok(done(&dock, &call, ready, said))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ComposeDown")]
struct Down {
    /// Absolute path of the compose file, or of the folder it lies in
    path: String,
    /// Name of the project; the folder's if left out
    project: Option<String>,
    /// Its volumes with all data in them, too
    #[serde(default)]
    volumes: bool,
    #[serde(flatten)]
    consent: Consent,
}

async fn down(dock: Arc<Dock>, asked: Down, call: Call) -> Result<Structured<Done>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let project = Project { path: asked.path, project: asked.project };
        let ready = ready(&dock, &project).await?;
        let things = protected::would_go(&dock, &ready.model, &ready.project, asked.volumes).await?;
        if asked.consent.is_dry() {
            let said = format!("would remove:\n{}\n", things.join("\n"));
            return Ok(done(&dock, &call, ready, (said, String::new())));
        }
        let what = format!("take down the project {}", ready.project);
        // Consent is to this text: with another one, other things would go.
        let file: String = Sha256::digest(&ready.text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let options = format!("{}the completed file is {file}", if asked.volumes { "with volumes; " } else { "" });
        let doom = Doom { tool: "docker_compose_down", what, things, options };
        asked.consent.given(&dock, &call, doom).await?;
        let arguments: &[&str] = if asked.volumes { &["down", "-v"] } else { &["down"] };
        let said = ready.call(&dock, arguments).await?;
        Ok(done(&dock, &call, ready, said))
    })
    .await
}

async fn ps(dock: Arc<Dock>, asked: Project, call: Call) -> Result<Structured<Done>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let ready = ready(&dock, &asked).await?;
        let said = ready.call(&dock, &["ps"]).await?;
        Ok(done(&dock, &call, ready, said))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ComposeLogs")]
struct Logs {
    /// Absolute path of the compose file, or of the folder it lies in
    path: String,
    /// Name of the project; the folder's if left out
    project: Option<String>,
    /// The newest lines of each service
    #[serde(default = "hundred")]
    tail: u32,
}

const fn hundred() -> u32 {
    100
}

async fn logs(dock: Arc<Dock>, asked: Logs, call: Call) -> Result<Structured<Done>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let project = Project { path: asked.path, project: asked.project };
        let ready = ready(&dock, &project).await?;
        let said = ready.call(&dock, &["logs", "--no-color", &format!("--tail={}", asked.tail)]).await?;
        Ok(done(&dock, &call, ready, said))
    })
    .await
}
