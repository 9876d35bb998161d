//! `portcullis zim`: what openzim-mcp does, with its flags and variables, as far as they are here.
//!
//! On stdio it is for a desktop client, and nothing needs to be configured. Over HTTP it has the
//! same rules for tokens, hosts and origins as everything else.

use crate::plan::Plan;
use clap::{Args, ValueEnum};
use config::{Credential, LogLevel, Secret, ServerKind, ServerSettings, Settings, Token, Words};
use std::path::PathBuf;

/// openzim-mcp's flags.
#[derive(Args, Clone)]
#[command(after_help = "Examples:\n  \
        portcullis zim ~/zims                          for a desktop client, which starts it itself\n  \
        OPENZIM_MCP_AUTH_TOKEN=$(portcullis token new) portcullis zim --transport http --host 0.0.0.0 /srv/zim\n\n\
        A client's settings: { \"mcpServers\": { \"wiki\": { \"command\": \"portcullis\", \"args\": [\"zim\", \"/home/me/zims\"] } } }")]
pub(crate) struct Flags {
    /// Folders with archives; folders in them count, too
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// How clients connect
    #[arg(long, value_enum, env = "OPENZIM_MCP_TRANSPORT", default_value = "stdio")]
    transport: Transport,
    /// Where to listen over HTTP
    #[arg(long, env = "OPENZIM_MCP_HOST", default_value = "127.0.0.1", value_name = "ADDR")]
    host: String,
    /// The port
    #[arg(long, env = "OPENZIM_MCP_PORT", default_value_t = 8000)]
    port: u16,
    /// Accepted for the sake of openzim-mcp; the tools are always the advanced ones in this version
    #[arg(long, env = "OPENZIM_MCP_TOOL_MODE", default_value = "advanced", value_name = "MODE")]
    mode: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    /// Standard input and output, for a client that starts it
    Stdio,
    /// MCP over HTTP at /mcp
    Http,
    /// The same, with legacy HTTP+SSE for old clients of this machine
    Sse,
}

/// Variables that are read here, or by clap above.
const READ: [&str; 9] = [
    "TRANSPORT",
    "HOST",
    "PORT",
    "TOOL_MODE",
    "AUTH_TOKEN",
    "INSECURE_DISABLE_AUTH",
    "CORS_ORIGINS",
    "ALLOWED_HOSTS",
    "LOGGING__LEVEL",
];
const PREFIX: &str = "OPENZIM_MCP_";

/// What is served because of flags and variables.
pub(crate) fn plan(flags: &Flags) -> Result<Plan, String> {
    plan_with(
        flags,
        &|name| std::env::var(format!("{PREFIX}{name}")).ok(),
        std::env::vars_os().filter_map(|(n, _)| n.into_string().ok()),
    )
}

fn plan_with(
    flags: &Flags,
    variable: &dyn Fn(&str) -> Option<String>,
    all: impl Iterator<Item = String>,
) -> Result<Plan, String> {
    for directory in &flags.directories {
        let place = directory.display();
        if !directory.exists() {
            return Err(format!("Configuration error: Directory does not exist: {place}"));
        }
        if !directory.is_dir() {
            return Err(format!("Configuration error: Path is not a directory: {place}"));
        }
    }
    let mut settings = Settings::default();
    let host = &flags.host;
    let listen = if host.contains(':') { format!("[{host}]:{}", flags.port) } else { format!("{host}:{}", flags.port) };
    settings.listen = listen.parse().map_err(|e: config::Invalid| format!("OPENZIM_MCP_HOST {host:?} {e}"))?;
    settings.source.origin = "OPENZIM_MCP_HOST (--host)".into();
    settings.source.words = Words {
        token: "set OPENZIM_MCP_AUTH_TOKEN (make one with \"portcullis token new\")",
        insecure: "set OPENZIM_MCP_INSECURE_DISABLE_AUTH to true",
    };
    settings.sse = flags.transport == Transport::Sse;
    if let Some(token) = variable("AUTH_TOKEN") {
        let token = token.trim();
        if token.is_empty() || !token.is_ascii() {
            return Err("OPENZIM_MCP_AUTH_TOKEN is blank or not ASCII; make one with `portcullis token new`".into());
        }
        settings.auth.tokens.push(Token {
            name: "openzim".into(),
            credential: Credential::Plain(Secret::new(token.to_owned())),
            roles: Vec::new(),
            line: 0,
        });
    }
    settings.auth.insecure = switch(variable, "INSECURE_DISABLE_AUTH")?;
    for origin in list(variable, "CORS_ORIGINS")? {
        config::check_origin(&origin).map_err(|e| format!("{PREFIX}CORS_ORIGINS: {origin:?} {e}"))?;
        settings.cors_origins.push(origin.trim_end_matches('/').to_owned());
    }
    for name in list(variable, "ALLOWED_HOSTS")? {
        let host = name.parse().map_err(|e: config::Invalid| format!("{PREFIX}ALLOWED_HOSTS: {name:?} {e}"))?;
        settings.allowed_hosts.push(host);
    }
    settings.telemetry.log.level = match variable("LOGGING__LEVEL").as_deref().map(str::to_ascii_uppercase).as_deref() {
        Some("DEBUG") => LogLevel::Debug,
        Some("WARNING") => LogLevel::Warn,
        Some("ERROR" | "CRITICAL") => LogLevel::Error,
        _ => LogLevel::Info,
    };
    let kind = ServerKind::Zim { paths: flags.directories.clone() };
    settings.servers = vec![ServerSettings::new("zim", kind)];
    let mut plan = Plan::new(move || settings.clone().into());
    plan.stdio = flags.transport == Transport::Stdio;
    plan.rest.root = Some("zim".into());
    let vain: Vec<_> = all.filter(|name| name.strip_prefix(PREFIX).is_some_and(|name| !READ.contains(&name))).collect();
    if !vain.is_empty() {
        plan.welcome.push(format!("these variables have no effect in this version: {}", vain.join(", ")));
    }
    if flags.mode != "advanced" {
        plan.welcome.push("the simple mode is not in this version: the advanced tools are served".into());
    }
    Ok(plan)
}

