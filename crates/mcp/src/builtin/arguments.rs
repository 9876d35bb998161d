//! What is wrong with the arguments of a tool, in the words of who wrote them: which argument, what it may be, and
//! what it is instead. Found by comparing them with the schema that the tool shows.

use schemars::JsonSchema;
use serde_json::{Map, Value};

/// How deep a schema is followed: one that refers to itself ends somewhere.
const DEEPEST: usize = 16;
/// Characters of a value that are shown.
const SHOWN: usize = 60;
/// Values that are listed.
const LISTED: usize = 40;

/// What a tool takes, as its schema says.
#[derive(Clone, Debug)]
pub struct Parameters(Value);

/// Something that is wrong with arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, from the value that was compared: `filters.label[2]`; empty if it is that value itself.
    pub place: String,
    /// What is wrong there: `is a whole number, such as 10, and not the text "ten"`.
    pub what: String,
}

impl Mistake {
    /// A sentence about what stands in the argument `name`; or about the arguments, if that is empty.
    pub fn sentence(&self, name: &str) -> String {
        let place = match (name, self.place.as_str()) {
            ("", "") => "what is passed as arguments".to_owned(),
            ("", place) => place.to_owned(),
            (name, place) if place.is_empty() || place.starts_with('[') => format!("{name}{place}"),
            (name, place) => format!("{name}.{place}"),
        };
        format!("{place} {}.", self.what.trim_end_matches('.'))
    }
}

impl Parameters {
    /// Those of a type.
    pub fn of<A: JsonSchema>() -> Self {
        Self(schemars::schema_for!(A).to_value())
    }

    /// The schema.
    pub const fn schema(&self) -> &Value {
        &self.0
    }

