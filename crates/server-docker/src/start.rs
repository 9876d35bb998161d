//! What is decided when a container is created, and again before it is started: the engine follows paths and names
//! only then, and until then they can become something else.

use crate::dock::Dock;
use crate::engine::Ask;
use crate::fault::Fault;
use crate::isolation;
use crate::mounts::apart::{self, Mount};
use crate::mounts::lexical;
use crate::tools::{items, text};
use crate::volumes;
use serde_json::Value;
use std::time::Duration;

/// Refuses to start a container whose mounts or namespaces are not, or no longer, what may be created.
pub(crate) async fn check(dock: &Dock, found: &Value) -> Result<(), Fault> {
    if dock.safety().unchecked {
        return Ok(());
    }
    for (key, kind) in isolation::NAMESPACES {
        let mode = found.pointer(&format!("/HostConfig/{key}")).and_then(Value::as_str).unwrap_or_default();
        // What it has of the host itself was decided when it was created; another container's name can have become
        // another's.
        if mode.starts_with("container:") {
            isolation::joined(dock, kind, mode).await?;
        }
    }
    let mut mine = Vec::new();
    for mount in items(found, "Mounts") {
        let writable = mount.get("RW").and_then(Value::as_bool).unwrap_or(true);
        let source = match text(mount, "Type") {
            "bind" => Some(volumes::standing(dock, text(mount, "Source")).await?),
            "volume" => volumes::known_volume(dock, text(mount, "Name")).await?,
            _ => None,
        };
        mine.extend(source.map(|source| Mount::new(source, writable)));
    }
    apart(dock, &mine, text(found, "Id")).await
}

/// Refuses mounts that lie in what another container can write, or the other way round. `except` is the container
/// whose mounts they are, if it is there already.
pub(crate) async fn apart(dock: &Dock, mine: &[Mount], except: &str) -> Result<(), Fault> {
    if mine.is_empty() || dock.safety().unchecked {
        return Ok(());
    }
    let mine = looked_up(dock, mine.to_vec()).await?;
    let others = others(dock, |one| text(one, "Id") == except).await?;
    apart::check(&mine, &others, |path| dock.safety().mounts(None).names(path))
}

/// The mounts, with where they lead, as far as the engine's files are ours.
async fn looked_up(dock: &Dock, mounts: Vec<Mount>) -> Result<Vec<Mount>, Fault> {
    if mounts.is_empty() || !dock.engine.shares_files().await? {
        return Ok(mounts);
    }
    let looking = tokio::task::spawn_blocking(move || mounts.into_iter().map(Mount::looked_up).collect());
    match tokio::time::timeout(LONGEST_LOOK, looking).await {
        Ok(found) => found.map_err(|e| Fault::new(e.to_string())),
        Err(_) => Err(Fault::new(
            "a folder that a container has does not answer, so whether others may be mounted beside it cannot be known; \
             it may be of a network that is away. Try again when it is back.",
        )),
    }
}

/// Reading from a network's file system can take for ever.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// What there is of the host in containers, but for these, and behind volumes.
pub(crate) async fn others(dock: &Dock, except: impl Fn(&Value) -> bool) -> Result<Vec<Mount>, Fault> {
    let containers = dock.engine.json(Ask::get("/containers/json").flag("all", true)).await?;
    let containers = containers.as_array().into_iter().flatten().filter(|one| !except(one));
    let binds = containers.flat_map(|one| items(one, "Mounts")).filter(|mount| text(mount, "Type") == "bind");
    let mut others: Vec<_> = binds
        .filter_map(|mount| {
            let writable = mount.get("RW").and_then(Value::as_bool).unwrap_or(true);
            Some(Mount::new(lexical(text(mount, "Source"))?, writable))
        })
        .collect();
    // Whoever can create containers can write in every volume.
    let volumes = dock.engine.json(Ask::get("/volumes")).await?;
    others.extend(items(&volumes, "Volumes").iter().filter_map(|volume| {
        let options = volume.get("Options")?;
        let binds = text(options, "o").split(',').any(|flag| matches!(flag.trim(), "bind" | "rbind"));
        Some(Mount::new(lexical(text(options, "device").trim()).filter(|_| binds)?, true))
    }));
    looked_up(dock, others).await
}

/// Binds as a container is created with, as mounts.
pub(crate) fn binds(all: &[String]) -> Vec<Mount> {
    let one = |bind: &String| {
        let mut parts = bind.split(':');
        let source = lexical(parts.next()?)?;
        let writable = !parts.nth(1).unwrap_or_default().split(',').any(|word| word == "ro");
        Some(Mount::new(source, writable))
    };
    all.iter().filter_map(one).collect()
}
