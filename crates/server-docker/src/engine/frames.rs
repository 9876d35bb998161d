//! Output of containers: frames of `[stream, 0, 0, 0, length; 4 bytes, big-endian]` and bytes, or plain bytes if
//! there is a terminal (Docker Engine API, "Attach to a container", "Stream format").

use super::error::EngineError;
use bytes::{Buf as _, Bytes, BytesMut};
use reqwest::Response;

/// Which stream of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Out,
    Err,
}

/// A piece of output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) source: Source,
    pub(crate) bytes: Bytes,
}

/// See the module.
pub(crate) struct Frames {
    response: Response,
    decoder: Decoder,
}

impl Frames {
    pub(crate) fn of(response: Response, terminal: bool) -> Self {
        // What the engine itself says about its answer decides, if it says something.
        let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let plain = match kind {
            "application/vnd.docker.multiplexed-stream" => false,
            _ => terminal,
        };
        Self { response, decoder: Decoder { buffer: BytesMut::new(), plain, open: None } }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Chunk>, EngineError> {
        loop {
            if let Some(chunk) = self.decoder.next()? {
                return Ok(Some(chunk));
            }
            match self.response.chunk().await? {
                Some(bytes) => self.decoder.buffer.extend_from_slice(&bytes),
                None => return Ok(self.decoder.rest()),
            }
        }
    }
}

struct Decoder {
    buffer: BytesMut,
    plain: bool,
    /// The stream and the bytes left of a frame that has begun: a large one is given in pieces.
    open: Option<(Source, usize)>,
}

impl Decoder {
    fn next(&mut self) -> Result<Option<Chunk>, EngineError> {
        if self.plain {
            return Ok(self.rest());
        }
        loop {
            if let Some((source, left)) = self.open {
                if self.buffer.is_empty() && left > 0 {
                    return Ok(None);
                }
                let bytes = self.buffer.split_to(left.min(self.buffer.len())).freeze();
                self.open = Some((source, left - bytes.len())).filter(|(_, left)| *left > 0);
                if bytes.is_empty() {
                    continue;
                }
                return Ok(Some(Chunk { source, bytes }));
            }
            if self.buffer.len() < 8 {
                return Ok(None);
            }
            let source = match self.buffer.get_u8() {
                0 | 1 => Source::Out,
                2 | 3 => Source::Err,
                other => return Err(EngineError::Garbled(format!("there is no stream {other}"))),
            };
            self.buffer.advance(3);
            let length = usize::try_from(self.buffer.get_u32()).unwrap_or(usize::MAX);
            self.open = Some((source, length)).filter(|(_, left)| *left > 0);
        }
    }

    fn rest(&mut self) -> Option<Chunk> {
        let source = self.open.take().map_or(Source::Out, |(source, _)| source);
        // What is left of a cut header is no output.
        (!self.buffer.is_empty() && self.plain).then(|| Chunk { source, bytes: self.buffer.split().freeze() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]], plain: bool) -> Vec<(Source, Vec<u8>)> {
        let mut decoder = Decoder { buffer: BytesMut::new(), plain, open: None };
        let mut all: Vec<(Source, Vec<u8>)> = Vec::new();
        for piece in pieces {
            decoder.buffer.extend_from_slice(piece);
            while let Some(chunk) = decoder.next().unwrap() {
                match all.last_mut() {
                    Some((source, bytes)) if *source == chunk.source => bytes.extend_from_slice(&chunk.bytes),
                    _ => all.push((chunk.source, chunk.bytes.to_vec())),
                }
            }
        }
        all
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let wire = b"\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x02er\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01d";
        let expected =
            vec![(Source::Out, b"abc".to_vec()), (Source::Err, b"er".to_vec()), (Source::Out, b"d".to_vec())];
        for cut in 0..wire.len() {
            assert_eq!(decode(&[&wire[..cut], &wire[cut..]], false), expected, "cut at {cut}");
        }
        let each: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(decode(&each, false), expected);
        assert_eq!(decode(&[b"plain ", b"text"], true), vec![(Source::Out, b"plain text".to_vec())]);
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_a_huge_length_takes_no_memory() {
        let mut decoder = Decoder { buffer: BytesMut::from(&b"no frame"[..]), plain: false, open: None };
        assert!(decoder.next().is_err());
        let mut decoder =
            Decoder { buffer: BytesMut::from(&b"\x01\0\0\0\xff\xff\xff\xffab"[..]), plain: false, open: None };
        assert_eq!(decoder.next().unwrap().unwrap().bytes, "ab");
        assert_eq!(decoder.next().unwrap(), None);
    }
}
