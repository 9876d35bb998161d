//! One line, written as it is found out.

use crate::audit::digits;
use mcp::{Detail, Raw, Tier};
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// One line but for what the writer adds: `boot`, `instance` and the chain. Members that say nothing
/// are left out.
pub(crate) struct Line {
    pub(crate) time: SystemTime,
    text: Vec<u8>,
    /// Where `server` goes, which is found out last.
    server_at: usize,
}

/// Room for most lines.
const USUAL: usize = 448;

impl Line {
    /// A line about an exchange with a caller that begins now. `call_id` names one call, which may
    /// have several exchanges; both count within `boot`.
    pub(crate) fn now(
        front: &'static str,
        call_id: Option<u64>,
        exchange: u64,
        era: Option<&'static str>,
        principal: Option<&str>,
        address: Option<IpAddr>,
    ) -> Self {
        let mut line = Self { time: SystemTime::now(), text: Vec::with_capacity(USUAL), server_at: 0 };
        if let Some(id) = call_id {
            line.number("call_id", id);
        }
        line.number("exchange", exchange);
        if let Some(era) = era {
            line.name("era", era);
        }
        if let Some(principal) = principal {
            line.name("principal", principal);
        }
        if let Some(address) = address {
            // Neither kind of address has a character that JSON escapes, and writing cannot fail.
            let _ = write!(line.key("address"), "\"{address}\"");
        }
        line.name("front", front);
        line.server_at = line.text.len();
        line
    }

    /// What is asked for; empty for the server itself.
    pub(crate) fn asks(&mut self, method: Option<&str>, target: &str) {
        if let Some(method) = method {
            self.name("method", beginning(method, 128));
        }
        if !target.is_empty() {
            self.name("target", beginning(target, 512));
        }
    }

    /// The arguments, only as their hash.
    pub(crate) fn arguments_hash(&mut self, hash: &[u8; 32]) {
        let text = self.key("arguments_sha256");
        text.push(b'"');
        text.extend(hash.iter().flat_map(|byte| digits(*byte)));
        text.push(b'"');
    }

    /// The arguments.
    pub(crate) fn arguments(&mut self, arguments: &Raw) {
        // A line has no line feed in it.
        let arguments = arguments.single_line();
        self.key("arguments").extend_from_slice(&arguments);
    }

    /// Which server it was for.
    pub(crate) fn server(&mut self, server: &str) {
        let at = self.server_at;
        let behind = self.text.len() - at.min(self.text.len());
        self.name("server", server);
        if let Some(rest) = self.text.get_mut(at..) {
            rest.rotate_left(behind);
        }
    }

    /// How much harm what is asked for can do.
    pub(crate) fn tier(&mut self, tier: Tier) {
        self.name("tier", tier.as_str());
    }

    /// What the server said about it: texts, few and short (see [`mcp::Call::note`]).
    pub(crate) fn details(&mut self, details: &[Detail]) {
        if details.is_empty() {
            return;
        }
        let text = self.key("detail");
        text.push(b'{');
        for (at, detail) in details.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            mcp::push_string(text, detail.name);
            text.push(b':');
            mcp::push_string(text, &detail.value);
        }
        text.push(b'}');
    }

    /// How it ended; `bytes` is the size of the result.
    pub(crate) fn end(
        &mut self,
        denied: bool,
        outcome: &str,
        error: Option<&str>,
        bytes: u64,
        took: Duration,
        trace_id: Option<&str>,
    ) {
        self.name("decision", if denied { "deny" } else { "allow" });
        self.name("outcome", outcome);
        if let Some(error) = error {
            self.name("error", beginning(error, 512));
        }
        self.number("bytes", bytes);
        let micros = took.as_micros();
        let text = self.key("duration_ms");
        text.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        // Three digits after the point: the last three of four.
        let mut digits = itoa::Buffer::new();
        let behind = digits.format(1000 + micros % 1000).bytes().skip(1);
        text.push(b'.');
        text.extend(behind);
        if let Some(trace) = trace_id {
            self.name("trace_id", trace);
        }
    }

    /// How many lines like this were not written before it; nothing, if it is none.
    pub(crate) fn left_out(&mut self, lines: u64) {
        if lines > 0 {
            self.number("left_out", lines);
        }
    }

    /// Its members, each with a comma before it.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    fn key(&mut self, key: &'static str) -> &mut Vec<u8> {
        self.text.extend_from_slice(b",\"");
        self.text.extend_from_slice(key.as_bytes());
        self.text.extend_from_slice(b"\":");
        &mut self.text
    }

    fn name(&mut self, key: &'static str, value: &str) {
        mcp::push_string(self.key(key), value);
    }

    fn number(&mut self, key: &'static str, value: u64) {
        self.key(key).extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// At most so many characters.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    text.char_indices().nth(most).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_member_of_a_line_stands_in_the_manual() {
        let mut line = Line::now("http", Some(1), 2, Some("modern"), Some("me"), Some(IpAddr::from([127, 0, 0, 1])));
        line.asks(Some("tools/call"), "echo");
        line.arguments_hash(&[0; 32]);
        line.arguments(&Raw::of("x"));
        line.server("files");
        line.tier(Tier::Safe);
        line.details(&[Detail { name: "engine", value: "local".to_owned() }]);
        line.end(false, "ok", Some("none"), 1, Duration::from_millis(1), Some("trace"));
        line.left_out(1);
        let text = format!("{{\"time\":0{}}}", String::from_utf8_lossy(line.text()));
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mut written: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        // What the writer adds.
        written.extend(["boot", "instance", "seq", "prev"]);
        let manual = include_str!("../../../../docs/audit.md");
        let named = manual.lines().filter_map(|row| row.strip_prefix("| `")?.split_once('|'));
        let named: BTreeSet<&str> =
            named.flat_map(|(names, _)| names.trim().trim_end_matches('`').split("`, `")).collect();
        assert_eq!(written, named);
    }
}
