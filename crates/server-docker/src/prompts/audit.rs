//! `security_audit`: findings by the sections of the CIS Docker Benchmark, of which those that can be seen over
//! the engine's API are checked here. Section 5 is about containers, 2 and 3 about the engine, 4 about images.

use super::facts::{Facts, plain, short};
use crate::dock::Dock;
use crate::engine::Ask;
use crate::fault::Fault;
use crate::mounts::{lexical, listed};
use crate::redact;
use crate::tools::{items, text};
use serde_json::Value;
use std::fmt::Write as _;

/// Containers in one audit.
const MOST: usize = 20;

pub(super) async fn render(dock: &Dock, container: Option<&str>) -> Result<String, Fault> {
    let info = dock.shown(dock.engine.json(Ask::get("/info")).await?);
    let mut names = Vec::new();
    let mut more = 0;
    match container {
        Some(container) => names.push(container.to_owned()),
        None => {
            let list = dock.engine.json(Ask::get("/containers/json")).await?;
            let all: Vec<_> = list.as_array().into_iter().flatten().map(|c| short(text(c, "Id"))).collect();
            more = all.len().saturating_sub(MOST);
            names.extend(all.into_iter().take(MOST));
        }
    }
    let mut found = String::new();
    for finding in engine(&info) {
        // Writing to a text cannot fail.
        let _ = writeln!(found, "engine: {finding}");
    }
    for name in names {
        match Facts::of(dock, &name).await {
            Ok(facts) => {
                let findings = of_container(&facts.0);
                let _ = writeln!(
                    found,
                    "container {} ({}), image {}:",
                    facts.name(),
                    short(text(&facts.0, "Id")),
                    plain(facts.0.pointer("/Config/Image").unwrap_or(&Value::Null))
                );
                for finding in &findings {
                    let _ = writeln!(found, "  {finding}");
                }
                if findings.is_empty() {
                    found.push_str("  nothing found by these checks\n");
                }
            }
            // It may have ended meanwhile.
            Err(Fault::Engine(error)) if container.is_none() && error.is_missing() => {}
            Err(fault) => return Err(fault),
        }
    }
    if more > 0 {
        let _ = writeln!(found, "and {more} containers more, which were not looked at");
    }
    Ok(format!(
        "Write a security report on this Docker engine and its containers by the sections of the CIS Docker Benchmark \
         (2 daemon, 3 daemon files, 4 images, 5 container runtime). The findings below were computed from the engine's \
         own attributes. {}\n\n{}\n\nFor each finding: the section, how bad it is here (critical, high, medium, low) and \
         why, and the smallest change that mends it, as options of docker_create_container or of the daemon. Begin with \
         what hands over the host. Say which sections cannot be checked over the API: 1 (the host), 3 (files of the \
         daemon), 4.2 to 4.5 and 4.8 to 4.11 (how images were built), and how to check them.",
        super::DATA,
        dock.fenced("the engine", &found)
    ))
}

/// Sections 2 and 3, as far as they can be seen.
fn engine(info: &Value) -> Vec<String> {
    let options: Vec<_> = items(info, "SecurityOptions").iter().filter_map(Value::as_str).collect();
    let has = |name: &str| options.iter().any(|option| option.contains(name));
    let flag = |key: &str| info.get(key).and_then(Value::as_bool).unwrap_or_default();
    let mut found = vec![format!("version {}, kernel {}", text(info, "ServerVersion"), text(info, "KernelVersion"))];
    let checks = [
        (
            !has("name=userns") && !has("name=rootless"),
            "2.9 no user namespaces: root in a container is root on the host",
        ),
        (!has("name=seccomp"), "2.16 the engine has no seccomp profile"),
        (!has("name=apparmor") && !has("name=selinux"), "5.1/5.2 neither AppArmor nor SELinux is on"),
        (!flag("LiveRestoreEnabled"), "2.15 live restore is off"),
        (flag("ExperimentalBuild"), "2.17 experimental features are on"),
    ];
    found.extend(checks.into_iter().filter(|(bad, _)| *bad).map(|(_, words)| words.to_owned()));
    let insecure = info.pointer("/RegistryConfig/InsecureRegistryCIDRs").and_then(Value::as_array);
    let insecure: Vec<_> = insecure
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|net| *net != "127.0.0.0/8" && *net != "::1/128")
        .collect();
    if !insecure.is_empty() {
        found.push(format!("2.5 registries without TLS are trusted: {}", insecure.join(", ")));
    }
    found
}

