//! BuildKit's progress: protocol buffers in base64 in the lines of a build (`moby.buildkit.v1.StatusResponse`,
//! of which the names, errors and logs of steps are read).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What one line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    /// Steps that were begun or done, in words.
    pub(super) steps: Vec<String>,
    /// Output of steps.
    pub(super) logs: Vec<String>,
    /// Why a step failed.
    pub(super) errors: Vec<String>,
}

/// Reads the `aux` of a line. What cannot be read is left out: it is only progress.
pub(super) fn read(aux: &str) -> Trace {
    let mut trace = Trace::default();
    let Ok(bytes) = STANDARD.decode(aux) else { return trace };
    for field in fields(&bytes) {
        match field {
            // vertexes
            Field { number: 1, value: Value::Bytes(vertex) } => read_vertex(vertex, &mut trace),
            // logs
            Field { number: 3, value: Value::Bytes(log) } => {
                let message = fields(log).find_map(|field| match field {
                    Field { number: 4, value: Value::Bytes(message) } => Some(message),
                    _ => None,
                });
                trace.logs.extend(message.map(|message| String::from_utf8_lossy(message).into_owned()));
            }
            _ => {}
        }
    }
    trace
}

fn read_vertex(vertex: &[u8], trace: &mut Trace) {
    let (mut name, mut cached, mut started, mut completed, mut error) = ("", false, false, false, "");
    for field in fields(vertex) {
        match field {
            Field { number: 3, value: Value::Bytes(text) } => name = std::str::from_utf8(text).unwrap_or_default(),
            Field { number: 4, value: Value::Number(flag) } => cached = flag != 0,
            Field { number: 5, .. } => started = true,
            Field { number: 6, .. } => completed = true,
            Field { number: 7, value: Value::Bytes(text) } => error = std::str::from_utf8(text).unwrap_or_default(),
            _ => {}
        }
    }
    if !error.is_empty() {
        trace.errors.push(format!("{name}: {error}"));
    } else if cached {
        trace.steps.push(format!("{name} CACHED"));
    } else if completed {
        trace.steps.push(format!("{name} DONE"));
    } else if started {
        trace.steps.push(name.to_owned());
    }
}

struct Field<'a> {
    number: u64,
    value: Value<'a>,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The fields of a message, up to where it is none.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => {
                bytes = bytes.get(8..)?;
                Value::Other
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (inner, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Value::Bytes(inner)
            }
            5 => {
                bytes = bytes.get(4..)?;
                Value::Other
            }
            _ => return None,
        };
        Some(Field { number: key >> 3, value })
    })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_recorded_line_of_an_engine_is_read() {
        // Of an engine 20.10 that built `RUN echo hi > /x`.
        let aux = "CnwKR3NoYTI1Njo1ZDg0MjI2MTFlY2FiYTEwZTU1N2NjNTM5NzE2NWZiZDhmYzE0NzYyOGUzOGU3MGNkMjZmMzEyMDA1MmRmMzM3GiRbaW50ZXJuYWxdIGxvYWQgcmVtb3RlIGJ1aWxkIGNvbnRleHQqCwj43JzYBhDx8bpj";
        assert_eq!(read(aux), Trace { steps: vec!["[internal] load remote build context".into()], ..Trace::default() });
        assert_eq!(read("no base64!"), Trace::default());
    }

    proptest! {
        #[test]
        fn no_bytes_harm_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&STANDARD.encode(bytes));
        }
    }
}
