//! What a completed compose file may say: the same as a call that creates a container.

use super::{env_files, real};
use crate::dock::Dock;
use crate::fault::Fault;
use crate::isolation;
use crate::lenient::Scalar;
use crate::names;
use crate::ports;
use crate::settings::{Publish, Safety};
use crate::tools::text;
use crate::volumes::{self, Bound};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

/// Keys of a service that are harmless or decided below. Others are refused: an unknown one could mean anything.
const KNOWN: [&str; 60] = [
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

/// The namespaces of a service, by their names in the file and in the settings.
pub(super) const NAMESPACES: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("userns_mode", "userns"),
    ("cgroup", "cgroupns"),
    ("network_mode", "network"),
];

/// Refuses what opens the host.
pub(super) async fn decide(dock: &Dock, model: &Value, folder: &Path, project: &str) -> Result<(), Fault> {
    let safety = dock.safety();
    if safety.unchecked {
        return Ok(());
    }
    let services = model.get("services").and_then(Value::as_object);
    let services = services.ok_or_else(|| Fault::new("the compose file has no services."))?;
    for (name, service) in services {
        let service = service.as_object().ok_or_else(|| Fault::new(format!("the service {name:?} is no object.")))?;
        let binds = plain(safety, service).map_err(|fault| of(name, fault))?;
        for (source, bind, mode) in binds {
            let bound = BTreeMap::from([(source.clone(), Bound::Full { bind, mode })]);
            // A volume of the file is decided with the file's volumes.
            if source.starts_with('/') || model.get("volumes").is_none_or(|volumes| volumes.get(&source).is_none()) {
                volumes::binds(dock, bound).await.map_err(|fault| of(name, fault))?;
            }
        }
        for path in build_paths(service) {
            let path = folder.join(path);
            super::files::allowed(dock, &path.to_string_lossy()).await.map_err(|fault| of(name, fault))?;
            super::reads(dock, &path.join(".dockerignore")).await.map_err(|fault| of(name, fault))?;
        }
        if let Some(build) = service.get("build") {
            dockerfile(dock, build, folder).await.map_err(|fault| of(name, fault))?;
            isolation::joined(dock, "network", text(build, "network")).await.map_err(|fault| of(name, fault))?;
        }
    }
    for kind in ["volumes", "networks", "configs", "secrets"] {
        for (name, one) in model.get(kind).and_then(Value::as_object).into_iter().flatten() {
            top_level(dock, kind, one, folder).await.map_err(|fault| of(name, fault))?;
        }
    }
    // One that exists is used as it is, whatever the file says of it.
    for volume in real::names(model, "volumes", project) {
        let name = names::volume(&volume.name)?;
        volumes::known_volume(dock, name).await.map_err(|fault| of(&volume.name, fault))?;
    }
    Ok(())
}

/// The Dockerfile of a folder of ours lies in it, wherever its links lead.
async fn dockerfile(dock: &Dock, build: &Value, folder: &Path) -> Result<(), Fault> {
    let context = build.as_str().unwrap_or_else(|| text(build, "context"));
    if is_elsewhere(context) {
        return Ok(());
    }
    let file = Some(text(build, "dockerfile")).filter(|file| !file.is_empty()).unwrap_or("Dockerfile");
    let folder = super::files::allowed(dock, &folder.join(context).to_string_lossy()).await?;
    let file = super::files::allowed(dock, &folder.join(file).to_string_lossy()).await?;
    if file.starts_with(&folder) { Ok(()) } else { Err(outside()) }
}

fn outside() -> Fault {
    Fault::refused("a Dockerfile must lie in the folder that is built from.")
}

