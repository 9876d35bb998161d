//! The page that a topic is.
//!
//! A title that is the topic wins; then one that begins with it or has one word more; then a page that full text
//! finds and that is called so; then the last words of the topic ("famous musicians from Big Rapids"), whose other
//! words say which section is meant. Nothing else is taken for an answer: what is not found is searched for.

use super::mend::{parts, without_article};
use crate::book::Book;
use crate::fault::Fault;
use crate::html::Article;
use crate::search::title::{Found, Match};
use crate::search::{entry_of, words};
use crate::work::Work;

/// Words of a topic that name a section, and how that section may be called.
const SECTIONS: [(&str, &[&str]); 22] = [
    ("musicians", &["music", "notable people", "culture"]),
    ("singers", &["music", "notable people", "culture"]),
    ("people", &["notable people", "demographics", "population"]),
    ("residents", &["notable people", "demographics"]),
    ("population", &["population", "demographics", "demography"]),
    ("inhabitants", &["population", "demographics", "demography"]),
    ("history", &["history", "background", "origins"]),
    ("economy", &["economy", "industry", "economics"]),
    ("weather", &["climate", "weather"]),
    ("climate", &["climate", "weather"]),
    ("geography", &["geography", "location", "topography"]),
    ("food", &["cuisine", "diet", "food"]),
    ("diet", &["diet", "feeding", "food"]),
    ("habitat", &["habitat", "distribution", "distribution and habitat"]),
    ("symptoms", &["signs and symptoms", "symptoms"]),
    ("treatment", &["treatment", "management", "therapy"]),
    ("causes", &["causes", "cause", "etiology"]),
    ("schools", &["education", "schools"]),
    ("politics", &["politics", "government"]),
    ("government", &["government", "politics"]),
    ("sports", &["sports", "sport"]),
    ("plot", &["plot", "synopsis", "plot summary"]),
];

/// A page that was found, and what of it is meant.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) path: String,
    pub(super) title: String,
    /// Words of the topic beside the title: they may name a section.
    pub(super) rest: Option<String>,
    /// The topic was written wrong.
    pub(super) is_mended: bool,
}

/// One page, several of the same name, or none.
pub(super) enum Resolved {
    One(Page),
    Several(Vec<Page>),
    Nothing,
}

pub(super) fn resolve(work: &Work, book: &Book, topic: &str) -> Result<Resolved, Fault> {
    for form in [Some(topic), without_article(topic)].into_iter().flatten() {
        match titled(work, book, form)? {
            Resolved::Nothing => {}
            found => return Ok(found),
        }
    }
    // "population of Berlin": the page is Berlin, if it is called just so.
    if let Some((entity, attribute)) = parts(topic)
        && let Some(mut page) = exactly(work, book, &entity)?
    {
        page.rest = Some(attribute);
        return Ok(Resolved::One(page));
    }
    if let Some(page) = by_text(work, book, topic)? {
        return Ok(Resolved::One(page));
    }
    // The last words of it, and what stands before them.
    let said: Vec<&str> = topic.split_whitespace().collect();
    for length in (1..=4.min(said.len().saturating_sub(1))).rev() {
        let Some((before, last)) = said.split_at_checked(said.len() - length) else { continue };
        let name = last.join(" ");
        if name.chars().count() < 4 || !name.starts_with(char::is_uppercase) {
            continue;
        }
        if let Some(mut page) = exactly(work, book, &name)? {
            page.rest = Some(before.join(" "));
            return Ok(Resolved::One(page));
        }
    }
    Ok(Resolved::Nothing)
}

/// The page that is called just so.
pub(super) fn exactly(work: &Work, book: &Book, name: &str) -> Result<Option<Page>, Fault> {
    let mut found = Found::default();
    found.add(work, book, name, 3)?;
    found.sort();
    let exact = found.rows.into_iter().find(|row| matches!(row.match_type, Match::Direct | Match::Redirect));
    Ok(exact.map(|row| Page { path: row.path, title: row.title, rest: None, is_mended: false }))
}

fn titled(work: &Work, book: &Book, topic: &str) -> Result<Resolved, Fault> {
    let mut found = Found::default();
    found.add(work, book, topic, 8)?;
    found.sort();
    let page = |row: &crate::search::title::Row| Page {
        path: row.path.clone(),
        title: row.title.clone(),
        rest: None,
        is_mended: row.match_type == Match::TypoCorrected,
    };
    let wanted = words(topic);
    if let Some(row) = found.rows.iter().find(|row| matches!(row.match_type, Match::Direct | Match::Redirect)) {
        return Ok(Resolved::One(page(row)));
    }
    // "Mercury": Mercury (planet), Mercury (element).
    let same: Vec<Page> = found.rows.iter().filter(|row| words(base(&row.title)) == wanted).map(page).collect();
    match same.as_slice() {
        [] => {}
        [one] => return Ok(Resolved::One(one.clone())),
        _ => return Ok(Resolved::Several(same)),
    }
    // A title that goes on a little: "re" is "re — Regular expression operations".
    let near = found.rows.iter().find(|row| {
        let title = words(&row.title);
        let is_long_enough = topic.chars().count() >= 3;
        is_long_enough && title.starts_with(&wanted) && title.len() <= wanted.len() + 3
    });
    if let Some(row) = near.or_else(|| found.rows.iter().find(|row| row.match_type == Match::TypoCorrected)) {
        return Ok(Resolved::One(page(row)));
    }
    Ok(Resolved::Nothing)
}

/// A title without what tells it from others of the same name.
fn base(title: &str) -> &str {
    title.split_once(" (").map_or(title, |(base, _)| base)
}

/// The page that full text finds first, if it is called like the topic.
fn by_text(work: &Work, book: &Book, topic: &str) -> Result<Option<Page>, Fault> {
    let volume = book.archive()?;
    let Some(found) = volume.full_text(work, topic, 0, 3)? else { return Ok(None) };
    let wanted = words(topic);
    for hit in &found.hits {
        let Some(entry) = entry_of(&volume, hit) else { continue };
        let title = words(&entry.title());
        // All words of the topic are in the title, which has few others; or the topic has one word more.
        let has_all = wanted.iter().all(|word| title.iter().any(|other| same(word, other)));
        let is_near = has_all && title.len() <= wanted.len() + 2;
        let has_title =
            title.len() + 1 >= wanted.len() && title.len() > 1 && title.iter().all(|word| wanted.contains(word));
        if is_near || has_title {
            let path = crate::article::public_path(&volume, &entry);
            return Ok(Some(Page { path, title: crate::text::title(&entry), rest: None, is_mended: false }));
        }
    }
    Ok(None)
}

/// The same word, or its plural.
fn same(a: &str, b: &str) -> bool {
    a == b || a.strip_suffix('s') == Some(b) || b.strip_suffix('s') == Some(a)
}

/// The section that words of a topic name, by its heading.
pub(super) fn section(article: &Article, said: &str) -> Option<usize> {
    let wanted = words(said);
    let headings = || article.headings.iter().enumerate().filter(|(_, h)| h.level > 1);
    let named = headings().find(|(_, h)| {
        let title = words(&h.text);
        !title.is_empty() && title.len() <= 4 && wanted.iter().any(|word| title.iter().any(|other| same(word, other)))
    });
    let hinted = || {
        let hints = SECTIONS.iter().filter(|(word, _)| wanted.iter().any(|said| same(said, word)));
        let mut names = hints.flat_map(|(_, names)| names.iter());
        names.find_map(|name| headings().find(|(_, h)| h.text.to_lowercase() == **name))
    };
    named.or_else(hinted).map(|(index, _)| index)
}
