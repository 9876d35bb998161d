//! What is wrong with a body, in the shape and the words of FastAPI's 422.
//!
//! Callers of mcpo, models among them, know these answers; types and sentences are pydantic's where
//! it has one for the keyword.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io;

/// The most details that are reported.
pub const MOST_DETAILS: usize = 100;
/// Values longer than this, as JSON, are not echoed but shown by their beginning.
const LONGEST_INPUT: usize = 1024;
const SHOWN_INPUT: usize = 200;
/// Texts that a schema decides the length of are cut here.
const LONGEST_TEXT: usize = 500;
/// Values of an enumeration that are named.
const MOST_NAMED: usize = 50;

/// Why a body was refused: FastAPI's `{"detail": […]}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Invalid {
    /// At least one, at most [`MOST_DETAILS`].
    #[serde(rename = "detail")]
    pub details: Vec<Detail>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detail {
    /// A word for programs, such as `missing`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where: `body`, then keys and positions.
    pub loc: Vec<Step>,
    /// A sentence for people.
    pub msg: String,
    /// What was there, or its beginning.
    pub input: Value,
    /// What the sentence is about, as values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Map<String, Value>>,
}

/// One step of a location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into an array, or a place in text that is no JSON.
    At(usize),
}

impl From<Detail> for Invalid {
    fn from(detail: Detail) -> Self {
        Self { details: vec![detail] }
    }
}

impl Detail {
    fn new(kind: &'static str, loc: Vec<Step>, msg: impl Into<String>, input: &Value) -> Self {
        Self { kind, loc, msg: msg.into(), input: shown(input), ctx: None }
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.ctx.get_or_insert_default().insert(key.to_owned(), value.into());
        self
    }

    /// There is no body, and the tool needs one.
    pub(crate) fn no_body() -> Self {
        Self::new("missing", body(), "Field required", &Value::Null)
    }

    /// The body is not JSON as we take it.
    pub(crate) fn not_json(at: Option<usize>, why: &str) -> Self {
        let mut loc = body();
        loc.extend(at.map(Step::At));
        Self::new("json_invalid", loc, "JSON decode error", &json!({})).with("error", why)
    }

    /// The body is no object.
    pub(crate) fn no_object(input: &Value) -> Self {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        Self::new("model_attributes_type", body(), msg, input)
    }

    /// The body is wrong somewhere, and to say where would take too long.
    pub(crate) fn somewhere(input: &Value) -> Self {
        let msg = "Value error, the arguments do not match the input schema of the tool";
        Self::new("value_error", body(), msg, input)
    }
}

fn body() -> Vec<Step> {
    vec![Step::Key("body".into())]
}

/// The details of what a validator found, as many as are reported.
pub(crate) fn details<'e>(errors: impl Iterator<Item = ValidationError<'e>>, arguments: &Value) -> Vec<Detail> {
    let mut found = Vec::new();
    for error in errors {
        describe(&error, arguments, &mut found);
        if found.len() >= MOST_DETAILS {
            found.truncate(MOST_DETAILS);
            break;
        }
    }
    found
}

fn location(error: &ValidationError<'_>) -> Vec<Step> {
    let mut loc = body();
    loc.extend(error.instance_path().iter().map(|segment| match segment {
        LocationSegment::Property(key) => Step::Key(key.into_owned()),
        LocationSegment::Index(at) => Step::At(at),
    }));
    loc
}