fn member<'a>(of: &'a Map<String, Value>, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn of(name: &str, fault: Fault) -> Fault {
    let named: String = name.chars().take(100).collect();
    fault.about(&format!("{named:?} in the compose file"))
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

/// A mount: source, target and mode.
type Mounted = (String, String, Option<String>);

/// Everything that can be decided without the engine. Gives the mounts.
fn plain(safety: &Safety, service: &Map<String, Value>) -> Result<Vec<Mounted>, Fault> {
    let odd = service
        .keys()
        .find(|key| !KNOWN.contains(&key.as_str()) && !KNOWN_TOO.contains(&key.as_str()) && !key.starts_with("x-"));
    if let Some(odd) = odd {
        return Err(Fault::refused(format!(
            "{:?} is refused, for it is not known what it opens.",
            odd.chars().take(60).collect::<String>()
        )));
    }
    let is_on = |value: &Value| !matches!(value, Value::Bool(false) | Value::Null) && value.as_str() != Some("false");
    isolation::privileged(safety, service.get("privileged").is_some_and(is_on))?;
    isolation::capabilities(safety, words(service.get("cap_add")))?;
    isolation::security_options(safety, words(service.get("security_opt")))?;
    let devices = service.get("devices").and_then(Value::as_array).into_iter().flatten();
    let devices = devices.map(|d| d.as_str().map_or_else(|| text(d, "source").to_owned(), str::to_owned)).collect();
    isolation::devices(safety, devices)?;
    for (key, kind) in NAMESPACES {
        let mode = service.get(key).and_then(Value::as_str).unwrap_or_default();
        // Another service's namespace is another container's.
        if !mode.is_empty() && !mode.starts_with("service:") {
            isolation::namespace(safety, kind, mode)?;
        }
    }
    if let Some(driver) = service.get("logging").and_then(|l| l.get("driver")).and_then(Value::as_str) {
        isolation::log_driver(safety, driver)?;
    }
    ports(safety, service.get("ports"))?;
    build(safety, service.get("build"))?;
    let reserved = service.get("deploy").and_then(|deploy| deploy.pointer("/resources/reservations/devices"));
    for device in reserved.and_then(Value::as_array).into_iter().flatten() {
        isolation::device_driver(safety, text(device, "driver"))?;
    }
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
                    binds.push((source.to_owned(), target.to_owned(), parts.next().map(str::to_owned)));
                }
            }
            Value::Object(long) => {
                let part = |key: &str| long.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                // A bind that is seen elsewhere, too, is a mode that is not known.
                let propagation = long.get("bind").map(|bind| text(bind, "propagation").to_owned());
                let mode = propagation.filter(|mode| !matches!(mode.as_str(), "" | "rprivate"));
                match part("type").as_str() {
                    "bind" if part("source").starts_with('/') => {
                        binds.push((part("source"), part("target"), mode));
                    }
                    "volume" | "tmpfs" => {}
                    other => return Err(Fault::refused(format!("a mount of the type {other:?} is refused."))),
                }
            }
            _ => return Err(Fault::new("a mount cannot be read.")),
        }
    }
    Ok(binds)
}

/// Each entry by itself: several may be of the same port of the container.
fn ports(safety: &Safety, given: Option<&Value>) -> Result<(), Fault> {
    for port in given.and_then(Value::as_array).into_iter().flatten() {
        let (host, container) = match port {
            Value::Object(long) => {
                let get = |key: &str| {
                    long.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default()
                };
                let (address, published) = (get("host_ip"), get("published"));
                let host = if address.is_empty() { published } else { format!("{address}:{published}") };
                let protocol = Some(get("protocol")).filter(|p| !p.is_empty()).unwrap_or_else(|| "tcp".into());
                (host, format!("{}/{protocol}", get("target")))
            }
            other => {
                let text = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
                match text.rsplit_once(':') {
                    Some((host, container)) => (host.to_owned(), container.to_owned()),
                    None => (String::new(), text),
                }
            }
        };
        // Compose asks the engine for every address where none is written.
        let address = host.rsplit_once(':').map_or("", |(address, _)| address.trim_matches(['[', ']']));
        if safety.publish == Publish::Loopback && !address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) {
            return Err(Fault::refused(
                "ports: the settings allow loopback addresses only (publish); write one, like \"127.0.0.1:8080:80\".",
            ));
        }
        // A range publishes one by one; only where it is published is decided.
        let container = if container.contains('-') { "1".to_owned() } else { container };
        ports::publish(BTreeMap::from([(container, Some(ports::Binding::Text(host)))]), safety.publish)?;
    }
    Ok(())
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
    let build = match given {
        Some(Value::Object(build)) => build,
        Some(Value::String(context)) => return near(safety, context),
        _ => return Ok(()),
    };
    if let Some(odd) = build.keys().find(|key| !BUILD.contains(&key.as_str()) && key.as_str() != "additional_contexts")
    {
        return Err(Fault::refused(format!(
            "{:?} of a build is refused, for it is not known what it opens.",
            odd.chars().take(60).collect::<String>()
        )));
    }
    let network = build.get("network").and_then(Value::as_str).unwrap_or_default();
    if !network.is_empty() {
        isolation::namespace(safety, "network", network)?;
    }
    let file = member(build, "dockerfile");
    if file.starts_with('/') || file.split('/').any(|part| part == "..") {
        return Err(outside());
    }
    for key in ["cache_from", "cache_to"] {
        if let Some(odd) = words(build.get(key)).iter().find(|cache| !is_remote_cache(cache)) {
            return Err(Fault::refused(format!(
                "{key}: {:?} is refused, for it may read and write this machine's disk; use an image, type=registry or \
                 type=inline.",
                odd.chars().take(60).collect::<String>()
            )));
        }
    }
    let context = member(build, "context").to_owned();
    std::iter::once(context).chain(additional(build)).try_for_each(|context| near(safety, &context))
}

