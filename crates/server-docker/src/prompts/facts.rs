//! What is known of one container, in lines for a prompt.

use crate::dock::Dock;
use crate::fault::Fault;
use crate::tools::{items, text};
use serde_json::Value;
use std::fmt::Write as _;

/// Attributes of a container, cleaned and without secrets.
pub(super) struct Facts(pub(super) Value);

/// Entries of a list that a prompt shows.
const MOST: usize = 50;

impl Facts {
    pub(super) async fn of(dock: &Dock, container: &str) -> Result<Self, Fault> {
        Ok(Self(dock.shown(dock.container(container).await?)))
    }

    fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(super) fn name(&self) -> &str {
        text(&self.0, "Name").trim_start_matches('/')
    }

    /// These parts, in one fence.
    pub(super) fn fenced(&self, dock: &Dock, parts: &[&str]) -> String {
        let mut lines = format!(
            "Container: {} ({})\nImage: {}\n",
            self.name(),
            short(text(&self.0, "Id")),
            plain(self.at("/Config/Image"))
        );
        for part in parts {
            self.write(part, &mut lines);
        }
        dock.fenced(&format!("container {}", self.name()), &lines)
    }

    fn write(&self, part: &str, out: &mut String) {
        let pointers: &[(&str, &str)] = match part {
            "State" => &[
                ("Status", "/State/Status"),
                ("Exit code", "/State/ExitCode"),
                ("Error", "/State/Error"),
                ("OOMKilled", "/State/OOMKilled"),
                ("Started", "/State/StartedAt"),
                ("Finished", "/State/FinishedAt"),
                ("Restarts", "/RestartCount"),
            ],
            "Command" => &[
                ("Entrypoint", "/Config/Entrypoint"),
                ("Command", "/Config/Cmd"),
                ("Working directory", "/Config/WorkingDir"),
                ("User", "/Config/User"),
            ],
            "Health" => &[("Health check", "/Config/Healthcheck"), ("Health", "/State/Health/Status")],
            "Restart" => &[("Restart policy", "/HostConfig/RestartPolicy")],
            "Limits" => &[
                ("Memory limit", "/HostConfig/Memory"),
                ("CPU shares", "/HostConfig/CpuShares"),
                ("Nano CPUs", "/HostConfig/NanoCpus"),
                ("PIDs limit", "/HostConfig/PidsLimit"),
            ],
            "Rights" => &[
                ("Privileged", "/HostConfig/Privileged"),
                ("Read-only", "/HostConfig/ReadonlyRootfs"),
                ("Capabilities added", "/HostConfig/CapAdd"),
                ("Capabilities dropped", "/HostConfig/CapDrop"),
                ("Security options", "/HostConfig/SecurityOpt"),
                ("User", "/Config/User"),
            ],
            "Ports" => &[("Published ports", "/HostConfig/PortBindings"), ("Exposed ports", "/Config/ExposedPorts")],
            "Names" => &[
                ("Host name", "/Config/Hostname"),
                ("DNS", "/HostConfig/Dns"),
                ("Extra hosts", "/HostConfig/ExtraHosts"),
                ("Network mode", "/HostConfig/NetworkMode"),
            ],
            _ => &[],
        };
        for (name, pointer) in pointers {
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{name}: {}", plain(self.at(pointer)));
        }
        match part {
            "Environment" => {
                for variable in items(self.at("/Config"), "Env").iter().take(MOST) {
                    let _ = writeln!(out, "Variable: {}", plain(variable));
                }
            }
            "Mounts" => {
                for mount in items(&self.0, "Mounts").iter().take(MOST) {
                    let source =
                        if text(mount, "Name").is_empty() { text(mount, "Source") } else { text(mount, "Name") };
                    let mode = if mount.get("RW").and_then(Value::as_bool) == Some(false) { "ro" } else { "rw" };
                    let _ = writeln!(
                        out,
                        "Mount: {} {source} at {} ({mode})",
                        text(mount, "Type"),
                        text(mount, "Destination")
                    );
                }
            }
            "Networks" => {
                let networks = self.at("/NetworkSettings/Networks").as_object();
                for (name, network) in networks.into_iter().flatten().take(MOST) {
                    let _ = writeln!(
                        out,
                        "Network: {name}, address {}, gateway {}, MAC {}, aliases {}",
                        text(network, "IPAddress"),
                        text(network, "Gateway"),
                        text(network, "MacAddress"),
                        plain(network.get("Aliases").unwrap_or(&Value::Null))
                    );
                }
            }
            _ => {}
        }
    }
}

pub(super) fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

/// A value in words.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => text.chars().take(500).collect(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(members) if members.is_empty() => "none".to_owned(),
        other => other.to_string().chars().take(1000).collect(),
    }
}
