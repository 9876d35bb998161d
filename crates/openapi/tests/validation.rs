//! Bodies checked against schemas, and the answers that mcpo's callers know.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod hostile;

use mcp::Raw;
use openapi::{Reply, Validator};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn validator(schema: &Value) -> Validator {
    Validator::new(&Raw::of(schema))
}

/// The details of a refused body.
fn details(schema: &Value, body: &str) -> Value {
    let invalid = validator(schema).validate(body.to_owned().into()).expect_err(body);
    let reply = Reply::of_invalid(&invalid);
    assert_eq!(reply.status, 422);
    serde_json::from_slice::<Value>(&reply.body).unwrap()["detail"].clone()
}

fn detail(schema: &Value, body: &str) -> Value {
    let all = details(schema, body);
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    all[0].clone()
}

/// A schema for one argument `a`.
fn a(schema: &Value) -> Value {
    json!({"type": "object", "properties": {"a": schema}})
}

#[test]
fn the_answers_of_mcpo_are_answered() {
    let time = json!({"type": "object", "properties": {"timezone": {"type": "string"}}, "required": ["timezone"]});
    assert_eq!(
        details(&time, "{}"),
        json!([{"type": "missing", "loc": ["body", "timezone"], "msg": "Field required", "input": {}}])
    );
    assert_eq!(
        details(&time, r#"{"timezone":5}"#),
        json!([{"type": "string_type", "loc": ["body", "timezone"], "msg": "Input should be a valid string", "input": 5}])
    );
    assert_eq!(
        details(&time, "{x"),
        json!([{"type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error", "input": {},
                "ctx": {"error": "expected a key in double quotes at byte 1"}}])
    );
    assert_eq!(
        details(&time, ""),
        json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}])
    );
    assert_eq!(
        details(&time, "[1]"),
        json!([{"type": "model_attributes_type", "loc": ["body"], "input": [1],
                "msg": "Input should be a valid dictionary or object to extract fields from"}])
    );
}