/// Refuses a context that would be fetched.
fn near(safety: &Safety, context: &str) -> Result<(), Fault> {
    if !is_elsewhere(context) || context.starts_with("docker-image://") || safety.allows(REMOTE) {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "the build context {:?} is refused: this machine would fetch it, from places that the caller may not reach. \
         Name a folder; the operator can allow it by name ({REMOTE}).",
        context.chars().take(60).collect::<String>()
    )))
}

/// What the operator allows so that contexts are fetched.
pub(super) const REMOTE: &str = "build-context:remote";

/// Whether a context is no folder but something to fetch, in all forms that `docker build` knows.
fn is_elsewhere(context: &str) -> bool {
    let before_slash = context.split('/').next().unwrap_or_default();
    context.contains("://")
        || before_slash.contains(['@', ':'])
        || matches!(before_slash, "github.com" | "bitbucket.org" | "gitlab.com")
}

/// An image, or a cache that lies in one.
fn is_remote_cache(cache: &str) -> bool {
    if !cache.contains(['=', ',', '"']) {
        return true;
    }
    let mut kinds = cache.split(',').filter_map(|part| part.trim().strip_prefix("type="));
    matches!((kinds.next(), kinds.next()), (Some("registry" | "inline"), None)) && !cache.contains('"')
}

/// Further contexts, by name or as `NAME=PLACE`.
fn additional(build: &Map<String, Value>) -> Vec<String> {
    match build.get("additional_contexts") {
        Some(Value::Object(more)) => more.values().filter_map(Value::as_str).map(str::to_owned).collect(),
        more => words(more).iter().map(|one| one.split_once('=').map_or(one.as_str(), |o| o.1).to_owned()).collect(),
    }
}

fn build_paths(service: &Map<String, Value>) -> Vec<String> {
    match service.get("build") {
        Some(Value::String(path)) => vec![path.clone()],
        Some(Value::Object(build)) => {
            let context = build.get("context").and_then(Value::as_str).unwrap_or(".");
            let more = additional(build);
            std::iter::once(context.to_owned()).chain(more).filter(|path| !is_elsewhere(path)).collect()
        }
        _ => Vec::new(),
    }
}

/// The members of an object as texts.
pub(super) fn texts(given: Option<&Value>) -> BTreeMap<String, String> {
    let all = given.and_then(Value::as_object).into_iter().flatten();
    all.map(|(key, value)| (key.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))).collect()
}

