//! JSON as the bytes it came in.

use crate::scan::{self, JsonError, Limits};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fmt;

/// Valid JSON: a slice of the body it came in. Cloning is free; policy and upstream share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(Bytes);

/// What kind of value a [`Raw`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Raw {
    /// Checks `bytes` once, see [`scan`]; surrounding whitespace is cut off.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, JsonError> {
        scan::check(&bytes, limits)?;
        // What is left then is one value.
        let value = bytes.trim_ascii();
        let value = bytes.slice_ref(value);
        Ok(Self(value))
    }

    /// JSON of a value of ours. A value that cannot be JSON (a map with keys that are no strings)
    /// becomes `null`; the types of this workspace have none.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        serde_json::to_vec(value).map_or_else(|_| Self::null(), |json| Self(json.into()))
    }

    /// JSON that this crate composed from checked parts.
    pub(crate) fn composed(json: Vec<u8>) -> Self {
        debug_assert!(scan::check(&json, &Limits::OUTBOUND).is_ok(), "{:?}", String::from_utf8_lossy(&json));
        Self(json.into())
    }

    /// `null`
    pub const fn null() -> Self {
        Self(Bytes::from_static(b"null"))
    }

    /// `{}`
    pub const fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// The same in memory of its own: for what outlives the body it came in.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// The text.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Length of the text in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never: even `""` has two bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What kind of value this is.
    pub fn kind(&self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The decoded text, if this is a string.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        self.0.get(1..self.0.len() - 1).map(scan::unescape)
    }

    /// Whether this is `true`.
    pub fn is_true(&self) -> bool {
        self.0.as_ref() == b"true"
    }

    /// The members of an object, in order; of anything else, none.
    pub fn members(&self) -> Members<'_> {
        let at = if self.kind() == Kind::Object { 1 } else { self.0.len() };
        Members { raw: self, at }
    }

    /// The items of an array, in order; of anything else, none.
    pub fn items(&self) -> Items<'_> {
        let at = if self.kind() == Kind::Array { 1 } else { self.0.len() };
        Items { raw: self, at }
    }

    /// The value of `key`, if this is an object that has it.
    pub fn get(&self, key: &str) -> Option<Self> {
        self.members().find(|m| m.key == key).map(|m| m.value)
    }

    /// Whether this is an object in which `key`, a plain word, is `true`. What does not have the word is not gone
    /// through member by member.
    pub fn is_set(&self, key: &str) -> bool {
        memchr::memmem::find(&self.0, key.as_bytes()).is_some()
            && self.members().any(|member| member.key == key && member.value.is_true())
    }

    /// The value of `key` as decoded text.
    pub fn get_text(&self, key: &str) -> Option<String> {
        self.get(key)?.text().map(Cow::into_owned)
    }

    /// The same object without the members named in `without`, followed by `with`. Members that
    /// stay keep their order and their bytes. Anything that is no object counts as `{}`.
    pub fn rewritten(&self, without: &[&str], with: &[(&str, &Self)]) -> Self {
        let added: usize = with.iter().map(|(k, v)| k.len() + v.len() + 4).sum();
        let mut out = Vec::with_capacity(self.len() + added + 2);
        out.push(b'{');
        for member in self.members().filter(|m| !without.contains(&m.key.as_ref())) {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(member.text);
        }
        for (key, value) in with {
            if out.len() > 1 {
                out.push(b',');
            }
            push_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(&value.0);
        }
        out.push(b'}');
        Self::composed(out)
    }

    /// Reads it as a typed value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// The same value without line breaks, which JSON has only between its tokens: for transports
    /// whose messages are lines.
    pub fn single_line(&self) -> Bytes {
        if memchr::memchr2(b'\n', b'\r', &self.0).is_none() {
            return self.0.clone();
        }
        let mut line = self.0.to_vec();
        for byte in &mut line {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        line.into()
    }

    /// An array of values.
    pub fn array<'a>(items: impl IntoIterator<Item = &'a Self, IntoIter: Clone>) -> Self {
        let items = items.into_iter();
        let mut out = Vec::with_capacity(items.clone().map(|item| item.len() + 1).sum::<usize>() + 2);
        out.push(b'[');
        for item in items {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&item.0);
        }
        out.push(b']');
        Self::composed(out)
    }

    /// An object of values.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a Self), IntoIter: Clone>) -> Self {
        let members = members.into_iter();
        let room = members.clone().map(|(key, value)| key.len() + value.len() + 4).sum::<usize>();
        let mut out = Vec::with_capacity(room + 2);
        out.push(b'{');
        for (key, value) in members {
            if out.len() > 1 {
                out.push(b',');
            }
            push_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(&value.0);
        }
        out.push(b'}');
        Self::composed(out)
    }
}

