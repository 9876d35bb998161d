//! An entry as its bytes.

use super::{Get, Got, Wanted};
use crate::book::Book;
use crate::fault::Fault;
use crate::meta::Answered;
use crate::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use zim::Archive;

/// Bytes that are given unless told otherwise, and at most.
const BYTES: u64 = 10_000_000;
const MAX_BYTES: u64 = 25_000_000;

#[derive(Default, Serialize, JsonSchema)]
#[schemars(rename = "ZimEntryBytes")]
pub(super) struct Binary {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    /// Bytes of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_human: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
}

pub(super) fn get(book: &Book, archive: &Archive, wanted: &Wanted<'_>, given: &Get) -> Result<Got, Fault> {
    let most = match given.max_content_length.map(u64::try_from) {
        None => BYTES,
        Some(Ok(bytes)) if (1..=MAX_BYTES).contains(&bytes) => bytes,
        Some(_) => {
            let message = format!("max_content_length is a number of bytes from 1 to {MAX_BYTES}.");
            return Err(Fault::new("invalid_max_content_length", message));
        }
    };
    let size = wanted.entry.size()?;
    let mut got = Got::of(book, archive, wanted);
    got.binary.mime_type = got.content_type.take();
    got.binary.size = Some(size);
    got.binary.size_human = Some(text::size(size));
    got.binary.truncated = Some(size > most);
    if size > most {
        let hint = if size <= MAX_BYTES { format!(" Pass max_content_length={size}.") } else { String::new() };
        got.message = Some(format!("These are {size} bytes, more than {most}.{hint}"));
        got.meta.truncated = true;
    } else {
        got.binary.encoding = Some("base64");
        got.binary.data = Some(STANDARD.encode(wanted.entry.read()?));
    }
    Ok(got.measured())
}
