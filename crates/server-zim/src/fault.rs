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

impl Fault {
    pub(crate) fn new(operation: &'static str, message: impl Into<String>) -> Self {
        Self { operation, message: message.into(), extra: Map::new() }
    }

    /// A further member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Fault> for Fail {
    fn from(fault: Fault) -> Self {
        let mut object = Map::new();
        object.insert("error".into(), json!(true));
        object.insert("operation".into(), json!(fault.operation));
        object.insert("message".into(), json!(fault.message));
        object.extend(fault.extra);
        Self::Tool(Value::Object(object).to_string())
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