/// Appends `text` as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Writing a string into a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.len())
    }
}

/// One member of an object.
pub struct Member<'a> {
    /// The decoded key.
    pub key: Cow<'a, str>,
    /// The value, sharing the bytes of the object.
    pub value: Raw,
    /// `"key":value` as it stands in the text.
    text: &'a [u8],
}

/// See [`Raw::members`].
pub struct Members<'a> {
    raw: &'a Raw,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let bytes = &self.raw.0;
        let mut start = scan::skip_space(bytes, self.at);
        if bytes.get(start) == Some(&b',') {
            start = scan::skip_space(bytes, start + 1);
        }
        if bytes.get(start) != Some(&b'"') {
            self.at = bytes.len();
            return None;
        }
        let key_end = scan::skip_string(bytes, start);
        let colon = scan::skip_space(bytes, key_end);
        let value = scan::skip_space(bytes, colon + 1);
        let end = scan::skip_value(bytes, value);
        self.at = end;
        Some(Member {
            key: scan::unescape(bytes.get(start + 1..key_end - 1)?),
            value: Raw(bytes.slice(value..end)),
            text: bytes.get(start..end)?,
        })
    }
}

/// See [`Raw::items`].
pub struct Items<'a> {
    raw: &'a Raw,
    at: usize,
}

impl Iterator for Items<'_> {
    type Item = Raw;

    fn next(&mut self) -> Option<Raw> {
        let bytes = &self.raw.0;
        let mut start = scan::skip_space(bytes, self.at);
        if bytes.get(start) == Some(&b',') {
            start = scan::skip_space(bytes, start + 1);
        }
        if matches!(bytes.get(start), None | Some(b']')) {
            self.at = bytes.len();
            return None;
        }
        let end = scan::skip_value(bytes, start);
        self.at = end;
        Some(Raw(bytes.slice(start..end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn raw(text: &str) -> Raw {
        Raw::parse(Bytes::copy_from_slice(text.as_bytes()), &Limits::INBOUND).unwrap()
    }

    #[test]
    fn members_keep_their_bytes_when_an_object_is_rewritten() {
        let object = raw(r#" { "a" : 1.50, "b":[1, 2] ,"\u0063":"x\ny","d":{}} "#);
        let keys: Vec<_> = object.members().map(|m| m.key.into_owned()).collect();
        assert_eq!(keys, ["a", "b", "c", "d"]);
        let new = object.rewritten(&["c"], &[("é", &Raw::null())]);
        assert_eq!(new.bytes().as_ref(), r#"{"a" : 1.50,"b":[1, 2],"d":{},"é":null}"#.as_bytes());
        assert_eq!(object.get_text("c").as_deref(), Some("x\ny"));
        assert_eq!(raw("[]").rewritten(&[], &[]).bytes().as_ref(), b"{}");
    }

    #[test]
    fn a_line_has_no_line_breaks_and_the_same_value() {
        let value = raw("{\n  \"a\": [1,\r\n 2]\n}");
        let line = value.single_line();
        assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
        let same: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(same, value.read::<Value>().unwrap());
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_and_items_are_what_serde_json_reads(value in json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let parsed = raw(&text);
            match &value {
                Value::Object(map) => {
                    let ours: serde_json::Map<String, Value> = parsed
                        .members()
                        .map(|m| (m.key.into_owned(), m.value.read().unwrap()))
                        .collect();
                    prop_assert_eq!(&ours, map);
                }
                Value::Array(list) => {
                    let ours: Vec<Value> = parsed.items().map(|i| i.read().unwrap()).collect();
                    prop_assert_eq!(&ours, list);
                }
                Value::String(text) => prop_assert_eq!(parsed.text().unwrap(), text.as_str()),
                _ => {}
            }
        }
    }
}
