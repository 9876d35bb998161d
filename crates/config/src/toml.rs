//! TOML, to a tree.
//!
//! Three things TOML has and the tree does not: a date or a time is its text; a number in another base
//! keeps its prefix (`0x1f`) and so is a number that no setting wants; a table that is written in
//! several places is one object, at its own header if it has one, else at its first key.

use crate::lines::Lines;
use crate::tree::{Entry, Flaw, Node, Value, quoted};
use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue, Error};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// Deeper than any settings, and shallow enough for the stack.
const DEEPEST: usize = 80;

/// The tree of a text, and keys that stand twice (of these the first is in the tree). `Err` if the
/// text is not TOML.
pub(crate) fn parse(text: &str) -> Result<(Node, Vec<Flaw>), Flaw> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let walk = Walk { text, lines: Lines::new(text) };
    if let Some(at) = too_deep(text) {
        let message = format!("tables, lists and parts of keys are more than {DEEPEST} deep; take some out");
        return Err(Flaw { line: walk.lines.of(at), key: String::new(), message });
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut flaws = Vec::new();
    for error in errors {
        if error.message() != DUPLICATE {
            // What the parser finds after it has recovered is mostly not what is wrong.
            return Err(walk.flaw(&error));
        }
        flaws.push(walk.twice(&error));
    }
    let value = walk.table(root.into_inner());
    Ok((Node { line: 1, value }, flaws))
}

/// How the parser says that a key stands twice.
const DUPLICATE: &str = "duplicate key";

/// Where a header or a value is too deep, before anything recurses into it. The parser limits tables in
/// each other, and the parts of a dotted key, but not their product, and the stack is smaller than that.
fn too_deep(text: &str) -> Option<usize> {
    // How deep the thing is that stands in each open bracket, and how deep we are.
    let (mut open, mut outer, mut depth) = (Vec::new(), 0, 0);
    for token in Source::new(text).lex() {
        match token.kind() {
            // In a number a dot counts for nothing, but a single one does no harm.
            TokenKind::Dot => depth += 1,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                open.push(outer);
                depth += 1;
                outer = depth;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                outer = open.pop().unwrap_or_default();
                depth = outer;
            }
            TokenKind::Comma | TokenKind::Newline => depth = outer,
            _ => {}
        }
        if depth > DEEPEST {
            return Some(token.span().start());
        }
    }
    None
}

struct Walk<'t> {
    text: &'t str,
    lines: Lines,
}

