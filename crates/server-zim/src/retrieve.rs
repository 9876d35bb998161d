//! Which entry a path means.
//!
//! Callers write paths as they remember them. What they mean is looked for step by step, the most literal first,
//! and the answer says which step found it. No step guesses: what is found is the same path or the same title, but
//! for case, spaces, encoding and the namespace.

use crate::fault::Fault;
use crate::links::decoded;
use crate::nearest::nearest_of;
use crate::work::Work;
use std::borrow::Cow;
use zim::{Archive, Entry};

/// An entry that was found, before redirects are followed, and by which step.
pub(crate) struct Retrieved<'a> {
    pub(crate) entry: Entry<'a>,
    pub(crate) step: &'static str,
}

/// Looks for the entry.
pub(crate) fn find<'a>(work: &Work, archive: &'a Archive, path: &str) -> Result<Option<Retrieved<'a>>, Fault> {
    let got = |entry, step| Ok(Some(Retrieved { entry, step }));
    let content = archive.content_namespace();
    if archive.has_new_namespaces() {
        if let Some(entry) = archive.find(b'C', path)? {
            return got(entry, "exact");
        }
    } else if let Some(entry) = archive.entry_by_path(path)? {
        return got(entry, "exact");
    }
    // Metadata and well-known entries, as zim_browse names them.
    if let Some((namespace @ ("M" | "W"), rest)) = path.split_once('/')
        && let Some(entry) = archive.find(namespace.as_bytes().first().copied().unwrap_or_default(), rest)?
    {
        return got(entry, "exact");
    }
    let trimmed = path.trim().trim_start_matches('/');
    if let Some(entry) = archive.entry_by_path(trimmed)? {
        return got(entry, if trimmed == path { "namespace" } else { "trimmed" });
    }
    let plain = decoded(trimmed);
    if plain != trimmed
        && let Some(entry) = archive.entry_by_path(&plain)?
    {
        return got(entry, "decoded");
    }
    for spelled in [plain.replace(' ', "_"), plain.replace('_', " ")] {
        if spelled != plain
            && let Some(entry) = archive.entry_by_path(&spelled)?
        {
            return got(entry, "spelling");
        }
    }
    if let Some((bare, _)) = trimmed.split_once(['#', '?'])
        && !bare.is_empty()
        && let Some(entry) = archive.entry_by_path(&decoded(bare))?
    {
        return got(entry, "without_fragment");
    }
    if let Ok(titles) = archive.titles() {
        let name = bare(&plain);
        for title in spellings(name) {
            if let Some(entry) = titles.find(content, &title)? {
                return got(entry, "title");
            }
        }
    }
    same_but_for_case(work, archive, content, &plain)
}

/// The entry whose path is the same but for case, spaces, underscores and the namespace: among those that begin as
/// it does in one of the usual cases.
fn same_but_for_case<'a>(
    work: &Work,
    archive: &'a Archive,
    namespace: u8,
    path: &str,
) -> Result<Option<Retrieved<'a>>, Fault> {
    /// Entries that are looked at for each beginning.
    const NEAR: u32 = 20_000;
    let name = bare(path);
    let wanted = folded(name);
    if wanted.is_empty() {
        return Ok(None);
    }
    // The folders of a path are seldom written in another case than its end is.
    let folder = name.rfind('/').map_or("", |at| name.get(..=at).unwrap_or_default());
    let first: String = name.get(folder.len()..).unwrap_or_default().chars().take(1).collect();
    let mut beginnings = vec![format!("{folder}{}", first.to_uppercase()), format!("{folder}{}", first.to_lowercase())];
    beginnings.dedup();
    for beginning in beginnings {
        let range = archive.path_range(namespace, &beginning)?;
        for entry in archive.entries(range.start..range.end.min(range.start.saturating_add(NEAR))) {
            work.check()?;
            let Ok(entry) = entry else { continue };
            if folded(&entry.path()) == wanted {
                return Ok(Some(Retrieved { entry, step: "case" }));
            }
        }
    }
    Ok(None)
}

/// A path without the namespace of content.
fn bare(path: &str) -> &str {
    ["C/", "A/", "c/", "a/"].iter().find_map(|namespace| path.strip_prefix(namespace)).unwrap_or(path)
}

fn folded(path: &str) -> String {
    path.to_lowercase().replace('_', " ")
}

/// The ways in which titles are usually written.
pub(crate) fn spellings(query: &str) -> Vec<String> {
    let query = query.replace('_', " ");
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let lower = query.to_lowercase();
    let words = |text: &str| text.split(' ').map(capital).collect::<Vec<_>>().join(" ");
    let mut all = Vec::new();
    let others = [capital(&query), capital(&lower), words(&query), words(&lower), lower.clone(), query.to_uppercase()];
    for spelling in std::iter::once(query.clone()).chain(others) {
        if !all.contains(&spelling) {
            all.push(spelling);
        }
    }
    all
}

/// There is no such entry; but perhaps one that is nearly called so.
pub(crate) fn not_found(work: &Work, archive: &Archive, path: &str) -> Fault {
    let shown: String = path.chars().take(200).collect();
    let near = match near(work, archive, path) {
        Ok(near) => near,
        Err(over) => return over,
    };
    let hint = near.as_ref().map(|near| format!(" Did you mean {near:?}?")).unwrap_or_default();
    let message = format!("There is no entry {shown:?}.{hint} Find its path with zim_search or zim_browse.");
    Fault::new("entry_not_found", message).with("context", format!("Path: {shown}"))
}

/// The path that is nearest, if one is near that may be shown whole; fails only if nobody waits any more.
fn near(work: &Work, archive: &Archive, path: &str) -> Result<Option<String>, Fault> {
    const LOOKED_AT: u32 = 500;
    const SHOWN: usize = 500;
    let namespace = archive.content_namespace();
    let prefix: String = path.trim_start_matches('/').chars().take(path.chars().count().div_ceil(2).min(200)).collect();
    let Ok(range) = archive.path_range(namespace, &prefix) else { return Ok(None) };
    let entries = archive.entries(range.start..range.end.min(range.start.saturating_add(LOOKED_AT)));
    let paths = entries.filter_map(|entry| match work.check() {
        Err(over) => Some(Err(over)),
        Ok(()) => Some(Ok(Cow::Owned(entry.ok()?.path().into_owned()))),
    });
    let found = nearest_of(path, paths)?.map(Cow::into_owned);
    Ok(found.filter(|found| found.len() <= SHOWN))
}
