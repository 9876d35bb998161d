//! Pruning what builds left.

use super::doomed::{Doomed, number};
use super::{Pruned, doom};
use crate::confirm::Consent;
use crate::dock::{Dock, Pace};
use crate::engine::Ask;
use crate::fault::Fault;
use crate::filters::{Filters, Given};
use crate::tools::{items, text};
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PruneBuildCache")]
pub(super) struct Asked {
    /// All of it, not only what no build used lately
    #[serde(default)]
    all: bool,
    /// Filters, like {"until": "24h"}
    filters: Given,
    #[serde(flatten)]
    consent: Consent,
}

pub(super) async fn doomed(dock: &Dock) -> Result<Vec<Doomed>, Fault> {
    let df = dock.engine.json(Ask::get("/system/df")).await?;
    let flag = |value: &Value, key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
    let one = |cache: &Value| Doomed {
        id: text(cache, "ID").to_owned(),
        line: crate::redact::clean(&format!("build cache {} ({})", text(cache, "ID"), text(cache, "Description")))
            .into_owned(),
        bytes: number(cache, "/Size"),
    };
    Ok(items(&df, "BuildCache").iter().filter(|cache| !flag(cache, "InUse")).map(one).collect())
}

pub(super) async fn end(dock: &Dock, all: bool, filters: &Filters) -> Result<(Vec<String>, u64), Fault> {
    let answer = dock.engine.json(Ask::post("/build/prune").flag("all", all).maybe("filters", filters.query())).await?;
    let deleted = items(&answer, "CachesDeleted").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok((deleted, number(&answer, "/SpaceReclaimed")))
}

pub(super) async fn prune(dock: Arc<Dock>, asked: Asked, call: Call) -> Result<Structured<Pruned>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let filters = Filters::read(asked.filters)?;
        let doomed = doomed(&dock).await?;
        let told = asked.consent.given(&dock, &call, doom("docker_prune_build_cache", "remove up to", &doomed)).await?;
        if let Some(told) = told {
            let space_reclaimed = doomed.iter().map(|d| d.bytes).sum();
            return Ok(Structured(Pruned { space_reclaimed, told, ..Pruned::default() }));
        }
        let (deleted, space_reclaimed) = end(&dock, asked.all, &filters).await?;
        Ok(Structured(Pruned { deleted, space_reclaimed, ..Pruned::default() }))
    })
    .await
}
