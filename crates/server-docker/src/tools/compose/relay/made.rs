//! What Compose makes on the engine: decided as it is asked for, and remembered.

use crate::dock::Dock;
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::isolation;
use crate::settings::Safety;
use crate::tools::{items, text};
use crate::volumes::{self, Bound};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Container,
    Network,
}

/// What was made.
#[derive(Default)]
pub(in crate::tools::compose) struct Made {
    /// Ids, each with the service's name.
    containers: Vec<(String, String)>,
    networks: Vec<String>,
}

impl Made {
    pub(super) fn remember(&mut self, kind: Kind, asked: &Value, answer: &[u8]) {
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let id = text(&answer, "Id").to_owned();
        match kind {
            _ if id.is_empty() => {}
            Kind::Container => {
                let service = asked.pointer("/Labels/com.docker.compose.service").and_then(Value::as_str);
                self.containers.push((id, service.unwrap_or_default().to_owned()));
            }
            Kind::Network => self.networks.push(id),
        }
    }

    /// Takes it away again, but for containers of services that had one before: those took its place. Says what was
    /// done.
    pub(in crate::tools::compose) async fn undo(self, dock: &Dock, before: &HashSet<String>) -> String {
        let (mut gone, mut kept) = (0, 0);
        for (id, service) in &self.containers {
            let ask = Ask::delete(path(&["containers", id])).flag("force", true).flag("v", true);
            if !before.contains(service) && dock.engine.act(ask).await.is_ok() {
                gone += 1;
            } else {
                kept += 1;
            }
        }
        for id in &self.networks {
            let removed = dock.engine.act(Ask::delete(path(&["networks", id]))).await.is_ok();
            *(if removed { &mut gone } else { &mut kept }) += 1;
        }
        match (gone, kept) {
            (0, 0) => "Nothing was made.".to_owned(),
            (_, 0) => "What was made for it was removed again.".to_owned(),
            (_, kept) => format!("What was made for it was removed again, but for {kept} that took another's place."),
        }
    }
}

/// Refuses to create what our own tools would not create: what opens the host.
pub(super) async fn check(dock: &Dock, kind: Kind, asked: &Value) -> Result<(), Fault> {
    if kind == Kind::Network {
        let what = format!("the network {:?} is not created", text(asked, "Name"));
        return network(dock.safety(), asked).map_err(|fault| fault.about(&what));
    }
    let service = asked.pointer("/Labels/com.docker.compose.service").and_then(Value::as_str).unwrap_or("?");
    decide(dock, asked).await.map_err(|fault| fault.about(&format!("the service {service:?} is not created")))
}

fn network(safety: &Safety, asked: &Value) -> Result<(), Fault> {
    if safety.unchecked {
        return Ok(());
    }
    let driver = Some(text(asked, "Driver")).filter(|driver| !driver.is_empty()).unwrap_or("bridge");
    let options = asked.get("Options").and_then(Value::as_object).into_iter().flatten();
    isolation::network(safety, driver, &options.map(|(key, value)| (key.clone(), value.to_string())).collect())?;
    isolation::addresses(safety, asked.get("IPAM").map_or("", |ipam| text(ipam, "Driver")))
}

async fn decide(dock: &Dock, asked: &Value) -> Result<(), Fault> {
    let safety = dock.safety();
    let Some(host) = asked.get("HostConfig").filter(|_| !safety.unchecked) else { return Ok(()) };
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
        mounts.push((source.to_owned(), place.split(':').next().unwrap_or_default().to_owned()));
    }
    for mount in items(host, "Mounts") {
        match text(mount, "Type") {
            "bind" | "volume" if !text(mount, "Source").is_empty() => {
                mounts.push((text(mount, "Source").to_owned(), text(mount, "Target").to_owned()));
            }
            "volume" | "tmpfs" => {}
            other => return Err(Fault::refused(format!("a mount of the type {other:?} is refused."))),
        }
    }
    for (source, target) in mounts {
        let bound = BTreeMap::from([(source, Bound::Full { bind: target, mode: None })]);
        volumes::binds(dock, bound).await?;
    }
    Ok(())
}

/// Words for what every container has.
fn is_its_own(kind: &str, mode: &str) -> bool {
    matches!((kind, mode), ("network", "default" | "bridge") | (_, "private"))
}
