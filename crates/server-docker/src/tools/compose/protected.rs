//! What of a project is protected.

use crate::dock::Dock;
use crate::engine::Ask;
use crate::fault::Fault;
use crate::filters::Filters;
use crate::protect;
use crate::tools::{items, text};
use serde_json::Value;

/// Refuses if something of the project that would go is protected: a container, a network, or a volume if those go too.
pub(super) async fn check(dock: &Dock, project: &str, volumes: bool) -> Result<(), Fault> {
    let mut filters = Filters::default();
    filters.set("label", format!("com.docker.compose.project={project}"));
    let list = |path: &str| dock.engine.json(Ask::get(path).maybe("filters", filters.query()));
    let containers =
        dock.engine.json(Ask::get("/containers/json").flag("all", true).maybe("filters", filters.query())).await?;
    for container in containers.as_array().into_iter().flatten() {
        let names = items(container, "Names").iter().filter_map(Value::as_str).map(|n| n.trim_start_matches('/'));
        stays(dock, &names.collect::<Vec<_>>(), container)?;
    }
    for network in list("/networks").await?.as_array().into_iter().flatten() {
        stays(dock, &[text(network, "Name")], network)?;
    }
    if volumes {
        for volume in items(&list("/volumes").await?, "Volumes") {
            stays(dock, &[text(volume, "Name")], volume)?;
        }
    }
    Ok(())
}

fn stays(dock: &Dock, names: &[&str], thing: &Value) -> Result<(), Fault> {
    let labels = thing.get("Labels").unwrap_or(&Value::Null);
    match protect::why(dock.safety(), names.iter().copied(), labels) {
        Some(why) => {
            Err(Fault::refused(format!("the project is not taken down, for {} stays: {why}.", names.join(", "))))
        }
        None => Ok(()),
    }
}