/// Section 5, and 4.1 and 4.6.
fn of_container(container: &Value) -> Vec<String> {
    let at = |pointer: &str| container.pointer(pointer).unwrap_or(&Value::Null);
    let flag = |pointer: &str| at(pointer).as_bool().unwrap_or_default();
    let number = |pointer: &str| at(pointer).as_i64().unwrap_or_default();
    let word = |pointer: &str| at(pointer).as_str().unwrap_or_default();
    let words = |pointer: &str| -> Vec<&str> {
        at(pointer).as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let options = words("/HostConfig/SecurityOpt").join(" ");
    let user = word("/Config/User");
    let is_host = |pointer: &str| word(pointer) == "host";
    let restart = word("/HostConfig/RestartPolicy/Name");
    let has_health = !at("/Config/Healthcheck").is_null();
    let mut found: Vec<String> = [
        (matches!(user.split(':').next(), Some("" | "0" | "root")), "4.1 it runs as root"),
        (!has_health, "4.6/5.27 it has no health check"),
        (
            options.contains("apparmor=unconfined") || options.contains("apparmor:unconfined"),
            "5.1 AppArmor is switched off",
        ),
        (options.contains("label=disable") || options.contains("label:disable"), "5.2 SELinux is switched off"),
        (flag("/HostConfig/Privileged"), "5.4 it is privileged: it has the whole host"),
        (is_host("/HostConfig/NetworkMode"), "5.9 it has the host's network"),
        (number("/HostConfig/Memory") == 0, "5.11 it has no memory limit"),
        (
            number("/HostConfig/CpuShares") == 0 && number("/HostConfig/NanoCpus") == 0,
            "5.12 it has no share or limit of processors",
        ),
        (!flag("/HostConfig/ReadonlyRootfs"), "5.13 its root file system can be written"),
        (
            restart == "always"
                || (restart == "on-failure" && number("/HostConfig/RestartPolicy/MaximumRetryCount") > 5),
            "5.15 it is restarted without an end",
        ),
        (is_host("/HostConfig/PidMode"), "5.16 it has the host's process namespace"),
        (is_host("/HostConfig/IpcMode"), "5.17 it has the host's IPC namespace"),
        (is_host("/HostConfig/UTSMode"), "5.21 it has the host's UTS namespace"),
        (
            options.contains("seccomp=unconfined") || options.contains("seccomp:unconfined"),
            "5.22 seccomp is switched off",
        ),
        (!options.contains("no-new-privileges"), "5.26 its processes may gain privileges"),
        (number("/HostConfig/PidsLimit") <= 0, "5.29 it has no limit of processes"),
        (is_host("/HostConfig/UsernsMode"), "5.31 it has the host's user namespace"),
    ]
    .into_iter()
    .filter(|(bad, _)| *bad)
    .map(|(_, words)| words.to_owned())
    .collect();
    for cap in words("/HostConfig/CapAdd") {
        found.push(format!("5.5 the capability {cap} was added"));
    }
    for mount in items(container, "Mounts").iter().filter(|m| text(m, "Type") == "bind") {
        let source = text(mount, "Source");
        if source.contains("docker.sock") || source.contains("podman.sock") {
            found.push(format!("5.32 the engine's socket is mounted: {source}"));
        } else if lexical(source).is_none_or(|path| listed(&path).is_some()) {
            let mode = if mount.get("RW").and_then(Value::as_bool) == Some(false) { "read-only" } else { "writable" };
            found.push(format!("5.6 a sensitive path of the host is mounted, {mode}: {source}"));
        }
    }
    for device in items(at("/HostConfig"), "Devices") {
        found.push(format!("5.18 a device of the host: {}", text(device, "PathOnHost")));
    }
    let bindings = at("/HostConfig/PortBindings").as_object();
    for (port, hosts) in bindings.into_iter().flatten() {
        for host in hosts.as_array().into_iter().flatten() {
            let (ip, number) = (text(host, "HostIp"), text(host, "HostPort"));
            if ip.is_empty() || ip == "0.0.0.0" || ip == "::" {
                found.push(format!("5.14 {port} is published on all addresses (host port {number})"));
            }
            if number.parse::<u16>().is_ok_and(|n| n > 0 && n < 1024) {
                found.push(format!("5.8 {port} has the privileged host port {number}"));
            }
        }
    }
    if word("/Config/Image").contains(":latest") || !word("/Config/Image").contains([':', '@']) {
        found.push("4.7/5.28 its image is not pinned to a version or digest".to_owned());
    }
    let secret = |entry: &&str| {
        entry.split_once('=').is_some_and(|(name, value)| redact::is_secret_name(name) && !value.is_empty())
    };
    for entry in words("/Config/Env").iter().filter(|entry| secret(entry)) {
        let name = entry.split('=').next().unwrap_or_default();
        found.push(format!("4.10 a secret is in its variables: {name}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn findings_name_their_sections_and_a_tight_container_has_none() {
        let open = json!({
            "Config": {"User": "", "Env": ["DB_PASSWORD=<REDACTED>"], "Image": "app"},
            "HostConfig": {"Privileged": true, "NetworkMode": "host", "PidMode": "host", "CapAdd": ["SYS_ADMIN"],
                "SecurityOpt": ["seccomp=unconfined"], "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}},
            "Mounts": [{"Type": "bind", "Source": "/var/run/docker.sock", "RW": true}, {"Type": "bind", "Source": "/etc"}],
        });
        let all = of_container(&open).join("\n");
        for section in ["4.1 ", "4.10 ", "5.4 ", "5.5 ", "5.6 ", "5.8 ", "5.9 ", "5.14 ", "5.16 ", "5.22 ", "5.32 "] {
            assert!(all.contains(section), "{section} in {all}");
        }
        let tight = json!({
            "Config": {"User": "1000", "Env": ["PATH=/bin"], "Image": "app:1.2", "Healthcheck": {"Test": ["CMD", "true"]}},
            "HostConfig": {"Memory": 1, "NanoCpus": 1, "ReadonlyRootfs": true, "PidsLimit": 10,
                "SecurityOpt": ["no-new-privileges"], "RestartPolicy": {"Name": "no"}},
            "Mounts": [],
        });
        assert_eq!(of_container(&tight), Vec::<String>::new());
    }
}
