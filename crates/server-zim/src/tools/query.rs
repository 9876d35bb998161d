//! `zim_query`: a question in words.

use super::Budget;
use crate::arguments::Arguments;
use crate::fault::Fault;
use crate::query;
use crate::work::{Desk, Work};
use mcp::Call;
use mcp::builtin::Fail;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

pub(super) const ABOUT: &str = "Answers a question in words from the archives. Say: list available ZIM files; tell me \
     about X; search for X; find article titled X; get article X; summary of X; table of contents of X; section S of \
     X; links in X; articles related to X; what links to X; suggestions for X; search X in namespace C; search all \
     files for X; show main page; list namespaces; browse namespace C; metadata for a.zim. One request a call. \
     synthesize: an answer from several pages with citations.";

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZimQuery")]
pub(crate) struct Query {
    /// The question.
    pub(crate) query: String,
    /// The archive's name; not needed if there is only one.
    #[serde(default)]
    pub(crate) zim_file_path: Option<String>,
    /// Rows of a list (10).
    #[serde(default)]
    pub(crate) limit: Option<i64>,
    /// The row to begin with.
    #[serde(default)]
    pub(crate) offset: Option<i64>,
    /// The character of a text to begin with.
    #[serde(default)]
    pub(crate) content_offset: Option<i64>,
    /// next_cursor of another tool's answer.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// Characters of a text (4000).
    #[serde(default)]
    pub(crate) max_content_length: Option<i64>,
    /// Short snippets, no links, long tables named, bounded.
    #[serde(default = "yes")]
    pub(crate) compact: bool,
    /// tiny 2000, small 4000, medium 6000, large 12000, or a number of characters.
    #[serde(default)]
    pub(crate) compact_budget: Option<Budget>,
    /// One answer from several pages, with citations, as JSON.
    #[serde(default)]
    pub(crate) synthesize: bool,
}

const fn yes() -> bool {
    true
}

pub(super) async fn run(desk: Arc<Desk>, given: Arguments<Query>, call: Call) -> Result<super::Text, Fail> {
    let given = given.0?;
    desk.run(&call, move |work| answer(work, &given)).await.map(super::Text)
}

fn answer(work: &Work, given: &Query) -> Result<String, Fault> {
    let range = |value: Option<i64>, least: i64, most: i64| value.is_none_or(|value| (least..=most).contains(&value));
    if !range(given.limit, 1, 1000) {
        return Err(Fault::new("invalid_limit", "limit is a number from 1 to 1000."));
    }
    if !range(given.max_content_length, 1, 1_000_000) {
        return Err(Fault::new("invalid_max_content_length", "max_content_length is a number from 1 to 1000000."));
    }
    if !range(given.content_offset, 0, i64::MAX) {
        return Err(Fault::new("invalid_content_offset", "content_offset is 0 or more."));
    }
    if !given.synthesize || given.query.trim().is_empty() {
        return query::answer(work, given);
    }
    work.telemetry.count("intent.synthesize");
    let synthesis =
        query::synthesize::synthesize(work, given.query.trim(), given.zim_file_path.as_deref(), given.compact)?;
    Ok(serde_json::to_string(&synthesis).unwrap_or_default())
}
