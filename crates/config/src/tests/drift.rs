//! The schema and the reader know the same keys, the same defaults and the same forms of values.

use super::World;
use super::schema::assert_valid;
use super::shape::{KINDS, Object, Step, items, objects, read_path};
use crate::read::ASKED;
use crate::tree::{Node, Value};
use crate::{Settings, parse};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// Keys that the reader asks for only to refuse them.
const REFUSED: [(&str, &str); 1] = [("auth", "jwt")];

fn world() -> World {
    World::default()
        .var("CI_TOKEN", "0123456789abcdef")
        .var("NOTES_KEY", "x")
        .file("/run/secrets/state", "0123456789abcdef0123456789abcdef")
        .file("/run/secrets/inbox", "x")
        .file("/run/secrets/notes", "x")
}

/// A file that the reader and the schema have to accept, with every key known.
fn read(file: &Json) -> Settings {
    let text = file.to_string();
    assert_valid(&text);
    let settings = parse(&text, "/etc/p/p.json", &world()).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    for warning in &settings.warnings {
        assert!(!warning.message.contains("no effect"), "{text}\n{warning}");
    }
    settings
}

/// An object that is valid: its example, or an empty one.
fn base(schema: &Node) -> Json {
    schema.get("examples").and_then(|examples| items(examples).first()).map_or(json!({}), Node::json)
}

/// A file that has the object, and in it a key with a value, or without the key.
fn file(object: &Object, key: &str, value: Option<&Json>) -> Json {
    // Some examples have this role.
    let mut file = json!({"policy": {"roles": {"reader": {}}}});
    let mut at = &mut file;
    let objects = objects();
    for (depth, step) in object.path.iter().enumerate() {
        let here = read_path(&object.path[..=depth]);
        // Of a server, the last is its kind, which has an example.
        let base = objects.iter().rfind(|other| other.read_path() == here).map(|other| base(other.schema));
        let base = base.unwrap_or_default();
        at = match step {
            Step::Key(key) => set(at, key, base),
            Step::Name(name) => set(at, name, if *name == "fixture" { json!({"type": name}) } else { base }),
            Step::Item => {
                *at = json!([base]);
                &mut at[0]
            }
        };
    }
    if !at.is_object() {
        *at = json!({});
    }
    let map = at.as_object_mut().unwrap();
    // Either of both is there.
    if key == "sha256" {
        map.remove("token");
    }
    match value {
        Some(value) => map.insert(key.to_owned(), value.clone()),
        None => map.remove(key),
    };
    file
}

fn set<'j>(at: &'j mut Json, key: &str, value: Json) -> &'j mut Json {
    if !at.is_object() {
        *at = json!({});
    }
    at[key] = value;
    &mut at[key]
}

/// Values that the schema gives for a key: examples, the default, the words of an enumeration.
fn samples(object: &Object, key: &str, property: &'static Node) -> Vec<Json> {
    // The type decides what the object is; each kind has its own.
    if let ("type", Some(Step::Name(name))) = (key, object.path.last()) {
        return KINDS.iter().filter(|(_, _, other)| other == name).map(|(_, word, _)| json!(word)).collect();
    }
    let mut samples = Vec::new();
    for schema in [property, property.resolved()] {
        samples.extend(schema.get("examples").map(items).unwrap_or_default().iter().map(Node::json));
        samples.extend(schema.get("default").map(Node::json));
        for schema in [Some(schema), schema.get("anyOf").and_then(|any| items(any).first())].into_iter().flatten() {
            samples.extend(schema.get("enum").map(items).unwrap_or_default().iter().map(Node::json));
        }
        if property.get("examples").is_none() {
            let examples = schema.get("items").and_then(|item| item.resolved().get("examples"));
            samples.extend(examples.map(items).unwrap_or_default().iter().map(|example| json!([example.json()])));
        }
        let kinds = match schema.get("type") {
            Some(Node { value: Value::List(kinds), .. }) => kinds.as_slice(),
            Some(kind) => std::slice::from_ref(kind),
            None => &[],
        };
        for kind in kinds {
            samples.extend(match kind.text() {
                Some("boolean") => vec![json!(true), json!(false)],
                Some("integer") => schema.get("minimum").map(Node::json).into_iter().collect(),
                Some("null") => vec![json!(null)],
                _ => Vec::new(),
            });
        }
    }
    samples
}

#[test]
fn the_reader_asks_for_the_keys_of_the_schema_and_no_others() {
    ASKED.with_borrow_mut(BTreeSet::clear);
    let mut described = BTreeSet::new();
    for object in objects() {
        for (key, property) in object.keys() {
            described.insert((object.read_path(), key));
            let samples = samples(&object, key, property);
            let sample = samples.iter().find(|sample| !sample.is_null());
            // What is only an object is looked into by the files for its own keys.
            read(&file(&object, key, Some(sample.unwrap_or(&json!({})))));
        }
    }
    let mut asked = ASKED.with_borrow(BTreeSet::clone);
    // Some examples have more than one object of a kind.
    let paths: BTreeSet<_> = described.iter().map(|(path, _)| path).collect();
    asked.retain(|(path, key)| paths.contains(path) && !REFUSED.contains(&(path.as_str(), *key)));
    let only = |a: &BTreeSet<(String, &'static str)>, b: &BTreeSet<_>| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!((only(&asked, &described), only(&described, &asked)), (vec![], vec![]), "(reader, schema) alone");
}

#[test]
fn every_value_that_the_schema_shows_is_accepted() {
    for object in objects() {
        for (key, property) in object.keys() {
            for sample in samples(&object, key, property) {
                let required = object.requires(key) || matches!(key, "token" | "sha256");
                if !(required && sample.is_null()) {
                    read(&file(&object, key, Some(&sample)));
                }
            }
        }
    }
}

#[test]
fn a_default_is_what_an_absent_key_means() {
    let mut checked = 0;
    for object in objects() {
        for (key, property) in object.keys() {
            let Some(default) = property.get("default") else { continue };
            let (with, without) = (file(&object, key, Some(&default.json())), file(&object, key, None));
            assert_eq!(read(&with).effective_json(), read(&without).effective_json(), "{with}");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn every_key_is_described() {
    for object in objects() {
        for (key, property) in object.keys() {
            let description = property.get("description").or_else(|| property.resolved().get("description"));
            let sound =
                description.and_then(Node::text).is_some_and(|text| text.len() > 8 && text.ends_with(['.', ')']));
            assert!(sound, "{}.{key}", object.read_path());
        }
    }
}
