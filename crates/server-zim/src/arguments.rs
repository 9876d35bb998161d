//! Arguments of a tool, read so that a mistake in them is told in the shape of [`Fault`]: an argument that
//! does not exist is refused with the one that was probably meant, never passed over.
//!
//! Clients of the peer may write a number or a truth value as text, and `null` for what they leave out: that is
//! understood.

use crate::fault::Fault;
use crate::nearest::nearest;
use mcp::builtin::Parameters;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::any::TypeId;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Arguments of the type `A`, or what is wrong with them.
pub(crate) struct Arguments<A>(pub(crate) Result<A, Fault>);

impl<'de, A: DeserializeOwned + JsonSchema + 'static> Deserialize<'de> for Arguments<A> {
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Boolean,
    Other,
}

/// What a type of arguments takes, made once.
fn known<A: JsonSchema + 'static>() -> Arc<Parameters> {
    static ALL: LazyLock<RwLock<HashMap<TypeId, Arc<Parameters>>>> = LazyLock::new(RwLock::default);
    let of = TypeId::of::<A>();
    if let Some(known) = ALL.read().unwrap_or_else(PoisonError::into_inner).get(&of) {
        return Arc::clone(known);
    }
    let known = Arc::new(Parameters::of::<A>());
    ALL.write().unwrap_or_else(PoisonError::into_inner).insert(of, Arc::clone(&known));
    known
}

/// What an argument is, if there is one of that name.
fn kind(known: &Parameters, name: &str) -> Option<Kind> {
    let property = known.schema().get("properties")?.get(name)?;
    let types = property.get("type").map(|kind| match kind {
        Value::Array(types) => types.as_slice(),
        one => std::slice::from_ref(one),
    });
    let is = |name: &str| types.is_some_and(|types| types.iter().any(|t| t == name) && types.len() < 3);
    Some(match () {
        () if is("integer") => Kind::Integer,
        () if is("boolean") => Kind::Boolean,
        () => Kind::Other,
    })
}

fn read<A: DeserializeOwned + JsonSchema + 'static>(given: Map<String, Value>) -> Result<A, Fault> {
    let known = known::<A>();
    let mut arguments = Map::new();
    for (name, value) in given {
        let Some(kind) = kind(&known, &name) else {
            return Err(unknown(&name, &known));
        };
        if !value.is_null() {
            arguments.insert(name, understood(value, kind));
        }
    }
    let arguments = Value::Object(arguments);
    A::deserialize(&arguments).map_err(|error| match known.mistake(&arguments) {
        Some(mistake) => {
            let argument = mistake.place.split(['.', '[']).next().unwrap_or_default();
            Fault::new("invalid_argument", mistake.sentence("")).with("invalid_arguments", vec![Value::from(argument)])
        }
        None => Fault::new("invalid_argument", format!("The arguments cannot be read: {error}.")),
    })
}

fn unknown(name: &str, known: &Parameters) -> Fault {
    let hint = match nearest(name, known.names()) {
        Some(near) => format!("Did you mean {near:?}?"),
        None => format!("It takes {}.", known.names().collect::<Vec<_>>().join(", ")),
    };
    let shown: String = name.chars().take(100).collect();
    Fault::new("unknown_argument", format!("There is no argument {shown:?}. {hint}"))
        .with("invalid_arguments", vec![Value::from(shown)])
}

/// A value as the type it is meant to have, if it can be that.
fn understood(value: Value, kind: Kind) -> Value {
    match (kind, &value) {
        (Kind::Integer, Value::String(text)) => text.trim().parse::<i64>().map_or(value, Value::from),
        (Kind::Integer, Value::Number(number)) => match number.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "it is whole, and small")]
            Some(float) if !number.is_i64() && float.fract() == 0.0 && float.abs() < 1e15 => Value::from(float as i64),
            _ => value,
        },
        (Kind::Boolean, Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Value::Bool(true),
            "false" | "0" | "no" | "off" => Value::Bool(false),
            _ => value,
        },
        _ => value,
    }
}
