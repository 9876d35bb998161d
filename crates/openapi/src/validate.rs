//! Arguments checked against a tool's input schema, before the server sees them.
//!
//! The schema comes from a server that may be careless or hostile, and the arguments from anyone;
//! a check must neither fail the server nor hold a thread. So: nothing is fetched; regular
//! expressions run in linear time or, for the few that look around, within a budget; a schema that
//! unfolds to more than can be checked is not checked, nor are arguments so deep that checking them
//! would need more stack than a thread has. What is not checked here is forwarded, and the server
//! judges it: to refuse what may be right is the worse mistake. Formats are left to servers too: in
//! 2020-12 they are annotations.
//!
//! Arguments that pass are forwarded as the bytes that came. Nothing is coerced and no default is
//! filled in.

use crate::body;
use crate::detail::{Detail, Invalid, details};
use crate::graph::Graph;
use crate::index::Index;
use crate::node::Node;
use crate::pattern::{self, Patterns};
use crate::rewrite::{Components, components};
use crate::route::Names;
use crate::write::Writer;
use bytes::Bytes;
use mcp::scan::JsonError;
use mcp::{Kind, Limits, Raw};
use serde_json::Value;

/// What a schema may unfold to, see [`Graph`].
const MOST_SCHEMAS: u64 = 200_000;
const MOST_IN_PLACE: u64 = 10_000;
/// Stack: levels of schemas times levels of arguments.
const MOST_LEVELS: u64 = 800;
/// For schemas with regular expressions that look around: the sum of the squares of the lengths of
/// the texts they may be tried on. Their engine counts steps, but a step may read a whole text.
const MOST_LOOKING: u64 = 8_000_000;
/// How many combinations of forms are tried to say what is wrong.
const MOST_FORMS: u64 = 20_000;

/// A compiled input schema. Made once per tool; cheap to use from any thread.
#[derive(Debug)]
pub struct Validator {
    compiled: Option<jsonschema::Validator>,
    unchecked: Option<String>,
    needs_body: bool,
    height: u64,
    in_place: u64,
    is_recursive: bool,
    looks_around: bool,
}

impl Validator {
    /// Compiles a tool's `inputSchema`. Never fails: see [`Validator::unchecked`].
    pub fn new(input_schema: &Raw) -> Self {
        let node = Node::read(input_schema);
        let index = Index::new(&node);
        let graph = Graph::new(&index, index.place(&node, 0));
        let (built, unchecked) = compile(&node, &graph);
        let looks_around = built.as_ref().is_some_and(|b| b.looks_around);
        Self {
            compiled: built.map(|b| b.validator),
            looks_around,
            unchecked,
            needs_body: body::is_required(&node),
            height: graph.height,
            in_place: graph.in_place,
            is_recursive: graph.is_recursive,
        }
    }

    /// What of the schema is not checked and why, for the operator; `None` if all of it is.
    pub fn unchecked(&self) -> Option<&str> {
        self.unchecked.as_deref()
    }

    /// Whether the tool names arguments that have to be there, so that there must be a body.
    pub const fn needs_body(&self) -> bool {
        self.needs_body
    }

    /// The arguments in `body`, if the tool takes them. No body is one without arguments, for a
    /// tool that needs none.
    pub fn validate(&self, body: Bytes) -> Result<Raw, Invalid> {
        let arguments = if body.trim_ascii().is_empty() {
            if self.needs_body {
                return Err(Detail::no_body().into());
            }
            Raw::empty_object()
        } else {
            Raw::parse(body, &Limits::INBOUND).map_err(|error| not_json(&error))?
        };
        let is_object = arguments.kind() == Kind::Object;
        if is_object && self.compiled.is_none() {
            return Ok(arguments);
        }
        // What our own scan takes and this refuses are numbers that no float holds.
        let value: Value = arguments.read().map_err(|error| {
            let at = error.column().saturating_sub(1);
            Detail::not_json(Some(at).filter(|_| error.line() == 1), "number out of range")
        })?;
        if !is_object {
            return Err(Detail::no_object(&value).into());
        }
        match self.check(&value, arguments.len()) {
            details if details.is_empty() => Ok(arguments),
            details => Err(Invalid { details }),
        }
    }

    fn check(&self, value: &Value, bytes: usize) -> Vec<Detail> {
        let Some(compiled) = &self.compiled else { return Vec::new() };
        let depth = depth(value);
        let too_deep = self.height.saturating_mul(depth) > MOST_LEVELS;
        let too_long = self.looks_around && squares(value).saturating_mul(self.in_place) > MOST_LOOKING;
        let work = values(value).saturating_mul(self.in_place);
        if too_deep || too_long || work > MOST_WORK || compiled.is_valid(value) {
            return Vec::new();
        }
        // To say what is wrong, all forms that a value may have are tried at every level, and only
        // the answer to "is it right" is remembered in between.
        let levels = u32::try_from(depth).unwrap_or(u32::MAX);
        // And all that is found is held before the first of it is told.
        if bytes > MOST_EXPLAINED || work > MOST_FOUND {
            return vec![Detail::somewhere(value)];
        }
        if self.is_recursive && self.in_place.saturating_pow(levels) > MOST_FORMS {
            return vec![Detail::somewhere(value)];
        }
        let found = details(compiled.iter_errors(value), value);
        if found.is_empty() { vec![Detail::somewhere(value)] } else { found }
    }
}

