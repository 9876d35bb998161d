//! Pruning images.

use super::doomed::{self, Doomed, Kept, Reach};
use super::which::Which;
use super::{AskedReach, doom, end};
use crate::confirm::DryRun;
use crate::dock::{Dock, Pace};
use crate::engine::Ask;
use crate::fault::Fault;
use crate::tools::images::objects;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Pruned {
    deleted: Vec<Map<String, Value>>,
    /// Bytes.
    space_reclaimed: u64,
    /// What was to go and stayed.
    kept: Vec<Kept>,
    #[serde(flatten)]
    told: DryRun,
}

/// Bytes of all layers.
async fn layers(dock: &Dock) -> Result<u64, Fault> {
    Ok(doomed::number(&dock.engine.json(Ask::get("/system/df")).await?, "/LayersSize"))
}

pub(super) async fn prune(dock: Arc<Dock>, asked: AskedReach, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let which = Which::read(asked.filters, &["until", "label", "label!", "dangling"])?;
        let reach = match (asked.force_all, asked.all || which.dangling == Some(false)) {
            (true, _) => Reach::All,
            (false, true) => Reach::Unused,
            (false, false) => Reach::Dangling,
        };
        let mut kept = Vec::new();
        let doomed = doomed::images(&dock, &which, reach, &mut kept).await?;
        let force = reach == Reach::All;
        let what = if force { "force the removal of" } else { "remove" };
        if let Some(told) = asked.consent.given(&dock, &call, doom("docker_prune_images", what, &doomed)).await? {
            let space_reclaimed = doomed.iter().map(|d| d.bytes).sum();
            return Ok(Structured(Pruned { told, kept, space_reclaimed, ..Pruned::default() }));
        }
        let (deleted, space_reclaimed) = end_all(&dock, &doomed, &mut kept, force || reach == Reach::Unused).await?;
        Ok(Structured(Pruned { deleted, space_reclaimed, kept, ..Pruned::default() }))
    })
    .await
}

pub(super) async fn end_all(
    dock: &Dock,
    doomed: &[Doomed],
    kept: &mut Vec<Kept>,
    force: bool,
) -> Result<(Vec<Map<String, Value>>, u64), Fault> {
    if doomed.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let before = layers(dock).await?;
    // One id with several names is removed only by force.
    let gone = end(dock, doomed, kept, |id| Ask::delete(format!("/images/{id}")).flag("force", force)).await?;
    let deleted = gone.into_iter().flat_map(|(_, answer)| objects(answer)).collect();
    Ok((deleted, before.saturating_sub(layers(dock).await?)))
}