    /// The names of the arguments.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str)
    }

    /// The first thing that is wrong; nothing if the schema allows all of it.
    pub fn mistake(&self, given: &Value) -> Option<Mistake> {
        self.find(&self.0, given, String::new(), 0)
    }

    /// The schema itself, if this only refers to it.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..DEEPEST {
            let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"))
            else {
                break;
            };
            let Some(meant) = self.0.get("$defs").and_then(|all| all.get(name)) else { break };
            schema = meant;
        }
        schema
    }

    /// The schemas of which one has to fit, which are no choices themselves; the schema alone, if there is no choice.
    /// What may be left out may be null, which is not told.
    fn choices<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let mut choices = Vec::new();
        self.choose(schema, 0, &mut choices);
        choices.retain(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
        choices
    }

    fn choose<'a>(&'a self, schema: &'a Value, depth: usize, choices: &mut Vec<&'a Value>) {
        let schema = self.resolved(schema);
        let several = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
        match several.filter(|_| depth < DEEPEST) {
            Some(several) => several.iter().for_each(|one| self.choose(one, depth + 1, choices)),
            None => choices.push(schema),
        }
    }

    fn find(&self, schema: &Value, value: &Value, place: String, depth: usize) -> Option<Mistake> {
        if depth > DEEPEST || self.fits(schema, value, depth) {
            return None;
        }
        // Where it can only be meant in one way, the mistake is within.
        let choices = self.choices(schema);
        let meant: Vec<_> = choices.iter().filter(|choice| has_kind(choice, value)).collect();
        if let ([one], true) = (meant.as_slice(), value.is_object() || value.is_array()) {
            let within = match value {
                Value::Object(members) => self.in_object(one, members, &place, depth),
                Value::Array(items) => items
                    .iter()
                    .enumerate()
                    .find_map(|(at, item)| self.find(one.get("items")?, item, format!("{place}[{at}]"), depth + 1)),
                _ => None,
            };
            if within.is_some() {
                return within;
            }
        }
        Some(Mistake { place, what: format!("is {}, and not {}", self.told(schema, depth), shown(value)) })
    }

    fn in_object(&self, schema: &Value, members: &Map<String, Value>, place: &str, depth: usize) -> Option<Mistake> {
        let at = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
        let properties = schema.get("properties").and_then(Value::as_object);
        if let Some(name) = required(schema).find(|name| !members.contains_key(*name)) {
            let property = properties.and_then(|all| all.get(name));
            let about = property.and_then(|property| property.get("description")).and_then(Value::as_str);
            let what = match (about, property) {
                (Some(about), _) => format!("is needed: {about}"),
                (None, Some(property)) => format!("is needed: {}", self.told(property, depth)),
                (None, None) => "is needed".to_owned(),
            };
            return Some(Mistake { place: at(name), what });
        }
        members.iter().find_map(|(name, value)| {
            let known = properties.and_then(|all| all.get(name));
            let one = known.or_else(|| schema.get("additionalProperties"))?;
            if *one == Value::Bool(false) {
                return Some(Mistake { place: at(&cut(name)), what: "is nothing that can be passed".to_owned() });
            }
            let is_left_out = value.is_null() && !required(schema).any(|required| required == name);
            if is_left_out { None } else { self.find(one, value, at(&cut(name)), depth + 1) }
        })
    }

    /// Whether the schema allows the value, as far as schemas of Rust's types go.
    fn fits(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        if depth > DEEPEST {
            return true;
        }
        self.choices(schema).into_iter().any(|schema| {
            if !has_kind(schema, value) || values(schema).is_some_and(|known| !known.contains(&value)) {
                return false;
            }
            match value {
                Value::Number(number) => {
                    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
                    let number = number.as_f64();
                    number.is_none_or(|number| {
                        bound("minimum").is_none_or(|least| number >= least)
                            && bound("maximum").is_none_or(|most| number <= most)
                    })
                }
                Value::Array(items) => {
                    let of = schema.get("items");
                    of.is_none_or(|of| items.iter().all(|item| self.fits(of, item, depth + 1)))
                }
                Value::Object(members) => self.in_object(schema, members, "", depth).is_none(),
                _ => true,
            }
        })
    }

    /// What a value may be.
    fn told(&self, schema: &Value, depth: usize) -> String {
        let mut known: Vec<String> = Vec::new();
        let mut others: Vec<String> = Vec::new();
        for choice in self.choices(schema) {
            if let Some(values) = values(choice) {
                known.extend(values.into_iter().take(LISTED).map(Value::to_string));
                continue;
            }
            let kinds = kinds(choice);
            others.extend(kinds.iter().filter(|kind| **kind != "null").map(|kind| self.kind(kind, choice, depth)));
            if kinds.is_empty() {
                others.push("another value".to_owned());
            }
        }
        let known = match known.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(format!("one of {}", several.join(", "))),
        };
        others.splice(0..0, known);
        others.dedup();
        others.join(" or ")
    }

    fn kind(&self, kind: &str, schema: &Value, depth: usize) -> String {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let range = match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(" from {least}"),
            _ => String::new(),
        };
        match kind {
            "string" => "a text".to_owned(),
            "integer" => format!("a whole number{range}, such as 10"),
            "number" => format!("a number{range}, such as 0.5"),
            "boolean" => "true or false".to_owned(),
            "array" => match schema.get("items").filter(|_| depth < DEEPEST).map(|of| self.told(of, depth + 1)) {
                Some(of) if of == "a text" => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
                Some(of) => format!("a list, each of which is {of}"),
                None => "a list".to_owned(),
            },
            "object" => {
                let of = schema.get("additionalProperties").filter(|of| of.is_object() && depth < DEEPEST);
                match of.map(|of| self.told(of, depth + 1)) {
                    Some(of) => format!("an object, such as {{\"name\": …}}, each member of which is {of}"),
                    None => "an object, such as {\"name\": …}".to_owned(),
                }
            }
            other => other.to_owned(),
        }
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The types that a schema names; none if any will do.
fn kinds(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn has_kind(schema: &Value, value: &Value) -> bool {
    let kinds = kinds(schema);
    let is = |kind: &&str| match *kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    };
    kinds.is_empty() || kinds.iter().any(is)
}

/// The values that are allowed, if they are listed.
fn values(schema: &Value) -> Option<Vec<&Value>> {
    let one = schema.get("const").map(|value| vec![value]);
    one.or_else(|| Some(schema.get("enum")?.as_array()?.iter().filter(|value| !value.is_null()).collect()))
}