#[test]
fn every_keyword_has_its_word_and_sentence() {
    for (schema, value, kind, msg, ctx) in [
        (json!({"type": "integer"}), "\"1\"", "int_type", "Input should be a valid integer", Value::Null),
        (json!({"type": "integer"}), "1.5", "int_type", "Input should be a valid integer", Value::Null),
        (json!({"type": "number"}), "\"1\"", "float_type", "Input should be a valid number", Value::Null),
        (json!({"type": "boolean"}), "0", "bool_type", "Input should be a valid boolean", Value::Null),
        (json!({"type": "array"}), "{}", "list_type", "Input should be a valid list", Value::Null),
        (json!({"type": "object"}), "[]", "dict_type", "Input should be a valid dictionary", Value::Null),
        (json!({"type": "null"}), "0", "none_required", "Input should be null", Value::Null),
        (json!({"type": ["string", "null"]}), "0", "string_type", "Input should be a valid string", Value::Null),
        (
            json!({"type": ["string", "boolean"]}),
            "0",
            "value_error",
            "Value error, input should be a valid boolean or a valid string",
            Value::Null,
        ),
        (
            json!({"enum": ["a", "b", "c"]}),
            "\"d\"",
            "enum",
            "Input should be 'a', 'b' or 'c'",
            json!({"expected": "'a', 'b' or 'c'"}),
        ),
        (json!({"const": "x"}), "1", "literal_error", "Input should be 'x'", json!({"expected": "'x'"})),
        (
            json!({"minimum": 1}),
            "0",
            "greater_than_equal",
            "Input should be greater than or equal to 1",
            json!({"ge": 1}),
        ),
        (json!({"exclusiveMinimum": 1}), "1", "greater_than", "Input should be greater than 1", json!({"gt": 1})),
        (
            json!({"maximum": 1.5}),
            "2",
            "less_than_equal",
            "Input should be less than or equal to 1.5",
            json!({"le": 1.5}),
        ),
        (json!({"exclusiveMaximum": 1}), "1", "less_than", "Input should be less than 1", json!({"lt": 1})),
        (json!({"multipleOf": 5}), "7", "multiple_of", "Input should be a multiple of 5", json!({"multiple_of": 5.0})),
        (
            json!({"minLength": 1}),
            "\"\"",
            "string_too_short",
            "String should have at least 1 character",
            json!({"min_length": 1}),
        ),
        (
            json!({"maxLength": 2}),
            "\"ééé\"",
            "string_too_long",
            "String should have at most 2 characters",
            json!({"max_length": 2}),
        ),
        (
            json!({"pattern": "^a"}),
            "\"b\"",
            "string_pattern_mismatch",
            "String should match pattern '^a'",
            json!({"pattern": "^a"}),
        ),
        (
            json!({"minItems": 2}),
            "[1]",
            "too_short",
            "List should have at least 2 items after validation, not 1",
            json!({"field_type": "List", "min_length": 2, "actual_length": 1}),
        ),
        (
            json!({"maxItems": 1}),
            "[1,2]",
            "too_long",
            "List should have at most 1 item after validation, not 2",
            json!({"field_type": "List", "max_length": 1, "actual_length": 2}),
        ),
        (
            json!({"minProperties": 1}),
            "{}",
            "too_short",
            "Dictionary should have at least 1 item after validation, not 0",
            json!({"field_type": "Dictionary", "min_length": 1, "actual_length": 0}),
        ),
        (json!(false), "1", "extra_forbidden", "Extra inputs are not permitted", Value::Null),
        (
            json!({"not": {"type": "string"}}),
            "\"\"",
            "value_error",
            "Value error, input has a form that is not allowed",
            Value::Null,
        ),
    ] {
        let found = detail(&a(&schema), &format!("{{\"a\":{value}}}"));
        assert_eq!((found["type"].as_str(), found["msg"].as_str()), (Some(kind), Some(msg)), "{schema}");
        assert_eq!(found.get("ctx").cloned().unwrap_or_default(), ctx, "{schema}");
        assert_eq!(found["loc"], json!(["body", "a"]), "{schema}");
        assert_eq!(found["input"], serde_json::from_str::<Value>(value).unwrap(), "{schema}");
    }
}

