//! What settings are completed from: variables and files.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The outside world, as far as settings look at it.
pub trait Env {
    /// The value of an environment variable; `None` if it is not set or not UTF-8.
    fn var(&self, name: &str) -> Option<String>;
    /// The whole of a text file.
    fn read(&self, path: &Path) -> io::Result<String>;
}

/// The environment of this process. Files above 16 MiB are refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnv;

const LARGEST_FILE: u64 = 16 * 1024 * 1024;

impl Env for SystemEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
        if text.len() as u64 > LARGEST_FILE {
            return Err(io::Error::other("it is larger than 16 MiB"));
        }
        Ok(text)
    }
}

/// Notes which files are looked at, so that who follows the settings knows what they are made of.
pub struct Recorder<'e> {
    env: &'e dyn Env,
    files: RefCell<BTreeSet<PathBuf>>,
}

impl<'e> Recorder<'e> {
    /// Looks at the outside world through another.
    pub fn new(env: &'e dyn Env) -> Self {
        Self { env, files: RefCell::default() }
    }

    /// The files that were looked at, also those that could not be read.
    pub fn files(self) -> BTreeSet<PathBuf> {
        self.files.into_inner()
    }
}

impl Env for Recorder<'_> {
    fn var(&self, name: &str) -> Option<String> {
        self.env.var(name)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.borrow_mut().insert(path.to_owned());
        self.env.read(path)
    }
}

/// Why a file could not be read, as the second half of a sentence.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this process is not allowed to read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}
