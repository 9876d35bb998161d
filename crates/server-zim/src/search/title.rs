//! Pages by title.
//!
//! Each step is weaker than the one before: the title is what was asked for, in one of the usual spellings; it
//! begins with it; it has the words of it, by the archive's title index or by a walk over the titles; it is nearly
//! it, for mistakes in typing. Titles are sorted bytewise, so the first two are binary searches.

use crate::article::public_path;
use crate::book::Book;
use crate::fault::Fault;
use crate::index::{self, Volume};
use crate::nearest::distance;
use crate::retrieve::spellings;
use crate::search::{entry_of, words};
use crate::work::Work;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::HashSet;
use zim::{Entry, TitleKind, Titles};

/// Rows that one search gives over all pages.
const MAX_ROWS: usize = 1000;
/// Titles that begin alike are ranked in blocks of so many, so that what stands on one page does not depend on how
/// many pages are asked for.
const BLOCK: usize = 100;
/// Titles that are read one by one.
const MAX_TITLES: u32 = 100_000;

/// A page by its title.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "ZimTitleRow")]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) title: String,
    /// 1 is the very title.
    pub(crate) score: f64,
    pub(crate) zim_file: String,
    pub(crate) match_type: Match,
    /// The path of the redirect that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pre_redirect_path: Option<String>,
    /// Which block of its archive it is of.
    #[serde(skip)]
    block: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Match {
    Direct,
    Redirect,
    FuzzySuggest,
    TypoCorrected,
}

/// What was found in one archive or more.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<Row>,
    /// Not everything was looked at.
    pub(crate) cut: bool,
    /// The very title is there, and a title was found by mending the query.
    pub(crate) exact: bool,
    pub(crate) mended: bool,
    /// The query in lower case.
    wanted: String,
    /// The block that rows are of now.
    block: usize,
}

impl Found {
    /// Adds what one archive has. `wanted` rows are enough: what they are, and their order, is the same if more are
    /// wanted.
    pub(crate) fn add(&mut self, work: &Work, book: &Book, query: &str, wanted: usize) -> Result<(), Fault> {
        let volume = book.archive()?;
        self.wanted = query.to_lowercase();
        let before = self.rows.len();
        let wanted = wanted.min(MAX_ROWS);
        let mut seen = HashSet::new();
        self.listed(work, book, &volume, query, before + wanted.next_multiple_of(BLOCK), &mut seen)?;
        // What is found in another way comes after all blocks, in the order in which it is found.
        self.block = usize::MAX;
        if let Some(found) = volume.suggest(work, query, wanted)? {
            self.cut |= !found.is_exact || found.total > wanted as u64;
            for (place, hit) in found.hits.iter().enumerate() {
                let Some(entry) = entry_of(&volume, hit) else { continue };
                #[allow(clippy::cast_precision_loss, reason = "a score")]
                let score = 9.0 / (place + 10) as f64;
                self.keep(book, &volume, &entry, Match::FuzzySuggest, score, &mut seen);
            }
        } else {
            self.walk(work, book, &volume, query, before + wanted, &mut seen)?;
        }
        let fuzzy = &work.holdings.settings.search;
        if self.rows.len() == before && query.chars().count() >= fuzzy.fuzzy_min {
            self.mend(work, book, &volume, query, fuzzy.fuzzy_score, &mut seen)?;
            if self.rows.len() == before {
                self.mend_word(work, book, &volume, query, fuzzy.fuzzy_score * 0.8, &mut seen)?;
            }
        }
        Ok(())
    }

    /// Titles that have all words of the query but one, and one that is nearly that: each word in turn is taken to be
    /// the one that is wrong, and the title index is asked for the others.
    fn mend_word(
        &mut self,
        work: &Work,
        book: &Book,
        volume: &Volume,
        query: &str,
        score: f64,
        seen: &mut HashSet<u32>,
    ) -> Result<(), Fault> {
        /// Words that a title has beside those of the query.
        const LONGER: usize = 2;
        /// Words that are tried, and titles that are compared for each.
        const TRIED: usize = 5;
        const COMPARED: usize = 100;
        let said = words(query);
        if said.len() < 2 {
            return Ok(());
        }
        let mut near: Vec<(usize, index::Hit)> = Vec::new();
        for (place, wrong) in said.iter().enumerate().filter(|(_, word)| word.chars().count() >= 4).take(TRIED) {
            if work.is_late() {
                self.cut = true;
                break;
            }
            let others = said.iter().enumerate().filter(|(other, _)| *other != place);
            let others: Vec<&str> = others.map(|(_, word)| word.as_str()).collect();
            let Some(found) = volume.suggest(work, &others.join(" "), COMPARED)? else { return Ok(()) };
            let most = if wrong.chars().count() >= 8 { 2 } else { 1 };
            for hit in found.hits {
                let Some(entry) = entry_of(volume, &hit) else { continue };
                let title = words(&entry.title());
                let off = title.iter().map(|word| distance(wrong, word)).min().unwrap_or(usize::MAX);
                if off <= most && title.len() <= said.len() + LONGER {
                    near.push((off, hit));
                }
            }
        }
        near.sort_by_key(|(off, _)| *off);
        for (_, hit) in near.into_iter().take(5) {
            let Some(entry) = entry_of(volume, &hit) else { continue };
            self.mended = true;
            self.keep(book, volume, &entry, Match::TypoCorrected, score, seen);
        }
        Ok(())
    }

