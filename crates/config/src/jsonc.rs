//! JSON with comments, to a tree.

use crate::lines::Lines;
use crate::tree::{Entry, Flaw, Node, Value, below, quoted};
use jsonc_parser::ast::{self, ObjectPropName};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::collections::HashMap;

/// Comments and trailing commas are allowed, nothing else that JSON is not.
const DIALECT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// The tree of a text, and keys that stand twice in one object (of these the first is in the tree).
/// `Err` if the text is not JSON.
pub(crate) fn parse(text: &str) -> Result<(Node, Vec<Flaw>), Flaw> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &DIALECT).map_err(|error| Flaw {
        line: Lines::new(text).of(error.range().start),
        key: String::new(),
        message: format!("this is not JSON: {}", lower_first(&error.kind().to_string())),
    })?;
    let Some(value) = parsed.value else {
        return Err(Flaw { line: 1, key: String::new(), message: "the file is empty; write at least {}".to_owned() });
    };
    let mut walk = Walk { lines: Lines::new(text), flaws: Vec::new() };
    let root = walk.node(value, Path::Top);
    Ok((root, walk.flaws))
}

struct Walk {
    lines: Lines,
    flaws: Vec<Flaw>,
}

impl Walk {
    // The parser limits the depth to 512.
    fn node(&mut self, value: ast::Value<'_>, path: Path<'_>) -> Node {
        let line = self.lines.of(value.range().start);
        let value = match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(b) => Value::Bool(b.value),
            ast::Value::NumberLit(n) => Value::Number(n.value.to_owned()),
            ast::Value::StringLit(s) => Value::Text(s.value.into_owned()),
            ast::Value::Array(a) => Value::List(
                a.elements.into_iter().enumerate().map(|(at, e)| self.node(e, Path::Item(&path, at))).collect(),
            ),
            ast::Value::Object(o) => Value::Map(self.entries(o, &path)),
        };
        Node { line, value }
    }

    fn entries(&mut self, object: ast::Object<'_>, path: &Path<'_>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(object.properties.len());
        let mut first_lines = HashMap::new();
        for property in object.properties {
            let line = self.lines.of(property.range.start);
            let name = match property.name {
                ObjectPropName::String(s) => s.value.into_owned(),
                ObjectPropName::Word(w) => w.value.to_owned(),
            };
            if let Some(first) = first_lines.get(&name) {
                self.flaws.push(Flaw {
                    line,
                    key: path.show(),
                    message: format!("the key {} stands here twice, first in line {first}; keep one", quoted(&name)),
                });
                continue;
            }
            first_lines.insert(name.clone(), line);
            let node = self.node(property.value, Path::Key(path, &name));
            entries.push(Entry { name, line, node });
        }
        entries
    }
}

/// Where in the tree, put into words only when it is needed.
enum Path<'a> {
    Top,
    Key(&'a Self, &'a str),
    Item(&'a Self, usize),
}

impl Path<'_> {
    fn show(&self) -> String {
        match self {
            Self::Top => String::new(),
            Self::Key(above, name) => below(&above.show(), name),
            Self::Item(above, at) => format!("{}[{at}]", above.show()),
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_lines() {
        let (root, flaws) =
            parse("// a comment\n{\n  \"a\": 1, /* and\n another */ \"b\": [\n true],\n}").ok().unwrap();
        assert!(flaws.is_empty());
        let Value::Map(entries) = root.value else { panic!("no map") };
        assert_eq!(entries.iter().map(|e| (e.name.as_str(), e.line)).collect::<Vec<_>>(), [("a", 3), ("b", 4)]);
        let Value::List(items) = &entries[1].node.value else { panic!("no list") };
        assert_eq!(items[0].line, 5);
    }

    #[test]
    fn duplicate_keys_are_found_at_every_depth_and_compared_decoded() {
        let (_, flaws) = parse("{\"a\": {\"x\": [{\"k\": 1,\n\"\\u006b\": 2}]},\n\"a\": 1}").ok().unwrap();
        let found: Vec<_> = flaws.iter().map(|f| (f.line, f.key.as_str())).collect();
        assert_eq!(found, [(2, "a.x[0]"), (3, "")]);
        assert_eq!(flaws[0].message, "the key \"k\" stands here twice, first in line 1; keep one");
    }

    #[test]
    fn what_is_only_json5_is_refused() {
        for text in [
            "{a: 1}",
            "{'a': 1}",
            "{\"a\": 0x1}",
            "{\"a\": +1}",
            "{\"a\": .5}",
            "{\"a\": NaN}",
            "{} {}",
            "{\"a\":1 \"b\":2}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let flaw = parse("{\n\n\"a\": ]}").err().unwrap();
        assert_eq!((flaw.line, flaw.message.as_str()), (3, "this is not JSON: unexpected close bracket"));
    }

    #[test]
    fn nesting_has_a_limit() {
        assert!(parse(&format!("{}{}", "[".repeat(400), "]".repeat(400))).is_ok());
        assert!(parse(&"[".repeat(1_000_000)).is_err());
        assert!(parse(&"{\"a\":".repeat(100_000)).is_err());
    }

    #[test]
    fn characters_written_as_surrogate_pairs_are_whole() {
        let (root, _) = parse(r#"["\ud83d\ude00"]"#).ok().unwrap();
        let Value::List(items) = root.value else { panic!("no list") };
        assert!(matches!(&items[0].value, Value::Text(text) if text == "😀"));
        assert!(parse(r#"["\ud83d"]"#).is_err());
    }

    #[test]
    fn a_byte_order_mark_is_not_in_the_way() {
        assert!(parse("\u{feff}{}").is_ok());
    }
}
