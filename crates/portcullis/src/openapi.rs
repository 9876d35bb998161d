//! `portcullis openapi`: what mcpo does, with its flags.
//!
//! One command (after `--`) or a file of them, as REST with OpenAPI documents. Where mcpo is open to
//! everybody, this is not: without a key it serves this machine only, unless it is told otherwise.

use crate::assemble::Inheritance;
use crate::plan::{Plan, Read};
use clap::{ArgAction, Args};
use config::{LogLevel, Secret, ServerKind, ServerSettings, Settings, Words};
use front::http::rest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// mcpo's flags. `-h` is the host, as there.
#[derive(Args, Clone)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:\n  \
        portcullis openapi -- uvx mcp-server-time            its tools on http://127.0.0.1:8000, for this machine\n  \
        portcullis openapi --api-key top-secret -- uvx mcp-server-time     for everybody who has the key\n  \
        portcullis openapi --config config.json --hot-reload     all servers of a file, each below its name\n\n\
        Each tool is POST /<tool> (with a file: POST /<server>/<tool>). /docs shows them, /openapi.json\n\
        describes them; /mcp is there as well."
)]
pub(crate) struct Flags {
    /// Where to listen: 0.0.0.0 with a key, 127.0.0.1 without
    #[arg(short = 'h', long, value_name = "ADDR")]
    host: Option<String>,
    /// The port
    #[arg(short, long, default_value_t = 8000)]
    port: u16,
    /// Pages in browsers that may call; "*" is all of them, and counts only with a key
    #[arg(long, value_name = "ORIGIN", default_value = "*")]
    cors_allow_origins: Vec<String>,
    /// The key that calls must show as a bearer token
    #[arg(short = 'k', long, value_name = "KEY", env = "PORTCULLIS_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Documents need the key as well, and Basic with the key as its password counts
    #[arg(long)]
    strict_auth: bool,
    /// A variable for the server, NAME=VALUE
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// A file of such lines
    #[arg(long, value_name = "FILE")]
    env_path: Option<PathBuf>,
    /// What comes after `--`: stdio is a command
    #[arg(long = "server-type", alias = "type", default_value = "stdio", value_name = "TYPE")]
    server_type: String,
    /// A file with several servers, as Claude Desktop has it
    #[arg(short, long, value_name = "FILE", conflicts_with = "command")]
    config: Option<PathBuf>,
    /// The title of the document of all servers
    #[arg(short, long, default_value = "MCP OpenAPI Proxy")]
    name: String,
    /// Its description
    #[arg(short, long, default_value = "Automatically generated API from MCP Tool Schemas")]
    description: String,
    /// Its version
    #[arg(short, long, default_value = "1.0")]
    version: String,
    /// A certificate; not in this version
    #[arg(short = 't', long, value_name = "FILE")]
    ssl_certfile: Option<PathBuf>,
    /// Its key; not in this version
    #[arg(short = 'K', long, value_name = "FILE")]
    ssl_keyfile: Option<PathBuf>,
    /// The path at which a proxy in front serves this
    #[arg(long, default_value = "", value_name = "PATH")]
    root_path: String,
    /// What stands before the names of servers
    #[arg(long, default_value = "/", value_name = "PATH")]
    path_prefix: String,
    /// Headers for a remote server, as JSON; not in this version
    #[arg(short = 'H', long, value_name = "JSON")]
    header: Option<String>,
    /// The file is read anew when it changes
    #[arg(long)]
    hot_reload: bool,
    /// DEBUG, INFO, WARNING, ERROR or CRITICAL
    #[arg(long, env = "LOG_LEVEL", default_value = "INFO", value_name = "LEVEL")]
    log_level: String,
    /// Serve other machines without a key; whoever reaches the port may call
    #[arg(long)]
    insecure: bool,
    /// Shows this help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
    /// The server: a command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const USAGE: &str = "nothing to serve: give a command after `--` (portcullis openapi -- uvx mcp-server-time), \
                     or a file with --config; --help says more";

/// What is served because of the flags.
fn plan(flags: Flags) -> Result<Plan, String> {
    refuse_what_is_missing(&flags)?;
    let key = flags.api_key.clone().map(|key| key.trim().to_owned());
    if key.as_deref() == Some("") {
        return Err("--api-key is blank; give a key, or leave it out to serve this machine only".into());
    }
    if flags.strict_auth && key.is_none() {
        return Err("--strict-auth needs --api-key: without one nobody is asked who they are".into());
    }
    let host = flags.host.clone().unwrap_or_else(|| if key.is_some() { "0.0.0.0" } else { "127.0.0.1" }.into());
    let listen = if host.contains(':') { format!("[{host}]:{}", flags.port) } else { format!("{host}:{}", flags.port) };
    let listen: config::Listen = listen.parse().map_err(|e: config::Invalid| format!("--host {host:?} {e}"))?;
    let any_origin = flags.cors_allow_origins.iter().any(|origin| origin.trim() == "*");
    let origins: Vec<String> = if any_origin { Vec::new() } else { flags.cors_allow_origins.clone() };
    for origin in &origins {
        config::check_origin(origin).map_err(|e| format!("--cors-allow-origins {origin:?} {e}"))?;
    }
    let named = level(&flags.log_level);
    let level = named.unwrap_or_default();
    let command = command(&flags)?;
    let change = {
        let (key, insecure) = (key.clone(), flags.insecure);
        move |settings: &mut Settings| {
            settings.listen = listen.clone();
            settings.source.listen_line = None;
            settings.source.origin = "--host".into();
            settings.source.words = Words { token: "give --api-key", insecure: "add --insecure" };
            settings.auth.insecure |= insecure;
            settings.cors_origins.extend(origins.iter().map(|o| o.trim_end_matches('/').to_owned()));
            settings.telemetry.log.level = level;
            settings.rest = true;
            if let Some(key) = &key {
                settings.add_token("api-key", "--api-key", key.clone());
            }
            Ok(())
        }
    };
    let root = command.as_ref().map(|server| server.name.clone());
    let file = flags.config.clone();
    let source = move || {
        let read = match (&command, &file) {
            (Some(server), _) => Settings { servers: vec![server.clone()], ..Settings::default() }.into(),
            (None, Some(file)) => servers_of(file),
            (None, None) => Read { settings: Err(USAGE.into()), files: Default::default() },
        };
        read.changed(&change)
    };
    let mut plan = Plan::new(source);
    plan.inheritance = Inheritance::Everything(variables(&flags)?);
    plan.follows = flags.hot_reload;
    plan.rest = rest::Settings {
        prefix: prefix(&flags.path_prefix),
        root_path: flags.root_path.trim_end_matches('/').to_owned(),
        public_documents: !flags.strict_auth,
        any_host: key.is_some(),
        any_origin: key.is_some() && any_origin,
        takes_basic: flags.strict_auth,
        info: Some(rest::Info { title: flags.name, version: flags.version, description: flags.description }),
        root,
    };
    plan.welcome.push("documents: http://{address}/docs and http://{address}/openapi.json".into());
    if named.is_none() {
        let text = format!(
            "--log-level {:?} is no level, so it is INFO; there are DEBUG, WARNING, ERROR and CRITICAL",
            flags.log_level
        );
        plan.welcome.push(text);
    }
    if let Some(key) = &key {
        let documents = if flags.strict_auth { "" } else { "; the documents are open (--strict-auth closes them)" };
        plan.welcome.push(format!("whoever has the key may call{documents}"));
        if key.len() < 16 {
            let how = "`portcullis token new` makes one that cannot";
            plan.welcome.push(format!("the key is shorter than 16 characters and can be guessed; {how}"));
        }
    }
    if key.is_none() && !flags.insecure {
        let why = "without --api-key only this machine is served, under its loopback names, and pages of other origins \
                   are refused; give a key to let others in (Open WebUI, for instance)";
        plan.welcome.push(why.into());
    }
    Ok(plan)
}

/// Flags that would be relied on in vain are refused.
fn refuse_what_is_missing(flags: &Flags) -> Result<(), String> {
    if flags.ssl_certfile.is_some() || flags.ssl_keyfile.is_some() {
        return Err("--ssl-certfile and --ssl-keyfile: this version has no TLS; let a proxy in front end it".into());
    }
    match flags.server_type.as_str() {
        "stdio" => {}
        "sse" | "streamable-http" | "streamable_http" | "streamablehttp" => {
            return Err(format!("--server-type {}: this version serves commands only", flags.server_type));
        }
        other => return Err(format!("--server-type {other:?} is no type of server; write stdio")),
    }
    if flags.header.is_some() {
        return Err("--header is for remote servers, which this version does not have".into());
    }
    if flags.command.is_empty() && flags.config.is_none() {
        return Err(USAGE.into());
    }
    Ok(())
}

fn command(flags: &Flags) -> Result<Option<ServerSettings>, String> {
    let Some((program, arguments)) = flags.command.split_first() else { return Ok(None) };
    if program.trim().is_empty() {
        return Err(USAGE.into());
    }
    let kind = ServerKind::Child {
        command: program.as_str().into(),
        args: arguments.iter().map(|argument| argument.as_str().into()).collect(),
        env: BTreeMap::new(),
        cwd: None,
    };
    Ok(Some(ServerSettings::new(name_of(&flags.command), kind)))
}

/// What is served because of the flags, if the one command that is to be served is there: else it could
/// never start.
pub(crate) fn checked_plan(flags: Flags) -> Result<Plan, String> {
    let program = flags.command.first().cloned();
    let plan = plan(flags)?;
    let Some(program) = program else { return Ok(plan) };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = if program.contains('/') {
        Path::new(&program).exists()
    } else {
        std::env::split_paths(&path).any(|folder| folder.join(&program).is_file())
    };
    if is_there {
        return Ok(plan);
    }
    Err(format!("the command {program:?} was not found; give its full path, or set PATH"))
}

/// A name for a command: of the program, or of what a runner runs.
fn name_of(command: &[String]) -> String {
    const RUNNERS: [&str; 8] = ["uvx", "npx", "uv", "python", "python3", "node", "docker", "bunx"];
    let file = |text: &String| Path::new(text).file_stem().map(|name| name.to_string_lossy().into_owned());
    let words = || command.iter().filter(|word| !word.starts_with('-')).filter_map(file);
    let word = words().find(|word| !RUNNERS.contains(&word.as_str()) && word != "run");
    let sound = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let name: String = word.unwrap_or_default().chars().map(sound).take(32).collect();
    let name = name.replace("__", "_");
    if config::check_server_name(&name).is_ok() { name } else { "server".into() }
}

/// The settings of a file. mcpo reads the servers only; here the rest counts as well, so that a policy or an
/// audit can stand beside them.
fn servers_of(file: &Path) -> Read {
    Read::file(file).changed(|settings| {
        if settings.servers.is_empty() {
            return Err(format!("{}: there are no servers in \"mcpServers\"", file.display()));
        }
        Ok(())
    })
}

fn prefix(path: &str) -> String {
    let inner = path.trim_matches('/');
    if inner.is_empty() { "/".into() } else { format!("/{inner}/") }
}

/// The level of that name. `LOG_LEVEL` is a variable that others set, too: what is none is no error.
fn level(name: &str) -> Option<LogLevel> {
    match name.to_ascii_uppercase().as_str() {
        "DEBUG" => Some(LogLevel::Debug),
        "INFO" => Some(LogLevel::Info),
        "WARNING" | "WARN" => Some(LogLevel::Warn),
        "ERROR" | "CRITICAL" => Some(LogLevel::Error),
        _ => None,
    }
}

/// Variables of `--env-path`, then of `--env`, which win.
fn variables(flags: &Flags) -> Result<Vec<(String, Secret)>, String> {
    let mut all = Vec::new();
    if let Some(path) = &flags.env_path {
        let text = std::fs::read_to_string(path).map_err(|e| format!("--env-path {}: {e}", path.display()))?;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let place = || format!("--env-path {}:{}", path.display(), at + 1);
            let (name, value) = variable(line).ok_or_else(|| format!("{}: is not NAME=VALUE", place()))?;
            all.push((name, Secret::new(unquoted(value))));
        }
    }
    for written in &flags.env {
        let (name, value) = variable(written).ok_or_else(|| {
            // What has no name may be a secret.
            "--env takes NAME=VALUE, and one of them has no name or no =".to_owned()
        })?;
        all.push((name, Secret::new(value.to_owned())));
    }
    Ok(all)
}