    /// Entries of one archive: what is found twice, by whatever way, stands where it was found first.
    fn keep(
        &mut self,
        book: &Book,
        volume: &Volume,
        entry: &Entry<'_>,
        how: Match,
        score: f64,
        seen: &mut HashSet<u32>,
    ) {
        let Ok(target) = entry.resolve() else { return };
        if seen.insert(target.index()) {
            // The very title in other letters is the very title.
            let (how, score, block) = if how == Match::FuzzySuggest && entry.title().to_lowercase() == self.wanted {
                self.exact = true;
                (if entry.is_redirect() { Match::Redirect } else { Match::Direct }, 1.0, 0)
            } else {
                (how, score, self.block)
            };
            self.rows.push(Row {
                path: public_path(volume, &target),
                title: crate::text::title(&target),
                score: (score * 1000.0).round() / 1000.0,
                zim_file: book.name.clone(),
                match_type: how,
                pre_redirect_path: entry.is_redirect().then(|| public_path(volume, entry)),
                block,
            });
        }
    }

    /// The very title, and titles that begin with it.
    fn listed(
        &mut self,
        work: &Work,
        book: &Book,
        volume: &Volume,
        query: &str,
        until: usize,
        seen: &mut HashSet<u32>,
    ) -> Result<(), Fault> {
        let Some(titles) = titles_of(volume)? else { return Ok(()) };
        let namespace = volume.content_namespace();
        let before = self.rows.len();
        self.block = 0;
        for spelling in spellings(query) {
            if let Some(entry) = titles.find(namespace, &spelling)? {
                let how = if entry.is_redirect() { Match::Redirect } else { Match::Direct };
                self.exact = true;
                self.keep(book, volume, &entry, how, 1.0, seen);
            }
        }
        for spelling in spellings(query) {
            for entry in titles.entries(titles.prefixed(namespace, &spelling)?) {
                work.check()?;
                if self.rows.len() >= until {
                    self.cut = true;
                    return Ok(());
                }
                let Ok(entry) = entry else { continue };
                if titles.kind() == TitleKind::AllEntries && !entry.is_redirect() && crate::tools::is_asset(&entry) {
                    continue;
                }
                // The shorter the title, the nearer it is to what was typed.
                let longer = entry.title().chars().count().saturating_sub(query.chars().count());
                #[allow(clippy::cast_precision_loss, reason = "a score")]
                let score = 0.9 + 0.09 / (1.0 + longer as f64);
                self.block = (self.rows.len() - before) / BLOCK;
                self.keep(book, volume, &entry, Match::FuzzySuggest, score, seen);
            }
        }
        Ok(())
    }

    /// Titles that have the query in them, read one by one.
    fn walk(
        &mut self,
        work: &Work,
        book: &Book,
        volume: &Volume,
        query: &str,
        until: usize,
        seen: &mut HashSet<u32>,
    ) -> Result<(), Fault> {
        let Some(titles) = titles_of(volume)? else { return Ok(()) };
        let lower = query.to_lowercase();
        let all = titles.prefixed(volume.content_namespace(), "")?;
        let last = all.end.min(all.start.saturating_add(MAX_TITLES));
        self.cut |= last < all.end;
        for entry in titles.entries(all.start..last) {
            if self.rows.len() >= until || work.is_late() {
                self.cut = true;
                break;
            }
            let Ok(entry) = entry else { continue };
            if entry.title().to_lowercase().contains(&lower) {
                self.keep(book, volume, &entry, Match::FuzzySuggest, 0.5, seen);
            }
        }
        Ok(())
    }

