//! A schema as a tree that can be walked, pointed into and written again.
//!
//! [`serde_json::Value`] would do, but it sorts members and reads numbers into floats: a schema has
//! to come out as its author wrote it. Scalars therefore stay text.

use mcp::{Kind, Raw};
use std::collections::HashMap;

/// See the module.
#[derive(Debug)]
pub(crate) enum Node {
    /// An object.
    Object(Object),
    /// An array.
    Array(Vec<Self>),
    /// Anything else, as JSON text.
    Scalar(Raw),
}

/// The members of an object, in order, each key once: the last one counts, as with every JSON
/// reader that schemas pass through.
#[derive(Debug)]
pub(crate) struct Object {
    members: Vec<(Box<str>, Node)>,
    /// Only of large objects: pointers into a thousand definitions must not search each time.
    index: HashMap<Box<str>, usize>,
}

/// Objects with more members than this have an index.
const INDEXED: usize = 16;

impl Node {
    /// Reads `raw`. The depth of the recursion is that of the text, which [`Raw`] has limited.
    pub(crate) fn read(raw: &Raw) -> Self {
        match raw.kind() {
            Kind::Object => Self::Object(Object::read(raw)),
            Kind::Array => Self::Array(raw.items().map(|item| Self::read(&item)).collect()),
            Kind::String if memchr::memmem::find(raw.bytes(), b"\\u").is_some() => {
                // Halves of surrogate pairs are grammatical, but many readers refuse them.
                Self::Scalar(raw.text().map_or_else(Raw::null, |text| Raw::of(text.as_ref())))
            }
            Kind::Number => Self::Scalar(finite(raw)),
            _ => Self::Scalar(raw.clone()),
        }
    }

    pub(crate) const fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Scalar(raw) => raw.text().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self {
            Self::Scalar(raw) if raw.kind() == Kind::Bool => Some(raw.is_true()),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Scalar(raw) if raw.kind() == Kind::Number => raw.read().ok(),
            _ => None,
        }
    }

    /// How many arrays and objects stand in one another here.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Object(object) => 1 + object.members().map(|(_, v)| v.depth()).max().unwrap_or(0),
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Scalar(_) => 0,
        }
    }

    /// Whether a member stands anywhere in it whose key is one of a schema's own (`$ref` and the
    /// like) and whose value is a text, so that it would be taken for a schema that leads somewhere.
    pub(crate) fn leads_somewhere(&self) -> bool {
        match self {
            Self::Object(object) => {
                object.members().any(|(k, v)| (k.starts_with('$') && v.text().is_some()) || v.leads_somewhere())
            }
            Self::Array(items) => items.iter().any(Self::leads_somewhere),
            Self::Scalar(_) => false,
        }
    }

    /// Appends it as JSON.
    pub(crate) fn write(&self, out: &mut crate::write::Writer) {
        match self {
            Self::Object(object) => out.object(|out| {
                for (key, value) in object.members() {
                    out.key(key);
                    value.write(out);
                }
            }),
            Self::Array(items) => out.array(|out| items.iter().for_each(|item| item.write(out))),
            Self::Scalar(raw) => out.raw(raw),
        }
    }
}

impl Object {
    fn read(raw: &Raw) -> Self {
        let mut object = Self { members: Vec::new(), index: HashMap::new() };
        for member in raw.members() {
            let value = Node::read(&member.value);
            match object.position(&member.key) {
                Some(at) => {
                    if let Some(slot) = object.members.get_mut(at) {
                        slot.1 = value;
                    }
                }
                None => object.push(member.key.as_ref().into(), value),
            }
        }
        object
    }

    fn push(&mut self, key: Box<str>, value: Node) {
        self.members.push((key, value));
        let len = self.members.len();
        if len == INDEXED {
            self.index = self.members.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
        } else if let Some((key, _)) = self.members.last().filter(|_| len > INDEXED) {
            self.index.insert(key.clone(), len - 1);
        }
    }

    fn position(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            self.members.iter().position(|(k, _)| k.as_ref() == key)
        } else {
            self.index.get(key).copied()
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.position(key).and_then(|at| self.members.get(at)).map(|(_, value)| value)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.members.iter().map(|(key, value)| (key.as_ref(), value))
    }

    pub(crate) const fn len(&self) -> usize {
        self.members.len()
    }
}

/// A number that every reader can hold. Text such as `1e999` is grammatical, but a float cannot
/// carry it and some readers refuse the whole document.
fn finite(raw: &Raw) -> Raw {
    if raw.read::<f64>().is_ok_and(f64::is_finite) {
        return raw.clone();
    }
    let limit = if raw.bytes().starts_with(b"-") { f64::MIN } else { f64::MAX };
    Raw::of(&limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::Writer;

    fn node(text: &str) -> Node {
        Node::read(&Raw::parse(text.as_bytes().to_vec().into(), &mcp::Limits::OUTBOUND).unwrap())
    }

    fn written(text: &str) -> String {
        let mut out = Writer::default();
        node(text).write(&mut out);
        String::from_utf8(out.finish()).unwrap()
    }

    #[test]
    fn text_comes_out_as_it_went_in() {
        let text = r#"{"z":1.50,"a":[12345678901234567890123,{"b":null}],"é":"x\ny"}"#;
        assert_eq!(written(text), text);
    }

    #[test]
    fn what_some_readers_refuse_is_made_readable() {
        assert_eq!(
            written(r#"["\ud800",1e999,-1e999]"#),
            "[\"\u{fffd}\",1.7976931348623157e+308,-1.7976931348623157e+308]"
        );
        assert_eq!(written(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn large_objects_are_found_by_key_too() {
        let members: Vec<_> = (0..100).map(|i| format!("\"k{i}\":{i}")).collect();
        let node = node(&format!("{{{},\"k7\":true}}", members.join(",")));
        let object = node.object().unwrap();
        assert_eq!(object.len(), 100);
        assert_eq!(object.get("k7").unwrap().bool(), Some(true));
        assert_eq!(object.get("k99").unwrap().number(), Some(99.0));
        assert!(object.get("k100").is_none());
    }
}
