//! An answer for each intent: what is asked, of which archive, and who answers it; the answers stand in the files below.

mod archives;
mod entries;
mod finding;
mod links;
mod topics;

use super::frame::Framed;
use super::grammar::Intent;
use super::guard;
use super::mend;
use super::question::{self, Meaning};
use super::topic;
use crate::book::Book;
use crate::cursor;
use crate::fault::Fault;
use crate::search::words;
use crate::tools::get::View;
use crate::tools::links::Direction;
use crate::tools::metadata;
use crate::tools::query::Query;
use crate::work::Work;
use serde::Serialize;
use std::sync::Arc;

pub(super) use finding::is_list;

/// Rows of a list unless told otherwise.
const ROWS: i64 = 10;
/// Characters of an article unless told otherwise.
const CHARS: i64 = 4000;
/// Archives that are named when one has to be chosen.
const NAMED: usize = 20;

/// An answer before it is framed.
struct Answer {
    body: String,
    is_foreign: bool,
    more: Option<String>,
}

impl Answer {
    const fn own(body: String) -> Self {
        Self { body, is_foreign: false, more: None }
    }

    const fn foreign(body: String) -> Self {
        Self { body, is_foreign: true, more: None }
    }

    fn json(value: &impl Serialize) -> Self {
        Self::foreign(serde_json::to_string_pretty(value).unwrap_or_default())
    }
}

/// One question under way.
struct Asking<'a> {
    work: &'a Work,
    given: &'a Query,
    meaning: &'a Meaning,
    offset: i64,
}

/// Answers a question.
pub(crate) fn answer(work: &Work, given: &Query) -> Result<String, Fault> {
    let asked = given.query.trim();
    if asked.is_empty() {
        let message = "query is a question in words, such as \"list available ZIM files\", \"search for bridges\", \
                       \"tell me about Berlin\".";
        return Err(Fault::new("query_required", message).with("invalid_arguments", vec!["query"]));
    }
    if asked.chars().count() > 4096 {
        return Err(Fault::new("invalid_query", "query has at most 4096 characters."));
    }
    let framed = |body: String, intent: &'static str| Framed {
        body,
        intent,
        certainty: 1.0,
        is_foreign: false,
        budget: None,
        more: None,
        footer: work.holdings.settings.footer,
    };
    if guard::is_filler(asked) {
        work.telemetry.count("meta_only_guidance");
        return Ok(framed(guidance(), "meta_only_guidance").render());
    }
    if let Some((left, right)) = guard::chained(asked) {
        work.telemetry.count("chained_intent_rejected");
        let body = format!(
            "**These are two requests.** Ask them one by one:\n\n1. `{left}`\n2. `{right}`\n\nOne call answers one request."
        );
        return Ok(framed(body, "chained_intent_rejected").render());
    }
    let asked = mend::without_leaks(asked);
    let mut meaning = question::read(&asked);
    let offset = offset(given, &asked)?;
    correct(work, given, &mut meaning);
    if let Some(topic) = meaning.get("topic").or_else(|| meaning.get("entry"))
        && matches!(meaning.intent, Intent::TellMeAbout | Intent::Summary)
        && let Some(parts) = guard::several(topic)
        && !is_title(work, given, topic)
    {
        work.telemetry.count("multi_entity_chain_rejected");
        let list: Vec<String> = parts.iter().map(|part| format!("- `tell me about {part}`")).collect();
        let body = format!("**These are {} things.** Ask for them one by one:\n\n{}", parts.len(), list.join("\n"));
        return Ok(framed(body, "multi_entity_chain_rejected").render());
    }
    work.telemetry.count(&format!("intent.{}", meaning.intent.name()));
    if meaning.certainty < 0.55 {
        work.telemetry.count("low_confidence_note");
    }
    let asking = Asking { work, given, meaning: &meaning, offset };
    let answer = asking.answer()?;
    let framed = Framed {
        body: answer.body,
        intent: meaning.intent.name(),
        certainty: meaning.certainty,
        is_foreign: answer.is_foreign,
        budget: given.compact.then(|| given.compact_budget.as_ref().map_or(6000, crate::tools::Budget::chars)),
        more: answer.more,
        footer: work.holdings.settings.footer,
    };
    let text = framed.render();
    if text.contains("_Response truncated at") {
        work.telemetry.count("response_truncated");
    }
    Ok(text)
}

fn guidance() -> String {
    "**There is no topic in this.** Try one of these:\n\n\
     - `list available ZIM files`: which archives there are\n\
     - `show main page`: the front page of an archive\n\
     - `tell me about <topic>`: what a page says, such as `tell me about Photosynthesis`\n\
     - `search for <words>`: pages with these words\n\
     - `list namespaces`: what an archive has beside pages"
        .to_owned()
}

