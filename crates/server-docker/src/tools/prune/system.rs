//! Pruning everything.

use super::doomed::{self, Doomed, Kept, Reach};
use super::which::{USUAL, Which};
use super::{cache, doom, end, images};
use crate::confirm::{Consent, DryRun};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, path};
use crate::filters::{Filters, Given};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PruneSystem")]
pub(super) struct Asked {
    /// Filters, like {"until": "24h"}, {"label": ["env=test"]}, {"label!": "keep"}
    filters: Given,
    /// Prune unused volumes in addition to other resources
    #[serde(default)]
    volumes: bool,
    /// All unused images, not only dangling ones
    #[serde(default)]
    all: bool,
    #[serde(flatten)]
    consent: Consent,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Pruned {
    containers_deleted: Vec<String>,
    images_deleted: Vec<Map<String, Value>>,
    networks_deleted: Vec<String>,
    volumes_deleted: Vec<String>,
    build_cache_deleted: Vec<String>,
    space_reclaimed: u64,
    kept: Vec<Kept>,
    #[serde(flatten)]
    told: DryRun,
}

pub(super) async fn prune(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let which = Which::read(asked.filters, &USUAL)?;
        let mut kept = Vec::new();
        let containers = doomed::containers(&dock, &which, &mut kept).await?;
        let networks = doomed::networks(&dock, &which, &mut kept).await?;
        let reach = if asked.all { Reach::Unused } else { Reach::Dangling };
        let images = doomed::images(&dock, &which, reach, &mut kept).await?;
        let volumes =
            if asked.volumes { doomed::volumes(&dock, &which, Reach::Dangling, &mut kept).await? } else { Vec::new() };
        // Caches have no labels, so who names labels means none of them.
        let cache = if which.labels.is_empty() { cache::doomed(&dock).await.unwrap_or_default() } else { Vec::new() };
        let all = || [&containers, &networks, &images, &volumes, &cache].into_iter().flatten();
        let told = asked.consent.given(&dock, &call, doom("docker_system_prune", "remove", all())).await?;
        if let Some(told) = told {
            let space_reclaimed = all().map(|d| d.bytes).sum();
            return Ok(Structured(Pruned { kept, space_reclaimed, told, ..Pruned::default() }));
        }
        let ids = |gone: Vec<(&Doomed, Value)>| {
            let bytes: u64 = gone.iter().map(|(one, _)| one.bytes).sum();
            (gone.into_iter().map(|(one, _)| one.id.clone()).collect::<Vec<_>>(), bytes)
        };
        let (containers_deleted, a) =
            ids(end(&dock, &containers, &mut kept, |id| Ask::delete(path(&["containers", id]))).await?);
        let (networks_deleted, _) =
            ids(end(&dock, &networks, &mut kept, |id| Ask::delete(path(&["networks", id]))).await?);
        let (volumes_deleted, b) =
            ids(end(&dock, &volumes, &mut kept, |id| Ask::delete(path(&["volumes", id]))).await?);
        let (images_deleted, c) = images::end_all(&dock, &images, &mut kept, asked.all).await?;
        let (build_cache_deleted, d) = if cache.is_empty() {
            (Vec::new(), 0)
        } else {
            let mut filters = Filters::default();
            if let Some(until) = which.until {
                filters.set("until", until.to_string());
            }
            cache::end(&dock, false, &filters).await?
        };
        let done = Pruned {
            containers_deleted,
            images_deleted,
            networks_deleted,
            volumes_deleted,
            build_cache_deleted,
            space_reclaimed: a + b + c + d,
            kept,
            ..Pruned::default()
        };
        Ok(Structured(done))
    })
    .await
}
