//! From a file to settings.

use crate::env::{Env, reason};
use crate::error::{ConfigError, Errors, Place};
use crate::jsonc;
use crate::read::Reader;
use crate::settings::Settings;
use crate::toml;
use crate::tree::{Flaw, Node};
use std::path::Path;

/// Reads and validates a file. Its ending says what it is: `.toml`, or JSON with comments.
pub fn load(path: &Path, env: &dyn Env) -> Result<Settings, Errors> {
    let origin = path.to_string_lossy();
    let text = env.read(path).map_err(|error| {
        let place = Place { origin: origin.as_ref().into(), line: None, key: String::new() };
        ConfigError::new(place, format!("cannot read the settings: {}", reason(&error)))
    })?;
    parse(&text, &origin, env)
}

/// Validates the text of a file. `origin` is its path: messages name it, its ending says what it is,
/// and paths in it start at its directory.
pub fn parse(text: &str, origin: &str, env: &dyn Env) -> Result<Settings, Errors> {
    let reader = Reader::new(origin, env);
    let settings = match tree(text, origin) {
        Ok((root, flaws)) => {
            flaws.into_iter().for_each(|flaw| reader.flaw(flaw));
            Settings::read(&reader, &root)
        }
        Err(flaw) => {
            reader.flaw(flaw);
            None
        }
    };
    let (errors, warnings) = reader.finish();
    match (Errors::new(errors), settings) {
        (None, Some(settings)) => Ok(Settings { warnings, ..settings }),
        (Some(errors), _) => Err(errors),
        (None, None) => {
            let place = Place { origin: origin.into(), line: None, key: String::new() };
            Err(ConfigError::new(place, "cannot be read as settings").into())
        }
    }
}

/// What was written, whatever the format.
fn tree(text: &str, origin: &str) -> Result<(Node, Vec<Flaw>), Flaw> {
    let toml = Path::new(origin).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    if toml { toml::parse(text) } else { jsonc::parse(text) }
}