/// Where to begin: what is said, or what a cursor says.
fn offset(given: &Query, asked: &str) -> Result<i64, Fault> {
    let said = given.offset.unwrap_or(0);
    if said < 0 {
        return Err(Fault::new("invalid_offset", "offset is 0 or more."));
    }
    let Some(text) = given.cursor.as_deref().filter(|text| !text.is_empty()) else { return Ok(said) };
    let (tool, position) = cursor::any(text)?;
    if tool == "zim_search" {
        let of_cursor = words(&position.q);
        let shares = words(asked).iter().any(|word| word.chars().count() >= 3 && of_cursor.contains(word));
        if !shares {
            return Err(Fault::new(
                "cursor_decode",
                "This cursor belongs to another question. Begin without a cursor.",
            ));
        }
    }
    Ok(i64::try_from(position.o).unwrap_or(i64::MAX))
}

/// Mends the words of a topic. Paths and quoted text stay as they are.
fn correct(work: &Work, given: &Query, meaning: &mut Meaning) {
    let Some(topic) = meaning.about.get("topic").cloned() else { return };
    if let Some(mended) = work.holdings.misspellings.mend(&topic, |word| is_title(work, given, word)) {
        meaning.about.insert("topic", mended);
    }
}

/// Whether a page of the archive that is asked is called so.
fn is_title(work: &Work, given: &Query, text: &str) -> bool {
    let Ok(book) = work.shelf.find(given.zim_file_path.as_deref()) else { return false };
    topic::exactly(work, book, text).is_ok_and(|page| page.is_some())
}

impl Asking<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.meaning.get(name)
    }

    /// Rows of a list that has so many at most.
    fn limit(&self, most: i64) -> Option<i64> {
        Some(self.given.limit.unwrap_or(ROWS).min(most))
    }

    fn answer(&self) -> Result<Answer, Fault> {
        match self.meaning.intent {
            Intent::ListFiles => self.list_files(),
            Intent::SearchAll => self.search_all(),
            Intent::TellMeAbout => self.tell_me_about(),
            Intent::Search => self.search(),
            Intent::Metadata => self.of_book(|book| Ok(Answer::json(&metadata::describe(self.work, &book.name)?))),
            Intent::MainPage => self.of_book(|book| self.main_page(book)),
            Intent::ListNamespaces => self.of_book(|book| self.namespaces(book)),
            Intent::WalkNamespace => self.of_book(|book| self.walk(book)),
            Intent::Browse => self.of_book(|book| self.browse(book)),
            Intent::GetSection => self.of_book(|book| self.section(book)),
            Intent::Toc => self.of_book(|book| self.view(book, View::Toc)),
            Intent::Structure => self.of_book(|book| self.view(book, View::Structure)),
            Intent::Summary => self.of_book(|book| self.view(book, View::Summary)),
            Intent::Binary => self.of_book(|book| self.binary(book)),
            Intent::Links => self.of_book(|book| self.links(book)),
            Intent::Related => self.of_book(|book| self.related(book, Direction::Related)),
            Intent::InboundLinks => self.of_book(|book| self.related(book, Direction::Inbound)),
            Intent::Suggestions => self.of_book(|book| self.suggestions(book)),
            Intent::FilteredSearch => self.of_book(|book| self.filtered(book)),
            Intent::FindByTitle => self.of_book(|book| self.find_by_title(book)),
            Intent::GetEntries => self.of_book(|book| self.entries(book)),
            Intent::GetArticle => self.of_book(|book| self.article(book)),
        }
    }

    /// The answer of one archive, or which there are to choose from.
    fn of_book(&self, answer: impl FnOnce(&Arc<Book>) -> Result<Answer, Fault>) -> Result<Answer, Fault> {
        self.book()?.map_or_else(|| Ok(self.choose()), answer)
    }

    /// The archive that is asked: named in the call, named in the question, or the only one. Nothing if it has to be
    /// chosen.
    fn book(&self) -> Result<Option<&Arc<Book>>, Fault> {
        let named = self.given.zim_file_path.as_deref().filter(|path| !path.trim().is_empty());
        if let Some(name) = named.or_else(|| self.get("archive")) {
            return match self.work.shelf.find(Some(name)) {
                Ok(book) => Ok(Some(book)),
                Err(fault) => {
                    // With one archive only there is no doubt which one is meant.
                    if let [only] = self.work.shelf.books.as_slice() {
                        self.work.telemetry.count("zim_path_replaced_with_auto_select");
                        return Ok(Some(only));
                    }
                    Err(fault.renamed("zim_path_not_found"))
                }
            };
        }
        match self.work.shelf.books.as_slice() {
            [] => self.work.shelf.find(None).map(Some),
            [only] => Ok(Some(only)),
            _ => Ok(None),
        }
    }

    fn choose(&self) -> Answer {
        let books = &self.work.shelf.books;
        let line = |book: &Arc<Book>| {
            let note = if book.seems_damaged() { " (damaged)" } else { "" };
            format!("- `{}`{note}", book.name)
        };
        let names: Vec<String> = self.work.shelf.offered().take(NAMED).map(line).collect();
        let more =
            if books.len() > NAMED { format!("\n\n… and {} more", books.len() - NAMED) } else { String::new() };
        Answer::foreign(format!(
            "**No ZIM File Specified**\n\nThere are {} archives. Pass one as `zim_file_path`:\n\n{}{more}",
            books.len(),
            names.join("\n")
        ))
    }
}
