//! What Compose may make on the engine: what our own tools would make.

use super::super::rules::{REMOTE, texts};
use super::asked::Kind;
use crate::dock::Dock;
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::isolation;
use crate::lenient::Scalar;
use crate::names;
use crate::settings::Publish;
use crate::tools::{items, text};
use crate::volumes::{self, Bound};
use reqwest::Url;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Refuses to make what our own tools would not make: what opens the host.
pub(super) async fn created(dock: &Dock, kind: Kind, asked: &Value) -> Result<(), Fault> {
    if dock.safety().unchecked {
        return Ok(());
    }
    spelled(asked)?;
    let name = text(asked, "Name");
    match kind {
        Kind::Container => {
            let service = asked.pointer("/Labels/com.docker.compose.service").and_then(Value::as_str).unwrap_or("?");
            container(dock, asked)
                .await
                .map_err(|fault| fault.about(&format!("the service {service:?} is not created")))
        }
        Kind::Network => {
            network(dock, asked).map_err(|fault| fault.about(&format!("the network {name:?} is not created")))
        }
        Kind::Volume => {
            volume(dock, asked).await.map_err(|fault| fault.about(&format!("the volume {name:?} is not created")))
        }
    }
}

/// Members that are decided. The engine takes them in capitals and small letters alike (Go, `encoding/json`).
const DECIDED: [&str; 46] = [
    "Annotations",
    "BindOptions",
    "Binds",
    "CapAdd",
    "CgroupParent",
    "CgroupnsMode",
    "ConfigFrom",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "Driver",
    "DriverConfig",
    "DriverOpts",
    "EndpointsConfig",
    "HostConfig",
    "HostIp",
    "IPAM",
    "IpcMode",
    "Labels",
    "LogConfig",
    "MaskedPaths",
    "Mounts",
    "Name",
    "NetworkMode",
    "NetworkingConfig",
    "Options",
    "PathInContainer",
    "PathOnHost",
    "PidMode",
    "PortBindings",
    "Privileged",
    "Propagation",
    "PublishAllPorts",
    "ReadonlyPaths",
    "Runtime",
    "SecurityOpt",
    "Source",
    "Sysctls",
    "Target",
    "Type",
    "UTSMode",
    "UsernsMode",
    "VolumeOptions",
    "VolumesFrom",
    "VolumeDriver",
    "Isolation",
];

/// Refuses other spellings of what is decided, which would be decided by nobody.
fn spelled(value: &Value) -> Result<(), Fault> {
    /// Members in which any name may stand.
    const OPEN: [&str; 7] = ["Labels", "Options", "DriverOpts", "Sysctls", "EndpointsConfig", "PortBindings", "Config"];
    match value {
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            let known = DECIDED.iter().find(|known| known.eq_ignore_ascii_case(name));
            if known.is_some_and(|known| known != name) || !name.is_ascii() {
                let shown: String = name.chars().take(60).collect();
                return Err(Fault::refused(format!("a member is called {shown:?}, as Compose calls none.")));
            }
            if OPEN.contains(&name.as_str()) { Ok(()) } else { spelled(value) }
        }),
        Value::Array(items) => items.iter().try_for_each(spelled),
        _ => Ok(()),
    }
}

/// Members of a host's configuration that open it in ways for which our own tools have no words.
const NOT_OURS: [&str; 8] = [
    "Annotations",
    "CgroupParent",
    "DeviceCgroupRules",
    "MaskedPaths",
    "ReadonlyPaths",
    "Runtime",
    "VolumeDriver",
    "VolumesFrom",
];

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

