//! What a command is going to serve: where its settings come from, and what they do not say.

use crate::assemble::Inheritance;
use config::{Recorder, SystemEnv};
use front::http::rest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// See the module.
pub(crate) struct Plan {
    source: Box<dyn Fn() -> Read + Send + Sync>,
    /// How REST is served.
    pub(crate) rest: rest::Settings,
    /// MCP is served at `/`, too.
    pub(crate) mcp_at_root: bool,
    /// One client on standard input and output, instead of HTTP.
    pub(crate) stdio: bool,
    /// Settings are read anew whenever one of their files changes.
    pub(crate) follows: bool,
    /// What children inherit.
    pub(crate) inheritance: Inheritance,
    /// What to tell once it listens; `{address}` stands for where.
    pub(crate) welcome: Vec<String>,
}

/// Settings, and the files that they are made of.
pub(crate) struct Read {
    pub(crate) settings: Result<config::Settings, String>,
    pub(crate) files: BTreeSet<PathBuf>,
}

impl Read {
    /// A file, which names others.
    pub(crate) fn file(path: &Path) -> Self {
        let recorder = Recorder::new(&SystemEnv);
        let settings = config::load(path, &recorder).map_err(|e| e.to_string());
        Self { settings, files: recorder.files() }
    }

    /// The same settings, changed by what the command line says.
    pub(crate) fn changed(mut self, change: impl FnOnce(&mut config::Settings) -> Result<(), String>) -> Self {
        self.settings = self.settings.and_then(|mut settings| change(&mut settings).map(|()| settings));
        self
    }
}

impl From<config::Settings> for Read {
    fn from(settings: config::Settings) -> Self {
        Self { settings: Ok(settings), files: BTreeSet::new() }
    }
}

impl Plan {
    /// Serves over HTTP what this gives, which is asked again at each reload.
    pub(crate) fn new(source: impl Fn() -> Read + Send + Sync + 'static) -> Self {
        Self {
            source: Box::new(source),
            rest: rest::Settings::default(),
            mcp_at_root: false,
            stdio: false,
            follows: false,
            inheritance: Inheritance::Small,
            welcome: Vec::new(),
        }
    }

    pub(crate) fn read(&self) -> Read {
        (self.source)()
    }
}
