//! A schema in a document demands what it demanded by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod hostile;

use mcp::Raw;
use openapi::{Document, Info, Validator};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The schema as the document has it, with the document around it for its references.
fn rewritten(schema: &Value) -> Value {
    let tool = hostile::tool("t", &Raw::of(schema));
    let mut document = Document::new(Info { title: String::new(), version: String::new(), description: String::new() });
    document.tools([&tool]);
    let mut document: Value = serde_json::from_slice(&document.render()).unwrap();
    json!({"$ref": "#/components/schemas/t_form_model", "components": document["components"].take()})
}

fn compiled(schema: &Value) -> Option<jsonschema::Validator> {
    jsonschema::options().offline().should_validate_formats(false).build(schema).ok()
}

fn name() -> impl Strategy<Value = String> + Clone {
    prop::sample::select(vec!["a", "b", "c", "$ref", "x/y", "~", "é", ""]).prop_map(String::from).boxed()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..6).prop_map(Value::from),
        Just(json!(1.5)),
        prop::sample::select(vec!["", "a", "b", "abc", "#/$defs/d0"]).prop_map(Value::from),
    ]
}

fn instance() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name(), inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Arguments are objects; what else an instance is stands in one.
fn arguments() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(name(), instance(), 0..6).prop_map(|m| Value::Object(m.into_iter().collect()))
}

fn leaf(definitions: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec!["string", "integer", "number", "object", "array", "boolean", "null"])
            .prop_map(|t| json!({ "type": t })),
        Just(json!({"type": ["string", "null"], "default": {"$ref": "#/nowhere"}})),
        (0..4i64, 0..4i64).prop_map(|(a, b)| json!({"minimum": a, "maxLength": b, "minItems": 1})),
        Just(json!({"pattern": "^[ab]", "multipleOf": 2, "uniqueItems": true})),
        prop::collection::vec(scalar(), 1..4).prop_map(|v| json!({ "enum": v })),
        scalar().prop_map(|v| json!({ "const": v })),
        (0..3u8).prop_map(move |i| json!({"$ref": format!("#/{definitions}/d{i}")})),
        Just(json!({"$ref": "#"})),
        Just(json!({"$ref": "#/properties/a"})),
        Just(json!({"$ref": format!("#/{definitions}/x~1y~0%C3%A9"), "maxProperties": 2})),
        Just(json!({"$ref": "#named"})),
    ]
}

fn schema(definitions: &'static str, modern: bool) -> impl Strategy<Value = Value> {
    leaf(definitions).prop_recursive(3, 20, 4, move |inner| {
        let map = prop::collection::btree_map(name(), inner.clone(), 0..4)
            .prop_map(|m| Value::Object(m.into_iter().collect()))
            .boxed();
        let list = prop::collection::vec(inner.clone(), 1..3).prop_map(Value::from).boxed();
        let required = prop::collection::btree_set(name(), 0..2);
        prop_oneof![
            (map.clone(), required).prop_map(|(m, r)| json!({"type": "object", "properties": m, "required": r})),
            (map.clone(), inner.clone()).prop_map(|(m, i)| json!({"properties": m, "additionalProperties": i})),
            inner.clone().prop_map(|i| json!({ "items": i })),
            (list.clone(), inner.clone()).prop_map(move |(l, i)| if modern {
                json!({"prefixItems": l, "items": i})
            } else {
                json!({"items": l, "additionalItems": i})
            }),
            (prop::sample::select(vec!["anyOf", "oneOf", "allOf"]), list).prop_map(|(k, l)| json!({ k: l })),
            inner.clone().prop_map(|i| json!({ "not": i })),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(i, t, e)| json!({"if": i, "then": t, "else": e})),
            inner.clone().prop_map(|i| json!({"patternProperties": {"^[a-c]$": i}, "propertyNames": {"maxLength": 3}})),
            (name(), inner.clone()).prop_map(move |(n, i)| if modern {
                json!({"dependentSchemas": {n: i}, "dependentRequired": {"a": ["b"]}})
            } else {
                json!({"dependencies": {n: i, "a": ["b"]}})
            }),
            inner.clone().prop_map(|i| json!({"contains": i})),
            (inner.clone(), inner).prop_map(|(a, b)| json!({"allOf": [a], "properties": {"a": b}})),
        ]
    })
}

