//! An answer for each intent.

use super::frame::Framed;
use super::guard;
use super::mend::{self, Misspellings};
use super::question::{self, Meaning};
use super::topic::{self, Page, Resolved};
use crate::book::Book;
use crate::cursor;
use crate::fault::Fault;
use crate::html::Article;
use crate::retrieve;
use crate::search::fulltext::Row;
use crate::search::words;
use crate::text::shortened;
use crate::tools::get::{Get, View};
use crate::tools::get_section::{self, GetSection};
use crate::tools::links::{Direction, Kind, Links};
use crate::tools::query::Query;
use crate::tools::search::{Mode, Rows, Search};
use crate::tools::{browse, get, links, metadata, search};
use crate::work::Work;
use serde::Serialize;
use std::sync::Arc;

/// Rows of a list unless told otherwise.
const ROWS: i64 = 10;
/// Characters of an article unless told otherwise.
const CHARS: i64 = 4000;
/// Archives that are named when one has to be chosen.
const NAMED: usize = 20;
/// Sections that are named under a lead.
const SECTIONS: usize = 40;

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
        && matches!(meaning.intent, "tell_me_about" | "summary")
        && let Some(parts) = guard::several(topic)
        && !is_title(work, given, topic)
    {
        work.telemetry.count("multi_entity_chain_rejected");
        let list: Vec<String> = parts.iter().map(|part| format!("- `tell me about {part}`")).collect();
        let body = format!("**These are {} things.** Ask for them one by one:\n\n{}", parts.len(), list.join("\n"));
        return Ok(framed(body, "multi_entity_chain_rejected").render());
    }
    work.telemetry.count(&format!("intent.{}", meaning.intent));
    if meaning.certainty < 0.55 {
        work.telemetry.count("low_confidence_note");
    }
    let asking = Asking { work, given, meaning: &meaning, offset };
    let answer = asking.answer()?;
    let framed = Framed {
        body: answer.body,
        intent: meaning.intent,
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
    let misspellings = Misspellings::of(&work.holdings.settings.rewrite);
    let Some(topic) = meaning.about.get("topic").cloned() else { return };
    if let Some(mended) = misspellings.mend(&topic, |word| is_title(work, given, word)) {
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

    fn limit(&self) -> Option<i64> {
        Some(self.given.limit.unwrap_or(ROWS))
    }

    fn answer(&self) -> Result<Answer, Fault> {
        match self.meaning.intent {
            "list_files" => self.list_files(),
            "search_all" => self.search_all(),
            "tell_me_about" => self.tell_me_about(),
            "search" => self.search(),
            _ => {
                let Some(book) = self.book()? else { return Ok(self.choose()) };
                self.about(book)
            }
        }
    }

    /// What needs an archive.
    fn about(&self, book: &Arc<Book>) -> Result<Answer, Fault> {
        let path = Some(book.name.clone());
        match self.meaning.intent {
            "metadata" => Ok(Answer::json(&metadata::describe(self.work, &book.name)?)),
            "main_page" => self.main_page(book),
            "list_namespaces" => self.namespaces(book),
            "walk_namespace" => self.walk(book),
            "browse" => {
                let namespace = self.get("namespace").unwrap_or("C").to_owned();
                let given = browse::Browse {
                    zim_file_path: path,
                    namespace,
                    limit: self.limit(),
                    offset: Some(self.offset),
                    ..browse::Browse::default()
                };
                Ok(Answer::json(&browse::browse(self.work, &given)?))
            }
            "get_section" => self.section(book),
            "toc" => self.view(book, View::Toc),
            "structure" => self.view(book, View::Structure),
            "summary" => self.view(book, View::Summary),
            "binary" => {
                let entry_path = Some(self.entry(book)?);
                let given = Get { zim_file_path: path, entry_path, binary: true, ..Get::default() };
                Ok(Answer::json(&get::get(self.work, &given)?))
            }
            "links" => self.links(book),
            "related" => self.related(book, Direction::Related),
            "inbound_links" => self.related(book, Direction::Inbound),
            "suggestions" => {
                let query = self.get("topic").unwrap_or_default().to_owned();
                let given = Search {
                    query,
                    mode: Mode::Suggest,
                    zim_file_path: path,
                    limit: self.limit(),
                    ..Search::default()
                };
                Ok(Answer::json(&search::search(self.work, &given)?))
            }
            "filtered_search" => self.filtered(book),
            "find_by_title" => self.find_by_title(book),
            "get_zim_entries" => self.entries(book),
            _ => self.article(book),
        }
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
        let names: Vec<String> = books.iter().take(NAMED).map(|book| format!("- `{}`", book.name)).collect();
        let more =
            if books.len() > NAMED { format!("\n\n… and {} more", books.len() - NAMED) } else { String::new() };
        Answer::own(format!(
            "**No ZIM File Specified**\n\nThere are {} archives. Pass one as `zim_file_path`:\n\n{}{more}",
            books.len(),
            names.join("\n")
        ))
    }

    fn list_files(&self) -> Result<Answer, Fault> {
        let books = &self.work.shelf.books;
        let skip = usize::try_from(self.offset).unwrap_or(0);
        let most = usize::try_from(self.given.limit.unwrap_or(50).clamp(1, 200)).unwrap_or(50);
        let rows: Vec<_> = books.iter().skip(skip).take(most).map(|book| metadata::listed(self.work, book)).collect();
        let shown = rows.len();
        let list = serde_json::to_string_pretty(&rows).unwrap_or_default();
        let next = skip + shown;
        let more = if next < books.len() {
            format!("\n\nShowing {}-{next}: pass `offset={next}` for the next ones.", skip + 1)
        } else {
            String::new()
        };
        Ok(Answer::own(format!("Found {} ZIM files:\n\n{list}{more}", books.len())))
    }

    fn main_page(&self, book: &Book) -> Result<Answer, Fault> {
        let given = Get {
            zim_file_path: Some(book.name.clone()),
            main_page: true,
            max_content_length: Some(self.given.max_content_length.unwrap_or(CHARS)),
            content_offset: self.given.content_offset,
            compact: self.given.compact,
            ..Get::default()
        };
        self.page(get::get(self.work, &given)?)
    }

    /// The text of an entry, with how to go on.
    fn page(&self, got: get::Got) -> Result<Answer, Fault> {
        let title = got.title.unwrap_or_default();
        let path = got.path.unwrap_or_default();
        let content = got.content.unwrap_or_default();
        let mut body = String::new();
        if !content.starts_with("# ") {
            body.push_str(&format!("# {title}\n\n"));
        }
        body.push_str(&format!("_Source: `{path}`_\n\n{content}"));
        body.extend(got.message);
        if let Some(next) = got.meta.more_at_offset {
            let total = got.meta.total_chars.unwrap_or(next);
            body.push_str(&format!(
                "\n\n_Shown up to character {next} of {total}. Pass `content_offset={next}` for the rest._"
            ));
        }
        Ok(Answer::foreign(body))
    }

    fn namespaces(&self, book: &Book) -> Result<Answer, Fault> {
        let archive = book.archive()?;
        let mut lines = Vec::new();
        for (letter, range) in archive.namespaces()? {
            let count = range.end - range.start;
            lines.push(format!("- **`{}`** — {count} entries: {}", char::from(letter), metadata::described(letter)));
        }
        Ok(Answer::own(format!("# Namespaces of `{}` ({} entries)\n\n{}", book.name, archive.len(), lines.join("\n"))))
    }

    fn walk(&self, book: &Book) -> Result<Answer, Fault> {
        let given = browse::Browse {
            zim_file_path: Some(book.name.clone()),
            namespace: self.get("namespace").unwrap_or("C").to_owned(),
            mode: browse::Mode::Walk,
            limit: Some(self.given.limit.unwrap_or(50).clamp(1, 500)),
            offset: Some(self.offset),
            ..browse::Browse::default()
        };
        let page = browse::browse(self.work, &given)?;
        let rows: Vec<String> =
            page.results.iter().map(|row| format!("- **{}** (`{}`)", row.title, row.path)).collect();
        let next = page.page_info.offset + page.scanned_count;
        let end = if page.done {
            "_End of namespace._".to_owned()
        } else {
            format!("Pass `offset={next}` for the next page.")
        };
        let head = format!("# Namespace `{}` — {} of {} entries", page.namespace, rows.len(), page.total);
        Ok(Answer::foreign(format!("{head}\n\n{}\n\n---\n{end}", rows.join("\n"))))
    }

    /// The path of the entry that is meant: one that there is, or the page that is called so.
    fn entry(&self, book: &Book) -> Result<String, Fault> {
        let said = self.get("entry").or_else(|| self.get("topic")).unwrap_or_default();
        if said.is_empty() {
            return Err(Fault::new("topic_required", "The question names no page. Say which one, in quotes."));
        }
        let archive = book.archive()?;
        if let Some(found) = retrieve::find(&archive, said)? {
            return Ok(crate::article::public_path(&archive, &found.entry));
        }
        match topic::resolve(self.work, book, said)? {
            Resolved::One(page) => Ok(page.path),
            Resolved::Several(pages) => Ok(pages.into_iter().next().map(|page| page.path).unwrap_or_default()),
            Resolved::Nothing => Err(retrieve::not_found(&archive, said).with(
                "suggestions",
                vec![format!("search for {said}"), format!("suggestions for {said}"), format!("tell me about {said}")],
            )),
        }
    }

    fn section(&self, book: &Book) -> Result<Answer, Fault> {
        let entry_path = self.entry(book)?;
        let said = self.get("section").unwrap_or_default().to_owned();
        let mut given = GetSection {
            zim_file_path: Some(book.name.clone()),
            entry_path,
            section_id: said.clone(),
            max_chars: Some(self.given.max_content_length.unwrap_or(CHARS)),
            include_subsections: true,
            compact: self.given.compact,
            ..GetSection::default()
        };
        let section = match get_section::get(self.work, &given) {
            Err(fault) if fault.operation() == "section_not_found" => {
                // A heading that has it in it will do.
                let archive = book.archive()?;
                let entry =
                    retrieve::find(&archive, &given.entry_path)?.map(|found| found.entry.resolve()).transpose()?;
                let article = entry.map(|entry| self.work.article(book, &archive, &entry)).transpose()?.flatten();
                let lower = said.to_lowercase();
                let heading = article.iter().flat_map(|a| &a.headings).find(|h| h.text.to_lowercase().contains(&lower));
                let Some(heading) = heading.filter(|_| !lower.is_empty()) else {
                    self.work.telemetry.count("section_not_found");
                    return Err(fault);
                };
                given.section_id.clone_from(&heading.id);
                get_section::get(self.work, &given)?
            }
            section => section?,
        };
        self.work.telemetry.count("section_returned");
        let more = if section.truncated { "\n\n_Cut: pass a larger `max_content_length` for more._" } else { "" };
        Ok(Answer::foreign(format!(
            "{} {}\n_From `{}` ({})_\n\n{}{more}",
            "#".repeat(usize::from(section.level)),
            section.section_title,
            section.entry_path,
            section.title,
            section.content_markdown
        )))
    }

    fn view(&self, book: &Book, view: View) -> Result<Answer, Fault> {
        let entry_path = Some(self.entry(book)?);
        let given = Get { zim_file_path: Some(book.name.clone()), entry_path, view, ..Get::default() };
        let got = get::get(self.work, &given)?;
        Ok(Answer::json(&got))
    }

    fn links(&self, book: &Book) -> Result<Answer, Fault> {
        let entry_path = self.entry(book)?;
        let ask = |kind| {
            let given = Links {
                zim_file_path: Some(book.name.clone()),
                entry_path: entry_path.clone(),
                kind,
                limit: Some(self.given.limit.unwrap_or(25).clamp(1, 500)),
                offset: Some(self.offset),
                ..Links::default()
            };
            links::links(self.work, &given)
        };
        let (internal, external) = (ask(Kind::Internal)?, ask(Kind::External)?);
        let line = |row: &links::Row| {
            let target = row.path.as_deref().or(row.url.as_deref()).unwrap_or_default();
            format!("- {} -> {target}", row.text.as_deref().filter(|text| !text.is_empty()).unwrap_or("(no text)"))
        };
        let list = |name: &str, page: &links::Page| {
            let rows: Vec<String> = page.results.iter().map(line).collect();
            format!("## {name} ({} of {})\n{}", rows.len(), page.total, rows.join("\n"))
        };
        let more = if internal.done && external.done {
            "_End of links._".to_owned()
        } else {
            let shown = self.offset + i64::try_from(internal.results.len().max(external.results.len())).unwrap_or(0);
            format!("Pass `offset={shown}` for more.")
        };
        Ok(Answer::foreign(format!(
            "# Links from {} (`{}`)\n\n{}\n\n{}\n\n---\n{more}",
            internal.title,
            internal.path,
            list("Internal", &internal),
            list("External", &external)
        )))
    }

    fn related(&self, book: &Book, direction: Direction) -> Result<Answer, Fault> {
        let entry_path = self.entry(book)?;
        let given = Links {
            zim_file_path: Some(book.name.clone()),
            entry_path: entry_path.clone(),
            direction,
            limit: Some(self.given.limit.unwrap_or(ROWS).clamp(1, 100)),
            offset: Some(self.offset),
            ..Links::default()
        };
        let page = match links::links(self.work, &given) {
            Err(fault) if fault.operation() == "inbound_sidecar_unavailable" => {
                return Ok(Answer::own(format!(
                    "**Inbound links unavailable for `{entry_path}`**\n\n{}",
                    fault.message()
                )));
            }
            page => page?,
        };
        let line = |row: &links::Row| {
            let mut line = format!(
                "- **{}** (`{}`)",
                row.title.as_deref().unwrap_or_default(),
                row.path.as_deref().unwrap_or_default()
            );
            if let Some(count) = row.mention_count.filter(|count| *count > 1) {
                line.push_str(&format!(" · {count}×"));
            }
            line
        };
        let rows: Vec<String> = page.results.iter().map(line).collect();
        let head =
            if direction == Direction::Related { "Pages that this page names" } else { "Pages that link to this page" };
        let rows = if rows.is_empty() { "_None._".to_owned() } else { rows.join("\n") };
        Ok(Answer::foreign(format!("# {head}: {} (`{}`)\n\n{rows}", page.title, page.path)))
    }

    fn find_by_title(&self, book: &Book) -> Result<Answer, Fault> {
        let query = self.get("topic").unwrap_or_default().to_owned();
        let given = Search {
            query: query.clone(),
            mode: Mode::Title,
            zim_file_path: Some(book.name.clone()),
            limit: Some(self.given.limit.unwrap_or(ROWS).clamp(1, 50)),
            offset: Some(self.offset),
            ..Search::default()
        };
        let page = search::search(self.work, &given)?;
        let Rows::Titles(rows) = page.results else { return Ok(Answer::own(String::new())) };
        let line = |(place, row): (usize, &crate::search::title::Row)| {
            format!("{}. **{}** — `{}` (score: {:.2})", place + 1, row.title, row.path, row.score)
        };
        let lines: Vec<String> = rows.iter().enumerate().map(line).collect();
        let lines = if lines.is_empty() {
            format!("No title is like \"{query}\". Try `search for {query}`.")
        } else {
            lines.join("\n")
        };
        Ok(Answer::foreign(format!("# Title lookup for \"{query}\"\n\n{lines}")))
    }

    fn entries(&self, book: &Book) -> Result<Answer, Fault> {
        let said = self.get("entries").unwrap_or_default();
        let mut paths: Vec<String> = Vec::new();
        let mut quoted = said.split('"');
        // What stands between quotes is a path with its spaces; outside of them, spaces and commas part paths.
        while let Some(outside) = quoted.next() {
            let words = outside.split([' ', ',']).map(str::trim).filter(|word| !word.is_empty() && *word != "and");
            paths.extend(words.map(str::to_owned));
            paths.extend(quoted.next().map(str::to_owned));
        }
        if paths.is_empty() {
            return Err(Fault::new("invalid_path", "Name the paths, such as: fetch entries \"Berlin\" \"Paris\"."));
        }
        let given = Get {
            zim_file_path: Some(book.name.clone()),
            entry_paths: Some(paths),
            max_content_length: Some(self.given.max_content_length.unwrap_or(2000)),
            compact: self.given.compact,
            ..Get::default()
        };
        Ok(Answer::json(&get::get(self.work, &given)?))
    }

    fn article(&self, book: &Book) -> Result<Answer, Fault> {
        let entry_path = Some(self.entry(book)?);
        let given = Get {
            zim_file_path: Some(book.name.clone()),
            entry_path,
            max_content_length: Some(self.given.max_content_length.unwrap_or(CHARS)),
            content_offset: self.given.content_offset,
            compact: self.given.compact,
            ..Get::default()
        };
        self.page(get::get(self.work, &given)?)
    }

    fn search(&self) -> Result<Answer, Fault> {
        match self.book()? {
            Some(book) => self.search_in(book, self.get("topic").unwrap_or_default()),
            // Nobody has to choose an archive to find something in one of them.
            None => self.search_all(),
        }
    }

    fn search_in(&self, book: &Book, query: &str) -> Result<Answer, Fault> {
        let given = Search {
            query: query.to_owned(),
            zim_file_path: Some(book.name.clone()),
            limit: self.limit(),
            offset: Some(self.offset),
            ..Search::default()
        };
        let page = search::search(self.work, &given)?;
        Ok(Answer::foreign(self.listing(query, page, "")))
    }

    fn filtered(&self, book: &Book) -> Result<Answer, Fault> {
        let query = self.get("topic").unwrap_or_default();
        let given = Search {
            query: query.to_owned(),
            mode: Mode::Filtered,
            zim_file_path: Some(book.name.clone()),
            namespace: self.get("namespace").map(str::to_owned),
            content_type: self.get("type").map(str::to_owned),
            limit: self.limit(),
            offset: Some(self.offset),
            ..Search::default()
        };
        let filters: Vec<String> =
            ["namespace", "type"].iter().filter_map(|name| Some(format!("{name}={}", self.get(name)?))).collect();
        let page = search::search(self.work, &given)?;
        Ok(Answer::foreign(self.listing(query, page, &format!(" (filters: {})", filters.join(", ")))))
    }

    fn search_all(&self) -> Result<Answer, Fault> {
        let query = self.get("topic").or_else(|| self.get("entry")).unwrap_or_default();
        if query.is_empty() {
            return Err(Fault::new("search_terms_required", "Say what to search for: \"search for bridges\"."));
        }
        let given = Search {
            query: query.to_owned(),
            cross_file: true,
            limit: Some(self.given.limit.unwrap_or(5).clamp(1, 50)),
            offset: Some(self.offset),
            ..Search::default()
        };
        let page = search::search(self.work, &given)?;
        let files = page.files.as_ref().map_or(0, Vec::len);
        Ok(Answer::foreign(self.listing(query, page, &format!(" in {files} archives"))))
    }

    /// Results as a list. What is named like the query stands above lists of other pages.
    fn listing(&self, query: &str, page: search::Page, of: &str) -> String {
        let chars = if self.given.compact { 250 } else { 1500 };
        let (rows, total, offset) = (page.results, page.total, page.page_info.offset);
        let suggestions: Vec<String> = page.meta.suggestions.iter().map(|s| format!("`{}`", s.value)).collect();
        let mut rows = match rows {
            Rows::Hits(rows) => rows,
            Rows::Titles(rows) => rows.into_iter().map(titled).collect(),
            Rows::Suggestions(_) => Vec::new(),
        };
        if rows.is_empty() {
            let hint = if suggestions.is_empty() {
                format!("Try `tell me about {query}`.")
            } else {
                format!("Try {}.", suggestions.join(", "))
            };
            return format!("No results for \"{query}\"{of}. {hint}");
        }
        if offset == 0 {
            // Lists of pages are seldom what is looked for.
            rows.sort_by_key(|row| is_list(&row.path));
        }
        let about = if page.page_info.total_is_lower_bound { "at least " } else { "" };
        let last = offset + rows.len() as u64;
        let mut text = format!("Found {about}{total} matches for \"{query}\"{of}, showing {}-{last}:\n", offset + 1);
        for (place, row) in rows.iter().enumerate() {
            let number = offset + place as u64 + 1;
            let archive = row.zim_file.as_ref().map(|file| format!(" (archive `{file}`)")).unwrap_or_default();
            text.push_str(&format!("\n## {number}. {}\nPath: `{}`{archive}\n", row.title, row.path));
            if !row.snippet.is_empty() {
                text.push_str(&format!("Snippet: {}\n", shortened(&row.snippet, chars)));
            }
        }
        text.push_str("\n---\n");
        if !page.done {
            text.push_str(&format!(
                "Showing {}-{last} of {about}{total} — pass `offset={last}` for the next page.",
                offset + 1
            ));
        }
        if total >= 200 && total >= 20 * (last - offset) {
            text.push_str(" The result is large: more words, or rarer ones, find less.");
        }
        match page.meta.reason {
            Some("low_relevance") => {
                text.push_str("\n_None of these pages is called like the query: they only mention it._");
            }
            Some("no_xapian_index") => {
                text.push_str("\n_This archive has no index of its text: these are pages by title._");
            }
            _ => {}
        }
        text
    }

    fn tell_me_about(&self) -> Result<Answer, Fault> {
        let topic = self.get("topic").unwrap_or_default();
        if topic.is_empty() {
            return Err(Fault::new("topic_required", "Say about what: \"tell me about Berlin\"."));
        }
        let books: Vec<&Arc<Book>> = match self.book()? {
            Some(book) => vec![book],
            None => self.work.shelf.books.iter().collect(),
        };
        // "X/Title" is a path.
        if topic.contains('/')
            && let [book] = books.as_slice()
            && retrieve::find(&*book.archive()?, topic)?.is_some()
        {
            let get = Meaning { about: [("entry", topic.to_owned())].into(), ..self.meaning.clone() };
            return Asking { meaning: &get, ..*self }.article(book);
        }
        for book in &books {
            if books.len() > 1 && self.work.is_late() {
                break;
            }
            let resolved = match topic::resolve(self.work, book, topic) {
                Ok(resolved) => resolved,
                // One archive that cannot be asked hides no other.
                Err(fault) if books.len() > 1 && fault.operation() != "timeout" => continue,
                Err(fault) => return Err(fault),
            };
            match resolved {
                Resolved::One(page) => return self.lead(book, &page, topic),
                Resolved::Several(pages) => {
                    self.work.telemetry.count("disambiguation_returned");
                    let lines: Vec<String> = pages
                        .iter()
                        .map(|page| format!("- **{}** — `get article {}`", page.title, page.path))
                        .collect();
                    return Ok(Answer::foreign(format!(
                        "**Several pages are called \"{topic}\":**\n\n{}",
                        lines.join("\n")
                    )));
                }
                Resolved::Nothing => {}
            }
        }
        match books.as_slice() {
            [book] => self.search_in(book, topic),
            _ => self.search_all(),
        }
    }

    /// What stands first on a page, or the section that is meant, and which sections there are.
    fn lead(&self, book: &Book, page: &Page, topic: &str) -> Result<Answer, Fault> {
        let archive = book.archive()?;
        let found = retrieve::find(&archive, &page.path)?.ok_or_else(|| retrieve::not_found(&archive, &page.path))?;
        let entry = found.entry.resolve()?;
        let Some(article) = self.work.article(book, &archive, &entry)? else {
            return Ok(Answer::own(format!(
                "`{}` is no text. Try `get binary content from \"{}\"`.",
                page.path, page.path
            )));
        };
        let settings = &self.work.holdings.settings.content;
        let how = settings.compact(!self.given.compact);
        let section = page.rest.as_deref().and_then(|rest| topic::section(&article, rest));
        let range = match section {
            Some(index) => article.headings.get(index).map_or(0, |h| h.at)..article.end_of(index, true),
            None if article.is_disambiguation => 0..article.markdown.len(),
            None => article.lead(),
        };
        let text = if self.given.compact { article.compact(range, &how) } else { article.slice(range).to_owned() };
        let most = self.given.max_content_length.and_then(|chars| usize::try_from(chars).ok()).unwrap_or(4000);
        let mut body = String::new();
        if !text.trim_start().starts_with("# ") {
            body.push_str(&format!("# {}\n\n", page.title));
        }
        let archive_note = if self.work.shelf.books.len() > 1 { format!(" in `{}`", book.name) } else { String::new() };
        body.push_str(&format!("_Source: `{}`{archive_note}_\n\n{}", page.path, shortened(text.trim(), most)));
        if page.is_mended {
            body.push_str(&format!("\n\n_There is no page \"{topic}\"; this is \"{}\"._", page.title));
        }
        body.push_str(&outline(&article));
        let other = format!("{} (disambiguation)", page.title);
        if archive
            .titles()
            .ok()
            .and_then(|titles| titles.find(archive.content_namespace(), &other).ok().flatten())
            .is_some()
        {
            body.push_str(&format!("\n\n_May also refer to other things: `get article {other}`._"));
        }
        Ok(Answer::foreign(body))
    }
}

/// The sections of a page.
fn outline(article: &Article) -> String {
    let headings: Vec<_> = article.headings.iter().filter(|h| h.level > 1).collect();
    if headings.is_empty() {
        return String::new();
    }
    let top = headings.iter().map(|h| h.level).min().unwrap_or(2);
    let lines = headings.iter().filter(|h| h.level <= top + 1).take(SECTIONS);
    let lines: Vec<String> =
        lines.map(|h| format!("{}- {} (`{}`)", "  ".repeat(usize::from(h.level - top)), h.text, h.id)).collect();
    format!("\n\n## Sections in this article\n\n{}", lines.join("\n"))
}

/// Whether a page is a list of pages.
pub(super) fn is_list(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).replace(' ', "_");
    let begins = ["List_of_", "Lists_of_", "Index_of_", "Outline_of_", "Timeline_of_", "genindex"];
    let ends = ["_discography", "_filmography", "_bibliography"];
    begins.iter().any(|begin| name.starts_with(begin)) || ends.iter().any(|end| name.ends_with(end))
}

fn titled(row: crate::search::title::Row) -> Row {
    Row {
        path: row.path,
        title: row.title,
        snippet: String::new(),
        score: row.score,
        namespace: None,
        content_type: None,
        zim_file: None,
    }
}
