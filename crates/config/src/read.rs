//! Walking the tree: every value knows its place, problems are collected, keys that nobody asked
//! for are noticed.

use crate::env::{Env, reason};
use crate::error::{ConfigError, Place, Warning};
use crate::nearest::{did_you_mean, listed};
use crate::secret::{Secret, Text};
use crate::tree::{Entry, Flaw, Node, Value, below, quoted};
use crate::units;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What is the same for the whole file.
pub(crate) struct Reader<'e> {
    pub(crate) origin: Arc<str>,
    /// Where relative paths start: the directory of the file.
    base: PathBuf,
    env: &'e dyn Env,
    errors: RefCell<Vec<ConfigError>>,
    warnings: RefCell<Vec<Warning>>,
}

impl<'e> Reader<'e> {
    pub(crate) fn new(origin: &str, env: &'e dyn Env) -> Self {
        let base = Path::new(origin).parent().map(Path::to_path_buf).unwrap_or_default();
        Self { origin: origin.into(), base, env, errors: RefCell::default(), warnings: RefCell::default() }
    }

    pub(crate) fn error(&self, line: usize, key: &str, message: impl Into<String>) {
        self.errors.borrow_mut().push(ConfigError::new(self.place(line, key), message));
    }

    pub(crate) fn flaw(&self, flaw: Flaw) {
        self.error(flaw.line, &flaw.key, flaw.message);
    }

    pub(crate) fn warn(&self, line: usize, key: &str, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Warning { place: self.place(line, key), message: message.into() });
    }

    pub(crate) fn root<'r>(&'r self, node: &'r Node) -> Item<'r> {
        Item { reader: self, node, key: String::new(), lenient: false }
    }

    pub(crate) fn finish(self) -> (Vec<ConfigError>, Vec<Warning>) {
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(|warning| warning.place.line);
        (self.errors.into_inner(), warnings)
    }

    fn place(&self, line: usize, key: &str) -> Place {
        Place { origin: Arc::clone(&self.origin), line: Some(line), key: key.to_owned() }
    }

    /// The path from the file's directory; `~/` is the home directory.
    fn resolve(&self, path: &str) -> PathBuf {
        if let Some(rest) = path.strip_prefix("~/")
            && let Some(home) = self.env.var("HOME").or_else(|| self.env.var("USERPROFILE"))
        {
            return Path::new(&home).join(rest);
        }
        self.base.join(path)
    }
}

/// A value at its place.
#[derive(Clone)]
pub(crate) struct Item<'r> {
    reader: &'r Reader<'r>,
    node: &'r Node,
    pub(crate) key: String,
    /// Inside an entry that another client may have written.
    lenient: bool,
}

/// A text after `${…}` was replaced.
pub(crate) struct Expanded {
    pub(crate) value: String,
    /// As it stands in the file: what messages quote.
    pub(crate) written: String,
}

impl<'r> Item<'r> {
    pub(crate) fn line(&self) -> usize {
        self.node.line
    }

    pub(crate) fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    pub(crate) fn error(&self, message: impl Into<String>) {
        self.reader.error(self.node.line, &self.key, message);
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.reader.warn(self.node.line, &self.key, message);
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// Says that another kind of value belongs here. Does not show the value: it may be a secret.
    fn expected<T>(&self, what: &str) -> Option<T> {
        let found = match &self.node.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        };
        self.error(format!("expected {what}, found {found}"));
        None
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match &self.node.value {
            Value::Bool(value) => Some(*value),
            _ => self.expected("true or false"),
        }
    }

