//! What kind of archive this is: what it is made from decides how its pages are best shortened.

use zim::Archive;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preset {
    pub(crate) kind: &'static str,
    pub(crate) confidence: &'static str,
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
    pub(crate) fn of(archive: &Archive) -> Self {
        let text = |name| archive.metadata_text(name).ok().flatten().unwrap_or_default().to_lowercase();
        let scraper = text("Scraper");
        let names = [text("Name"), text("Title"), text("Creator"), text("Tags")].join("\n");
        let mut best = Self { kind: "generic", confidence: "none" };
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
            if best.confidence == "none" || (confidence == "high" && best.confidence != "high") {
                best = Self { kind, confidence };
            }
        }
        best
    }

    /// Questions and answers.
    pub(crate) fn is_questions(self) -> bool {
        self.kind == "stackexchange"
    }
}
