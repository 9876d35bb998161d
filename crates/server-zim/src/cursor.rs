//! Cursors: where the next page of an answer begins. The form is openzim-mcp's, URL-safe base64 of
//! `{"v":2,"t":"<tool>","s":{…}}`. A cursor is bound to its tool, the archive's contents and the arguments
//! that shaped the list: with others it is refused. It holds no right: everything in it is checked as if it
//! had been an argument.

use crate::fault::Fault;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde::{Deserialize, Serialize};

/// What a cursor may be long.
const MAX: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Cursor {
    v: u32,
    t: String,
    s: Position,
}

/// Where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The offset.
    pub(crate) o: u64,
    /// Rows or characters of a page.
    pub(crate) l: u64,
    /// What the list is of: namespace, query, path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) q: String,
    /// Which of several lists: a kind of links, a form of text, a filter.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) k: String,
    /// Identity of the archive.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) ai: String,
}

/// A cursor of whatever tool.
pub(crate) fn any(text: &str) -> Result<(String, Position), Fault> {
    let cursor = read(text)?;
    Ok((cursor.t, cursor.s))
}

fn read(text: &str) -> Result<Cursor, Fault> {
    let bad = || Fault::new("cursor_decode", "This is no cursor of ours. Pass next_cursor of the answer before.");
    let bytes = (text.len() <= MAX).then(|| URL_SAFE.decode(text).ok()).flatten().ok_or_else(bad)?;
    let cursor: Cursor = serde_json::from_slice(&bytes).map_err(|_| bad())?;
    if cursor.v == 2 { Ok(cursor) } else { Err(bad()) }
}

impl Position {
    pub(crate) fn encode(self, tool: &str) -> String {
        let cursor = Cursor { v: 2, t: tool.to_owned(), s: self };
        URL_SAFE.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }

    pub(crate) fn decode(text: &str, tool: &str) -> Result<Self, Fault> {
        let cursor = read(text)?;
        if cursor.t != tool {
            return Err(Fault::new("cursor_mismatch", format!("This cursor is not one of {tool}.")));
        }
        Ok(cursor.s)
    }

    /// Refuses a cursor that belongs to something else.
    pub(crate) fn belongs_to(&self, what: &str, archive: &str) -> Result<(), Fault> {
        if self.q == what && self.ai == archive {
            return Ok(());
        }
        let message = "This cursor belongs to other arguments, or the archive was replaced. Begin without a cursor.";
        Err(Fault::new("cursor_context_mismatch", message))
    }

    /// Refuses a cursor of another list of the same: other links, another mode, other filters.
    pub(crate) fn is_of(&self, kind: &str) -> Result<(), Fault> {
        if self.k == kind {
            return Ok(());
        }
        let message = "This cursor belongs to another mode, direction or filter. Begin without a cursor.";
        Err(Fault::new("cursor_context_mismatch", message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_for_its_own_tool_only() {
        let position = Position { o: 7, l: 3, q: "C".to_owned(), ai: "ab".to_owned(), k: String::new() };
        let text = position.clone().encode("zim_browse");
        assert_eq!(Position::decode(&text, "zim_browse").unwrap(), position);
        assert!(Position::decode(&text, "zim_get").is_err());
        assert!(position.belongs_to("C", "ab").is_ok() && position.belongs_to("C", "cd").is_err());
        assert!(position.is_of("").is_ok() && position.is_of("walk").is_err());
        for bad in ["", "x", "e30=", &"A".repeat(5000)] {
            assert!(Position::decode(bad, "zim_get").is_err());
        }
    }
}