    /// Yes, no, or a word.
    pub(crate) fn bool_or_word<T: Copy>(&self, yes: T, no: T, words: &[(&str, T)]) -> Option<T> {
        match &self.node.value {
            Value::Bool(true) => Some(yes),
            Value::Bool(false) => Some(no),
            _ => self.word(words),
        }
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        self.parse(|text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let known = || words.iter().map(|(word, _)| *word);
                format!("is none of {}", listed(known()))
            })
        })
    }

    /// A whole number of at least `least`.
    pub(crate) fn count(&self, least: u32) -> Option<u32> {
        let Value::Number(written) = &self.node.value else { return self.expected("a whole number") };
        match written.parse::<u32>() {
            Ok(number) if number >= least => Some(number),
            _ => {
                self.error(format!("{} is no whole number from {least} to {}", quoted(written), u32::MAX));
                None
            }
        }
    }

    /// A text, completed. `None` (and an error) if it is none or cannot be completed.
    pub(crate) fn text(&self) -> Option<Expanded> {
        match &self.node.value {
            Value::Text(text) => self.expand(text),
            _ => self.expected("a text"),
        }
    }

    /// A text, or a number or truth value as its text.
    pub(crate) fn scalar(&self) -> Option<Expanded> {
        let plain = |value: &str| Some(Expanded { value: value.to_owned(), written: value.to_owned() });
        match &self.node.value {
            Value::Text(text) => self.expand(text),
            Value::Number(number) => plain(number),
            Value::Bool(value) => plain(&value.to_string()),
            _ => self.expected("a text"),
        }
    }

    pub(crate) fn secret(&self) -> Option<Secret> {
        self.text().map(|text| Secret::new(text.value))
    }

    /// A text that is not empty.
    pub(crate) fn filled(&self) -> Option<Expanded> {
        let text = self.text()?;
        if text.value.trim().is_empty() {
            self.error("is empty");
            return None;
        }
        Some(text)
    }

    /// A text that is not empty, with a secret perhaps.
    pub(crate) fn shown_text(&self) -> Option<Text> {
        self.filled().map(|text| Text::new(text.value, text.written))
    }

    /// A text that something understands. Its error continues the sentence that the value, as it was
    /// written, begins.
    pub(crate) fn parse<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text()?;
        self.understood(parse(&text.value), &text.written)
    }

    fn understood<T>(&self, result: Result<T, String>, written: &str) -> Option<T> {
        result.map_err(|problem| self.error(format!("{} {problem}", quoted(written)))).ok()
    }

    /// A text that something understands, or a number.
    fn parse_or_number<T>(&self, what: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match &self.node.value {
            Value::Number(number) => self.understood(parse(number), number),
            Value::Text(_) => self.parse(parse),
            _ => self.expected(what),
        }
    }

    /// A duration above zero.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.parse_or_number("a duration like \"30s\"", units::duration)
    }

    /// The number, if a number was written.
    pub(crate) fn number(&self) -> Option<f64> {
        match &self.node.value {
            Value::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// Bytes, at least one.
    pub(crate) fn size(&self) -> Option<u64> {
        self.parse_or_number("a size like \"4MiB\"", units::size)
    }

    /// Units a second.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.parse_or_number("a rate like \"10/s\"", units::rate)
    }

    /// A path, from the file's directory.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let text = self.filled()?;
        self.path_of(&text)
    }

    /// The path that a text of this item is.
    pub(crate) fn path_of(&self, text: &Expanded) -> Option<PathBuf> {
        if text.value.contains('\0') {
            self.error("a path cannot contain a zero byte");
            return None;
        }
        Some(self.reader.resolve(&text.value))
    }

    pub(crate) fn list(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else { return self.expected("a list") };
        let item = |(at, node)| Item { node, key: format!("{}[{at}]", self.key), ..*self };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// A list, each of its items read; those with errors are left out.
    pub(crate) fn list_of<T>(&self, read: impl FnMut(Self) -> Option<T>) -> Option<Vec<T>> {
        Some(self.list()?.into_iter().filter_map(read).collect())
    }

    /// A list of texts that are not empty.
    pub(crate) fn words(&self) -> Option<Vec<String>> {
        self.list_of(|item| item.filled().map(|text| text.value))
    }

    /// An object with keys of ours.
    pub(crate) fn section(&self) -> Option<Section<'r>> {
        let Value::Map(entries) = &self.node.value else { return self.expected("an object") };
        Some(Section { item: self.clone(), entries, known: Vec::new() })
    }

    /// An object with keys of the operator's. What is null is left out.
    pub(crate) fn fields(&self) -> Option<Vec<(&'r str, Self)>> {
        let Value::Map(entries) = &self.node.value else { return self.expected("an object") };
        let present = entries.iter().filter(|entry| !matches!(entry.node.value, Value::Null));
        Some(present.map(|entry| (entry.name.as_str(), self.child(entry))).collect())
    }

    fn child(&self, entry: &'r Entry) -> Self {
        Item { node: &entry.node, key: below(&self.key, &entry.name), ..*self }
    }

    /// Replaces `${env:NAME}` and `${file:PATH}`; what comes in is not looked at again. `$${` stands
    /// for `${`.
    fn expand(&self, written: &str) -> Option<Expanded> {
        let mut value = String::with_capacity(written.len());
        let mut rest = written;
        let mut sound = true;
        while let Some((before, reference)) = rest.split_once("${") {
            if let Some(kept) = before.strip_suffix('$') {
                value.push_str(kept);
                value.push_str("${");
                rest = reference;
                continue;
            }
            value.push_str(before);
            let (inside, after) = match reference.split_once('}') {
                Some((inside, after)) => (Some(inside), after),
                None => (None, reference),
            };
            rest = after;
            match inside.and_then(|inside| inside.split_once(':')) {
                Some(("env", name)) => match self.variable(name) {
                    Some(found) => value.push_str(&found),
                    None => sound = false,
                },
                Some(("file", path)) => match self.file(path) {
                    Some(found) => value.push_str(&found),
                    None => sound = false,
                },
                // Another client's placeholder, or a script's own variable.
                _ if self.lenient => {
                    self.foreign_reference(inside);
                    value.push_str("${");
                    if let Some(inside) = inside {
                        value.push_str(inside);
                        value.push('}');
                    }
                }
                _ => {
                    let what = inside.map_or("a reference without its }".to_owned(), |inside| {
                        format!("{} is no reference", quoted(&format!("${{{inside}}}")))
                    });
                    self.error(format!("{what}; write ${{env:NAME}} or ${{file:PATH}}, or $${{ for a plain ${{"));
                    sound = false;
                }
            }
        }
        value.push_str(rest);
        sound.then(|| Expanded { value, written: written.to_owned() })
    }

    fn foreign_reference(&self, inside: Option<&str>) {
        let written = inside.map_or("${".to_owned(), |inside| format!("${{{inside}}}"));
        self.warn(format!(
            "{} is passed on as it is; for a variable or a file write ${{env:NAME}} or ${{file:PATH}}",
            quoted(&written)
        ));
    }

    fn variable(&self, name: &str) -> Option<String> {
        if name.is_empty() || name.contains(['=', '\0', '$', '{']) {
            self.error(format!("{} is no name of an environment variable; write ${{env:NAME}}", quoted(name)));
            return None;
        }
        let found = self.reader.env.var(name);
        if found.is_none() {
            self.error(format!("the environment variable {name} is not set; set it, or take ${{env:{name}}} out"));
        }
        found
    }

    fn file(&self, path: &str) -> Option<String> {
        if path.is_empty() || path.contains('\0') {
            self.error("${file:} names no file; write ${file:PATH}");
            return None;
        }
        match self.reader.env.read(&self.reader.resolve(path)) {
            Ok(mut text) => {
                if text.ends_with('\n') {
                    text.pop();
                    if text.ends_with('\r') {
                        text.pop();
                    }
                }
                Some(text)
            }
            Err(error) => {
                self.error(format!("cannot read the file {}: {}", quoted(path), reason(&error)));
                None
            }
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Every object that was looked into, and every key it was asked for: what the schema is held
    /// against.
    pub(crate) static ASKED: RefCell<std::collections::BTreeSet<(String, &'static str)>> = RefCell::default();
}

/// An object with keys of ours: remembers which were asked for.
pub(crate) struct Section<'r> {
    pub(crate) item: Item<'r>,
    entries: &'r [Entry],
    known: Vec<&'static str>,
}

impl<'r> Section<'r> {
    /// The value of a key; null is as good as absent.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<Item<'r>> {
        #[cfg(test)]
        ASKED.with_borrow_mut(|asked| asked.insert((self.item.key.clone(), name)));
        self.known.push(name);
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        (!matches!(entry.node.value, Value::Null)).then(|| self.item.child(entry))
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&mut self, name: &'static str, advice: &str) -> Option<Item<'r>> {
        let found = self.get(name);
        if found.is_none() {
            self.item.error(format!("{} is missing; {advice}", quoted(name)));
        }
        found
    }

    /// Whether there is a value under a key, without asking for it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name && !matches!(entry.node.value, Value::Null))
    }

    /// The names that are there and were not asked for, with their lines.
    pub(crate) fn unasked(&self) -> impl Iterator<Item = (&'r str, usize)> + use<'_, 'r> {
        let unasked = self.entries.iter().filter(|entry| !self.known.contains(&entry.name.as_str()));
        unasked.map(|entry| (entry.name.as_str(), entry.line))
    }

    /// The names that were asked for.
    pub(crate) fn known(&self) -> impl Iterator<Item = &'static str> + use<'_, 'r> {
        self.known.iter().copied()
    }

    /// A problem with a key, told at the section.
    pub(crate) fn error(&self, line: usize, message: impl Into<String>) {
        self.item.reader.error(line, &self.item.key, message);
    }

    pub(crate) fn warn(&self, line: usize, message: impl Into<String>) {
        self.item.reader.warn(line, &self.item.key, message);
    }

    pub(crate) fn unknown(&self, name: &str, line: usize) {
        self.error(line, format!("unknown key {}{}", quoted(name), self.hint(name)));
    }

    /// What to do about an unknown key, appended to a message.
    pub(crate) fn hint(&self, name: &str) -> String {
        match did_you_mean(name, self.known()) {
            hint if hint.is_empty() => format!("; known here: {}", listed(self.known())),
            hint => hint,
        }
    }

    /// Every key that was not asked for is an error.
    pub(crate) fn finish(&self) {
        for (name, line) in self.unasked() {
            self.unknown(name, line);
        }
    }
}
