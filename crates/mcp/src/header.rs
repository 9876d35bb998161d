//! The headers that mirror a modern request (2026-07-28, `basic/transports`, "Standard headers"
//! and "Custom headers").

use crate::error::Error;
use crate::method::Method;
use crate::raw::{Kind, Raw};
use crate::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::HashSet;

/// Carries the revision.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// Carries the method.
pub const METHOD: &str = "mcp-method";
/// Carries the name or uri.
pub const NAME: &str = "mcp-name";
/// Starts the name of a header that carries an argument.
pub const PARAM_PREFIX: &str = "mcp-param-";

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// A value as it can stand in a header: itself if it is plain, else wrapped in base64.
pub fn encode(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|b| (0x20..0x7f).contains(&b)) && value.trim() == value && !is_wrapped(value);
    if plain { Cow::Borrowed(value) } else { Cow::Owned(format!("{OPEN}{}{CLOSE}", STANDARD.encode(value))) }
}

fn is_wrapped(value: &str) -> bool {
    value.len() >= OPEN.len() + CLOSE.len() && value.starts_with(OPEN) && value.ends_with(CLOSE)
}

/// The value that a header carries; `None` if it is wrapped but not in the one way that the
/// encoding has (padded, canonical, UTF-8).
pub fn decode(header: &str) -> Option<Cow<'_, str>> {
    let header = header.trim_matches([' ', '\t']);
    if !is_wrapped(header) {
        return Some(Cow::Borrowed(header));
    }
    let inner = header.get(OPEN.len()..header.len() - CLOSE.len())?;
    let bytes = STANDARD.decode(inner).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Which parameter `Mcp-Name` mirrors for this method.
pub fn names(request: &Request) -> Option<&str> {
    matches!(request.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
        .then(|| request.target.name())
}

/// Checks that the mirrored headers say what the body says. `header` gives all values of a header
/// by its lower-case name.
pub fn check_standard<'a>(request: &Request, header: impl Fn(&str) -> Vec<&'a [u8]>) -> Result<(), Error> {
    let method = single(METHOD, &header(METHOD))?;
    if method.as_deref() != Some(request.method.as_str()) {
        return Err(mismatch("Mcp-Method", "method"));
    }
    if let Some(name) = names(request) {
        let carried = single(NAME, &header(NAME))?;
        if carried.as_deref() != Some(name) {
            return Err(mismatch("Mcp-Name", "name or uri"));
        }
    }
    Ok(())
}

fn mismatch(header: &str, what: &str) -> Error {
    Error::HeaderMismatch(format!("the header {header} does not match the {what} in the body"))
}

/// The one decoded value of a header, if there is one.
pub fn single(name: &str, values: &[&[u8]]) -> Result<Option<String>, Error> {
    match values {
        [] => Ok(None),
        [value] => std::str::from_utf8(value)
            .ok()
            .and_then(decode)
            .map(|v| Some(v.into_owned()))
            .ok_or_else(|| Error::HeaderMismatch(format!("the header {name} is not readable"))),
        _ => Err(Error::HeaderMismatch(format!("the header {name} stands more than once"))),
    }
}

/// An argument that a tool's schema mirrors into a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredParam {
    /// Keys from the root of the arguments.
    pub path: Vec<String>,
    /// Lower-case name of the whole header.
    pub header: String,
    /// Whether the schema says `integer`, which compares as a number.
    pub integer: bool,
}

/// Reads the `x-mcp-header` annotations of an input schema. A schema that breaks one of the rules
/// for them mirrors nothing, as clients must not call such a tool with headers.
pub fn mirrored_params(schema: &Raw) -> Vec<MirroredParam> {
    if memchr::memmem::find(schema.bytes(), b"x-mcp-header").is_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    if walk(schema, Some(&[]), &mut found, &mut seen).is_some() { found } else { Vec::new() }
}

/// Keywords whose value is one schema; below them, no argument has a fixed place.
const ONE: [&str; 11] = [
    "items",
    "contains",
    "unevaluatedItems",
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAP: [&str; 4] = ["patternProperties", "dependentSchemas", "$defs", "definitions"];

/// `path` is `None` once a keyword other than `properties` was crossed. Returns `None` if an
/// annotation breaks a rule. Depth is bounded by that of the JSON.
fn walk(
    schema: &Raw,
    path: Option<&[String]>,
    found: &mut Vec<MirroredParam>,
    seen: &mut HashSet<String>,
) -> Option<()> {
    if let Some(annotation) = schema.get("x-mcp-header") {
        let path = path.filter(|p| !p.is_empty())?;
        let name = annotation.text()?.to_ascii_lowercase();
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let kind = schema.get_text("type")?;
        let sound = !name.is_empty()
            && name.bytes().all(token)
            && matches!(kind.as_str(), "string" | "integer" | "boolean")
            && seen.insert(name.clone());
        if !sound {
            return None;
        }
        found.push(MirroredParam {
            path: path.to_vec(),
            header: format!("{PARAM_PREFIX}{name}"),
            integer: kind == "integer",
        });
    }
    for member in schema.members() {
        let key = member.key.as_ref();
        if key == "properties" {
            for property in member.value.members() {
                let deeper = path.map(|p| [p, &[property.key.into_owned()]].concat());
                walk(&property.value, deeper.as_deref(), found, seen)?;
            }
        } else if ONE.contains(&key) {
            walk(&member.value, None, found, seen)?;
        } else if LIST.contains(&key) {
            for item in member.value.items() {
                walk(&item, None, found, seen)?;
            }
        } else if MAP.contains(&key) {
            for entry in member.value.members() {
                walk(&entry.value, None, found, seen)?;
            }
        }
    }
    Some(())
}

/// Checks that each mirrored argument and its header agree: both present and equal, or both absent.
pub fn check_params<'a>(
    params: &[MirroredParam],
    arguments: Option<&Raw>,
    header: impl Fn(&str) -> Vec<&'a [u8]>,
) -> Result<(), Error> {
    for param in params {
        let carried = single(&param.header, &header(&param.header))?;
        let value = arguments.and_then(|a| at(a, &param.path)).filter(|v| v.kind() != Kind::Null);
        let agree = match (&value, &carried) {
            (None, None) => true,
            (Some(value), Some(carried)) => same(value, carried, param.integer),
            _ => false,
        };
        if !agree {
            let path = param.path.join(".");
            return Err(Error::HeaderMismatch(format!(
                "the header {} does not match the argument {path:?} in the body",
                param.header
            )));
        }
    }
    Ok(())
}

