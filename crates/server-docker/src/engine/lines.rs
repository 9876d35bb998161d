//! Objects one after the other, as events, statistics, pulls and builds come.

use super::error::EngineError;
use bytes::{Buf as _, BytesMut};
use reqwest::Response;
use serde_json::Value;

/// Bytes of one object.
const LARGEST: usize = 16 << 20;

/// See the module.
pub(crate) struct JsonLines {
    response: Response,
    buffer: BytesMut,
    over: bool,
}

impl JsonLines {
    pub(crate) fn of(response: Response) -> Self {
        Self { response, buffer: BytesMut::new(), over: false }
    }

    /// The next object; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>, EngineError> {
        loop {
            if let Some(value) = first(&mut self.buffer, self.over)? {
                return Ok(Some(value));
            }
            if self.over {
                return Ok(None);
            }
            match self.response.chunk().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => self.over = true,
            }
            if self.buffer.len() > LARGEST {
                return Err(EngineError::TooLarge(LARGEST));
            }
        }
    }
}

/// Takes the first line with something on it.
fn first(buffer: &mut BytesMut, over: bool) -> Result<Option<Value>, EngineError> {
    loop {
        let end = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if over && !buffer.is_empty() => buffer.len(),
            None => return Ok(None),
        };
        let line = buffer.split_to(end);
        if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
            return serde_json::from_slice(line.chunk()).map(Some).map_err(|e| EngineError::Garbled(e.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_found_on_their_lines_and_the_last_one_needs_no_end() {
        let mut buffer = BytesMut::from("{\"a\":1}\r\n\n{\"b\":2}\n{\"c\"");
        assert_eq!(first(&mut buffer, false).unwrap(), Some(json!({"a": 1})));
        assert_eq!(first(&mut buffer, false).unwrap(), Some(json!({"b": 2})));
        assert_eq!(first(&mut buffer, false).unwrap(), None);
        buffer.extend_from_slice(b":3}");
        assert_eq!(first(&mut buffer, true).unwrap(), Some(json!({"c": 3})));
        assert_eq!(first(&mut buffer, true).unwrap(), None);
    }
}
