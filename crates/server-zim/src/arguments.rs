//! Arguments of a tool, read so that a mistake in them is told in the shape of [`Fault`]: an argument that
//! does not exist is refused with the one that was probably meant, never passed over.

use crate::fault::Fault;
use crate::nearest::nearest;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Arguments of the type `A`, or what is wrong with them.
pub(crate) struct Arguments<A>(pub(crate) Result<A, Fault>);

impl<'de, A: DeserializeOwned + JsonSchema> Deserialize<'de> for Arguments<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(|given| Self(read(given)))
    }
}

impl<A: JsonSchema> JsonSchema for Arguments<A> {
    fn schema_name() -> Cow<'static, str> {
        A::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        A::json_schema(generator)
    }
}

fn read<A: DeserializeOwned + JsonSchema>(given: Map<String, Value>) -> Result<A, Fault> {
    let schema = schemars::schema_for!(A).to_value();
    let properties = schema.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    if let Some(name) = given.keys().find(|name| !known.contains(&name.as_str())) {
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("Did you mean {near:?}?"),
            None => format!("It takes {}.", known.join(", ")),
        };
        let shown: String = name.chars().take(100).collect();
        return Err(Fault::new("unknown_argument", format!("There is no argument {shown:?}. {hint}")));
    }
    serde_json::from_value(Value::Object(given))
        .map_err(|error| Fault::new("invalid_argument", format!("The arguments cannot be read: {error}.")))
}
