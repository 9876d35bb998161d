//! Which ports are published: `{"80/tcp": 8080}` and its other forms.

use crate::fault::Fault;
use crate::settings::Publish;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Host ports of one container port.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Binding {
    /// A host port.
    Port(u16),
    /// A host port, `address:port`, or a range.
    Text(String),
    /// Address and port.
    Pair(String, u16),
    /// Several.
    Several(Vec<Self>),
    /// A port that the engine chooses.
    Any(()),
}

/// `ExposedPorts` and `PortBindings`.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) exposed: Map<String, Value>,
    pub(crate) bindings: Map<String, Value>,
}

/// Bindings of one call.
const MOST: usize = 128;

pub(crate) fn publish(given: BTreeMap<String, Option<Binding>>, rule: Publish) -> Result<Published, Fault> {
    let mut published = Published::default();
    let mut count = 0;
    for (port, binding) in given {
        let port = container_port(&port)?;
        let mut hosts = Vec::new();
        host_ports(&binding.unwrap_or(Binding::Any(())), rule, &mut hosts)?;
        count += hosts.len();
        if count > MOST {
            return Err(Fault::new(format!("ports: at most {MOST} may be published by one container.")));
        }
        published.exposed.insert(port.clone(), json!({}));
        published.bindings.insert(port, Value::Array(hosts));
    }
    if rule == Publish::Nothing && count > 0 {
        return Err(Fault::refused("ports: the settings allow no published ports (publish); use a network instead."));
    }
    Ok(published)
}

fn wrong(text: &str) -> Fault {
    let shown: String = text.chars().take(60).filter(|c| !c.is_control()).collect();
    Fault::new(format!(
        "ports: {shown:?} is no port; write it like {{\"80/tcp\": 8080}} or {{\"80\": \"127.0.0.1:8080\"}}, with ports from 1 to 65535 and tcp, udp or sctp."
    ))
}

fn number(text: &str) -> Option<u16> {
    text.parse::<u16>().ok().filter(|port| *port > 0 && text.bytes().all(|b| b.is_ascii_digit()))
}

/// `80`, `80/tcp`.
pub(crate) fn container_port(text: &str) -> Result<String, Fault> {
    let (port, protocol) = text.trim().split_once('/').unwrap_or((text.trim(), "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    match number(port) {
        Some(port) if matches!(protocol.as_str(), "tcp" | "udp" | "sctp") => Ok(format!("{port}/{protocol}")),
        _ => Err(wrong(text)),
    }
}

fn host_ports(binding: &Binding, rule: Publish, into: &mut Vec<Value>) -> Result<(), Fault> {
    match binding {
        Binding::Any(()) => into.push(host(None, "", rule)?),
        Binding::Port(port) if *port > 0 => into.push(host(None, &port.to_string(), rule)?),
        Binding::Port(_) => return Err(wrong("0")),
        Binding::Pair(address, port) => {
            let port = number(&port.to_string()).ok_or_else(|| wrong(&format!("{address}:{port}")))?;
            into.push(host(Some(address), &port.to_string(), rule)?);
        }
        Binding::Several(all) => {
            if all.len() > MOST {
                return Err(wrong("a longer list"));
            }
            for one in all {
                host_ports(one, rule, into)?;
            }
        }
        Binding::Text(text) => {
            let (address, port) = match text.rsplit_once(':') {
                Some((address, port)) => (Some(address), port),
                None => (None, text.as_str()),
            };
            let sound = port.is_empty() || number(port).is_some() || is_range(port);
            if !sound {
                return Err(wrong(text));
            }
            into.push(host(address, port, rule)?);
        }
    }
    Ok(())
}

/// `8000-8010`: the engine takes a free one of them.
fn is_range(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(from, to)| matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to))
}

