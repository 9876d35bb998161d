//! What kind of archive this is: what it is made from decides how its pages are best shortened.
//!
//! A file of the operator's, in openzim-mcp's form, can say otherwise: `[preset.<kind>]` changes a kind,
//! `[archive.<Name>]` one archive by the `Name` in its metadata, which may also get another `type`. Both have
//! `summary_style` (`first_section`, `q_and_a`), `max_paragraphs` and `snippet_length`.

use std::collections::HashMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};
use zim::Archive;

/// The kind of an archive, and how its pages are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preset {
    pub(crate) kind: &'static str,
    pub(crate) confidence: &'static str,
    pub(crate) style: Style,
}

/// How pages are shown; what is not said is as it is for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Summaries are question and answer.
    is_questions: Option<bool>,
    /// Paragraphs of a snippet.
    pub(crate) paragraphs: Option<usize>,
    /// Characters of a snippet.
    pub(crate) snippet_chars: Option<usize>,
}

impl Style {
    fn or(&self, other: &Self) -> Self {
        Self {
            is_questions: self.is_questions.or(other.is_questions),
            paragraphs: self.paragraphs.or(other.paragraphs),
            snippet_chars: self.snippet_chars.or(other.snippet_chars),
        }
    }
}

/// Bytes of the operator's file.
const MAX_FILE: u64 = 1 << 20;

/// How archives are shown, by kind and by name.
#[derive(Debug)]
pub(crate) struct Presets {
    kinds: HashMap<String, Style>,
    archives: HashMap<String, (Option<String>, Style)>,
    /// Something in the operator's file has no effect.
    is_wrong: bool,
}

impl Presets {
    /// Ours, changed by the operator's file if there is one. What is wrong in that is told to the log, and has no
    /// effect.
    pub(crate) fn read(file: Option<&Path>) -> Self {
        let questions = Style { is_questions: Some(true), paragraphs: Some(3), snippet_chars: None };
        let mut presets = Self {
            kinds: HashMap::from([("stackexchange".to_owned(), questions)]),
            archives: HashMap::new(),
            is_wrong: false,
        };
        let Some(file) = file else { return presets };
        let place = file.display();
        let text = match std::fs::metadata(file).and_then(|about| match about.len() {
            0..=MAX_FILE => std::fs::read_to_string(file),
            bytes => Err(std::io::Error::other(format!("it has {bytes} bytes"))),
        }) {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(file = %place, %error, "the file of presets cannot be read and has no effect");
                presets.is_wrong = true;
                return presets;
            }
        };
        let mut is_wrong = false;
        match DeTable::parse(&text) {
            Ok(root) => presets.change(root.get_ref(), &mut |wrong| {
                is_wrong = true;
                tracing::warn!(file = %place, "{wrong} in the file of presets is not understood and has no effect");
            }),
            Err(error) => {
                let reason = error.message();
                tracing::warn!(file = %place, reason, "the file of presets is no TOML and has no effect");
                is_wrong = true;
            }
        }
        presets.is_wrong = is_wrong;
        presets
    }

    pub(crate) const fn is_wrong(&self) -> bool {
        self.is_wrong
    }

    fn change(&mut self, root: &DeTable<'_>, wrong: &mut dyn FnMut(String)) {
        for (section, tables) in root {
            let section = section.get_ref().as_ref();
            let (Some(tables), true) = (tables.get_ref().as_table(), matches!(section, "preset" | "archive")) else {
                wrong(format!("[{section}]"));
                continue;
            };
            for (name, table) in tables {
                let name = name.get_ref().as_ref();
                let read = table.get_ref().as_table().and_then(|table| style(table, section == "archive"));
                let Some((kind, style)) = read else {
                    wrong(format!("[{section}.{name}]"));
                    continue;
                };
                if section == "preset" {
                    let before = self.kinds.remove(name).unwrap_or_default();
                    self.kinds.insert(name.to_owned(), style.or(&before));
                } else {
                    self.archives.insert(name.to_owned(), (kind, style));
                }
            }
        }
    }

    /// The style of an archive by its kind, if that is known, and its name.
    fn style(&self, kind: Option<&str>, name: &str) -> Style {
        let of = |kind: Option<&str>| kind.and_then(|kind| self.kinds.get(kind)).cloned().unwrap_or_default();
        match self.archives.get(name) {
            Some((said, style)) => style.or(&of(said.as_deref().or(kind))),
            None => of(kind),
        }
    }
}