/// A value as it is named in a sentence.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {:?}", cut(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Asked {
        /// Words to find.
        query: String,
        #[serde(default)]
        mode: Mode,
        limit: Option<i64>,
        port: Option<u16>,
        deep: Option<bool>,
        names: Option<Vec<String>>,
        labels: Option<BTreeMap<String, String>>,
        budget: Option<Budget>,
        inner: Option<Inner>,
    }

    #[derive(Default, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[allow(dead_code, reason = "only its schema is used")]
    enum Mode {
        #[default]
        Fast,
        /// With a description of its own.
        Slow,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    #[allow(dead_code, reason = "only its schema is used")]
    enum Budget {
        Number(i64),
        Name(String),
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Inner {
        size: u64,
        within: Option<Box<Self>>,
    }

    #[test]
    fn a_mistake_names_the_argument_what_it_may_be_and_what_it_is() {
        let known = Parameters::of::<Asked>();
        for (given, expected) in [
            (json!({}), "query is needed: Words to find."),
            (json!({"query": 5}), "query is a text, and not the number 5."),
            (json!({"query": "x", "limit": "ten"}), "limit is a whole number, such as 10, and not the text \"ten\"."),
            (json!({"query": "x", "limit": 1.5}), "limit is a whole number, such as 10, and not the number 1.5."),
            (
                json!({"query": "x", "port": 70000}),
                "port is a whole number from 0 to 65535, such as 10, and not the number 70000.",
            ),
            (json!({"query": "x", "deep": "perhaps"}), "deep is true or false, and not the text \"perhaps\"."),
            (json!({"query": "x", "mode": "fats"}), "mode is one of \"fast\", \"slow\", and not the text \"fats\"."),
            (
                json!({"query": "x", "names": "a"}),
                "names is a list of texts, such as [\"a\", \"b\"], and not the text \"a\".",
            ),
            (json!({"query": "x", "names": ["a", {}]}), "names[1] is a text, and not an object."),
            (json!({"query": "x", "labels": {"a": 1}}), "labels.a is a text, and not the number 1."),
            (json!({"query": "x", "budget": []}), "budget is a whole number, such as 10 or a text, and not a list."),
            (json!({"query": "x", "inner": {}}), "inner.size is needed: a whole number from 0, such as 10."),
            (
                json!({"query": "x", "inner": {"size": 1, "within": {"size": -1}}}),
                "inner.within.size is a whole number from 0, such as 10, and not the number -1.",
            ),
            (json!({"query": "x", "inner": {"size": 1, "seize": 1}}), "inner.seize is nothing that can be passed."),
            (json!([]), "what is passed as arguments is an object, such as {\"name\": …}, and not a list."),
        ] {
            let mistake = known.mistake(&given).map(|mistake| mistake.sentence(""));
            assert_eq!(mistake.as_deref(), Some(expected), "{given}");
        }
        let fine = json!({"query": "x", "mode": "slow", "limit": null, "budget": "a", "labels": {}, "inner": null});
        assert_eq!(known.mistake(&fine), None);
        assert_eq!(known.names().count(), 9);
    }

    #[test]
    fn a_mistake_in_one_argument_is_told_with_its_name() {
        let known = Parameters::of::<Vec<Inner>>();
        let told = |given: Value| known.mistake(&given).map(|mistake| mistake.sentence("mounts")).unwrap_or_default();
        assert_eq!(told(json!([{"size": 1}, {}])), "mounts[1].size is needed: a whole number from 0, such as 10.");
        assert!(told(json!("x")).starts_with("mounts is a list, each of which is an object"));
    }

    #[test]
    fn what_is_long_or_deep_is_cut() {
        let known = Parameters::of::<Asked>();
        let told = known.mistake(&json!({"query": "x", "mode": "x\u{7}".repeat(1000)})).unwrap();
        assert!(told.what.len() < 200 && !told.what.contains('\u{7}'), "{told:?}");
        let deep = (0..100).fold(json!(1), |inner, _| json!({"size": 1, "within": inner}));
        known.mistake(&json!({"query": "x", "inner": deep}));
    }
}
