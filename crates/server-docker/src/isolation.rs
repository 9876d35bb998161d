//! What keeps a container apart from its host, and what of it may be given up: only what the settings allow by name.

use crate::dock::Dock;
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::names;
use crate::settings::Safety;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Capabilities that containers have by themselves: they may be named.
const DEFAULT_CAPS: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Log drivers that keep what they are given on this machine.
const LOCAL_LOGS: [&str; 4] = ["json-file", "local", "journald", "none"];

/// Why something is refused, and how it is allowed.
fn opens(what: &str, exception: &str) -> Fault {
    Fault::refused(format!(
        "{what} is refused, for it opens the host to the container. Do without it; the operator can allow it by name ({exception})."
    ))
}

/// Privileged containers, and privileged commands in them.
pub(crate) fn privileged(safety: &Safety, wanted: bool) -> Result<(), Fault> {
    if wanted && !safety.allows("privileged") {
        return Err(opens("privileged", "SAFETY_ALLOW_PRIVILEGED_CONTAINERS=true, or privileged in allow"));
    }
    Ok(())
}

/// Its name as the engine has it.
pub(crate) fn cap(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
}

/// Capabilities beyond those of every container.
pub(crate) fn capabilities(safety: &Safety, given: Vec<String>) -> Result<Value, Fault> {
    let mut all = Vec::new();
    for one in given {
        let name = cap(&one);
        if !DEFAULT_CAPS.contains(&name.as_str()) && !safety.allows(&format!("cap:{name}")) {
            return Err(opens(&format!("the capability {name}"), &format!("cap:{name}")));
        }
        all.push(name);
    }
    Ok(all.into())
}

/// Options that do not switch something off.
pub(crate) fn security_options(safety: &Safety, given: Vec<String>) -> Result<Value, Fault> {
    for one in &given {
        let text = one.trim().to_ascii_lowercase().replacen(':', "=", 1);
        let harmless = matches!(
            text.as_str(),
            "no-new-privileges" | "no-new-privileges=true" | "apparmor=docker-default" | "seccomp=builtin"
        );
        if !harmless && !safety.allows(&format!("security-opt:{}", one.trim())) {
            let shown: String = one.chars().take(80).filter(|c| !c.is_control()).collect();
            return Err(opens(&format!("the security option {shown:?}"), &format!("security-opt:{shown}")));
        }
    }
    Ok(given.into())
}

/// Devices of the host.
pub(crate) fn devices(safety: &Safety, given: Vec<String>) -> Result<Value, Fault> {
    // By where it leads: a link in an allowed place is no way around.
    devices_at(safety, given, |source| {
        std::fs::canonicalize(source).map_or_else(|_| source.to_owned(), |p| p.to_string_lossy().into_owned())
    })
}

fn devices_at(safety: &Safety, given: Vec<String>, leads_to: impl Fn(&str) -> String) -> Result<Value, Fault> {
    let mut all = Vec::new();
    for one in given {
        let mut parts = one.split(':');
        let source = parts.next().unwrap_or_default();
        let target = parts.next().unwrap_or(source);
        let rights = parts.next().unwrap_or("rwm");
        let real = leads_to(source);
        if !safety.allows(&format!("device:{real}")) || parts.next().is_some() {
            return Err(opens(&format!("the device {source:?}"), &format!("device:{real}")));
        }
        all.push(json!({ "PathOnHost": real, "PathInContainer": target, "CgroupPermissions": rights }));
    }
    Ok(all.into())
}

/// Devices of the host, for this engine: links are followed if they are on its disk.
pub(crate) async fn devices_of(dock: &Dock, given: Vec<String>) -> Result<Value, Fault> {
    let safety = dock.safety().clone();
    if !dock.engine.shares_files().await? {
        return devices_at(&safety, given, str::to_owned);
    }
    let checked = tokio::task::spawn_blocking(move || devices(&safety, given));
    checked.await.map_err(|e| Fault::new(e.to_string()))?
}

/// The namespaces that a container has, by their names in `HostConfig` and in the settings.
pub(crate) const NAMESPACES: [(&str, &str); 6] = [
    ("PidMode", "pid"),
    ("IpcMode", "ipc"),
    ("UTSMode", "uts"),
    ("UsernsMode", "userns"),
    ("CgroupnsMode", "cgroupns"),
    ("NetworkMode", "network"),
];