/// Appends what `error` is about: usually one detail.
fn describe(error: &ValidationError<'_>, arguments: &Value, found: &mut Vec<Detail>) {
    use ValidationErrorKind as Kind;
    let input = error.instance().as_ref();
    let loc = location(error);
    // Where an object may have no member at all, the library reports the first one it has, at the
    // place of the object.
    let closed = arguments.pointer(error.instance_path().as_str()).and_then(Value::as_object);
    let new = |kind, msg: String| Detail::new(kind, loc.clone(), msg, input);
    let detail = match error.kind() {
        Kind::Required { property } => {
            let key = property.as_str().map_or_else(|| property.to_string(), str::to_owned);
            let mut detail = new("missing", "Field required".into());
            detail.loc.push(Step::Key(key));
            detail
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let room = MOST_DETAILS.saturating_sub(found.len());
            found.extend(unexpected.iter().take(room).map(|key| {
                let mut detail = extra(loc.clone(), input.get(key).unwrap_or(&Value::Null));
                detail.loc.push(Step::Key(key.clone()));
                detail
            }));
            return;
        }
        Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") && closed.is_some() => {
            let room = MOST_DETAILS.saturating_sub(found.len());
            found.extend(closed.into_iter().flatten().take(room).map(|(key, value)| {
                let mut detail = extra(loc.clone(), value);
                detail.loc.push(Step::Key(key.clone()));
                detail
            }));
            return;
        }
        Kind::FalseSchema if loc.len() > 1 => extra(loc, input),
        Kind::Type { kind } => wrong_type(kind, loc, input),
        Kind::Enum { options } => {
            let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
            let expected = alternatives(options);
            new("enum", format!("Input should be {expected}")).with("expected", expected)
        }
        Kind::Constant { expected_value } => {
            let expected = literal(expected_value);
            new("literal_error", format!("Input should be {expected}")).with("expected", expected)
        }
        Kind::Minimum { limit } => {
            new("greater_than_equal", format!("Input should be greater than or equal to {limit}"))
                .with("ge", limit.clone())
        }
        Kind::ExclusiveMinimum { limit } => {
            new("greater_than", format!("Input should be greater than {limit}")).with("gt", limit.clone())
        }
        Kind::Maximum { limit } => {
            new("less_than_equal", format!("Input should be less than or equal to {limit}")).with("le", limit.clone())
        }
        Kind::ExclusiveMaximum { limit } => {
            new("less_than", format!("Input should be less than {limit}")).with("lt", limit.clone())
        }
        Kind::MultipleOf { multiple_of } => {
            new("multiple_of", format!("Input should be a multiple of {multiple_of}")).with("multiple_of", *multiple_of)
        }
        Kind::MinLength { limit } => {
            let unit = plural(*limit, "character");
            new("string_too_short", format!("String should have at least {limit} {unit}")).with("min_length", *limit)
        }
        Kind::MaxLength { limit } => {
            let unit = plural(*limit, "character");
            new("string_too_long", format!("String should have at most {limit} {unit}")).with("max_length", *limit)
        }
        Kind::Pattern { pattern } => {
            let pattern = cut(pattern);
            new("string_pattern_mismatch", format!("String should match pattern '{pattern}'")).with("pattern", pattern)
        }
        Kind::MinItems { limit } => too_short("List", *limit, loc, input),
        Kind::MinProperties { limit } => too_short("Dictionary", *limit, loc, input),
        Kind::MaxItems { limit } => too_long("List", *limit, loc, input),
        Kind::AdditionalItems { limit } => too_long("List", u64::try_from(*limit).unwrap_or(u64::MAX), loc, input),
        Kind::MaxProperties { limit } => too_long("Dictionary", *limit, loc, input),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            return alternative(error, context, arguments, found);
        }
        Kind::OneOfMultipleValid { .. } => {
            new("value_error", "Value error, input matches more than one of the forms of which it may match one".into())
        }
        Kind::Not { .. } => new("value_error", "Value error, input has a form that is not allowed".into()),
        _ => new("value_error", format!("Value error, {}", cut(&error.masked_with("input").to_string()))),
    };
    found.push(detail);
}

fn extra(loc: Vec<Step>, input: &Value) -> Detail {
    Detail::new("extra_forbidden", loc, "Extra inputs are not permitted", input)
}

/// Of several forms, what is reported is what is wrong with the one that was meant: the only one
/// whose type fits. A caller who sent a number for "a text or nothing" learns that it should be a
/// text.
fn alternative(
    error: &ValidationError<'_>,
    forms: &[Vec<ValidationError<'static>>],
    arguments: &Value,
    found: &mut Vec<Detail>,
) {
    let wrong = |form: &&Vec<ValidationError<'static>>, types: fn(&TypeKind) -> bool| {
        form.iter().any(|inner| {
            inner.instance_path() == error.instance_path()
                && matches!(inner.kind(), ValidationErrorKind::Type { kind } if types(kind))
        })
    };
    let of_type: Vec<_> = forms.iter().filter(|form| !wrong(form, |_| true)).collect();
    let not_null = |kind: &TypeKind| matches!(kind, TypeKind::Single(JsonType::Null));
    let not_nothing: Vec<_> = forms.iter().filter(|form| !wrong(form, not_null)).collect();
    let (([meant], _) | ([], [meant])) = (of_type.as_slice(), not_nothing.as_slice()) else {
        let msg = "Value error, input matches none of the forms that are allowed";
        found.push(Detail::new("value_error", location(error), msg, error.instance()));
        return;
    };
    for inner in meant.iter().take(MOST_DETAILS.saturating_sub(found.len())) {
        describe(inner, arguments, found);
    }
}

