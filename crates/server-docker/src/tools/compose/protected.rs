//! What of a project is there, what of that would go, and what of it is protected.

use super::real;
use crate::dock::Dock;
use crate::engine::{Ask, path};
use crate::fault::Fault;
use crate::filters::Filters;
use crate::names;
use crate::protect;
use crate::tools::{items, text};
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;

fn of_project(project: &str) -> Option<String> {
    let mut filters = Filters::default();
    filters.set("label", format!("com.docker.compose.project={project}"));
    filters.query()
}

async fn containers(dock: &Dock, project: &str) -> Result<Vec<Value>, Fault> {
    let ask = Ask::get("/containers/json").flag("all", true).maybe("filters", of_project(project));
    Ok(dock.engine.json(ask).await?.as_array().cloned().unwrap_or_default())
}

async fn networks(dock: &Dock, project: &str) -> Result<Vec<Value>, Fault> {
    let ask = Ask::get("/networks").maybe("filters", of_project(project));
    Ok(dock.engine.json(ask).await?.as_array().cloned().unwrap_or_default())
}

fn names_of(container: &Value) -> Vec<&str> {
    items(container, "Names").iter().filter_map(Value::as_str).map(|name| name.trim_start_matches('/')).collect()
}

/// Refuses to bring up a project over what is protected or of another folder: what differs from the file is made
/// anew, and what was in it is gone. Gives the services that have a container.
pub(super) async fn may_come_up(dock: &Dock, project: &str, folder: &Path) -> Result<HashSet<String>, Fault> {
    let mut services = HashSet::new();
    for container in containers(dock, project).await? {
        let service = container.pointer("/Labels/com.docker.compose.service").and_then(Value::as_str);
        services.extend(service.map(str::to_owned));
        let names = names_of(&container);
        stays(dock, "brought up", &names, &container)?;
        let label = container.pointer("/Labels/com.docker.compose.project.working_dir").and_then(Value::as_str);
        let is_ours = match label {
            Some(label) if Path::new(label) == folder => true,
            Some(label) => tokio::fs::canonicalize(label).await.is_ok_and(|real| real == folder),
            None => false,
        };
        if !is_ours && !dock.safety().unchecked {
            return Err(Fault::refused(format!(
                "the project {project:?} is not brought up, for its container {} is of another folder ({}) and would be \
                 made anew; give another project name.",
                names.join(", "),
                label.unwrap_or("which is not known")
            )));
        }
    }
    for network in networks(dock, project).await? {
        stays(dock, "brought up", &[text(&network, "Name")], &network)?;
    }
    Ok(services)
}

/// What goes with a project, each thing for people. Refuses if something of it is protected.
pub(super) async fn would_go(dock: &Dock, model: &Value, project: &str, volumes: bool) -> Result<Vec<String>, Fault> {
    let mut things = Vec::new();
    for container in containers(dock, project).await? {
        let names = names_of(&container);
        stays(dock, "taken down", &names, &container)?;
        things.push(format!("the container {}", names.join(", ")));
        let anonymous = items(&container, "Mounts").iter().map(|mount| text(mount, "Name"));
        for name in anonymous.filter(|name| volumes && name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            stays(dock, "taken down", &[name], &Value::Null)?;
            things.push(format!("the volume {name} with all data in it"));
        }
    }
    let listed = networks(dock, project).await?;
    for name in on_engine(dock, "networks", &listed, model, project).await? {
        things.push(format!("the network {name}"));
    }
    if volumes {
        let found = dock.engine.json(Ask::get("/volumes").maybe("filters", of_project(project))).await?;
        for name in on_engine(dock, "volumes", items(&found, "Volumes"), model, project).await? {
            things.push(format!("the volume {name} with all data in it"));
        }
    }
    let mut clean: Vec<_> = things.iter().map(|thing| crate::redact::clean(thing).into_owned()).collect();
    clean.sort_unstable();
    clean.dedup();
    Ok(clean)
}

/// Those that the engine says are the project's, and those that the file names: each that is there, none protected.
async fn on_engine(
    dock: &Dock,
    kind: &str,
    listed: &[Value],
    model: &Value,
    project: &str,
) -> Result<Vec<String>, Fault> {
    let mut there = Vec::new();
    for one in listed {
        stays(dock, "taken down", &[text(one, "Name")], one)?;
        there.push(text(one, "Name").to_owned());
    }
    for own in real::names(model, kind, project).into_iter().filter(|real| !real.external) {
        if there.contains(&own.name) {
            continue;
        }
        let name = names::volume(&own.name)?;
        match dock.engine.json(Ask::get(path(&[kind, name]))).await {
            Ok(found) => {
                stays(dock, "taken down", &[name, text(&found, "Name")], &found)?;
                there.push(own.name);
            }
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(there)
}

fn stays(dock: &Dock, done: &str, names: &[&str], thing: &Value) -> Result<(), Fault> {
    let labels = thing.get("Labels").unwrap_or(&Value::Null);
    match protect::why(dock.safety(), names.iter().copied(), labels) {
        Some(why) => Err(Fault::refused(format!("the project is not {done}, for {} stays: {why}.", names.join(", ")))),
        None => Ok(()),
    }
}
