//! `portcullis zim`: what openzim-mcp does, with its flags and variables.
//!
//! On stdio it is for a desktop client, and nothing needs to be configured. Over HTTP it has the
//! same rules for tokens, hosts and origins as everything else. `variables` reads those of openzim-mcp's variables
//! that say how archives are read and shown; `build_index` and `link_graph` are the jobs beside serving.

mod build_index;
mod link_graph;
mod progress;
mod variables;

use crate::plan::Plan;
use clap::{Args, Subcommand, ValueEnum};
use config::{LogLevel, ServerKind, ServerSettings, Settings, Words};
use std::path::{Path, PathBuf};

/// openzim-mcp's flags.
#[derive(Args, Clone)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:\n  \
        portcullis zim --mode advanced ~/zims          for a desktop client, which starts it itself\n  \
        OPENZIM_MCP_AUTH_TOKEN=$(portcullis token new) portcullis zim --transport http --host 0.0.0.0 /srv/zim\n  \
        portcullis zim build-index ~/zims              full text of archives that bring no index along\n  \
        portcullis zim build-link-graph a.zim          so that zim_links knows what links to a page\n\n\
        A client's settings: { \"mcpServers\": { \"wiki\": { \"command\": \"portcullis\", \"args\": [\"zim\", \"/home/me/zims\"] } } }")]
pub(crate) struct Flags {
    #[command(subcommand)]
    job: Option<Job>,
    /// Folders with archives; folders in them count, too
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// How clients connect
    #[arg(long, value_enum, env = "OPENZIM_MCP_TRANSPORT", default_value = "stdio")]
    transport: Transport,
    /// Where to listen over HTTP
    #[arg(
        long,
        env = "OPENZIM_MCP_HOST",
        value_name = "ADDR",
        help = "Where to listen over HTTP [default: 127.0.0.1]"
    )]
    host: Option<String>,
    /// The port
    #[arg(long, env = "OPENZIM_MCP_PORT", help = "The port over HTTP [default: 8000]")]
    port: Option<u16>,
    /// Which tools there are
    #[arg(long, value_enum, env = "OPENZIM_MCP_TOOL_MODE", default_value = "simple")]
    mode: Mode,
    /// Results have no schemas and come as text alone: for models that read every byte of the tools
    #[arg(long)]
    no_output_schemas: bool,
    /// Archives without a full-text index get one in the background, in the cache folder
    #[arg(long, env = "PORTCULLIS_ZIM_BUILD_INDEXES")]
    build_indexes: bool,
}

#[derive(Subcommand, Clone)]
enum Job {
    /// Makes full-text indexes of archives that bring none along, in the cache folder
    BuildIndex(build_index::Flags),
    /// Finds out which pages of an archive link to which, so that zim_links answers direction=inbound
    BuildLinkGraph(link_graph::Flags),
    /// The same in openzim-mcp's words
    #[command(subcommand, hide = true)]
    Build(Build),
}