/// Containers that have their namespaces of one another, in a row.
const MOST_JOINED: usize = 8;

/// Refuses the namespace of a container that has the host's, or is privileged, and a network that is the host's under
/// another name.
pub(crate) async fn joined(dock: &Dock, kind: &str, mode: &str) -> Result<(), Fault> {
    let exception = format!("{kind}:host");
    if dock.safety().allows(&exception) {
        return Ok(());
    }
    let key = NAMESPACES.iter().find(|(_, known)| *known == kind).map(|(key, _)| *key).unwrap_or_default();
    let mut mode = mode.trim().to_owned();
    for _ in 0..MOST_JOINED {
        let Some(other) = mode.strip_prefix("container:") else {
            if kind == "network" && is_network_of_host(dock, &mode).await? {
                return Err(opens("the network of the host", &exception));
            }
            return Ok(());
        };
        let found = dock.container(other).await?;
        // Podman calls it shareable, also where it is the host's.
        let is_unknown = kind == "ipc" && dock.engine.is_podman().await?;
        let at = |pointer: &str| found.pointer(&format!("/HostConfig/{pointer}")).cloned().unwrap_or_default();
        let theirs = at(key).as_str().unwrap_or_default().to_owned();
        if is_unknown || theirs == "host" || at("Privileged").as_bool().unwrap_or_default() {
            let shown: String = other.chars().take(80).collect();
            return Err(opens(
                &if is_unknown {
                    format!("the ipc namespace of {shown:?}, of which Podman does not say whether it is the host's,")
                } else {
                    format!("the {kind} namespace of {shown:?}, which has the host's or is privileged,")
                },
                &exception,
            ));
        }
        mode = theirs;
    }
    Err(Fault::refused(format!("the {kind} namespace is taken over too many containers.")))
}