fn wrong_type(kind: &TypeKind, loc: Vec<Step>, input: &Value) -> Detail {
    let types: Vec<JsonType> = match kind {
        TypeKind::Single(single) => vec![*single],
        TypeKind::Multiple(several) => several.iter().collect(),
    };
    let not_null: Vec<JsonType> = types.iter().copied().filter(|t| *t != JsonType::Null).collect();
    match (types.as_slice(), not_null.as_slice()) {
        ([only], _) | (_, [only]) => {
            let (kind, msg) = expected(*only);
            Detail::new(kind, loc, format!("Input should be {msg}"), input)
        }
        _ => {
            let names: Vec<String> = types.iter().map(|t| expected(*t).1.to_owned()).collect();
            Detail::new("value_error", loc, format!("Value error, input should be {}", joined(&names)), input)
        }
    }
}

const fn expected(kind: JsonType) -> (&'static str, &'static str) {
    match kind {
        JsonType::Null => ("none_required", "null"),
        JsonType::Boolean => ("bool_type", "a valid boolean"),
        JsonType::Integer => ("int_type", "a valid integer"),
        JsonType::Number => ("float_type", "a valid number"),
        JsonType::String => ("string_type", "a valid string"),
        JsonType::Array => ("list_type", "a valid list"),
        JsonType::Object => ("dict_type", "a valid dictionary"),
    }
}

fn length(input: &Value) -> usize {
    match input {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

fn too_short(what: &'static str, limit: u64, loc: Vec<Step>, input: &Value) -> Detail {
    let (actual, unit) = (length(input), plural(limit, "item"));
    let msg = format!("{what} should have at least {limit} {unit} after validation, not {actual}");
    let detail = Detail::new("too_short", loc, msg, input);
    detail.with("field_type", what).with("min_length", limit).with("actual_length", actual)
}

fn too_long(what: &'static str, limit: u64, loc: Vec<Step>, input: &Value) -> Detail {
    let (actual, unit) = (length(input), plural(limit, "item"));
    let msg = format!("{what} should have at most {limit} {unit} after validation, not {actual}");
    let detail = Detail::new("too_long", loc, msg, input);
    detail.with("field_type", what).with("max_length", limit).with("actual_length", actual)
}

fn plural(count: u64, unit: &str) -> String {
    if count == 1 { unit.to_owned() } else { format!("{unit}s") }
}

/// `'a', 'b' or 'c'`
fn alternatives(options: &[Value]) -> String {
    let mut names: Vec<String> = options.iter().take(MOST_NAMED).map(literal).collect();
    if options.len() > MOST_NAMED {
        names.push(format!("one of {} more values", options.len() - MOST_NAMED));
    }
    joined(&names)
}

fn joined(names: &[String]) -> String {
    match names {
        [] => "nothing".into(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", cut(text)),
        other => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let kept: String = text.chars().take(SHOWN_INPUT).collect();
    format!("{kept}…")
}

/// A value as it is echoed. Its length is not known before it is written, and a hundred details may
/// each be about the whole body, so writing stops at the limit.
fn shown(input: &Value) -> Value {
    let mut text = Bounded(Vec::new());
    if serde_json::to_writer(&mut text, input).is_ok() {
        return input.clone();
    }
    let kept: String = String::from_utf8_lossy(&text.0).chars().take(SHOWN_INPUT).collect();
    Value::String(format!("{kept}…"))
}

struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LONGEST_INPUT.saturating_sub(self.0.len()).min(bytes.len());
        self.0.extend(bytes.iter().take(room));
        if room < bytes.len() { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(room) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