#[derive(Subcommand, Clone)]
enum Build {
    LinkGraph(link_graph::Flags),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// zim_query alone: questions in words
    Simple,
    /// All eight tools, prompts and resources
    Advanced,
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

const PREFIX: &str = "OPENZIM_MCP_";

impl Flags {
    /// Does the job that is no serving, if that is what was asked for.
    pub(crate) fn job(&self) -> Option<Result<(), String>> {
        match self.job.as_ref()? {
            Job::BuildIndex(flags) => Some(build_index::run(flags)),
            Job::BuildLinkGraph(flags) | Job::Build(Build::LinkGraph(flags)) => Some(link_graph::run(flags)),
        }
    }
}

/// What is served because of flags and variables, and how archives are read.
pub(crate) fn plan(flags: &Flags) -> Result<(Plan, server_zim::Settings), String> {
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
) -> Result<(Plan, server_zim::Settings), String> {
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
    let host = flags.host.as_deref().unwrap_or("127.0.0.1");
    let port = flags.port.unwrap_or(8000);
    let listen = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    settings.listen = listen.parse().map_err(|e: config::Invalid| format!("OPENZIM_MCP_HOST {host:?} {e}"))?;
    settings.source.origin = "OPENZIM_MCP_HOST (--host)".into();
    settings.source.words = Words {
        token: "set OPENZIM_MCP_AUTH_TOKEN (make one with \"portcullis token new\")",
        insecure: "set OPENZIM_MCP_INSECURE_DISABLE_AUTH to true",
    };
    settings.sse = flags.transport == Transport::Sse;
    if settings.sse && !is_loopback(host) {
        return Err(format!(
            "SSE transport bound to {host} is not allowed: it is for old clients of this machine. Use --transport http, \
             or bind to 127.0.0.1"
        ));
    }
    if let Some(token) = variable("AUTH_TOKEN") {
        let token = token.trim();
        if token.is_empty() || !token.is_ascii() {
            return Err("OPENZIM_MCP_AUTH_TOKEN is blank or not ASCII; make one with `portcullis token new`".into());
        }
        settings.add_token("openzim", "OPENZIM_MCP_AUTH_TOKEN", token.to_owned());
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
    let mut zim = server_zim::Settings::of(flags.directories.iter().cloned());
    zim.simple = flags.mode == Mode::Simple;
    zim.output_schemas = !flags.no_output_schemas;
    zim.cache_folder = server_zim::cache_folder();
    zim.builds_indexes = flags.build_indexes;
    zim.shows_paths = flags.transport == Transport::Stdio;
    let mut limits = variables::Limits::default();
    let notes = variables::apply(variable, all, &mut zim, &mut limits)?;
    if limits.enabled {
        settings.limits.per_principal.rate = config::PerSecond::new(limits.rate);
        settings.limits.per_principal.burst = limits.burst;
    }
    let kind = ServerKind::Zim(Box::new(config::Zim::of(flags.directories.clone())));
    settings.servers = vec![ServerSettings::new("zim", kind)];
    let mut plan = Plan::new(move || settings.clone().into());
    plan.stdio = flags.transport == Transport::Stdio;
    plan.rest.root = Some("zim".into());
    plan.welcome.extend(notes);
    if plan.stdio && (flags.host.is_some() || flags.port.is_some()) {
        plan.welcome.push(
            "--host and --port (OPENZIM_MCP_HOST, OPENZIM_MCP_PORT) have no effect on stdio, where nobody can connect; \
             add --transport http to listen"
                .into(),
        );
    }
    Ok((plan, zim))
}

/// A path with the home directory in the place of `~`, as shells and openzim-mcp read it.
fn expanded(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

/// Whether only this machine reaches it.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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

    fn read(line: &[&str], variables: &[(&str, &str)]) -> Result<(Plan, Settings, server_zim::Settings), String> {
        let parsed = Zim::try_parse_from(["zim"].iter().chain(line)).map_err(|e| e.to_string())?;
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let names = variables.iter().map(|(name, _)| format!("{PREFIX}{name}"));
        let (plan, zim) = plan_with(&parsed.flags, &variable, names)?;
        let settings = plan.read().settings?;
        Ok((plan, settings, zim))
    }

    #[test]
    fn a_folder_is_all_that_a_desktop_client_needs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().to_str().unwrap();
        let (plan, settings, zim) = read(&[folder], &[]).unwrap();
        assert!(plan.stdio && plan.welcome.is_empty() && zim.simple && zim.shows_paths);
        assert!(matches!(&settings.servers[0].kind, ServerKind::Zim(zim) if zim.paths.len() == 1));
        let (plan, ..) = read(&[folder, "--port", "9000"], &[]).unwrap();
        assert!(plan.stdio && plan.welcome.len() == 1 && plan.welcome[0].contains("--transport http"));
        let (plan, settings, _) = read(&[folder, "--port", "9000", "--transport", "http"], &[]).unwrap();
        assert!(plan.welcome.is_empty() && settings.listen.to_string() == "127.0.0.1:9000");
        assert!(read(&["/nonexistent"], &[]).err().unwrap().contains("Directory does not exist: /nonexistent"));
        assert!(read(&[], &[]).is_err());
    }

    #[test]
    fn over_http_the_rules_for_tokens_hosts_and_origins_are_those_of_the_peer() {
        let folder = tempfile::tempdir().unwrap();
        let http = ["--transport", "http", "--host", "0.0.0.0", folder.path().to_str().unwrap()];
        let (_, open, _) = read(&http, &[]).unwrap();
        assert!(open.check_safe_start().is_err());
        let token = [
            ("AUTH_TOKEN", "0123456789abcdef"),
            ("CORS_ORIGINS", r#"["https://a.example"]"#),
            ("ALLOWED_HOSTS", r#"["m.example:*"]"#),
        ];
        let (plan, settings, zim) = read(&http, &token).unwrap();
        assert!(settings.warnings.is_empty());
        let guessed = read(&http, &[("AUTH_TOKEN", "hunter2")]).unwrap().1;
        let warned = guessed.warnings.iter().map(ToString::to_string).collect::<String>();
        assert!(warned.contains("OPENZIM_MCP_AUTH_TOKEN: is shorter") && !warned.contains("hunter2"), "{warned}");
        assert!(settings.check_safe_start().is_ok() && !plan.stdio && !zim.shows_paths);
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
        let sse = ["--transport", "sse", "--host", "0.0.0.0", folder.path().to_str().unwrap()];
        assert!(read(&sse, &[]).err().unwrap().contains("SSE transport bound to 0.0.0.0 is not allowed"));
    }

    #[test]
    fn the_peers_variables_say_how_archives_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let line = ["--mode", "advanced", folder.path().to_str().unwrap()];
        let (plan, settings, zim) = read(
            &line,
            &[
                ("CONTENT__MAX_CONTENT_LENGTH", "5000"),
                ("CONTENT__DEFAULT_SEARCH_LIMIT", "7"),
                ("SEARCH__SEARCH_ALL_TOTAL_TIMEOUT_SECONDS", "2.5"),
                ("WATCH_INTERVAL_SECONDS", "60"),
                ("SUBSCRIPTIONS_ENABLED", "false"),
                ("SERVER_NAME", "mine"),
                ("RATE_LIMIT__REQUESTS_PER_SECOND", "3"),
                ("RATE_LIMIT__BURST_SIZE", "6"),
                ("SYNTHESIZE__TOP_N", "9"),
                ("META__FOOTER_ENABLED", "false"),
                ("ML__RERANKER__ENABLED", "true"),
                ("SOMETHING__ELSE", "1"),
            ],
        )
        .unwrap();
        assert!(!zim.simple && !zim.subscriptions && !zim.footer);
        assert_eq!((zim.content.max_chars, zim.search.limit, zim.synthesize.top), (5000, 7, 9));
        assert_eq!((zim.search.all_timeout.as_millis(), zim.rescan.as_secs()), (2500, 60));
        assert_eq!(zim.server_name, "mine");
        let rate = &settings.limits.per_principal;
        assert_eq!((rate.rate.map(config::PerSecond::get), rate.burst), (Some(3.0), 6));
        let kept = [
            ("CACHE__PERSISTENCE_ENABLED", "true"),
            ("CACHE__PERSISTENCE_PATH", "/var/cache/zim"),
            ("PRESETS_OVERRIDE_PATH", "/etc/presets.toml"),
        ];
        let (silent, _, keeping) = read(&line, &kept).unwrap();
        assert!(silent.welcome.is_empty() && keeping.keeps_answers && !zim.keeps_answers);
        assert_eq!(keeping.cache_folder.as_deref(), Some(Path::new("/var/cache/zim")));
        assert_eq!(keeping.presets.as_deref(), Some(Path::new("/etc/presets.toml")));
        // What can have no meaning here is told, once.
        assert_eq!(plan.welcome.len(), 2, "{:?}", plan.welcome);
        assert!(plan.welcome[0].contains("ML__RERANKER__ENABLED") && plan.welcome[1].contains("SOMETHING__ELSE"));
        for (name, value, said) in [
            ("CACHE__MAX_SIZE", "0", "cache.max_size"),
            ("CONTENT__SNIPPET_LENGTH", "many", "content.snippet_length"),
            ("WATCH_INTERVAL_SECONDS", "61", "watch_interval_seconds"),
            ("SEARCH__FUZZY_TITLE_SCORE_PENALTY", "2", "search.fuzzy_title_score_penalty"),
            ("META__FOOTER_ENABLED", "perhaps", "META__FOOTER_ENABLED"),
            ("CACHE__PERSISTENCE_PATH", "cache", "cache.persistence_path"),
        ] {
            let refused =
                read(&line, &[(name, value)]).err().unwrap_or_else(|| panic!("{name}={value} is not refused"));
            assert!(refused.contains(said), "{refused}");
        }
    }
}