impl Walk<'_> {
    fn node(&self, value: Spanned<DeValue<'_>>) -> Node {
        let span = value.span();
        let line = self.lines.of(span.start);
        let value = match value.into_inner() {
            DeValue::Boolean(value) => Value::Bool(value),
            DeValue::Integer(number) => Value::Number(number.to_string()),
            DeValue::Float(number) => Value::Number(number.to_string()),
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Datetime(_) => Value::Text(self.text.get(span).unwrap_or_default().to_owned()),
            DeValue::Array(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { line, value }
    }

    fn table(&self, table: DeTable<'_>) -> Value {
        let mut entries: Vec<_> = table.into_iter().collect();
        // The parser sorts by name.
        entries.sort_by_key(|(name, _)| name.span().start);
        let entries = entries.into_iter().map(|(name, value)| Entry {
            line: self.lines.of(name.span().start),
            name: name.into_inner().into_owned(),
            node: self.node(value),
        });
        Value::Map(entries.collect())
    }

    fn flaw(&self, error: &Error) -> Flaw {
        let problem = error.message().trim_end_matches(", expected nothing");
        // Mostly an address or a duration without its quotes.
        let value = ["invalid float", "invalid integer", "invalid date"].iter().any(|kind| problem.starts_with(kind));
        let advice = if value { "; if it is a text, put it in quotes" } else { "" };
        Flaw { line: self.line(error), key: String::new(), message: format!("this is not TOML: {problem}{advice}") }
    }

    fn twice(&self, error: &Error) -> Flaw {
        let name = error.span().and_then(|span| self.text.get(span)).unwrap_or_default();
        let name = name.trim_matches(['"', '\'']);
        let message = format!("the key {} stands here a second time; keep one", quoted(name));
        Flaw { line: self.line(error), key: String::new(), message }
    }

    fn line(&self, error: &Error) -> usize {
        error.span().map_or(1, |span| self.lines.of(span.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(text: &str) -> (usize, String) {
        parse(text).err().map(|flaw| (flaw.line, flaw.message)).unwrap()
    }

    fn map(node: Node) -> Vec<Entry> {
        let Value::Map(entries) = node.value else { panic!("no map") };
        entries
    }

    #[test]
    fn tables_know_their_lines_and_stand_in_the_order_of_the_file() {
        let text = "z = 1\n[m.b]\nx = 1\n\n[m.a]\ny.z = 2\n[[l]]\n[[l]]\nq = 1\n[m]\nc = {d = [\n1,\n2]}";
        let (root, flaws) = parse(text).ok().unwrap();
        assert!(flaws.is_empty());
        let mut shown = Vec::new();
        show(root, "", &mut shown);
        let expected = [
            (1, "z 1"),
            (7, "l[0]"),
            (9, "l[1].q 1"),
            (3, "m.b.x 1"),
            (6, "m.a.y.z 2"),
            (12, "m.c.d[0] 1"),
            (13, "m.c.d[1] 2"),
        ];
        assert_eq!(shown, expected.map(|(line, path)| (line, path.to_owned())));
    }

    fn show(node: Node, path: &str, into: &mut Vec<(usize, String)>) {
        match node.value {
            Value::Map(entries) if entries.is_empty() => into.push((node.line, path.to_owned())),
            Value::Map(entries) => {
                entries.into_iter().for_each(|e| show(e.node, &crate::tree::below(path, &e.name), into));
            }
            Value::List(items) => {
                items.into_iter().enumerate().for_each(|(at, node)| show(node, &format!("{path}[{at}]"), into));
            }
            Value::Number(value) | Value::Text(value) => into.push((node.line, format!("{path} {value}"))),
            Value::Bool(value) => into.push((node.line, format!("{path} {value}"))),
            Value::Null => panic!("TOML has no null"),
        }
    }

    #[test]
    fn numbers_are_as_written_and_dates_are_texts() {
        let text = "a = 1_000\nb = -1.50\nc = 0x1F\nd = 1979-05-27 07:32:00Z\ne = 07:32:00\nf = inf\ng = 1e3\nh = true";
        let entries = map(parse(text).ok().unwrap().0);
        let values = entries.into_iter().map(|entry| match entry.node.value {
            Value::Number(value) => format!("number {value}"),
            Value::Text(value) => format!("text {value}"),
            Value::Bool(value) => value.to_string(),
            _ => panic!("{}", entry.name),
        });
        let expected = [
            "number 1000",
            "number -1.50",
            "number 0x1F",
            "text 1979-05-27 07:32:00Z",
            "text 07:32:00",
            "number inf",
            "number 1e3",
            "true",
        ];
        assert_eq!(values.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn duplicate_keys_are_found_in_every_way_to_write_them() {
        for (text, line, name) in [
            ("a = 1\nb = 2\na = 3", 3, "a"),
            ("[a]\n[b]\n[a]", 3, "a"),
            ("[a.b]\nx = 1\n[a]\nb.y = 2", 4, "b"),
            ("[a]\nb.c = 1\n[a.b]", 3, "b"),
            ("a = {b = 1,\n \"b\" = 2}", 2, "b"),
            ("[[a]]\nx = 1\n[a]", 3, "a"),
            ("a = []\n[[a]]", 2, "a"),
            ("a.b = 1\n'a'.\"\\u0062\" = 2", 2, "\\u0062"),
        ] {
            let (_, flaws) = parse(text).ok().unwrap();
            let found: Vec<_> = flaws.iter().map(|flaw| (flaw.line, flaw.message.clone())).collect();
            let message = format!("the key {} stands here a second time; keep one", quoted(name));
            assert_eq!(found, [(line, message)], "{text}");
        }
        assert_eq!(parse("a = 1\na = 2\nb = 1\nb = 2").ok().unwrap().1.len(), 2, "all of them");
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        for (text, line) in [
            ("\n\na = ]", 3),
            ("a = 1\n[b", 2),
            ("a = \"x\nb = 1", 1),
            ("a = 1 b = 2", 1),
            ("{\n\"a\": 1}", 1),
            ("a = 1\nb.a = 1\na.b = 1", 3),
            ("a = 2020-99-99", 1),
        ] {
            let (found, message) = flaw(text);
            assert_eq!(found, line, "{text}: {message}");
            assert!(message.starts_with("this is not TOML: ") && !message.ends_with('.'), "{message}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let dotted = format!("{}a", "a.".repeat(78));
        for fine in [
            format!("a = {}{}", "[".repeat(80), "]".repeat(80)),
            format!("[{dotted}]\n{dotted} = 1.5\n"),
            format!("a = [\n{}]", "{a.b.c = 1.5, d = 1.2},\n".repeat(100)),
        ] {
            assert!(parse(&fine).is_ok(), "{fine}");
        }
        for open in ["[", "{a=", "[{a=", "[[a]]\n[", "a."] {
            assert!(parse(&format!("a = {}", open.repeat(100_000))).is_err(), "{open}");
        }
        assert!(parse(&format!("[{}a]", "a.".repeat(100_000))).is_err());
        let inner = format!("{{{dotted}=").repeat(80);
        assert_eq!(
            flaw(&format!("\na = {inner}1{}", "}".repeat(80))),
            (2, "tables, lists and parts of keys are more than 80 deep; take some out".to_owned())
        );
    }

    #[test]
    fn a_byte_order_mark_and_windows_lines_are_not_in_the_way() {
        let entries = map(parse("\u{feff}a = 1\r\nb = '''\r\nx'''\r\nc = 2\r\n").ok().unwrap().0);
        assert_eq!(
            entries.iter().map(|e| (e.name.as_str(), e.line)).collect::<Vec<_>>(),
            [("a", 1), ("b", 2), ("c", 4)]
        );
    }

    #[test]
    fn an_empty_file_is_an_empty_object() {
        assert!(map(parse("").ok().unwrap().0).is_empty());
        assert!(map(parse("# nothing\n").ok().unwrap().0).is_empty());
    }
}
