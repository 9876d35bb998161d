//! `portcullis docker`: what mcp-docker does, with its flags and variables.
//!
//! `variables` knows the variables of both generations, `settings` makes the server's settings of them and of a
//! file's. Where the generations differ, 1.1.1 decides.

mod settings;
mod variables;

pub(crate) use settings::server_settings;

use crate::plan::Plan;
use clap::{Args, ValueEnum};
use config::{
    Arguments, Audit, Docker, LogFormat, LogLevel, PerSecond, ServerKind, ServerSettings, Settings, Tier, Words,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use variables::Variables;

/// mcp-docker's flags.
#[derive(Args, Clone)]
#[command(after_help = "Examples:\n  \
        portcullis docker                              for a desktop client, which starts it itself\n  \
        SAFETY_ALLOW_MODERATE_OPERATIONS=false portcullis docker       only what reads\n  \
        SECURITY_AUTH_TOKEN=$(portcullis token new) portcullis docker --transport sse --host 0.0.0.0\n\n\
        A client's settings: { \"mcpServers\": { \"docker\": { \"command\": \"portcullis\", \"args\": [\"docker\"] } } }")]
pub(crate) struct Flags {
    /// How clients connect
    #[arg(long, value_enum, default_value = "stdio")]
    transport: Transport,
    /// Where to listen over HTTP
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDR")]
    host: String,
    /// The port
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Prints the version
    #[arg(short, long)]
    version: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// Standard input and output, for a client that starts it
    Stdio,
    /// MCP over HTTP at /mcp and at /, and legacy HTTP+SSE at /sse and /messages
    Sse,
    /// MCP over HTTP at /mcp and at /
    #[value(alias = "http")]
    Httpstream,
}

/// How long a call may take: longer than the longest of its tools.
pub(crate) const LONGEST_CALL: Duration = Duration::from_secs(3700);

/// What is served because of flags and variables; nothing if only the version was asked for.
pub(crate) fn plan(flags: &Flags) -> Result<Option<Plan>, String> {
    if flags.version {
        use std::io::Write as _;
        // Whoever reads may stop reading: that is no failure of ours.
        let _ = writeln!(std::io::stdout(), "portcullis docker {}", env!("CARGO_PKG_VERSION"));
        return Ok(None);
    }
    let file = std::fs::read_to_string(".env").unwrap_or_default();
    let all = std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
    let mut plan = plan_with(flags, Variables::new(all, &file))?;
    // A person's own project may have one that has nothing to do with us.
    let is_ours = |line: &str| ["SAFETY_", "SECURITY_"].iter().any(|ours| line.trim_start().starts_with(ours));
    if !plan.stdio || file.lines().any(is_ours) {
        plan.guarded.push(".env".into());
    }
    Ok(Some(plan))
}

fn plan_with(flags: &Flags, variables: Variables) -> Result<Plan, String> {
    variables.refuse_unbuilt()?;
    let network = flags.transport != Transport::Stdio;
    let mut settings = Settings::default();
    let host = &flags.host;
    let listen = if host.contains(':') { format!("[{host}]:{}", flags.port) } else { format!("{host}:{}", flags.port) };
    settings.listen = listen.parse().map_err(|e: config::Invalid| format!("--host {host:?} {e}"))?;
    settings.source.origin = "--host".into();
    settings.source.words = Words {
        token: "set SECURITY_AUTH_TOKEN (make one with \"portcullis token new\")",
        insecure: "set SECURITY_INSECURE_DISABLE_AUTH to true",
    };
    settings.sse = flags.transport == Transport::Sse;
    if network && variables.is_blank("SECURITY_AUTH_TOKEN") {
        return Err(
            "SECURITY_AUTH_TOKEN is blank, so nobody would be asked who they are; make one with `portcullis token \
                    new`, or take it out"
                .into(),
        );
    }
    if let Some(token) = variables.get("SECURITY_AUTH_TOKEN") {
        if !token.is_ascii() {
            return Err("SECURITY_AUTH_TOKEN is not ASCII; make one with `portcullis token new`".into());
        }
        settings.add_token("mcp-docker", "SECURITY_AUTH_TOKEN", token.to_owned());
    }
    settings.auth.insecure = variables.switch("SECURITY_INSECURE_DISABLE_AUTH", false)?;
    network_settings(&mut settings, &variables)?;
    limits(&mut settings, &variables, network)?;
    let mut notes = variables.without_meaning();
    if variables.switch("SECURITY_AUDIT_LOG_ENABLED", true)? {
        let (file, note) = audit_file(variables.get("SECURITY_AUDIT_LOG_FILE"))?;
        notes.extend(note);
        settings.audit = Some(Audit { arguments: Arguments::Redacted, max_bytes: 10 << 20, ..Audit::new(file) });
    }
    log(&mut settings, &variables)?;

    let mut docker = docker(&variables)?;
    docker.own_logins = !network;
    // What is wrong is told before anything is served.
    let ready = server_settings(&docker)?;
    notes.extend(settings::warnings(&docker, &ready));
    let mut server = ServerSettings::new("docker", ServerKind::Docker(Box::new(docker)));
    server.limits.timeout = Some(LONGEST_CALL);
    server.rehash();
    settings.servers = vec![server];
    let mut plan = Plan::new(move || settings.clone().into());
    plan.stdio = !network;
    plan.rest.root = Some("docker".into());
    plan.mcp_at_root = true;
    plan.welcome = notes;
    Ok(plan)
}

fn network_settings(settings: &mut Settings, variables: &Variables) -> Result<(), String> {
    for name in variables.list("HTTPSTREAM_ALLOWED_HOSTS")? {
        let host = name.parse().map_err(|e: config::Invalid| format!("HTTPSTREAM_ALLOWED_HOSTS: {name:?} {e}"))?;
        settings.allowed_hosts.push(host);
    }
    if variables.switch("CORS_ENABLED", false)? {
        let origins = variables.list("CORS_ALLOW_ORIGINS")?;
        if origins.is_empty() {
            return Err("CORS_ENABLED needs CORS_ALLOW_ORIGINS: name the pages that may call".into());
        }
        for origin in origins {
            config::check_origin(&origin).map_err(|e| format!("CORS_ALLOW_ORIGINS: {origin:?} {e}"))?;
            settings.cors_origins.push(origin.trim_end_matches('/').to_owned());
        }
    }
    for proxy in variables.list("SECURITY_TRUSTED_PROXIES")? {
        let network = config::parse_network(&proxy).map_err(|e| format!("SECURITY_TRUSTED_PROXIES: {proxy:?} {e}"))?;
        settings.trusted_proxies.push(network);
    }
    Ok(())
}

/// Rates of mcp-docker are per client and minute. On stdio there is one client, the person's own: it is limited
/// only if somebody says so.
fn limits(settings: &mut Settings, variables: &Variables, network: bool) -> Result<(), String> {
    let asked = variables.get("SECURITY_RATE_LIMIT_RPM").is_some();
    if variables.switch("SECURITY_RATE_LIMIT_ENABLED", true)? && (network || asked) {
        let rpm = variables.number("SECURITY_RATE_LIMIT_RPM", 60, 1..=1000)?;
        let mine = &mut settings.limits.per_principal;
        (mine.rate, mine.burst) = (Some(per_minute(rpm)?), rpm);
        mine.concurrent = Some(variables.number("SECURITY_RATE_LIMIT_CONCURRENT", 3, 1..=50)?);
    }
    // mcp-docker counts every request by this and so limits whoever is let in to it, too; here it is off unless set.
    let before = variables.number("SECURITY_PRE_AUTH_RATE_LIMIT_RPM", 0, 0..=100)?;
    if before > 0 {
        let address = &mut settings.limits.per_address;
        (address.rate, address.burst) = (Some(per_minute(before)?), before);
    }
    Ok(())
}

fn per_minute(calls: u32) -> Result<PerSecond, String> {
    PerSecond::new(f64::from(calls) / 60.0).ok_or_else(|| "a rate is above zero".to_owned())
}

fn log(settings: &mut Settings, variables: &Variables) -> Result<(), String> {
    settings.telemetry.log.level = match variables.get("MCP_LOG_LEVEL").map(str::to_ascii_uppercase).as_deref() {
        None | Some("INFO") => LogLevel::Info,
        Some("DEBUG") => LogLevel::Debug,
        Some("WARNING" | "WARN") => LogLevel::Warn,
        Some("ERROR" | "CRITICAL") => LogLevel::Error,
        Some(other) => return Err(format!("MCP_LOG_LEVEL {other:?} is none of DEBUG, INFO, WARNING, ERROR, CRITICAL")),
    };
    if variables.switch("MCP_DEBUG_MODE", false)? {
        settings.telemetry.log.level = LogLevel::Debug;
    }
    if variables.switch("MCP_JSON_LOGGING", false)? {
        settings.telemetry.log.format = LogFormat::Json;
    }
    Ok(())
}

/// Where the audit goes: as named, or in the current folder, or in the state directory if that cannot be written.
fn audit_file(given: Option<&str>) -> Result<(PathBuf, Option<String>), String> {
    let file = PathBuf::from(given.unwrap_or("mcp_audit.log"));
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if given.is_some() {
        std::fs::create_dir_all(folder)
            .map_err(|e| format!("SECURITY_AUDIT_LOG_FILE: {} cannot be made: {e}", folder.display()))?;
        return Ok((file, None));
    }
    if can_write(folder, &file) {
        return Ok((file, None));
    }
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")));
    let state =
        state.ok_or("the current folder cannot be written; name a file in SECURITY_AUDIT_LOG_FILE")?.join("portcullis");
    std::fs::create_dir_all(&state).map_err(|e| {
        format!(
            "neither the current folder nor {} can be written ({e}); name a file in SECURITY_AUDIT_LOG_FILE",
            state.display()
        )
    })?;
    let file = state.join("mcp_audit.log");
    let note = format!("the current folder cannot be written, so the audit is in {}", file.display());
    Ok((file, Some(note)))
}

fn can_write(folder: &Path, file: &Path) -> bool {
    if file.exists() {
        return std::fs::OpenOptions::new().append(true).open(file).is_ok();
    }
    let probe = folder.join(format!(".portcullis-{}", std::process::id()));
    let can = std::fs::OpenOptions::new().write(true).create_new(true).open(&probe).is_ok();
    // It may not be there.
    let _ = std::fs::remove_file(&probe);
    can
}

/// The server's own settings, of variables.
fn docker(variables: &Variables) -> Result<Docker, String> {
    let mut docker = Docker::default();
    let moderate = variables.switch("SAFETY_ALLOW_MODERATE_OPERATIONS", true)?;
    let destructive = variables.switch("SAFETY_ALLOW_DESTRUCTIVE_OPERATIONS", false)?;
    docker.safety = match (moderate, destructive) {
        (_, true) => Tier::Destructive,
        (true, false) => Tier::Moderate,
        (false, false) => Tier::Safe,
    };
    let engine = &mut docker.engine;
    engine.host = variables.get("DOCKER_BASE_URL").map(str::to_owned);
    if variables.switch("DOCKER_TLS_VERIFY", false)? {
        // Never without TLS because no certificates are named: then the system's authorities are asked.
        let secured =
            |host: String| host.strip_prefix("tcp://").map_or_else(|| host.clone(), |at| format!("https://{at}"));
        engine.host = engine.host.take().map(secured);
    }
    let file = |name: &str| {
        let path = variables.get(name).map(PathBuf::from);
        match &path {
            Some(path) if !path.is_file() => Err(format!("{name}: there is no file {}", path.display())),
            _ => Ok(path),
        }
    };
    engine.tls_ca = file("DOCKER_TLS_CA_CERT")?;
    engine.tls_cert = file("DOCKER_TLS_CLIENT_CERT")?;
    engine.tls_key = file("DOCKER_TLS_CLIENT_KEY")?;
    engine.timeout = Some(Duration::from_secs(variables.number("DOCKER_TIMEOUT", 60, 1..=86_400)?.into()));

    let rules = &mut docker.rules;
    rules.confirm = variables.switch("SAFETY_REQUIRE_CONFIRMATION_FOR_DESTRUCTIVE", true)?;
    rules.redact = variables.switch("SAFETY_REDACT_SECRETS", true)?;
    rules.fence = variables.switch("SAFETY_FENCE_OUTPUT", true)?;
    rules.allow = variables.list("SAFETY_ALLOW")?;
    if variables.switch("SAFETY_ALLOW_PRIVILEGED_CONTAINERS", false)? {
        rules.allow.push("privileged".into());
    }
    rules.mount_allow = variables.list("SAFETY_VOLUME_MOUNT_ALLOWLIST")?.into_iter().map(PathBuf::from).collect();
    rules.mount_block = variables.list("SAFETY_VOLUME_MOUNT_BLOCKLIST")?.into_iter().map(PathBuf::from).collect();
    if let Some(path) = rules.mount_allow.iter().chain(&rules.mount_block).find(|path| !path.is_absolute()) {
        return Err(format!(
            "SAFETY_VOLUME_MOUNT_ALLOWLIST and _BLOCKLIST have absolute paths, which {} is not",
            path.display()
        ));
    }
    rules.protect_labels = variables.list("SAFETY_PROTECTED_LABELS")?;
    rules.protect_names = variables.list("SAFETY_PROTECTED_NAMES")?;
    rules.publish = match variables.get("SAFETY_PUBLISH_PORTS") {
        None | Some("any") => config::DockerPublish::Any,
        Some("loopback") => config::DockerPublish::Loopback,
        Some("none") => config::DockerPublish::Nothing,
        Some(other) => return Err(format!("SAFETY_PUBLISH_PORTS {other:?} is none of any, loopback, none")),
    };
    docker.variables = variables.of_the_server();
    Ok(docker)
}

#[cfg(test)]
mod tests;
