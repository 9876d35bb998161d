//! What is wrong with settings, and where.

use std::fmt;
use std::sync::Arc;

/// Where something stands: a file, a line, a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named to us.
    pub origin: Arc<str>,
    /// The line, counted from 1; `None` if it is about the whole file, or about what is not written.
    pub line: Option<usize>,
    /// The path of the key, like `auth.tokens[0].name`; of an unknown key, the section it stands in.
    /// Empty at the top of the file.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        Ok(())
    }
}

/// One thing that is wrong, and what to do about it. Shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    place: Place,
    message: String,
}

impl ConfigError {
    /// An error at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }

    /// Where it is.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What it is, and what to do, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Something that is probably not what was meant, but is no reason to refuse. Shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it is.
    pub place: Place,
    /// What it is, and what to do.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Everything that is wrong, in the order of the file; never empty. Displayed one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<ConfigError>);

impl Errors {
    /// `None` if there are none.
    pub(crate) fn new(mut errors: Vec<ConfigError>) -> Option<Self> {
        errors.sort_by_key(|error| error.place.line);
        (!errors.is_empty()).then_some(Self(errors))
    }

    /// One by one.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for Errors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl IntoIterator for Errors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// One value is not what it should be: for values that come from a flag or a variable, not a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub(crate) String);

impl Invalid {
    /// `problem` continues the sentence that the value begins.
    pub(crate) fn of(value: &str, problem: &str) -> Self {
        Self(format!("{} {problem}", crate::tree::quoted(value)))
    }
}