/// A whole schema of a draft, with definitions that anything in it may refer to.
fn whole(modern: bool) -> impl Strategy<Value = Value> {
    let definitions = if modern { "$defs" } else { "definitions" };
    let inner = || schema(definitions, modern);
    (inner(), inner(), inner(), inner(), inner(), inner()).prop_map(move |(a, b, d0, d1, d2, odd)| {
        let named =
            if modern { json!({"$anchor": "named", "minLength": 1}) } else { json!({"$id": "#named", "minLength": 1}) };
        let mut schema = json!({
            "type": "object", "properties": {"a": a, "b": b},
            definitions: {"d0": d0, "d1": d1, "d2": d2, "x/y~é": odd, "named": named},
        });
        if !modern {
            schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
        }
        schema
    })
}

/// Compares the two, and ours with both. Schemas that refer in a circle mean nothing definite.
fn assert_equivalent(schema: &Value, arguments: &[Value]) -> Result<(), TestCaseError> {
    let ours = Validator::new(&Raw::of(schema));
    prop_assume!(ours.unchecked().is_none());
    let (Some(original), rewritten) = (compiled(schema), rewritten(schema)) else {
        return Err(TestCaseError::fail("the original does not compile"));
    };
    let Some(compiled) = compiled(&rewritten) else {
        return Err(TestCaseError::fail(format!("the rewritten schema does not compile: {rewritten}")));
    };
    for arguments in arguments {
        let valid = original.is_valid(arguments);
        prop_assert_eq!(valid, compiled.is_valid(arguments), "{} in {} and {}", arguments, schema, rewritten);
        let passed = ours.validate(arguments.to_string().into());
        prop_assert_eq!(valid, passed.is_ok(), "{} in {}: {:?}", arguments, schema, passed);
    }
    Ok(())
}

/// Anything under the keys that a schema has.
fn anything() -> impl Strategy<Value = Value> {
    let keyword = prop::sample::select(vec![
        "$ref",
        "$dynamicRef",
        "$recursiveRef",
        "$id",
        "id",
        "$schema",
        "$anchor",
        "$dynamicAnchor",
        "$defs",
        "definitions",
        "type",
        "enum",
        "const",
        "default",
        "properties",
        "patternProperties",
        "additionalProperties",
        "items",
        "prefixItems",
        "additionalItems",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "then",
        "required",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "minimum",
        "exclusiveMinimum",
        "multipleOf",
        "maxLength",
        "pattern",
        "format",
        "title",
        "description",
        "examples",
        "discriminator",
        "mapping",
        "propertyName",
        "xml",
        "x-a",
        "a",
    ]);
    let text = prop::sample::select(vec![
        "",
        "#",
        "#/",
        "#/$defs/a",
        "#/properties/a",
        "#a",
        "a",
        "http://x/y",
        "object",
        "string",
        "([",
        "^a",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-04/schema#",
    ]);
    let leaf = prop_oneof![3 => text.prop_map(Value::from), 1 => scalar()];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::btree_map(keyword.clone().prop_map(String::from), inner, 0..6)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn anything_at_all_gives_a_sound_document_and_a_validator(schema in anything(), arguments in arguments()) {
        let tool = hostile::tool("t", &Raw::of(&schema));
        let mut document =
            Document::new(Info { title: String::new(), version: String::new(), description: String::new() });
        document.tools([&tool]);
        let document: Value = serde_json::from_slice(&document.render()).unwrap();
        hostile::assert_sound(&schema.to_string(), &document);
        let _ = Validator::new(&Raw::of(&schema)).validate(arguments.to_string().into());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_modern_schema_demands_the_same_in_a_document(
        schema in whole(true), instances in prop::collection::vec(arguments(), 6),
    ) {
        assert_equivalent(&schema, &instances)?;
    }

    #[test]
    fn an_old_schema_demands_the_same_in_a_document(
        schema in whole(false), instances in prop::collection::vec(arguments(), 6),
    ) {
        assert_equivalent(&schema, &instances)?;
    }
}
