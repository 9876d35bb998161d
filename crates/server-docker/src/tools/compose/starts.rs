//! Whether what a completed compose file makes would be started.

use super::rules::{NAMESPACES, of};
use crate::dock::Dock;
use crate::fault::Fault;
use crate::isolation;
use crate::mounts::apart;
use crate::start;
use crate::tools::{items, text};
use crate::volumes::{self, Bound};
use serde_json::Value;
use std::collections::BTreeMap;

/// Refuses what would not be started: what is decided of every container before its start, of all services and
/// before anything is made or stopped for them.
pub(super) async fn check(dock: &Dock, model: &Value, project: &str) -> Result<(), Fault> {
    if dock.safety().unchecked {
        return Ok(());
    }
    let mut all = Vec::new();
    for (name, service) in model.get("services").and_then(Value::as_object).into_iter().flatten() {
        for (key, kind) in NAMESPACES {
            let mode = text(service, key);
            if mode.starts_with("container:") {
                isolation::joined(dock, kind, mode).await.map_err(|fault| of(name, fault))?;
            }
        }
        let binds = volumes::binds(dock, bound(service)).await.map_err(|fault| of(name, fault))?;
        all.push((name, start::binds(&binds)));
    }
    if all.iter().all(|(_, mine)| mine.is_empty()) {
        return Ok(());
    }
    // Its own containers are those that are made anew, or have what the file says.
    let is_its_own =
        |one: &Value| one.pointer("/Labels/com.docker.compose.project").and_then(Value::as_str) == Some(project);
    let others = start::others(dock, is_its_own).await?;
    for (at, (name, mine)) in all.iter().enumerate() {
        let beside = all.iter().enumerate().filter(|(other, _)| *other != at).flat_map(|(_, (_, theirs))| theirs);
        let beside: Vec<_> = others.iter().chain(beside).cloned().collect();
        apart::check(mine, &beside, |path| dock.safety().mounts(None).names(path)).map_err(|fault| of(name, fault))?;
    }
    Ok(())
}

/// The folders of the host that a service has.
fn bound(service: &Value) -> BTreeMap<String, Bound> {
    let one = |volume: &Value| match volume {
        Value::String(short) => {
            let mut parts = short.splitn(3, ':');
            let (source, target, mode) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
            Some((source.to_owned(), target.to_owned(), mode.split(',').any(|word| word == "ro")))
        }
        long => {
            let read_only = long.get("read_only").and_then(Value::as_bool).unwrap_or_default();
            Some((text(long, "source").to_owned(), text(long, "target").to_owned(), read_only))
        }
    };
    let mut all = BTreeMap::new();
    for (source, bind, read_only) in items(service, "volumes").iter().filter_map(one) {
        if source.starts_with('/') {
            // One that is there twice can be written if it can be once.
            let known = all.entry(source).or_insert_with(|| (bind, true));
            known.1 &= read_only;
        }
    }
    let mode = |read_only: bool| Some(if read_only { "ro" } else { "rw" }.to_owned());
    all.into_iter().map(|(source, (bind, ro))| (source, Bound::Full { bind, mode: mode(ro) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_folders_of_a_service_are_read_in_both_forms() {
        let service = json!({"volumes": [
            "/a:/x:ro", "/a:/y", "/b:/z:ro,z", "data:/d", "/nothing",
            {"type": "bind", "source": "/c", "target": "/c", "read_only": true},
            {"type": "volume", "source": "v", "target": "/v"},
        ]});
        let found: Vec<_> = bound(&service)
            .into_iter()
            .map(|(source, bound)| match bound {
                Bound::Full { mode, .. } => (source, mode.unwrap()),
                Bound::Text(text) => panic!("{text}"),
            })
            .collect();
        let expected = [("/a", "rw"), ("/b", "ro"), ("/c", "ro")];
        assert_eq!(found, expected.map(|(source, mode)| (source.to_owned(), mode.to_owned())));
    }
}
