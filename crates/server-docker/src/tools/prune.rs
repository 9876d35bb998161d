//! Prunes: what would go is found first, shown, confirmed, and then removed one by one, so that nothing goes
//! that was not named and nothing that is protected.

mod cache;
mod doomed;
mod images;
mod system;
mod which;

use super::{Offer, PLAIN};
use crate::confirm::{Consent, Doom, DryRun};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, EngineError, path};
use crate::fault::Fault;
use crate::filters::Given;
use doomed::{Doomed, Kept, Reach};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use which::{USUAL, Which};

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add(
        "docker_prune_images",
        "Prune Docker images: dangling ones; with all=true every image that no container uses; with force_all=true all \
         images, tagged and used ones too (only if a person asked for just that). Protected images stay.",
        PLAIN,
        images::prune,
    );
    offer.add(
        "docker_prune_volumes",
        "Prune Docker volumes: unused ones without a name; with all=true every unused volume; with force_all=true all \
         volumes that no container holds (only if a person asked for just that). Protected volumes stay.",
        PLAIN,
        prune_volumes,
    );
    offer.add("docker_prune_containers", "Prune Docker containers: those that do not run.", PLAIN, prune_containers);
    offer.add("docker_prune_networks", "Prune Docker networks: those that no container is in.", PLAIN, prune_networks);
    offer.add("docker_prune_build_cache", "Prune the cache of builds.", PLAIN, cache::prune);
    let about = "Prune all unused Docker resources (containers, images, networks, build cache, and volumes if asked).";
    offer.add("docker_system_prune", about, PLAIN, system::prune);
    offer.add("docker_prune_system", "The same as docker_system_prune.", PLAIN, system::prune);
}

/// Removes them one by one. What is refused is kept, with the engine's reason.
async fn end<'a>(
    dock: &Dock,
    all: &'a [Doomed],
    kept: &mut Vec<Kept>,
    ask: impl Fn(&str) -> Ask<'static>,
) -> Result<Vec<(&'a Doomed, Value)>, Fault> {
    let mut gone = Vec::new();
    for one in all {
        match dock.engine.json(ask(&one.id)).await {
            Ok(answer) => gone.push((one, answer)),
            Err(EngineError::Refused { message, .. }) => kept.push(Kept { id: one.id.clone(), reason: message }),
            // Whatever went until now is told by the error's absence in the lists: better to say it.
            Err(error) if gone.is_empty() => return Err(error.into()),
            Err(error) => {
                kept.push(Kept { id: one.id.clone(), reason: crate::fault::sentence(&error) });
                break;
            }
        }
    }
    Ok(gone)
}

/// What a prune of these would do.
fn doom<'a>(tool: &'a str, what: &str, doomed: impl IntoIterator<Item = &'a Doomed>) -> Doom<'a> {
    let things: Vec<_> = doomed.into_iter().map(|one| one.line.clone()).collect();
    Doom { tool, what: format!("{what} {} things", things.len()), things, options: String::new() }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PruneReach")]
struct AskedReach {
    /// Everything unused, not only what has no name
    #[serde(default)]
    all: bool,
    /// Filters, like {"until": "24h"}, {"label": ["env=test"]}, {"label!": "keep"}
    filters: Given,
    /// Everything, also what has a name and is in use
    #[serde(default)]
    force_all: bool,
    #[serde(flatten)]
    consent: Consent,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Pruned {
    deleted: Vec<String>,
    /// Bytes.
    space_reclaimed: u64,
    /// What was to go and stayed.
    kept: Vec<Kept>,
    #[serde(flatten)]
    told: DryRun,
}

/// What is common to prunes that give ids: told or confirmed, then done.
struct Simple<'a> {
    tool: &'a str,
    what: &'a str,
    consent: &'a Consent,
}

impl Simple<'_> {
    async fn run(
        self,
        dock: &Dock,
        call: &Call,
        doomed: Vec<Doomed>,
        mut kept: Vec<Kept>,
        ask: impl Fn(&str) -> Ask<'static>,
    ) -> Result<Structured<Pruned>, Fault> {
        if let Some(told) = self.consent.given(dock, call, doom(self.tool, self.what, &doomed)).await? {
            let space_reclaimed = doomed.iter().map(|d| d.bytes).sum();
            return Ok(Structured(Pruned { kept, space_reclaimed, told, ..Pruned::default() }));
        }
        let gone = end(dock, &doomed, &mut kept, ask).await?;
        let space_reclaimed = gone.iter().map(|(one, _)| one.bytes).sum();
        let deleted = gone.into_iter().map(|(one, _)| one.id.clone()).collect();
        Ok(Structured(Pruned { deleted, space_reclaimed, kept, ..Pruned::default() }))
    }
}

async fn prune_volumes(dock: Arc<Dock>, asked: AskedReach, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let which = Which::read(asked.filters, &["until", "label", "label!", "dangling"])?;
        let reach = match (asked.force_all, asked.all) {
            (true, _) => Reach::All,
            (false, true) => Reach::Unused,
            (false, false) => Reach::Dangling,
        };
        let mut kept = Vec::new();
        let doomed = doomed::volumes(&dock, &which, reach, &mut kept).await?;
        let simple =
            Simple { tool: "docker_prune_volumes", what: "remove, with all data in them,", consent: &asked.consent };
        let force = asked.force_all;
        simple.run(&dock, &call, doomed, kept, move |id| Ask::delete(path(&["volumes", id])).flag("force", force)).await
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Prune")]
struct Asked {
    /// Filters, like {"until": "24h"}, {"label": ["env=test"]}, {"label!": "keep"}
    filters: Given,
    #[serde(flatten)]
    consent: Consent,
}

async fn prune_containers(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let which = Which::read(asked.filters, &USUAL)?;
        let mut kept = Vec::new();
        let doomed = doomed::containers(&dock, &which, &mut kept).await?;
        let simple = Simple { tool: "docker_prune_containers", what: "remove", consent: &asked.consent };
        simple.run(&dock, &call, doomed, kept, |id| Ask::delete(path(&["containers", id]))).await
    })
    .await
}

async fn prune_networks(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let which = Which::read(asked.filters, &USUAL)?;
        let mut kept = Vec::new();
        let doomed = doomed::networks(&dock, &which, &mut kept).await?;
        let simple = Simple { tool: "docker_prune_networks", what: "remove", consent: &asked.consent };
        simple.run(&dock, &call, doomed, kept, |id| Ask::delete(path(&["networks", id]))).await
    })
    .await
}