fn switch(variable: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<bool, String> {
    match variable(name).map(|value| value.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "0" | "false" | "no" | "off") => Ok(false),
        Some("1" | "true" | "yes" | "on") => Ok(true),
        Some(_) => Err(format!("{PREFIX}{name} is neither true nor false")),
    }
}

/// A JSON list of texts, as openzim-mcp has them.
fn list(variable: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<Vec<String>, String> {
    let Some(text) = variable(name).filter(|text| !text.trim().is_empty()) else { return Ok(Vec::new()) };
    serde_json::from_str(&text)
        .map_err(|_| format!("{PREFIX}{name} is no JSON list of texts; write it like [\"mcp.example.com\"]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Zim {
        #[command(flatten)]
        flags: Flags,
    }

    fn read(line: &[&str], variables: &[(&str, &str)]) -> Result<(Plan, Settings), String> {
        let parsed = Zim::try_parse_from(["zim"].iter().chain(line)).map_err(|e| e.to_string())?;
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let names = variables.iter().map(|(name, _)| format!("{PREFIX}{name}"));
        let plan = plan_with(&parsed.flags, &variable, names)?;
        let settings = plan.read().settings?;
        Ok((plan, settings))
    }

    #[test]
    fn a_folder_is_all_that_a_desktop_client_needs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        let (plan, settings) = read(&[folder], &[]).unwrap();
        assert!(plan.stdio && plan.welcome.is_empty());
        assert!(matches!(&settings.servers[0].kind, ServerKind::Zim { paths } if paths.len() == 1));
        assert!(read(&["/nonexistent"], &[]).err().unwrap().contains("Directory does not exist: /nonexistent"));
        assert!(read(&[], &[]).is_err());
    }

    #[test]
    fn over_http_the_rules_for_tokens_hosts_and_origins_are_those_of_the_peer() {
        let folder = tempfile::tempdir().unwrap();
        let http = ["--transport", "http", "--host", "0.0.0.0", folder.path().to_str().unwrap()];
        let (_, open) = read(&http, &[]).unwrap();
        assert!(open.check_safe_start().is_err());
        let token = [
            ("AUTH_TOKEN", "0123456789abcdef"),
            ("CORS_ORIGINS", r#"["https://a.example"]"#),
            ("ALLOWED_HOSTS", r#"["m.example:*"]"#),
        ];
        let (plan, settings) = read(&http, &token).unwrap();
        assert!(settings.check_safe_start().is_ok() && !plan.stdio);
        assert_eq!(settings.cors_origins, ["https://a.example"]);
        assert_eq!(settings.allowed_hosts[0].to_string(), "m.example:*");
        for (name, value) in [
            ("AUTH_TOKEN", " "),
            ("CORS_ORIGINS", r#"[" * "]"#),
            ("ALLOWED_HOSTS", r#"["*"]"#),
            ("ALLOWED_HOSTS", "a"),
            ("INSECURE_DISABLE_AUTH", "maybe"),
        ] {
            let refused =
                read(&http, &[(name, value)]).err().unwrap_or_else(|| panic!("{name}={value} is not refused"));
            assert!(refused.contains(name), "{refused}");
        }
        let (plan, _) = read(&http, &[("CACHE__TTL_SECONDS", "60")]).unwrap();
        assert!(plan.welcome[0].contains("OPENZIM_MCP_CACHE__TTL_SECONDS"));
    }
}
