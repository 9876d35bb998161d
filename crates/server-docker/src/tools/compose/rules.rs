//! What a completed compose file may say: the same as a call that creates a container.

use crate::dock::Dock;
use crate::engine::Ask;
use crate::fault::Fault;
use crate::filters::Filters;
use crate::lenient::Scalar;
use crate::options;
use crate::ports;
use crate::protect;
use crate::redact;
use crate::settings::Safety;
use crate::tools::{items, text};
use crate::volumes::{self, Bound};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Keys of a service that are harmless or decided below. Others are refused: an unknown one could mean anything.
const KNOWN: [&str; 61] = [
    "annotations",
    "attach",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_shares",
    "cpus",
    "cpuset",
    "depends_on",
    "deploy",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "network_mode",
    "networks",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "privileged",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "sysctls",
    "tmpfs",
];
const KNOWN_TOO: [&str; 8] = ["tty", "ulimits", "user", "userns_mode", "uts", "volumes", "working_dir", "isolation"];

/// Refuses what opens the host.
pub(super) async fn decide(dock: &Dock, model: &Value, folder: &Path) -> Result<(), Fault> {
    let safety = dock.safety();
    if safety.unchecked {
        return Ok(());
    }
    let services = model.get("services").and_then(Value::as_object);
    let services = services.ok_or_else(|| Fault::new("the compose file has no services."))?;
    for (name, service) in services {
        let service = service.as_object().ok_or_else(|| Fault::new(format!("the service {name:?} is no object.")))?;
        let binds = plain(safety, service).map_err(|fault| of(name, fault))?;
        for (source, target) in binds {
            let bound = BTreeMap::from([(source.clone(), Bound::Full { bind: target, mode: None })]);
            // A volume of the file is decided with the file's volumes.
            if source.starts_with('/') {
                volumes::binds(dock, bound).await.map_err(|fault| of(name, fault))?;
            }
        }
        for path in build_paths(service) {
            let path = folder.join(path);
            super::files::allowed(dock, &path.to_string_lossy()).await.map_err(|fault| of(name, fault))?;
        }
    }
    for kind in ["volumes", "networks", "configs", "secrets"] {
        for (name, one) in model.get(kind).and_then(Value::as_object).into_iter().flatten() {
            top_level(dock, kind, one, folder).await.map_err(|fault| of(name, fault))?;
        }
    }
    Ok(())
}

fn of(name: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Said(why) => {
            Fault::Said(format!("{:?} in the compose file: {why}", name.chars().take(100).collect::<String>()))
        }
        other => other,
    }
}

fn words(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(word)) => vec![word.clone()],
        Some(Value::Array(all)) => {
            all.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// Files that Compose itself would read because of this file, and whose lines it would show. Those that would have
/// to be read first to know what they lead to are refused.
pub(super) fn read_by_compose(written: &str) -> Result<Vec<String>, Fault> {
    let model: Value =
        serde_saphyr::from_str(written).map_err(|e| Fault::new(format!("the compose file cannot be read: {e}.")))?;
    let refused = |what: &str| {
        Fault::new(format!(
            "{what} is refused: it would be read before it could be decided; write all services into one file."
        ))
    };
    if model.get("include").is_some() {
        return Err(refused("include"));
    }
    let mut all = Vec::new();
    for service in model.get("services").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        if service.get("extends").is_some_and(|extends| extends.get("file").is_some()) {
            return Err(refused("extends with a file"));
        }
        match service.get("env_file") {
            Some(Value::String(path)) => all.push(path.clone()),
            Some(Value::Array(paths)) => {
                all.extend(paths.iter().map(|path| path.as_str().unwrap_or_else(|| text(path, "path")).to_owned()));
            }
            _ => {}
        }
    }
    match all.iter().find(|path| path.contains('$')) {
        Some(path) => Err(refused(&format!("env_file: {path:?} with a variable in it"))),
        None => Ok(all),
    }
}