/// The headers that mirror these arguments.
pub fn param_headers(params: &[MirroredParam], arguments: Option<&Raw>) -> Vec<(String, String)> {
    let value = |p: &MirroredParam| arguments.and_then(|a| at(a, &p.path)).and_then(|v| rendered(&v));
    params.iter().filter_map(|p| Some((p.header.clone(), encode(&value(p)?).into_owned()))).collect()
}

fn at(arguments: &Raw, path: &[String]) -> Option<Raw> {
    path.iter().try_fold(arguments.clone(), |node, key| node.get(key))
}

/// How a scalar stands in a header.
fn rendered(value: &Raw) -> Option<String> {
    match value.kind() {
        Kind::String => value.text().map(Cow::into_owned),
        Kind::Number | Kind::Bool => String::from_utf8(value.bytes().to_vec()).ok(),
        _ => None,
    }
}

fn same(value: &Raw, carried: &str, integer: bool) -> bool {
    let Some(text) = rendered(value) else { return false };
    if text == carried {
        return true;
    }
    integer && value.kind() == Kind::Number && whole(&text).is_some_and(|n| whole(carried) == Some(n))
}

/// The digits of a decimal without a fraction other than zeros, exact beyond what floats hold.
fn whole(text: &str) -> Option<&str> {
    let (digits, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let sound = number(digits.strip_prefix('-').unwrap_or(digits)) && number(fraction);
    (sound && fraction.bytes().all(|b| b == b'0')).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_wrapping_is_read() {
        assert_eq!(decode("=?base64?SGVsbG8=?=").as_deref(), Some("Hello"));
        assert_eq!(decode("=?base64?SGVsbG8?="), None);
        assert_eq!(decode("=?base64?SGVs!!!bG8=?="), None);
        assert_eq!(decode("=?base64?SGVsbG9=?="), None);
        assert_eq!(decode("=?base64?/w==?="), None);
        assert_eq!(decode("=?base64?SGVsbG8=").as_deref(), Some("=?base64?SGVsbG8="));
        assert_eq!(decode("  a b \t").as_deref(), Some("a b"));
    }

    proptest! {
        #[test]
        fn every_value_survives_a_header(value in any::<String>()) {
            let header = encode(&value);
            prop_assert!(header.bytes().all(|b| (0x20..0x7f).contains(&b)));
            let decoded = decode(&header);
            prop_assert_eq!(decoded.as_deref(), Some(value.as_str()));
        }
    }

    fn schema(value: &serde_json::Value) -> Raw {
        Raw::of(value)
    }

    #[test]
    fn annotations_count_only_where_an_argument_has_a_fixed_place() {
        let sound = schema(&serde_json::json!({"properties": {
            "a": {"type": "string", "x-mcp-header": "A"},
            "o": {"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
        }}));
        let params = mirrored_params(&sound);
        assert_eq!(params.len(), 2);
        let values = |h: &str| -> Vec<&'static [u8]> {
            match h {
                "mcp-param-a" => vec![b"x"],
                "mcp-param-n" => vec![b"42"],
                _ => vec![],
            }
        };
        let body = schema(&serde_json::json!({"a": "x", "o": {"n": 42.0}}));
        assert!(check_params(&params, Some(&body), values).is_ok());
        let other = schema(&serde_json::json!({"a": "x", "o": {"n": 43}}));
        assert!(check_params(&params, Some(&other), values).is_err());
        assert!(check_params(&params, None, values).is_err());
        for broken in [
            serde_json::json!({"items": {"type": "string", "x-mcp-header": "A"}}),
            serde_json::json!({"x-mcp-header": "A", "type": "string"}),
            serde_json::json!({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}),
            serde_json::json!({"properties": {"a": {"type": "string", "x-mcp-header": "A b"}}}),
            serde_json::json!({"properties": {
                "a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}}),
        ] {
            assert_eq!(mirrored_params(&schema(&broken)), vec![], "{broken}");
        }
    }
}
