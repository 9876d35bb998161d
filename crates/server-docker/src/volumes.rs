//! Volumes and bind mounts of a container, and the options of a volume's driver.

use crate::dock::Dock;
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::lenient::Scalar;
use crate::mounts::lexical;
use crate::names;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a volume or a path of the host is in the container.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Bound {
    /// Its place, perhaps with `:ro`.
    Text(String),
    /// Its place and mode.
    Full {
        /// The place in the container.
        bind: String,
        /// `rw` or `ro`.
        #[serde(default)]
        mode: Option<String>,
    },
}

const MOST: usize = 100;

/// `Binds` of a container, each checked by where it leads.
pub(crate) async fn binds(dock: &Dock, given: BTreeMap<String, Bound>) -> Result<Vec<String>, Fault> {
    if given.len() > MOST {
        return Err(Fault::new(format!("volumes: at most {MOST} can be mounted.")));
    }
    let mut all = Vec::new();
    for (source, bound) in given {
        let (target, mode) = match bound {
            Bound::Full { bind, mode } => (bind, mode),
            Bound::Text(text) => match text.rsplit_once(':') {
                Some((target, mode)) => (target.to_owned(), Some(mode.to_owned())),
                None => (text, None),
            },
        };
        let mode = mode.unwrap_or_else(|| "rw".into());
        if !mode
            .split(',')
            .all(|word| matches!(word, "rw" | "ro" | "z" | "Z" | "nocopy" | "cached" | "delegated" | "consistent"))
        {
            return Err(Fault::new(format!("volumes: {mode:?} is no mode; write rw or ro.")));
        }
        let place = lexical(&target).filter(|place| !target.contains(':') && place.parent().is_some());
        if place.is_none() {
            return Err(Fault::new(format!("volumes: {target:?} is no absolute path in the container below /.")));
        }
        let source = source_of(dock, &source).await?;
        all.push(format!("{source}:{target}:{mode}"));
    }
    Ok(all)
}

/// The resolved path, or the volume's name.
async fn source_of(dock: &Dock, source: &str) -> Result<String, Fault> {
    if !source.starts_with('/') {
        let name = names::volume(source).map_err(|_| {
            Fault::new(format!(
                "volumes: {:?} is neither an absolute path of the host nor the name of a volume.",
                source.chars().take(100).collect::<String>()
            ))
        })?;
        known_volume(dock, name).await?;
        return Ok(name.to_owned());
    }
    let host = dock.engine.host();
    let local = dock.engine.shares_files().await?;
    let safety = dock.safety().clone();
    let text = source.to_owned();
    // Links are read from disk.
    let checked = tokio::task::spawn_blocking(move || safety.mounts().host_path(&text, host.as_ref(), local));
    let real = checked.await.map_err(|e| Fault::new(e.to_string()))??;
    let real = real.to_str().filter(|real| !real.contains(':')).map(str::to_owned);
    real.ok_or_else(|| {
        Fault::new(format!("volumes: {source:?} has a colon or is not UTF-8, which the engine cannot take."))
    })
}

/// A volume that exists may stand for a path of the host, too.
pub(crate) async fn known_volume(dock: &Dock, name: &str) -> Result<(), Fault> {
    let found = match dock.engine.json(Ask::get(path(&["volumes", name]))).await {
        Ok(found) => found,
        Err(error) if error.is_missing() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let driver = found.get("Driver").and_then(Value::as_str).unwrap_or("local");
    if driver != "local" {
        return Ok(());
    }
    let options = found.get("Options").and_then(Value::as_object).cloned().unwrap_or_default();
    let options = options.into_iter().filter_map(|(k, v)| Some((k, Scalar::Text(v.as_str()?.to_owned()))));
    driver_options(dock, driver, options.collect()).await.map(|_| ())
}

/// Options of a volume's driver: what they mean is what is decided.
pub(crate) async fn driver_options(
    dock: &Dock,
    driver: &str,
    given: BTreeMap<String, Scalar>,
) -> Result<BTreeMap<String, String>, Fault> {
    let options: BTreeMap<_, _> = given.into_iter().map(|(key, value)| (key, value.to_string())).collect();
    if driver != "local" {
        if dock.safety().allows(&format!("volume-driver:{driver}")) {
            return Ok(options);
        }
        return Err(Fault::refused(format!(
            "driver: {driver:?} is refused, for what a driver does with a path cannot be known; the operator can allow \
             it by name (volume-driver:{driver})."
        )));
    }
    if options.is_empty() || dock.safety().unchecked {
        return Ok(options);
    }
    if let Some(odd) = options.keys().find(|key| !matches!(key.as_str(), "type" | "o" | "device" | "size")) {
        return Err(Fault::refused(format!(
            "driver_opts: {odd:?} is no option of the driver local; it has type, o, device and size."
        )));
    }
    let get = |key: &str| options.get(key).map(|value| value.trim().to_ascii_lowercase()).unwrap_or_default();
    let (kind, flags) = (get("type"), get("o"));
    let binds = flags.split(',').any(|flag| matches!(flag.trim(), "bind" | "rbind"));
    match kind.as_str() {
        "tmpfs" if !binds => Ok(options),
        "nfs" | "nfs4" | "cifs" if !binds => Ok(options),
        "" | "none" | "bind" if binds || options.contains_key("device") => {
            let device = options.get("device").map(|device| device.trim().to_owned()).unwrap_or_default();
            let real = source_of_bind(dock, &device).await?;
            let mut options = options;
            options.insert("device".into(), real);
            Ok(options)
        }
        "" | "none" | "bind" => Ok(options),
        _ if binds => Err(Fault::new("driver_opts: a bind mount has the type none.")),
        other => Err(Fault::refused(format!(
            "driver_opts: the type {other:?} is refused, for it mounts something of the host; use none with o=bind, tmpfs, nfs or cifs."
        ))),
    }
}

async fn source_of_bind(dock: &Dock, device: &str) -> Result<String, Fault> {
    if !device.starts_with('/') {
        return Err(Fault::new(format!("driver_opts: the device {device:?} is no absolute path of the host.")));
    }
    Box::pin(source_of(dock, device)).await
}
