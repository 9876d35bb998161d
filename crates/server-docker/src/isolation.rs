//! What keeps a container apart from its host, and what of it may be given up: only what the settings allow by name.

use crate::fault::Fault;
use crate::names;
use crate::settings::Safety;
use serde_json::{Value, json};

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
    let mut all = Vec::new();
    for one in given {
        let mut parts = one.split(':');
        let source = parts.next().unwrap_or_default();
        let target = parts.next().unwrap_or(source);
        let rights = parts.next().unwrap_or("rwm");
        // By where it leads: a link in an allowed place is no way around.
        let real =
            std::fs::canonicalize(source).map_or_else(|_| source.to_owned(), |p| p.to_string_lossy().into_owned());
        if !safety.allows(&format!("device:{real}")) || parts.next().is_some() {
            return Err(opens(&format!("the device {source:?}"), &format!("device:{real}")));
        }
        all.push(json!({ "PathOnHost": real, "PathInContainer": target, "CgroupPermissions": rights }));
    }
    Ok(all.into())
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

/// A driver that sends the log elsewhere reaches whatever its options name.
pub(crate) fn log_driver(safety: &Safety, driver: &str) -> Result<(), Fault> {
    if !LOCAL_LOGS.contains(&driver) && !safety.allows(&format!("log-driver:{driver}")) {
        return Err(opens(&format!("the log driver {driver:?}"), &format!("log-driver:{driver}")));
    }
    Ok(())
}
