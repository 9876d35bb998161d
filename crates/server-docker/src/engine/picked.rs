//! Lists of the engine, of which few members of each entry are read. What is left out is passed over without taking
//! memory: it is most of a list of containers.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The list in these bytes, with these members of each entry; empty if there is none (`null`).
pub(super) fn list(bytes: &[u8], members: &[&str]) -> serde_json::Result<Vec<Value>> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let all = List(members).deserialize(&mut reader)?;
    reader.end()?;
    Ok(all)
}

#[derive(Clone, Copy)]
struct List<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Value>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Value>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<Value>, A::Error> {
        let mut all = Vec::new();
        while let Some(entry) = entries.next_element_seed(Entry(self.0))? {
            all.push(Value::Object(entry));
        }
        Ok(all)
    }
}

#[derive(Clone, Copy)]
struct Entry<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut picked = Map::new();
        while let Some(name) = members.next_key_seed(Name(self.0))? {
            match name {
                Some(name) => drop(picked.insert(name.to_owned(), members.next_value()?)),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(picked)
    }
}

/// The name of a member, if it is one of those that are read.
#[derive(Clone, Copy)]
struct Name<'a>(&'a [&'a str]);

impl<'de, 'a> DeserializeSeed<'de> for Name<'a> {
    type Value = Option<&'a str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a> {
    type Value = Option<&'a str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|known| **known == name).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_of_a_list_is_what_was_named() {
        let text = br#" [{"Id": "a", "Mounts": [{"Id": "x"}], "Labels": {"Mounts": "y"}, "\u0049d": "b"}, {}] "#;
        let found = list(text, &["Id", "Labels"]).unwrap();
        assert_eq!(found, [serde_json::json!({"Id": "b", "Labels": {"Mounts": "y"}}), serde_json::json!({})]);
        assert!(list(b"null", &["Id"]).unwrap().is_empty());
        for broken in ["{}", "[1]", "[{}", "[] x", "", "\"x\""] {
            assert!(list(broken.as_bytes(), &["Id"]).is_err(), "{broken}");
        }
    }
}