async fn container(dock: &Dock, asked: &Value) -> Result<(), Fault> {
    let safety = dock.safety();
    let Some(host) = asked.get("HostConfig") else { return Ok(()) };
    if let Some(odd) = NOT_OURS.iter().find(|name| host.get(**name).is_some_and(|value| !is_empty(value))) {
        return Err(Fault::refused(format!("{odd} is refused, for it is not known what it opens.")));
    }
    for device in items(host, "DeviceRequests") {
        isolation::device_driver(safety, text(device, "Driver"))?;
    }
    published(safety.publish, host)?;
    let strings = |key: &str| {
        let all = items(host, key).iter().filter_map(Value::as_str);
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    isolation::privileged(safety, host.get("Privileged").and_then(Value::as_bool).unwrap_or_default())?;
    isolation::capabilities(safety, strings("CapAdd"))?;
    isolation::security_options(safety, strings("SecurityOpt"))?;
    let device = |device: &Value| text(device, "PathOnHost").to_owned();
    isolation::devices_of(dock, items(host, "Devices").iter().map(device).collect()).await?;
    let driver = host.pointer("/LogConfig/Type").and_then(Value::as_str).unwrap_or_default();
    if !driver.is_empty() {
        isolation::log_driver(safety, driver)?;
    }
    for (key, kind) in isolation::NAMESPACES {
        let mode = text(host, key);
        if !mode.is_empty() && !is_its_own(kind, mode) {
            isolation::namespace(safety, kind, mode)?;
            isolation::joined(dock, kind, mode).await?;
        }
    }
    let networks = asked.pointer("/NetworkingConfig/EndpointsConfig").and_then(Value::as_object);
    for name in networks.into_iter().flat_map(|all| all.keys()) {
        isolation::joined(dock, "network", name).await?;
    }
    let mut mounts = Vec::new();
    // Without a colon it is a volume without a name.
    for (source, place) in items(host, "Binds").iter().filter_map(|bind| bind.as_str()?.split_once(':')) {
        let (target, mode) = place.split_once(':').map_or((place, None), |(target, mode)| (target, Some(mode)));
        mounts.push((source.to_owned(), target.to_owned(), mode.filter(|mode| !mode.is_empty()).map(str::to_owned)));
    }
    for mount in items(host, "Mounts") {
        if mount.pointer("/VolumeOptions/DriverConfig").is_some_and(|config| !is_empty(config)) {
            return Err(Fault::refused("a mount that makes a volume with a driver of its own is refused."));
        }
        let propagation = mount.pointer("/BindOptions/Propagation").and_then(Value::as_str).unwrap_or_default();
        // One that is seen elsewhere, too, is a mode that is not known.
        let mode = Some(propagation.to_owned()).filter(|mode| !matches!(mode.as_str(), "" | "rprivate"));
        match text(mount, "Type") {
            "bind" | "volume" if !text(mount, "Source").is_empty() => {
                mounts.push((text(mount, "Source").to_owned(), text(mount, "Target").to_owned(), mode));
            }
            "volume" | "tmpfs" => {}
            other => return Err(Fault::refused(format!("a mount of the type {other:?} is refused."))),
        }
    }
    for (source, bind, mode) in mounts {
        let bound = BTreeMap::from([(source, Bound::Full { bind, mode })]);
        volumes::binds(dock, bound).await?;
    }
    Ok(())
}

/// Words for what every container has.
fn is_its_own(kind: &str, mode: &str) -> bool {
    matches!((kind, mode), ("network", "default" | "bridge") | (_, "private"))
}

/// Ports of the host are published as the settings allow.
fn published(publish: Publish, host: &Value) -> Result<(), Fault> {
    let bindings = host.get("PortBindings").and_then(Value::as_object).into_iter().flat_map(|all| all.values());
    let mut addresses = bindings.flat_map(|all| all.as_array().into_iter().flatten()).map(|one| text(one, "HostIp"));
    let all = host.get("PublishAllPorts").and_then(Value::as_bool).unwrap_or_default();
    let is_loopback = |address: &str| address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let passes = match publish {
        Publish::Any => true,
        Publish::Loopback => !all && addresses.all(is_loopback),
        Publish::Nothing => !all && addresses.next().is_none(),
    };
    if passes { Ok(()) } else { Err(Fault::refused("ports: the settings do not allow to publish there (publish).")) }
}

fn network(dock: &Dock, asked: &Value) -> Result<(), Fault> {
    if asked.get("ConfigFrom").is_some_and(|from| !is_empty(from)) {
        return Err(Fault::refused("a network that is made like another is refused."));
    }
    let driver = Some(text(asked, "Driver")).filter(|driver| !driver.is_empty()).unwrap_or("bridge");
    isolation::network(dock.safety(), driver, &texts(asked.get("Options")))?;
    isolation::addresses(dock.safety(), asked.get("IPAM").map_or("", |ipam| text(ipam, "Driver")))
}

async fn volume(dock: &Dock, asked: &Value) -> Result<(), Fault> {
    let driver = Some(text(asked, "Driver")).filter(|driver| !driver.is_empty()).unwrap_or("local");
    let options = texts(asked.get("DriverOpts")).into_iter().map(|(key, value)| (key, Scalar::Text(value)));
    volumes::driver_options(dock, driver, options.collect()).await.map(|_| ())
}

/// Whether there is no volume of that name.
pub(super) async fn is_missing(dock: &Dock, name: &str) -> Result<bool, Fault> {
    if name.is_empty() {
        return Ok(true);
    }
    match dock.engine.json(Ask::get(path(&["volumes", names::volume(name)?]))).await {
        Ok(_) => Ok(false),
        Err(error) if error.is_missing() => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a network for a container that is the host's.
pub(super) async fn joins(dock: &Dock, network: &str) -> Result<(), Fault> {
    if dock.safety().unchecked { Ok(()) } else { isolation::joined(dock, "network", network).await }
}

/// Refuses a build with the host's network, or of what the engine itself would fetch.
pub(super) async fn build(dock: &Dock, url: &Url) -> Result<(), Fault> {
    let safety = dock.safety();
    if safety.unchecked {
        return Ok(());
    }
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "networkmode" if !matches!(value.as_ref(), "" | "default") => {
                isolation::namespace(safety, "network", &value)?;
                isolation::joined(dock, "network", &value).await?;
            }
            "cgroupparent" if !value.is_empty() => return Err(Fault::refused("a build in another cgroup is refused.")),
            "remote" if !matches!(value.as_ref(), "" | "client-session") && !safety.allows(REMOTE) => {
                return Err(Fault::refused(format!(
                    "a build of what the engine would fetch is refused; the operator can allow it by name ({REMOTE})."
                )));
            }
            _ => {}
        }
    }
    Ok(())
}