    /// Titles that are the query but for a letter or two: of those that begin like it, and then of those that begin
    /// with its second letter, in any script.
    fn mend(
        &mut self,
        work: &Work,
        book: &Book,
        volume: &Volume,
        query: &str,
        score: f64,
        seen: &mut HashSet<u32>,
    ) -> Result<(), Fault> {
        /// Titles that are compared, of each beginning.
        const COMPARED: u32 = 30_000;
        let Some(titles) = titles_of(volume)? else { return Ok(()) };
        let namespace = volume.content_namespace();
        let wanted = query.to_lowercase();
        let letters = wanted.chars().count();
        let most = if letters >= 8 { 2 } else { 1 };
        let mut near: Vec<(usize, Entry<'_>)> = Vec::new();
        // In the end all: the first letter may be the one that is wrong.
        let mut beginnings: Vec<[String; 2]> =
            wanted.chars().take(2).map(|c| [c.to_uppercase().to_string(), c.to_string()]).collect();
        beginnings.push([String::new(), "\u{10ffff}".to_owned()]);
        for beginning in beginnings.iter().flatten() {
            let range = titles.prefixed(namespace, beginning)?;
            for entry in titles.entries(range.start..range.end.min(range.start.saturating_add(COMPARED))) {
                if work.is_late() {
                    self.cut = true;
                    break;
                }
                let Ok(entry) = entry else { continue };
                let title = entry.title().to_lowercase();
                if title.chars().count().abs_diff(letters) > most {
                    continue;
                }
                let off = distance(&wanted, &title);
                if off <= most {
                    near.push((off, entry));
                }
            }
            if !near.is_empty() {
                break;
            }
        }
        near.sort_by_key(|(off, _)| *off);
        for (off, entry) in near.into_iter().take(5) {
            self.mended = true;
            let score = if off == 1 { score } else { score * 0.9 };
            self.keep(book, volume, &entry, Match::TypoCorrected, score, seen);
        }
        Ok(())
    }

    /// The best first.
    pub(crate) fn sort(&mut self) {
        self.rows.sort_by(|a, b| a.block.cmp(&b.block).then(b.score.total_cmp(&a.score)));
    }
}

/// The listing of titles, if there is one.
fn titles_of(volume: &Volume) -> Result<Option<Titles<'_>>, Fault> {
    match volume.titles() {
        Ok(titles) => Ok(Some(titles)),
        Err(zim::Error::NoTitles) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Pages to offer while somebody types: title, path and how it matches.
pub(crate) fn suggestions(work: &Work, book: &Book, typed: &str, limit: usize) -> Result<(Vec<Row>, bool), Fault> {
    let volume = book.archive()?;
    let mut found = Found::default();
    let mut seen = HashSet::new();
    match volume.suggest(work, typed, limit + 1)? {
        Some(hits) => {
            for hit in hits.hits.iter().take(limit) {
                if let Some(entry) = entry_of(&volume, hit) {
                    found.keep(book, &volume, &entry, Match::FuzzySuggest, hit.weight, &mut seen);
                }
            }
            found.cut = hits.hits.len() > limit;
        }
        None => {
            found.listed(work, book, &volume, typed, limit, &mut seen)?;
            if found.rows.is_empty() {
                found.walk(work, book, &volume, typed, limit, &mut seen)?;
            }
        }
    }
    found.rows.truncate(limit);
    Ok((found.rows, found.cut))
}

/// Titles that are near to what found nothing.
pub(crate) fn alternatives(work: &Work, book: &Book, query: &str, limit: usize) -> Vec<String> {
    let mut found = Found::default();
    let Ok(volume) = book.archive() else { return Vec::new() };
    if query.chars().count() >= work.holdings.settings.search.fuzzy_min {
        let _ = found.mend(work, book, &volume, query, 1.0, &mut HashSet::new());
    }
    let mut titles: Vec<String> = found.rows.into_iter().map(|row| row.title).collect();
    // The words one by one: perhaps only one of them is wrong.
    for word in words(query).iter().filter(|word| word.chars().count() >= 4) {
        if titles.len() >= limit || work.is_late() {
            break;
        }
        if let Ok((rows, _)) = suggestions(work, book, word, 2) {
            titles.extend(rows.into_iter().map(|row| row.title));
        }
    }
    let mut seen = HashSet::new();
    titles.retain(|title| seen.insert(title.to_lowercase()) && !title.eq_ignore_ascii_case(query));
    titles.truncate(limit);
    titles
}
