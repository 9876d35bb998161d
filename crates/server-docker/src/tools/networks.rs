//! Networks.

use super::containers::{Details, details};
use super::{AGAIN, Offer, PLAIN, text};
use crate::confirm::{Consent, Doom, DryRun};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, path};
use crate::environment;
use crate::fault::Fault;
use crate::isolation;
use crate::lenient::{Lenient, Scalar, maybe};
use crate::names;
use crate::protect;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_inspect_network", "Get detailed information about a Docker network.", AGAIN, inspect);
    offer.add("docker_create_network", "Create a new Docker network.", PLAIN, create);
    offer.add("docker_connect_container", "Connect a container to a Docker network.", AGAIN, connect);
    offer.add("docker_disconnect_container", "Disconnect a container from a Docker network.", AGAIN, disconnect);
    offer.add("docker_remove_network", "Remove a Docker network.", PLAIN, remove);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NetworkId")]
struct OfNetwork {
    /// Network ID or name
    network_id: String,
}

/// What the engine says of a network.
async fn found(dock: &Dock, given: &str) -> Result<Value, Fault> {
    Ok(dock.engine.json(Ask::get(path(&["networks", names::network(given)?]))).await?)
}

async fn inspect(dock: Arc<Dock>, asked: OfNetwork, call: Call) -> Result<Structured<Details>, Fail> {
    dock.run(&call, Pace::Quick, async { Ok(details(&dock, &call, found(&dock, &asked.network_id).await?)) }).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CreateNetwork")]
struct Create {
    /// Network name
    name: String,
    /// Network driver: bridge, or one that the operator allows by name
    #[serde(default = "bridge")]
    driver: String,
    /// Driver-specific options as key-value pairs
    options: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// IPAM, like {"Config": [{"Subnet": "172.20.0.0/16", "Gateway": "172.20.0.1"}]}
    ipam: Option<Lenient<Map<String, Value>>>,
    /// Restrict external access
    #[serde(default)]
    internal: bool,
    /// Network labels as key-value pairs
    labels: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Enable IPv6
    #[serde(default)]
    enable_ipv6: bool,
    /// Enable manual container attachment
    #[serde(default)]
    attachable: bool,
}

fn bridge() -> String {
    "bridge".into()
}

#[derive(Debug, Serialize, JsonSchema)]
struct Created {
    network_id: String,
    name: String,
    warnings: Option<Vec<String>>,
}

async fn create(dock: Arc<Dock>, asked: Create, call: Call) -> Result<Structured<Created>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let name = names::network(&asked.name)?;
        let options: BTreeMap<String, Scalar> = maybe(asked.options, "options")?;
        let options: BTreeMap<_, _> = options.into_iter().map(|(k, v)| (k, v.to_string())).collect();
        let ipam: Map<String, Value> = maybe(asked.ipam, "ipam")?;
        isolation::network(dock.safety(), &asked.driver, &options)?;
        isolation::addresses(dock.safety(), ipam.get("Driver").and_then(Value::as_str).unwrap_or_default())?;
        let mut body = json!({
            "Name": name,
            "Driver": asked.driver,
            "CheckDuplicate": true,
            "Internal": asked.internal,
            "EnableIPv6": asked.enable_ipv6,
            "Attachable": asked.attachable,
            "Options": options,
            "Labels": environment::labels(maybe(asked.labels, "labels")?)?,
        });
        if let Some(body) = body.as_object_mut().filter(|_| !ipam.is_empty()) {
            body.insert("IPAM".into(), Value::Object(ipam));
        }
        let answer = dock.engine.json(Ask::post("/networks/create").json(&body)).await?;
        let warnings = Some(text(&answer, "Warning").to_owned()).filter(|w| !w.is_empty()).map(|w| vec![w]);
        Ok(Structured(Created { network_id: text(&answer, "Id").to_owned(), name: name.to_owned(), warnings }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ConnectContainer")]
struct Connect {
    /// Network ID or name
    network_id: String,
    /// Container ID or name
    container_id: String,
    /// Network-scoped aliases
    aliases: Option<Vec<String>>,
    /// IPv4 address
    ipv4_address: Option<String>,
    /// IPv6 address
    ipv6_address: Option<String>,
    /// Legacy container links
    links: Option<Vec<String>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Joined {
    network_id: String,
    container_id: String,
    status: &'static str,
}

/// Whether a container is in a network.
fn is_in(network: &Value, container: &Value) -> bool {
    let id = text(network, "Id");
    let all = container.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let name = text(network, "Name");
    all.is_some_and(|all| all.iter().any(|(key, one)| key == name || text(one, "NetworkID") == id))
}

async fn connect(dock: Arc<Dock>, asked: Connect, call: Call) -> Result<Structured<Joined>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let (network, container) = (found(&dock, &asked.network_id).await?, dock.container(&asked.container_id).await?);
        let address = |name: &str, given: &Option<String>, is_one: fn(&str) -> bool| match given {
            Some(text) if !is_one(text) => Err(Fault::new(format!("{name}: {text:?} is no such address."))),
            _ => Ok(()),
        };
        address("ipv4_address", &asked.ipv4_address, |text| text.parse::<Ipv4Addr>().is_ok())?;
        address("ipv6_address", &asked.ipv6_address, |text| text.parse::<Ipv6Addr>().is_ok())?;
        let plain = asked.aliases.is_none() && asked.ipv4_address.is_none() && asked.ipv6_address.is_none();
        if !(plain && is_in(&network, &container)) {
            let body = json!({
                "Container": text(&container, "Id"),
                "EndpointConfig": {
                    "Aliases": asked.aliases,
                    "Links": asked.links,
                    "IPAMConfig": { "IPv4Address": asked.ipv4_address, "IPv6Address": asked.ipv6_address },
                },
            });
            let mut body = body;
            without_nulls(&mut body);
            dock.engine.act(Ask::post(path(&["networks", text(&network, "Id"), "connect"])).json(&body)).await?;
        }
        Ok(Structured(Joined { network_id: asked.network_id, container_id: asked.container_id, status: "connected" }))
    })
    .await
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, value| !value.is_null());
        members.values_mut().for_each(without_nulls);
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "DisconnectContainer")]
struct Disconnect {
    /// Network ID or name
    network_id: String,
    /// Container ID or name
    container_id: String,
    /// Force disconnection
    #[serde(default)]
    force: bool,
}