/// Everything that can be decided without the engine. Gives the mounts: source and target.
fn plain(safety: &Safety, service: &Map<String, Value>) -> Result<Vec<(String, String)>, Fault> {
    let odd = service
        .keys()
        .find(|key| !KNOWN.contains(&key.as_str()) && !KNOWN_TOO.contains(&key.as_str()) && !key.starts_with("x-"));
    if let Some(odd) = odd {
        return Err(Fault::new(format!(
            "{:?} is refused, for it is not known what it opens.",
            odd.chars().take(60).collect::<String>()
        )));
    }
    let is_on = |value: &Value| !matches!(value, Value::Bool(false) | Value::Null) && value.as_str() != Some("false");
    options::privileged(safety, service.get("privileged").is_some_and(is_on))?;
    options::capabilities(safety, words(service.get("cap_add")))?;
    options::security_options(safety, words(service.get("security_opt")))?;
    let devices = service.get("devices").and_then(Value::as_array).into_iter().flatten();
    let devices = devices.map(|d| d.as_str().map_or_else(|| text(d, "source").to_owned(), str::to_owned)).collect();
    options::devices(safety, devices)?;
    let spaces = [
        ("pid", "pid"),
        ("ipc", "ipc"),
        ("uts", "uts"),
        ("userns_mode", "userns"),
        ("cgroup", "cgroupns"),
        ("network_mode", "network"),
    ];
    for (key, kind) in spaces {
        let mode = service.get(key).and_then(Value::as_str).unwrap_or_default();
        // Another service's namespace is another container's.
        if !mode.is_empty() && !mode.starts_with("service:") {
            options::namespace(safety, kind, mode)?;
        }
    }
    if let Some(driver) = service.get("logging").and_then(|l| l.get("driver")).and_then(Value::as_str) {
        options::log_driver(safety, driver)?;
    }
    ports(safety, service.get("ports"))?;
    build(safety, service.get("build"))?;
    let mut binds = Vec::new();
    for volume in service.get("volumes").and_then(Value::as_array).into_iter().flatten() {
        match volume {
            Value::String(short) => {
                let mut parts = short.splitn(3, ':');
                let (source, target) = (parts.next().unwrap_or_default(), parts.next());
                if let Some(target) = target {
                    if !source.starts_with('/') && source.contains(['/', '.', '~']) {
                        return Err(Fault::new(format!("the mount {source:?} is no absolute path and no volume.")));
                    }
                    binds.push((source.to_owned(), target.to_owned()));
                }
            }
            Value::Object(long) => {
                let part = |key: &str| long.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                match part("type").as_str() {
                    "bind" if part("source").starts_with('/') => binds.push((part("source"), part("target"))),
                    "volume" | "tmpfs" => {}
                    other => return Err(Fault::new(format!("a mount of the type {other:?} is refused."))),
                }
            }
            _ => return Err(Fault::new("a mount cannot be read.")),
        }
    }
    Ok(binds)
}

fn ports(safety: &Safety, given: Option<&Value>) -> Result<(), Fault> {
    let mut all = BTreeMap::new();
    for port in given.and_then(Value::as_array).into_iter().flatten() {
        let (host, container) = match port {
            Value::Object(long) => {
                let get = |key: &str| {
                    long.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default()
                };
                let address = get("host_ip");
                let published = get("published");
                let host = if address.is_empty() { published } else { format!("{address}:{published}") };
                (
                    host,
                    format!(
                        "{}/{}",
                        get("target"),
                        Some(get("protocol")).filter(|p| !p.is_empty()).unwrap_or_else(|| "tcp".into())
                    ),
                )
            }
            other => {
                let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                match text.rsplit_once(':') {
                    Some((host, container)) => (host.to_owned(), container.to_owned()),
                    None => (String::new(), text),
                }
            }
        };
        // A range publishes one by one; only where it is published is decided.
        let container = if container.contains('-') { "1".to_owned() } else { container };
        all.insert(container, Some(ports::Binding::Text(host)));
    }
    ports::publish(all, safety.publish).map(|_| ())
}

/// Keys of a build that stay within it.
const BUILD: [&str; 14] = [
    "context",
    "dockerfile",
    "dockerfile_inline",
    "args",
    "labels",
    "target",
    "cache_from",
    "cache_to",
    "network",
    "shm_size",
    "tags",
    "platforms",
    "no_cache",
    "pull",
];

fn build(safety: &Safety, given: Option<&Value>) -> Result<(), Fault> {
    let Some(Value::Object(build)) = given else { return Ok(()) };
    if let Some(odd) = build.keys().find(|key| !BUILD.contains(&key.as_str()) && key.as_str() != "additional_contexts")
    {
        return Err(Fault::new(format!(
            "{:?} of a build is refused, for it is not known what it opens.",
            odd.chars().take(60).collect::<String>()
        )));
    }
    let network = build.get("network").and_then(Value::as_str).unwrap_or_default();
    if !network.is_empty() {
        options::namespace(safety, "network", network)?;
    }
    let file = build.get("dockerfile").and_then(Value::as_str).unwrap_or_default();
    if file.starts_with('/') || file.split('/').any(|part| part == "..") {
        return Err(Fault::new("a Dockerfile must lie in the folder that is built from."));
    }
    Ok(())
}

fn build_paths(service: &Map<String, Value>) -> Vec<String> {
    match service.get("build") {
        Some(Value::String(path)) => vec![path.clone()],
        Some(Value::Object(build)) => {
            let context = build.get("context").and_then(Value::as_str).unwrap_or(".");
            let more = build.get("additional_contexts").and_then(Value::as_object).into_iter().flat_map(Map::values);
            let more = more.filter_map(Value::as_str).map(str::to_owned);
            // A repository or registry is no path of this machine.
            std::iter::once(context.to_owned()).chain(more).filter(|path| !path.contains("://")).collect()
        }
        _ => Vec::new(),
    }
}

