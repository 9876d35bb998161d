//! `portcullis demo`: something to try with nothing configured.

use crate::plan::Plan;
use config::{ServerKind, ServerSettings, Settings};

/// The type of the built-in server over the sample archive.
pub(crate) const TYPE: &str = "demo";

/// Serves the sample archive on this machine, and a Docker engine, read-only, if one answers.
pub(crate) fn plan(listen: Option<&str>) -> Result<Plan, String> {
    let mut settings = Settings::default();
    if let Some(text) = listen {
        settings.listen = text.parse().map_err(|e: config::Invalid| format!("--listen {text:?} {e}"))?;
    }
    settings.servers = vec![ServerSettings::new("wiki", ServerKind::Builtin { type_name: TYPE.into() })];
    let engine = server_docker::is_there();
    if engine {
        let docker = config::Docker { safety: config::Tier::Safe, ..config::Docker::default() };
        settings.servers.push(ServerSettings::new("docker", ServerKind::Docker(Box::new(docker))));
    }
    let mut plan = Plan::new(move || settings.clone().into());
    plan.welcome = [
        "this is the demo: the manual of Portcullis as an archive, for this machine only",
        "in a browser:    http://{address}/docs",
        "with curl:       curl -s http://{address}/wiki/zim_search -H 'Content-Type: application/json' \
         -d '{\"query\": \"secur\", \"mode\": \"title\"}'",
        "in an assistant: add the MCP server http://{address}/mcp",
        "your own:        portcullis zim ~/zims    or    portcullis serve --config portcullis.jsonc",
    ]
    .map(str::to_owned)
    .into();
    if engine {
        plan.welcome
            .insert(1, "a Docker engine answers here, so it is offered too, for reading only: /docker/…".to_owned());
    }
    Ok(plan)
}