fn variable(text: &str) -> Option<(String, &str)> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim();
    (!name.is_empty() && !text.contains('\0')).then(|| (name.to_owned(), value.trim()))
}

fn unquoted(value: &str) -> String {
    let inside = |quote| value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Mcpo {
        #[command(flatten)]
        flags: Flags,
    }

    fn read(line: &[&str]) -> Result<(Plan, Settings), String> {
        let parsed = Mcpo::try_parse_from(["mcpo"].iter().chain(line)).map_err(|e| e.to_string())?;
        let plan = plan(parsed.flags)?;
        let settings = plan.read().settings?;
        Ok((plan, settings))
    }

    #[test]
    fn without_a_key_it_serves_this_machine_and_with_one_everybody() {
        let (plan, settings) = read(&["--", "uvx", "mcp-server-time"]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8000");
        assert!(!plan.rest.any_host && !plan.rest.any_origin && settings.auth.tokens.is_empty());
        let (plan, settings) = read(&["-k", "top-secret", "-p", "9", "--", "uvx", "mcp-server-time"]).unwrap();
        assert_eq!(settings.listen.to_string(), "0.0.0.0:9");
        assert!(plan.rest.any_host && plan.rest.any_origin && plan.rest.public_documents);
        assert_eq!(settings.auth.tokens[0].name, "api-key");
        let (plan, settings) =
            read(&["-k", "top-secret", "--cors-allow-origins", "https://a.example", "--", "x"]).unwrap();
        assert!(plan.rest.any_host && !plan.rest.any_origin);
        assert_eq!(settings.cors_origins, ["https://a.example"]);
    }

    #[test]
    fn a_public_address_without_a_key_is_refused_unless_told() {
        let (_, settings) = read(&["-h", "0.0.0.0", "--", "x"]).unwrap();
        assert!(settings.check_safe_start().unwrap_err().to_string().contains("nobody is asked who they are"));
        let (_, settings) = read(&["-h", "0.0.0.0", "--insecure", "--", "x"]).unwrap();
        assert!(settings.check_safe_start().is_ok());
    }

    #[test]
    fn what_would_be_relied_on_in_vain_is_refused() {
        for (line, said) in [
            (&["--ssl-certfile", "c", "--", "x"][..], "no TLS"),
            (&["--server-type", "sse", "--", "http://h/sse"], "commands only"),
            (&["--header", "{}", "--", "x"], "remote servers"),
            (&["--strict-auth", "--", "x"], "needs --api-key"),
            (&["-k", " ", "--", "x"], "is blank"),
            (&[], "nothing to serve"),
            (&["--"], "nothing to serve"),
            (&["--env", "secret", "--", "x"], "NAME=VALUE"),
        ] {
            let refused = read(line).err().unwrap_or_else(|| panic!("{line:?} is not refused"));
            assert!(refused.contains(said), "{line:?}: {refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    #[test]
    fn a_server_is_called_what_its_command_runs() {
        let name = |command: &[&str]| name_of(&command.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(name(&["uvx", "mcp-server-time", "--local-timezone=UTC"]), "mcp-server-time");
        assert_eq!(name(&["npx", "-y", "@modelcontextprotocol/server-everything"]), "server-everything");
        assert_eq!(name(&["/opt/x/echo child.py"]), "echo-child");
        assert_eq!(name(&["docs"]), "server");
        assert_eq!(name(&["a__b"]), "a_b");
    }

    #[test]
    fn variables_come_from_the_file_and_the_flags_win() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        std::fs::write(&file, "# comment\n\nexport A=1\nB=\"two words\"\n").unwrap();
        let parsed = Mcpo::try_parse_from(["mcpo", "--env-path", file.to_str().unwrap(), "-e", "A=3", "--", "x"]);
        let all = variables(&parsed.unwrap().flags).unwrap();
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(all, [("A", "1"), ("B", "two words"), ("A", "3")]);
    }

    #[test]
    fn a_file_that_claude_desktop_has_works() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, r#"{"mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}}"#).unwrap();
        let (plan, settings) = read(&["--config", file.to_str().unwrap(), "--path-prefix", "tools"]).unwrap();
        assert_eq!(settings.servers[0].name, "time");
        assert_eq!((plan.rest.root.as_deref(), plan.rest.prefix.as_str()), (None, "/tools/"));
        assert!(plan.read().files.contains(&file));
        std::fs::write(&file, r#"{"mcpServers": {}}"#).unwrap();
        assert!(plan.read().settings.unwrap_err().contains("there are no servers"));
    }
}