#[test]
fn a_detail_says_where() {
    let schema = a(&json!({"type": "array", "items": {"type": "object", "properties": {"x/y": {"type": "string"}}}}));
    assert_eq!(detail(&schema, r#"{"a":[{},{"x/y":1}]}"#)["loc"], json!(["body", "a", 1, "x/y"]));
    let strict = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let all = details(&strict, r#"{"p":1,"q":[2]}"#);
    assert_eq!(all[0]["loc"], json!(["body", "p"]));
    assert_eq!(all[1]["input"], json!([2]));
    assert_eq!(all[1]["type"], "extra_forbidden");
    let closed = json!({"type": "object", "additionalProperties": false});
    assert_eq!(details(&closed, r#"{"p":1,"q":[2]}"#), all);
}

#[test]
fn of_several_forms_the_one_that_was_meant_is_explained() {
    let optional = a(&json!({"anyOf": [{"type": "string"}, {"type": "null"}]}));
    assert_eq!(detail(&optional, r#"{"a":5}"#)["type"], "string_type");
    let forms = a(&json!({"oneOf": [{"type": "string", "minLength": 3}, {"type": "integer"}]}));
    assert_eq!(detail(&forms, r#"{"a":"x"}"#)["type"], "string_too_short");
    assert_eq!(detail(&forms, r#"{"a":[]}"#)["type"], "value_error");
    let both = a(&json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}));
    assert_eq!(detail(&both, r#"{"a":5}"#)["type"], "value_error");
}

#[test]
fn arguments_that_pass_are_the_bytes_that_came() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "number"}, "d": {"default": 5}}});
    let body = "  {\"n\" : 1.50 , \"other\":\"\\u0041\"}\n";
    let passed = validator(&schema).validate(body.into()).unwrap();
    assert_eq!(passed.bytes().as_ref(), body.trim().as_bytes());
    let empty = validator(&schema).validate(" \n".into()).unwrap();
    assert_eq!(empty.bytes().as_ref(), b"{}");
}

#[test]
fn json_that_readers_understand_differently_is_refused() {
    let any = json!({"type": "object"});
    for (body, loc) in [
        (r#"{"a":1,"\u0061":2}"#, json!(["body"])),
        (r#"{"a":"\ud800"}"#, json!(["body", 6])),
        (r#"{"a":1}x"#, json!(["body", 7])),
        (r#"{"a":1e999}"#, json!(["body", 9])),
    ] {
        let found = detail(&any, body);
        assert_eq!(found["type"], "json_invalid", "{body}");
        assert_eq!(found["loc"], loc, "{body}: {found}");
        assert!(found["ctx"]["error"].is_string(), "{body}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert_eq!(detail(&any, &deep)["ctx"]["error"], "nested deeper than 127 levels at byte 131");
}

#[test]
fn what_is_answered_is_bounded() {
    let schema = json!({"type": "object", "additionalProperties": {"type": "string", "maxLength": 10}});
    let members: Vec<_> = (0..2000).map(|i| format!("\"k{i}\":{i}")).collect();
    let many = details(&schema, &format!("{{{}}}", members.join(",")));
    assert_eq!(many.as_array().unwrap().len(), 100, "{many}");
    // Of a large body it is only said that it is wrong: to find out where would cost more than it is worth.
    let members: Vec<_> = (0..50_000).map(|i| format!("\"k{i}\":{i}")).collect();
    let coarse = details(&schema, &format!("{{{}}}", members.join(",")));
    assert_eq!((coarse.as_array().unwrap().len(), &coarse[0]["loc"]), (1, &json!(["body"])));
    let large = detail(&schema, &format!("{{\"a\":\"{}\"}}", "é".repeat(1_000_000)));
    assert!(large.to_string().len() < 2000);
    assert!(large["input"].to_string().contains('…'), "{large}");
    let names: Vec<_> = (0..10_000).map(|i| format!("value {i}")).collect();
    assert!(detail(&a(&json!({"enum": names})), r#"{"a":1}"#).to_string().len() < 5000);
    let strict = json!({"type": "object", "properties": {}, "additionalProperties": false});
    assert_eq!(details(&strict, &format!("{{{}}}", members[..2000].join(","))).as_array().unwrap().len(), 100);
}

/// Runs on as little stack as a worker thread has.
fn quickly(what: &str, check: impl FnOnce() + Send + 'static) {
    let begun = Instant::now();
    std::thread::Builder::new().stack_size(2 << 20).spawn(check).unwrap().join().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{what} took {:?}", begun.elapsed());
}

fn nested(depth: usize, leaf: &str) -> String {
    format!("{}{leaf}{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

#[test]
fn patterns_do_not_explode() {
    for pattern in ["^(a+)+$", "^(?=(a+)+$)a", "^(a|aa)+$", "(?!(a+)+$)b", "((a{100}){100}){100}", r"^(\w+\s?)*$"] {
        quickly(pattern, move || {
            let body = format!("{{\"a\":\"{}!\"}}", "a".repeat(50_000));
            let _ = validator(&a(&json!({ "pattern": pattern }))).validate(body.into());
        });
    }
}

#[test]
fn looking_around_works() {
    let schema = a(&json!({"pattern": "^(?!admin$).+$"}));
    assert_eq!(validator(&schema).unchecked(), None);
    assert_eq!(detail(&schema, r#"{"a":"admin"}"#)["type"], "string_pattern_mismatch");
    assert!(validator(&schema).validate(r#"{"a":"user"}"#.into()).is_ok());
}

#[test]
fn recursion_of_schemas_and_arguments_ends() {
    let recursive = json!({"type": "object", "properties": {"a": {"$ref": "#"}}});
    let twice = json!({"type": "object", "anyOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]});
    let through = json!({"$ref": "#/$defs/a", "$defs": {
        "a": {"oneOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}, {"$ref": "#/$defs/c"}]},
        "b": {"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/c"}]}}},
        "c": {"type": "object", "properties": {"a": {"not": {"$ref": "#/$defs/b"}}}}}});
    let items = json!({"type": "object", "additionalProperties": {"$ref": "#"}, "anyOf": [{"minProperties": 1}, {"maxProperties": 9}]});
    let unevaluated = json!({"type": "object", "unevaluatedProperties": false,
        "anyOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]});
    for schema in [recursive, twice, through, items, unevaluated] {
        for depth in [1, 8, 20, 60, 126] {
            let schema = schema.clone();
            quickly(&format!("{schema} at {depth}"), move || {
                let validator = validator(&schema);
                let _ = validator.validate(nested(depth, "1").into());
                let _ = validator.validate(nested(depth, "{}").into());
            });
        }
    }
}

#[test]
fn chains_and_fans_of_references_end() {
    for (length, times, depth) in
        [(700, 1, 1), (90, 1, 10), (12, 2, 1), (17, 2, 1), (3, 20, 1), (60, 2, 1), (5, 6, 100)]
    {
        quickly(&format!("{length} × {times}"), move || {
            let validator = Validator::new(&hostile::read(&hostile::chain(length, times)));
            let _ = validator.validate(nested(depth, "1").into());
        });
    }
    // Each schema names the next one twice, a level further down.
    quickly("a fan below", || {
        let mut definitions = serde_json::Map::new();
        for i in 0..50 {
            let next = json!({"properties": {"a": {"$ref": format!("#/$defs/d{}", i + 1)}}});
            definitions.insert(format!("d{i}"), json!({"anyOf": [next, next]}));
        }
        definitions.insert("d50".into(), json!({"type": "string"}));
        let validator = validator(&json!({"$ref": "#/$defs/d0", "$defs": definitions}));
        let _ = validator.validate(nested(60, "1").into());
    });
}

#[test]
fn a_schema_nested_as_deep_as_can_be_is_checked() {
    quickly("deep", || {
        let mut schema = json!({"type": "string"});
        for _ in 0..60 {
            schema = json!({"properties": {"a": schema}});
        }
        let schema = json!({"type": "object", "properties": {"a": schema}});
        assert_eq!(detail(&schema, &nested(61, "1"))["type"], "string_type");
        let mut schema = json!({"required": ["x"]});
        for _ in 0..60 {
            schema = json!({"allOf": [schema]});
        }
        assert_eq!(detail(&schema, "{}")["type"], "missing");
    });
}

#[test]
fn nothing_is_fetched() {
    quickly("a web page", || {
        let schema = json!({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/schema.json"}}});
        let validator = validator(&schema);
        assert!(validator.unchecked().unwrap().contains("only partly checked"), "{:?}", validator.unchecked());
        assert!(validator.validate(r#"{"a":1}"#.into()).is_ok());
    });
}

#[test]
fn what_would_take_long_to_check_is_left_to_the_server() {
    let forms: Vec<Value> = (0..3000).map(|n| json!({"type": "object", "required": [format!("k{n}")]})).collect();
    let schema = a(&json!({"type": "array", "items": {"anyOf": forms}}));
    let validator = validator(&schema);
    let body = format!("{{\"a\":[{}0]}}", "0,".repeat(2000));
    let begun = Instant::now();
    assert!(validator.validate(body.into()).is_ok());
    assert!(validator.validate(r#"{"a":[0]}"#.into()).is_err(), "what is small is checked");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_tool_with_very_many_patterns_is_not_checked() {
    let properties: serde_json::Map<String, Value> =
        (0..3000).map(|n| (format!("p{n}"), json!({"pattern": format!("^\\p{{L}}{{10}}x{n}$")}))).collect();
    let begun = Instant::now();
    let validator = validator(&json!({"type": "object", "properties": properties}));
    assert!(validator.unchecked().is_some_and(|why| why.contains("patterns")), "{:?}", validator.unchecked());
    assert!(begun.elapsed() < Duration::from_secs(20));
}
