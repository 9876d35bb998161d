//! From settings, of a file or of variables, to those of the server.

use super::variables::{OF_THE_SERVER, list};
use config::{Docker, DockerPublish, Tier};
use server_docker::{Host, Publish, Settings, TOOLS, TlsFiles, is_exception, tier_of};
use std::time::Duration;

/// What the server is told.
///
/// # Errors
/// Says what of it cannot be used.
pub(crate) fn server_settings(docker: &Docker) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let engine = &docker.engine;
    settings.host =
        engine.host.as_deref().map(Host::parse).transpose().map_err(|e| format!("the engine's address {e}"))?;
    settings.tls = TlsFiles {
        ca: engine.tls_ca.clone(),
        cert: engine.tls_cert.clone(),
        key: engine.tls_key.clone(),
        skip_verify: false,
    };
    settings.timeout = engine.timeout.unwrap_or(settings.timeout);
    settings.stored_logins = docker.own_logins;

    let (rules, safety) = (&docker.rules, &mut settings.safety);
    safety.tier = match docker.safety {
        Tier::Safe => mcp::Tier::Safe,
        Tier::Moderate => mcp::Tier::Moderate,
        Tier::Destructive => mcp::Tier::Destructive,
    };
    safety.confirm = rules.confirm;
    safety.redact = rules.redact;
    safety.fence = rules.fence;
    if let Some(odd) = rules.allow.iter().find(|name| !is_exception(name)) {
        return Err(format!(
            "{odd:?} is nothing that can be allowed by name; that is privileged, network:host, pid:host, ipc:host, uts:host, \
             userns:host, cgroupns:host, cap:NAME, device:PATH, security-opt:TEXT, volume-driver:NAME, \
             network-driver:NAME or log-driver:NAME"
        ));
    }
    safety.allow.clone_from(&rules.allow);
    safety.mount_allow.clone_from(&rules.mount_allow);
    safety.mount_block.clone_from(&rules.mount_block);
    safety.guarded.clone_from(&docker.guarded);
    safety.protect_labels.clone_from(&rules.protect_labels);
    safety.protect_names.clone_from(&rules.protect_names);
    safety.publish = match rules.publish {
        DockerPublish::Any => Publish::Any,
        DockerPublish::Loopback => Publish::Loopback,
        DockerPublish::Nothing => Publish::Nothing,
    };
    for (name, value) in &docker.variables {
        apply(&mut settings, name, value)?;
    }
    Ok(settings)
}

fn number(name: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("{name} {text:?} is no whole number from {least} to {most}"))
}

fn size(name: &str, text: &str, least: u64, most: u64) -> Result<usize, String> {
    number(name, text, least, most).map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

fn switch(name: &str, text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Ok(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Ok(false),
        _ => Err(format!("{name} is neither true nor false")),
    }
}

fn apply(settings: &mut Settings, name: &str, value: &str) -> Result<(), String> {
    let (safety, limits) = (&mut settings.safety, &mut settings.limits);
    match name {
        "SAFETY_ALLOW_MODERATE_OPERATIONS" => safety.moderate = switch(name, value)?,
        "SAFETY_MAX_CONCURRENT_OPERATIONS" => limits.concurrent = size(name, value, 1, 100)?,
        "SAFETY_MAX_LOG_LINES" => limits.log_lines = number(name, value, 0, 100_000)?,
        "SAFETY_MAX_EXEC_OUTPUT_BYTES" => limits.output_bytes = size(name, value, 0, 10 << 20)?,
        "SAFETY_MAX_RESPONSE_BYTES" => match size(name, value, 0, 10 << 20)? {
            0 => {}
            most => limits.output_bytes = if limits.output_bytes == 0 { most } else { limits.output_bytes.min(most) },
        },
        "SAFETY_MAX_LIST_RESULTS" => limits.list = size(name, value, 0, 10_000)?,
        "SAFETY_TRUNCATE_INSPECT_OUTPUT" => limits.truncate_inspect = switch(name, value)?,
        "SAFETY_MAX_INSPECT_FIELD_BYTES" => limits.inspect_field_bytes = size(name, value, 1024, 1 << 20)?,
        "SAFETY_MAX_CONTEXT_BYTES" => limits.context_bytes = number(name, value, 1, 1 << 50)?,
        "SAFETY_DEFAULT_TOOL_TIMEOUT" => {
            let seconds = value.parse::<f64>().ok().filter(|s| (0.0..=3600.0).contains(s));
            let seconds = seconds.ok_or_else(|| format!("{name} {value:?} is no number of seconds from 0 to 3600"))?;
            limits.tool_timeout = (seconds > 0.0).then(|| Duration::from_secs_f64(seconds));
        }
        "SAFETY_ALLOWED_TOOLS" => safety.allowed_tools = list(name, value)?,
        "SAFETY_DENIED_TOOLS" => safety.denied_tools = list(name, value)?,
        "SAFETY_ALLOWED_PROMPTS" => safety.allowed_prompts = Some(list(name, value)?).filter(|all| !all.is_empty()),
        "SAFETY_ALLOWED_RESOURCES" => safety.allowed_resources = Some(list(name, value)?).filter(|all| !all.is_empty()),
        "SAFETY_YOLO_MODE" => safety.unchecked = switch(name, value)?,
        other => debug_assert!(OF_THE_SERVER.contains(&other), "{other}"),
    }
    Ok(())
}

/// What is odd and no reason not to start.
pub(super) fn warnings(docker: &Docker, settings: &Settings) -> Vec<String> {
    let mut all = Vec::new();
    let safety = &settings.safety;
    let known = |name: &String| TOOLS.iter().any(|(tool, _)| tool == name);
    let odd: Vec<_> =
        safety.allowed_tools.iter().chain(&safety.denied_tools).filter(|name| !known(name)).cloned().collect();
    if !odd.is_empty() {
        all.push(format!(
            "SAFETY_ALLOWED_TOOLS and SAFETY_DENIED_TOOLS name tools that there are not: {}",
            odd.join(", ")
        ));
    }
    let vain: Vec<_> =
        safety.allowed_tools.iter().filter(|name| known(name) && tier_of(name) > safety.tier).cloned().collect();
    if !vain.is_empty() {
        all.push(format!(
            "SAFETY_ALLOWED_TOOLS names tools that are more harmful than the settings allow: {}",
            vain.join(", ")
        ));
    }
    if safety.unchecked {
        all.push("SAFETY_YOLO_MODE is on: mounts, devices, namespaces, capabilities and security options are not checked, so whoever calls has the host".into());
    }
    if matches!(&settings.host, Some(Host::Tcp { authority, tls: false })
        if docker.engine.tls_ca.is_none() && !authority.starts_with("127.0.0.1:") && !authority.starts_with("localhost:"))
    {
        all.push("DOCKER_BASE_URL is another machine without TLS: whoever is on the way has the engine".into());
    }
    all
}
