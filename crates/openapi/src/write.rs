//! Composes JSON text.

use mcp::Raw;

/// Appends JSON and sets the commas itself: one is needed exactly where the last byte ends a value.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    fn comma(&mut self) {
        if !matches!(self.0.last(), None | Some(b'{' | b'[' | b':')) {
            self.0.push(b',');
        }
    }

    /// `{…}`
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.comma();
        self.0.push(b'{');
        members(self);
        self.0.push(b'}');
    }

    /// `[…]`
    pub(crate) fn array(&mut self, items: impl FnOnce(&mut Self)) {
        self.comma();
        self.0.push(b'[');
        items(self);
        self.0.push(b']');
    }

    /// `"key":`
    pub(crate) fn key(&mut self, key: &str) {
        self.text(key);
        self.0.push(b':');
    }

    /// A string.
    pub(crate) fn text(&mut self, text: &str) {
        self.comma();
        // Writing a string into a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.0, text);
    }

    /// A member that is a string.
    pub(crate) fn text_member(&mut self, key: &str, text: &str) {
        self.key(key);
        self.text(text);
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, raw: &Raw) {
        self.json(raw.bytes());
    }

    /// The same for text that this crate wrote. Nothing of it is no value and needs no comma.
    pub(crate) fn json(&mut self, json: &[u8]) {
        if !json.is_empty() {
            self.comma();
            self.0.extend_from_slice(json);
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