async fn disconnect(dock: Arc<Dock>, asked: Disconnect, call: Call) -> Result<Structured<Joined>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let network = found(&dock, &asked.network_id).await?;
        // With force a container may be gone already.
        let (id, is_in) = match dock.container(&asked.container_id).await {
            Ok(container) => (text(&container, "Id").to_owned(), is_in(&network, &container)),
            Err(_) if asked.force => (names::container(&asked.container_id)?.to_owned(), true),
            Err(fault) => return Err(fault),
        };
        if is_in {
            let body = json!({ "Container": id, "Force": asked.force });
            dock.engine.act(Ask::post(path(&["networks", text(&network, "Id"), "disconnect"])).json(&body)).await?;
        }
        let (network_id, container_id) = (asked.network_id, asked.container_id);
        Ok(Structured(Joined { network_id, container_id, status: "disconnected" }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RemoveNetwork")]
struct Remove {
    /// Network ID or name
    network_id: String,
    #[serde(flatten)]
    consent: Consent,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Removed {
    network_id: String,
    #[serde(flatten)]
    told: DryRun,
}

async fn remove(dock: Arc<Dock>, asked: Remove, call: Call) -> Result<Structured<Removed>, Fail> {
    dock.run(&call, Pace::Quick, async {
        let found = found(&dock, &asked.network_id).await?;
        let name = text(&found, "Name");
        protect::check(dock.safety(), "network", [name], found.get("Labels"))?;
        let things = vec![described(&found)];
        let doom = Doom { tool: "docker_remove_network", what: "remove".into(), things, options: String::new() };
        let told = asked.consent.given(&dock, &call, doom).await?;
        if told.is_none() {
            // Podman looks whether it is used only if it is called by its name.
            let called = if dock.engine.is_podman().await? { name } else { text(&found, "Id") };
            dock.engine.act(Ask::delete(path(&["networks", called]))).await?;
        }
        Ok(Structured(Removed { network_id: asked.network_id.clone(), told: told.unwrap_or_default() }))
    })
    .await
}

/// A network in one line, for people.
pub(super) fn described(found: &Value) -> String {
    let used = found.get("Containers").and_then(Value::as_object).map_or(0, Map::len);
    let id: String = text(found, "Id").chars().take(12).collect();
    let line = format!("network {} ({id}, {}, {used} containers in it)", text(found, "Name"), text(found, "Driver"));
    crate::redact::clean(&line).into_owned()
}