/// What a table says; nothing if any of it is not understood.
fn style(table: &DeTable<'_>, may_have_type: bool) -> Option<(Option<String>, Style)> {
    let (mut kind, mut style) = (None, Style::default());
    for (key, value) in table {
        let value = value.get_ref();
        match key.get_ref().as_ref() {
            "type" if may_have_type => kind = Some(value.as_str()?.to_owned()),
            "summary_style" => {
                style.is_questions = Some(match value.as_str()? {
                    "q_and_a" => true,
                    "first_section" => false,
                    _ => return None,
                });
            }
            "max_paragraphs" => style.paragraphs = Some(number(value, 1)?),
            "snippet_length" => style.snippet_chars = Some(number(value, 100)?),
            _ => return None,
        }
    }
    Some((kind, style))
}

fn number(value: &DeValue<'_>, least: usize) -> Option<usize> {
    let number = value.as_integer().filter(|number| number.radix() == 10)?;
    number.as_str().parse().ok().filter(|number| *number >= least)
}

/// Kinds by what their makers write into the metadata: (kind, words of the name of the scraper, words of names,
/// titles, creators and tags).
const KINDS: [(&str, &[&str], &[&str]); 4] = [
    ("wiktionary", &[], &["wiktionary"]),
    ("wikipedia", &["mwoffliner"], &["wikipedia"]),
    ("stackexchange", &["sotoki"], &["stackexchange", "stack exchange", "stackoverflow", "stack overflow"]),
    ("ted", &["ted2zim"], &["ted talks", "ted_"]),
];

impl Preset {
    pub(crate) fn of(archive: &Archive, presets: &Presets) -> Self {
        let text = |name| archive.metadata_text(name).ok().flatten().unwrap_or_default().to_lowercase();
        let scraper = text("Scraper");
        let names = [text("Name"), text("Title"), text("Creator"), text("Tags")].join("\n");
        let mut best = ("generic", "none");
        for (kind, scrapers, words) in KINDS {
            let named = words.iter().any(|word| names.contains(word));
            let made = scrapers.iter().any(|word| scraper.contains(word));
            let confidence = match (named, made) {
                (true, true) => "high",
                (true, false) if scrapers.is_empty() => "high",
                (true, false) => "medium",
                (false, true) if kind == "stackexchange" || kind == "ted" => "medium",
                _ => continue,
            };
            if best.1 == "none" || (confidence == "high" && best.1 != "high") {
                best = (kind, confidence);
            }
        }
        let (kind, confidence) = best;
        // As it is written: names of archives are told apart by case.
        let name = archive.metadata_text("Name").ok().flatten().unwrap_or_default();
        let style = presets.style((confidence != "none").then_some(kind), &name);
        Self { kind, confidence, style }
    }

    /// Questions and answers.
    pub(crate) fn is_questions(&self) -> bool {
        self.style.is_questions == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_file_changes_kinds_and_single_archives_and_harms_nothing_where_it_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("presets.toml");
        let text = "[preset.wikipedia]\nsnippet_length = 400\n[preset.stackexchange]\nmax_paragraphs = 5\n\
            [archive.my_wiki]\ntype = \"stackexchange\"\nsnippet_length = 900\n\
            [preset.ted]\nmax_paragraphs = 0\n[archive.x]\nsumary_style = \"q_and_a\"\n[other]\n";
        std::fs::write(&file, text).unwrap();
        let presets = Presets::read(Some(&file));
        let style = |is_questions, paragraphs, snippet_chars| Style { is_questions, paragraphs, snippet_chars };
        assert_eq!(presets.style(Some("wikipedia"), "w"), style(None, None, Some(400)));
        assert_eq!(presets.style(Some("stackexchange"), "s"), style(Some(true), Some(5), None));
        assert_eq!(presets.style(Some("wikipedia"), "my_wiki"), style(Some(true), Some(5), Some(900)));
        for (kind, name) in [(Some("ted"), "t"), (None, "x"), (None, "")] {
            assert_eq!(presets.style(kind, name), Style::default());
        }
        std::fs::write(&file, "[preset").unwrap();
        for file in [Some(file.as_path()), Some(Path::new("/nonexistent")), None] {
            let ours = Presets::read(file);
            assert_eq!(ours.style(Some("stackexchange"), ""), style(Some(true), Some(3), None));
        }
    }
}