/// Whether a network is the host's, by its name or its id.
async fn is_network_of_host(dock: &Dock, name: &str) -> Result<bool, Fault> {
    if matches!(name, "" | "none" | "default" | "bridge" | "private" | "slirp4netns" | "pasta") {
        return Ok(false);
    }
    if name.eq_ignore_ascii_case("host") {
        return Ok(true);
    }
    match dock.engine.json(Ask::get(path(&["networks", names::network(name)?]))).await {
        Ok(found) => Ok(found.get("Driver").and_then(Value::as_str) == Some("host")),
        Err(error) if error.is_missing() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A namespace of the host's, another container's, or the container's own.
pub(crate) fn namespace(safety: &Safety, kind: &str, mode: &str) -> Result<String, Fault> {
    let mode = mode.trim();
    let lower = mode.to_ascii_lowercase();
    if lower == "host" {
        let name = format!("{kind}:host");
        return if safety.allows(&name) {
            Ok(lower)
        } else {
            Err(opens(&format!("the {kind} namespace of the host"), &name))
        };
    }
    if let Some(other) = mode.strip_prefix("container:") {
        return Ok(format!("container:{}", names::container(other)?));
    }
    let known: &[&str] = match kind {
        "ipc" => &["none", "private", "shareable"],
        "cgroupns" => &["private"],
        "network" => return if lower == "none" { Ok(lower) } else { names::network(mode).map(str::to_owned) },
        _ => &["", "private"],
    };
    if known.contains(&lower.as_str()) {
        // The engine knows no word for a process namespace of its own: it is what there is by default.
        return Ok(if lower == "private" && !matches!(kind, "ipc" | "cgroupns") { String::new() } else { lower });
    }
    Err(Fault::new(format!("{kind}: {mode:?} is no namespace; write container:NAME, or leave it out.")))
}

/// Drivers that put containers beside the host's own interfaces.
const ON_THE_HOSTS_WIRE: [&str; 3] = ["macvlan", "ipvlan", "host"];

/// Options of the driver `bridge` that stay within the network. Others name an interface of the host, take it over,
/// or open containers to other machines.
const OF_BRIDGES: [&str; 7] = [
    "com.docker.network.bridge.enable_icc",
    "com.docker.network.bridge.enable_ip_masquerade",
    "com.docker.network.container_iface_prefix",
    "com.docker.network.driver.mtu",
    "com.docker.network.enable_ipv4",
    "com.docker.network.enable_ipv6",
    "mtu",
];

/// The driver of a new network and its options.
pub(crate) fn network(safety: &Safety, driver: &str, options: &BTreeMap<String, String>) -> Result<(), Fault> {
    let exception = format!("network-driver:{driver}");
    if safety.allows(&exception) {
        return Ok(());
    }
    if ON_THE_HOSTS_WIRE.contains(&driver) {
        return if safety.allows("network:host") {
            Ok(())
        } else {
            Err(opens(&format!("the network driver {driver:?}"), "network:host"))
        };
    }
    if driver != "bridge" {
        let shown: String = driver.chars().take(80).filter(|c| !c.is_control()).collect();
        return Err(opens(&format!("the network driver {shown:?}"), &format!("network-driver:{shown}")));
    }
    match options.keys().find(|key| !OF_BRIDGES.contains(&key.as_str())) {
        Some(odd) => {
            let shown: String = odd.chars().take(80).filter(|c| !c.is_control()).collect();
            Err(opens(&format!("the option {shown:?} of a bridge"), "network-driver:bridge"))
        }
        None => Ok(()),
    }
}

/// What gives out the addresses of a new network.
pub(crate) fn addresses(safety: &Safety, driver: &str) -> Result<(), Fault> {
    if matches!(driver, "" | "default") || safety.allows(&format!("network-driver:{driver}")) {
        return Ok(());
    }
    let shown: String = driver.chars().take(80).filter(|c| !c.is_control()).collect();
    Err(Fault::refused(format!(
        "ipam: the driver {shown:?} is refused; the operator can allow it by name (network-driver:{shown})."
    )))
}

/// Drivers that give a container devices of the host: those of graphics cards, and no other (`cdi` names any).
pub(crate) fn device_driver(safety: &Safety, driver: &str) -> Result<(), Fault> {
    if matches!(driver, "" | "nvidia" | "amd") || safety.allows(&format!("device-driver:{driver}")) {
        return Ok(());
    }
    let shown: String = driver.chars().take(80).filter(|c| !c.is_control()).collect();
    Err(opens(&format!("the device driver {shown:?}"), &format!("device-driver:{shown}")))
}

/// A driver that sends the log elsewhere reaches whatever its options name.
pub(crate) fn log_driver(safety: &Safety, driver: &str) -> Result<(), Fault> {
    if !LOCAL_LOGS.contains(&driver) && !safety.allows(&format!("log-driver:{driver}")) {
        return Err(opens(&format!("the log driver {driver:?}"), &format!("log-driver:{driver}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_network_takes_no_interface_of_the_host() {
        let with = |safety: &Safety, driver: &str, option: &str| {
            let options = BTreeMap::from([(option.to_owned(), "x".to_owned())]);
            network(safety, driver, &options).map_err(|fault| format!("{fault:?}"))
        };
        let plain = Safety::default();
        assert!(with(&plain, "bridge", "com.docker.network.driver.mtu").is_ok());
        for option in ["com.docker.network.bridge.name", "parent", "com.docker.network.bridge.gateway_mode_ipv4"] {
            assert!(with(&plain, "bridge", option).unwrap_err().contains("network-driver:bridge"), "{option}");
        }
        for driver in ["macvlan", "ipvlan", "host"] {
            assert!(with(&plain, driver, "parent").unwrap_err().contains("network:host"), "{driver}");
        }
        for driver in ["overlay", "some-plugin", "Bridge", ""] {
            let why = with(&plain, driver, "x").unwrap_err();
            assert!(why.contains(&format!("network-driver:{driver}")), "{why}");
        }
        let named = Safety { allow: vec!["network-driver:bridge".into(), "network:host".into()], ..plain };
        assert!(with(&named, "bridge", "com.docker.network.bridge.name").is_ok());
        assert!(with(&named, "macvlan", "parent").is_ok() && with(&named, "overlay", "x").is_err());
    }
}