/// Volumes by what their driver would do, networks by their driver, files by their place.
async fn top_level(dock: &Dock, kind: &str, one: &Value, folder: &Path) -> Result<(), Fault> {
    match kind {
        "volumes" => {
            let driver = Some(text(one, "driver")).filter(|d| !d.is_empty()).unwrap_or("local");
            let options = texts(one.get("driver_opts")).into_iter().map(|(key, value)| (key, Scalar::Text(value)));
            volumes::driver_options(dock, driver, options.collect()).await.map(|_| ())
        }
        "networks" => {
            if text(one, "name") == "host" {
                isolation::namespace(dock.safety(), "network", "host")?;
            }
            let driver = Some(text(one, "driver")).filter(|driver| !driver.is_empty()).unwrap_or("bridge");
            isolation::network(dock.safety(), driver, &texts(one.get("driver_opts")))?;
            isolation::addresses(dock.safety(), one.get("ipam").map_or("", |ipam| text(ipam, "driver")))
        }
        "configs" | "secrets" => match one.get("file").and_then(Value::as_str) {
            Some(file) => super::files::allowed(dock, &folder.join(file).to_string_lossy()).await.map(|_| ()),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// For fuzzing: no text harms the reader or the rules, and no privileged service passes.
pub fn check(yaml: &str) {
    if let Ok(named) = env_files::named(yaml) {
        // It says itself if what it wrote is not what it meant.
        let _ = env_files::with_paths(yaml, &named, &vec![Path::new("/held"); named.len()]);
    }
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

    fn verdict(yaml: &str) -> Result<Vec<Mounted>, Fault> {
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
            "build: {context: ., cache_to: ['type=local,dest=/etc']}",
            "build: {context: ., cache_from: ['\"type=local\",src=/etc']}",
            "build: {context: ., cache_from: ['src=/etc, type=local']}",
            "build: {context: ., additional_contexts: {a: 'oci-layout:///root/x'}}",
            "build: {context: ., additional_contexts: ['a=oci-layout:///root/x']}",
            "provider: {type: x}",
            "post_start: [{command: x, privileged: true}]",
            "pre_stop: [{command: x, user: root}]",
            "cgroup_parent: /x",
            "volumes: ['./x:/y']",
            "logging: {driver: syslog}",
            "volumes: [{type: npipe, source: /x}]",
            "use_api_socket: true",
            "volumes_from: [x]",
            "runtime: x",
            "annotations: {a: b}",
            "deploy: {resources: {reservations: {devices: [{driver: cdi, device_ids: [vendor.com/device=x]}]}}}",
            "build: git@example.com:private.git",
            "build: {context: 'http://127.0.0.1:1/x'}",
            "build: {context: 'https://example.com/x.git'}",
            "build: {context: github.com/x/y}",
            "build: {context: ., additional_contexts: {a: 'ssh://git@example.com/x'}}",
        ] {
            assert!(verdict(refused).is_err(), "{refused}");
        }
        let fine = "image: x\ncap_add: [NET_BIND_SERVICE]\nnetwork_mode: service:db\nports: ['127.0.0.1:80:80', {target: 1, published: 2}]\nvolumes: ['/srv/x:/y:ro', 'data:/z']";
        assert_eq!(verdict(fine).unwrap().len(), 2);
        let seen =
            "volumes: ['/srv/x:/y:rshared', {type: bind, source: /srv/x, target: /y, bind: {propagation: rshared}}]";
        assert!(verdict(seen).unwrap().iter().all(|(_, _, mode)| mode.as_deref() == Some("rshared")));
        let graphics = "deploy: {resources: {reservations: {devices: [{driver: nvidia, capabilities: [gpu]}]}}}";
        assert!(verdict(graphics).is_ok());
        let near = "build: {context: './a@b', dockerfile: D}";
        assert!(verdict(near).is_ok() && verdict("build: ./a").is_ok() && verdict("build: /a/b@c").is_ok());
        check(fine);
        let cached = "build: {context: ., cache_from: [a/b:c, 'type=registry,ref=a/b'], cache_to: [type=inline], \
            additional_contexts: {a: 'docker-image://b', c: ./d}}";
        assert!(verdict(cached).is_ok());
    }

    #[test]
    fn under_the_loopback_rule_each_port_has_a_loopback_address() {
        let verdict = |ports: &str, publish| {
            let ports: Value = serde_saphyr::from_str(ports).unwrap();
            super::ports(&Safety { publish, ..Safety::default() }, Some(&ports))
        };
        for fine in [
            "['127.0.0.1:80:80', '[::1]:80:80']",
            "[{target: 1, published: 2, host_ip: 127.0.0.1}]",
            "[]",
            "['127.0.0.1::80/udp']",
        ] {
            assert!(verdict(fine, Publish::Loopback).is_ok(), "{fine}");
        }
        for refused in [
            "['8081:80']",
            "['80']",
            "[80]",
            "['0.0.0.0:8082:80', '127.0.0.1:8083:80']",
            "['127.0.0.1:8083:80', '0.0.0.0:8082:80']",
            "[{target: 80, published: 80}]",
            "[{target: 80, published: 80, host_ip: '::'}]",
            "['localhost:80:80']",
        ] {
            assert!(verdict(refused, Publish::Loopback).is_err(), "{refused}");
        }
        assert!(
            verdict("['8081:80']", Publish::Any).is_ok() && verdict("['127.0.0.1:1:1']", Publish::Nothing).is_err()
        );
    }
}