/// Volumes by what their driver would do, networks by their driver, files by their place.
async fn top_level(dock: &Dock, kind: &str, one: &Value, folder: &Path) -> Result<(), Fault> {
    match kind {
        "volumes" => {
            let driver = Some(text(one, "driver")).filter(|d| !d.is_empty()).unwrap_or("local");
            let options = one.get("driver_opts").and_then(Value::as_object).cloned().unwrap_or_default();
            let options = options.into_iter().map(|(key, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (key, Scalar::Text(value))
            });
            volumes::driver_options(dock, driver, options.collect()).await.map(|_| ())
        }
        "networks" if matches!(text(one, "driver"), "host" | "macvlan" | "ipvlan") || text(one, "name") == "host" => {
            options::namespace(dock.safety(), "network", "host").map(|_| ())
        }
        "configs" | "secrets" => match one.get("file").and_then(Value::as_str) {
            Some(file) => super::files::allowed(dock, &folder.join(file).to_string_lossy()).await.map(|_| ()),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Refuses if a container of the project is protected.
pub(super) async fn protected(dock: &Dock, project: &str) -> Result<(), Fault> {
    let mut filters = Filters::default();
    filters.set("label", format!("com.docker.compose.project={project}"));
    let list =
        dock.engine.json(Ask::get("/containers/json").flag("all", true).maybe("filters", filters.query())).await?;
    for container in list.as_array().into_iter().flatten() {
        let names: Vec<_> =
            items(container, "Names").iter().filter_map(Value::as_str).map(|n| n.trim_start_matches('/')).collect();
        if let Some(why) =
            protect::why(dock.safety(), names.iter().copied(), container.get("Labels").unwrap_or(&Value::Null))
        {
            return Err(Fault::new(format!("the project is not taken down, for {} stays: {why}.", names.join(", "))));
        }
    }
    Ok(())
}

/// The file without its secrets.
pub(super) fn hidden(text: &str) -> String {
    let line = |line: &str| match line.split_once(": ") {
        Some((key, value))
            if redact::is_secret_name(key.trim().trim_matches(['"', '\''])) && !value.trim().is_empty() =>
        {
            format!("{key}: {}", redact::HIDDEN)
        }
        _ => redact::variable(line),
    };
    let text: Vec<_> = redact::clean(text).lines().map(line).collect();
    redact::secrets(&text.join("\n"))
}

/// For fuzzing: no text harms the reader or the rules, and no privileged service passes.
pub fn check(yaml: &str) {
    let Ok(model) = serde_saphyr::from_str::<Value>(yaml) else { return };
    let safety = Safety::default();
    for service in model.get("services").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        let Some(service) = service.as_object() else { continue };
        let passed = plain(&safety, service).is_ok();
        assert!(!(passed && service.get("privileged") == Some(&Value::Bool(true))));
        assert!(!(passed && service.get("network_mode").and_then(Value::as_str) == Some("host")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(yaml: &str) -> Result<Vec<(String, String)>, Fault> {
        let service: Value = serde_saphyr::from_str(yaml).unwrap();
        plain(&Safety::default(), service.as_object().unwrap())
    }

    #[test]
    fn a_service_may_say_what_a_call_may_say() {
        for refused in [
            "privileged: true",
            "privileged: 'true'",
            "cap_add: [SYS_ADMIN]",
            "network_mode: host",
            "pid: host",
            "ipc: host",
            "userns_mode: host",
            "devices: ['/dev/sda:/dev/sda']",
            "devices: [{source: /dev/sda, target: /x}]",
            "security_opt: ['seccomp:unconfined']",
            "build: {context: ., network: host}",
            "build: {context: ., ssh: [default]}",
            "build: {context: ., privileged: true}",
            "build: {context: ., dockerfile: ../../etc/passwd}",
            "cgroup_parent: /x",
            "volumes: ['./x:/y']",
            "logging: {driver: syslog}",
            "volumes: [{type: npipe, source: /x}]",
            "use_api_socket: true",
            "volumes_from: [x]",
            "runtime: x",
        ] {
            assert!(verdict(refused).is_err(), "{refused}");
        }
        let fine = "image: x\ncap_add: [NET_BIND_SERVICE]\nnetwork_mode: service:db\nports: ['127.0.0.1:80:80', {target: 1, published: 2}]\nvolumes: ['/srv/x:/y:ro', 'data:/z']";
        assert_eq!(verdict(fine).unwrap().len(), 2);
        check(fine);
    }

    #[test]
    fn what_compose_would_read_is_known_before_it_reads() {
        let files =
            read_by_compose("services: {a: {env_file: x.env}, b: {env_file: [y.env, {path: /etc/z}]}}").unwrap();
        assert_eq!(files, ["x.env", "y.env", "/etc/z"]);
        for refused in [
            "include: [a.yml]",
            "services: {a: {extends: {file: /x, service: b}}}",
            "services: {a: {env_file: $HOME/x}}",
            "a: [",
            "services: {a: {env_file: ['${X}']}}",
        ] {
            assert!(read_by_compose(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_completed_file_is_shown_without_its_secrets() {
        let text = hidden(
            "services:\n  a:\n    environment:\n      DB_PASSWORD: hunter2\n      NAME: x\n      URL: postgres://u:hunter2@h\n",
        );
        assert!(!text.contains("hunter2") && text.contains("NAME: x"), "{text}");
    }
}
