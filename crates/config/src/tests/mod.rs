//! The rules of a whole file, one test each. Those of single values stand beside their code.

mod drift;
mod errors;
mod foreign;
mod own;
mod safety;
mod schema;
mod secrets;
mod shape;
mod tables;
mod toml;

use crate::{Env, Errors, ServerKind, ServerSettings, Settings, parse};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Variables and files by hand.
#[derive(Default)]
pub(crate) struct World {
    vars: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, String>,
}

impl World {
    pub(crate) fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.to_owned());
        self
    }
}

impl Env for World {
    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Settings of a text that has to be accepted, by the schema too.
pub(crate) fn good_in(world: &World, text: &str) -> Settings {
    match parse(text, "/etc/p/portcullis.jsonc", world) {
        Ok(settings) => {
            schema::assert_valid(text);
            settings
        }
        Err(errors) => panic!("refused: {errors}"),
    }
}

pub(crate) fn good(text: &str) -> Settings {
    good_in(&World::default(), text)
}

/// The errors of a text that has to be refused, one a line.
pub(crate) fn bad_in(world: &World, text: &str) -> String {
    match parse(text, "portcullis.jsonc", world) {
        Ok(_) => panic!("accepted: {text}"),
        Err(errors) => errors.to_string(),
    }
}

pub(crate) fn bad(text: &str) -> String {
    bad_in(&World::default(), text)
}

pub(crate) fn errors(text: &str) -> Errors {
    parse(text, "portcullis.jsonc", &World::default()).unwrap_err()
}

/// The warnings of a text that has to be accepted, without the file's name.
pub(crate) fn warnings(text: &str) -> Vec<String> {
    let settings = parse(text, "f", &World::default()).unwrap();
    schema::assert_valid(text);
    settings.warnings.iter().map(ToString::to_string).collect()
}

/// The one server of an entry.
pub(crate) fn server(entry: &str) -> ServerSettings {
    let settings = good(&format!("{{\"mcpServers\": {{\"x\": {entry}}}}}"));
    settings.servers.into_iter().next().unwrap()
}

pub(crate) fn kind(entry: &str) -> ServerKind {
    server(entry).kind
}