/// The largest body of which it is said where it is wrong.
const MOST_EXPLAINED: usize = 32 * 1024;

/// How many values times forms that they may have are looked at; what would take more is the server's
/// to check. And of how many it is said what is wrong with them.
const MOST_WORK: u64 = 2_000_000;
const MOST_FOUND: u64 = 50_000;

/// How many values there are in it, itself among them.
fn values(value: &Value) -> u64 {
    let sum = |all: &mut dyn Iterator<Item = u64>| all.fold(1, u64::saturating_add);
    match value {
        Value::Array(items) => sum(&mut items.iter().map(values)),
        Value::Object(members) => sum(&mut members.values().map(values)),
        _ => 1,
    }
}

fn depth(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The sum of the squares of the lengths of all texts in it.
fn squares(value: &Value) -> u64 {
    let square = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_pow(2);
    let sum = |all: &mut dyn Iterator<Item = u64>| all.fold(0, u64::saturating_add);
    match value {
        Value::String(text) => square(text),
        Value::Array(items) => sum(&mut items.iter().map(squares)),
        Value::Object(members) => sum(&mut members.iter().map(|(k, v)| square(k).saturating_add(squares(v)))),
        _ => 0,
    }
}

fn not_json(error: &JsonError) -> Invalid {
    let at = match error {
        JsonError::Utf8 { at }
        | JsonError::Syntax { at, .. }
        | JsonError::TooDeep { at, .. }
        | JsonError::LoneSurrogate { at } => Some(*at),
        JsonError::DuplicateKey { .. } => None,
    };
    Detail::not_json(at, &error.to_string()).into()
}

/// A compiled schema.
struct Built {
    validator: jsonschema::Validator,
    looks_around: bool,
}

/// The compiled schema, and what of it is not checked.
fn compile(node: &Node, graph: &Graph) -> (Option<Built>, Option<String>) {
    if node.object().is_none() && node.bool().is_none() {
        return (None, Some("the input schema is missing or no schema; arguments are not checked".into()));
    }
    if graph.unfolded > MOST_SCHEMAS || graph.in_place > MOST_IN_PLACE || graph.height > MOST_LEVELS {
        return (None, Some("the input schema unfolds to too many schemas; arguments are not checked".into()));
    }
    let reason = if graph.circles.is_empty() {
        match json(node).ok_or_else(|| "it cannot be read".to_owned()).and_then(|schema| build(&schema)) {
            Ok(built) => return (Some(built), None),
            Err(reason) => reason,
        }
    } else {
        "a reference leads back to itself".to_owned()
    };
    // As it stands in the document: with what nobody can check left out, the rest may be checked.
    let rest = alone(node).and_then(|schema| build(&schema).ok());
    let what = if rest.is_some() { "only partly checked" } else { "not checked" };
    (rest, Some(format!("arguments are {what}: {}", reason.chars().take(300).collect::<String>())))
}

/// How many regular expressions one tool may have. Each may take as much memory as one may, for as long
/// as the tool is there.
const MOST_PATTERNS: usize = 64;

fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Object(members) => {
            let own = usize::from(members.get("pattern").is_some_and(Value::is_string));
            let of_keys = members.get("patternProperties").and_then(Value::as_object).map_or(0, serde_json::Map::len);
            own + of_keys + members.values().map(patterns).sum::<usize>()
        }
        _ => 0,
    }
}

fn build(schema: &Value) -> Result<Built, String> {
    if patterns(schema) > MOST_PATTERNS {
        return Err(format!("it has more than {MOST_PATTERNS} patterns"));
    }
    let options = || jsonschema::options().offline().should_validate_formats(false);
    if let Ok(validator) = options().with_pattern_options(pattern::linear()).build(schema) {
        return Ok(Built { validator, looks_around: false });
    }
    match options().with_pattern_options(pattern::looking_around()).build(schema) {
        Ok(validator) => Ok(Built { validator, looks_around: true }),
        Err(error) => Err(error.masked().to_string()),
    }
}

fn json(node: &Node) -> Option<Value> {
    let mut out = Writer::default();
    node.write(&mut out);
    serde_json::from_slice(out.bytes()).ok()
}

/// The schema as the document has it, by itself.
fn alone(node: &Node) -> Option<Value> {
    let mut definitions = Writer::default();
    let to = Components {
        names: &mut Names::default(),
        prefix: "#/$defs/",
        out: &mut definitions,
        patterns: &mut Patterns::default(),
    };
    let name = components(node, "arguments", b"{}", to);
    let mut out = Writer::default();
    out.object(|out| {
        out.text_member("$ref", &format!("#/$defs/{name}"));
        out.key("$defs");
        out.object(|out| out.json(definitions.bytes()));
    });
    serde_json::from_slice(out.bytes()).ok()
}
