//! Why a tool has no answer, in the shape that clients of openzim-mcp know:
//! `{"error":true,"operation":"<code>","message":"…"}` as the text of a result with `isError`.

use mcp::builtin::Fail;
use serde_json::{Map, Value, json};

/// A tool's failure. The message says what to do next and names no path of this machine.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    operation: &'static str,
    message: String,
    extra: Map<String, Value>,
}

const REPLACED: &str = "archive_unavailable";

impl Fault {
    pub(crate) fn new(operation: &'static str, message: impl Into<String>) -> Self {
        Self { operation, message: message.into(), extra: Map::new() }
    }

    /// The file is not the one that was found. Looking again finds what is there now.
    pub(crate) fn replaced(name: &str) -> Self {
        Self::new(REPLACED, format!("The archive {name:?} is being replaced. Try again."))
    }

    pub(crate) fn is_replaced(&self) -> bool {
        self.operation == REPLACED
    }

    pub(crate) const fn operation(&self) -> &'static str {
        self.operation
    }

    /// The same under another code.
    pub(crate) const fn renamed(mut self, operation: &'static str) -> Self {
        self.operation = operation;
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A further member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Fault> for Fail {
    fn from(fault: Fault) -> Self {
        Self::Tool(fault.into_value().to_string())
    }
}

impl Fault {
    /// As clients get it.
    pub(crate) fn into_value(self) -> Value {
        let mut object = Map::new();
        object.insert("error".into(), json!(true));
        object.insert("operation".into(), json!(self.operation));
        object.insert("message".into(), json!(self.message));
        object.extend(self.extra);
        Value::Object(object)
    }
}

impl From<zim::Error> for Fault {
    fn from(error: zim::Error) -> Self {
        match error {
            zim::Error::Io(error) => {
                tracing::warn!(%error, "an archive cannot be read");
                Self::new("archive_unavailable", "The archive cannot be read now. Try again, or use another archive.")
            }
            zim::Error::TooLarge { .. } => {
                Self::new("entry_too_large", format!("This is too large to be read: {error}."))
            }
            zim::Error::NoTitles => Self::new(
                "no_title_index",
                "This archive has no title listing. Use zim_browse to look through its entries.",
            ),
            error => Self::new("archive_damaged", format!("This part of the archive cannot be read: {error}.")),
        }
    }
}
