//! Arguments that some clients send as JSON in a text, and lists that may be one word.

use crate::fault::Fault;
use mcp::builtin::{Mistake, Parameters};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;

/// A value, or the JSON text of one; or what is wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct Lenient<T>(Result<T, Mistake>);

impl<'de, T: DeserializeOwned + JsonSchema> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let wrong = |what: String| Mistake { place: String::new(), what };
        let value = match &value {
            Value::String(text) => match serde_json::from_str::<Value>(text) {
                Ok(inner @ (Value::Object(_) | Value::Array(_))) => inner,
                _ => return Ok(Self(Err(wrong("is a text that is no JSON".to_owned())))),
            },
            _ => value,
        };
        let read = T::deserialize(&value);
        Ok(Self(read.map_err(|error| {
            Parameters::of::<T>().mistake(&value).unwrap_or_else(|| wrong(format!("cannot be read: {error}")))
        })))
    }
}

impl<T: JsonSchema> JsonSchema for Lenient<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [value, { "type": "string", "description": "The same as JSON" }] })
    }
}

impl<T> Lenient<T> {
    /// The value. `name` is the argument's.
    pub(crate) fn get(self, name: &str) -> Result<T, Fault> {
        self.0.map_err(|mistake| Fault::new(mistake.sentence(name)))
    }
}

/// The value of an argument that may be left out.
pub(crate) fn maybe<T: Default>(given: Option<Lenient<T>>, name: &str) -> Result<T, Fault> {
    given.map_or_else(|| Ok(T::default()), |given| given.get(name))
}

/// One word or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Words {
    One(String),
    Many(Vec<String>),
}

/// A text, a number or a truth value, as text.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Scalar {
    Text(String),
    Int(i64),
    Float(f64),
    Flag(bool),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    struct Asked {
        environment: Option<Lenient<BTreeMap<String, Scalar>>>,
    }

    #[test]
    fn a_map_may_come_as_a_text_and_what_is_none_is_told_with_its_name() {
        let read = |json: &str| {
            let asked: Asked = serde_json::from_str(json).unwrap();
            maybe(asked.environment, "environment")
                .map(|m| m.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>())
        };
        assert_eq!(read(r#"{"environment": {"A": "b", "N": 1, "T": true}}"#).unwrap(), ["A=b", "N=1", "T=true"]);
        assert_eq!(read(r#"{"environment": "{\"A\": \"b\"}"}"#).unwrap(), ["A=b"]);
        assert!(read(r#"{"environment": null}"#).unwrap().is_empty() && read("{}").unwrap().is_empty());
        for wrong in [r#"{"environment": "{broken"}"#, r#"{"environment": "x"}"#, r#"{"environment": [1]}"#] {
            let Err(Fault::Said(told)) = read(wrong) else { panic!("{wrong}") };
            assert!(told.starts_with("environment is "), "{told}");
        }
    }
}