fn host(address: Option<&str>, port: &str, rule: Publish) -> Result<Value, Fault> {
    let address = match address.map(|a| a.trim_start_matches('[').trim_end_matches(']')).filter(|a| !a.is_empty()) {
        None => None,
        Some("localhost") => Some(IpAddr::from([127, 0, 0, 1])),
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| wrong(text))?),
    };
    let address = match (rule, address) {
        (Publish::Loopback, None) => Some(IpAddr::from([127, 0, 0, 1])),
        (Publish::Loopback, Some(address)) if !address.is_loopback() => {
            return Err(Fault::refused(format!(
                "ports: {address} is refused, the settings allow loopback addresses only (publish); use 127.0.0.1."
            )));
        }
        (_, address) => address,
    };
    Ok(json!({ "HostIp": address.map(|a| a.to_string()).unwrap_or_default(), "HostPort": port }))
}

/// For fuzzing: what is accepted is what the engine reads, and under the loopback rule nothing else is bound.
#[allow(clippy::expect_used, clippy::indexing_slicing, reason = "it panics where a promise is broken")]
pub fn check(text: &str) {
    let Ok(given) = serde_json::from_str::<BTreeMap<String, Option<Binding>>>(text) else { return };
    let Ok(published) = publish(given, Publish::Loopback) else { return };
    for (port, hosts) in &published.bindings {
        let (number, protocol) = port.split_once('/').expect("port/protocol");
        assert!(number.parse::<u16>().is_ok_and(|n| n > 0) && ["tcp", "udp", "sctp"].contains(&protocol));
        for host in hosts.as_array().expect("a list") {
            assert!(
                host["HostIp"].as_str().and_then(|ip| ip.parse::<IpAddr>().ok()).is_some_and(|ip| ip.is_loopback())
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, rule: Publish) -> Result<Value, Fault> {
        publish(serde_json::from_str(text).unwrap(), rule).map(|p| Value::Object(p.bindings))
    }

    #[test]
    fn every_form_of_a_binding_is_read() {
        let text = r#"{"80": 8080, "53/udp": ["127.0.0.1", 5353], "90": "0.0.0.0:9090", "91": null, "92": [1, 2], "93": "[::1]:93", "94": "8000-8010"}"#;
        let read = read(text, Publish::Any).unwrap();
        let one = |ip: &str, port: &str| json!([{ "HostIp": ip, "HostPort": port }]);
        assert_eq!(read["80/tcp"], one("", "8080"));
        assert_eq!(read["53/udp"], one("127.0.0.1", "5353"));
        assert_eq!(read["90/tcp"], one("0.0.0.0", "9090"));
        assert_eq!(read["91/tcp"], one("", ""));
        assert_eq!(read["92/tcp"].as_array().unwrap().len(), 2);
        assert_eq!(read["93/tcp"], one("::1", "93"));
        assert_eq!(read["94/tcp"], one("", "8000-8010"));
    }

    #[test]
    fn what_is_no_port_or_address_is_refused() {
        for text in [
            r#"{"0": 80}"#,
            r#"{"70000": 80}"#,
            r#"{"80/icmp": 80}"#,
            r#"{"80": 0}"#,
            r#"{"80": "x"}"#,
            r#"{"80": "nohost:80"}"#,
            r#"{"80": ["1.2.3", 80]}"#,
            r#"{"80": "9-8"}"#,
            r#"{"80": "+1"}"#,
            r#"{"80": ["0.0.0.0", 0]}"#,
            r#"{"": 1}"#,
        ] {
            assert!(read(text, Publish::Any).is_err(), "{text}");
        }
    }

    #[test]
    fn the_settings_decide_who_can_reach_a_port() {
        assert_eq!(read(r#"{"80": 80}"#, Publish::Loopback).unwrap()["80/tcp"][0]["HostIp"], "127.0.0.1");
        assert!(read(r#"{"80": "0.0.0.0:80"}"#, Publish::Loopback).is_err());
        assert!(read(r#"{"80": "[::]:80"}"#, Publish::Loopback).is_err());
        assert!(read(r#"{"80": 80}"#, Publish::Nothing).is_err() && read("{}", Publish::Nothing).is_ok());
    }
}
