//! `docs/settings.md` is the schema, for people.

use super::shape::{KINDS, Object, Step, definition, entries, items, objects, schema};
use crate::tree::{Node, Value};
use std::fmt::Write as _;
use std::path::Path;

const HEAD: &str = "# Settings

<!-- Made from crates/config/schema.json; `UPDATE_GOLDENS=1 cargo test -p config` writes it anew. -->

One file, JSON with comments or, if its name ends in `.toml`, TOML. `portcullis check --config FILE`
validates it and prints what it comes to, secrets hidden; `portcullis check --schema` prints the JSON
Schema that this page is made from, for editors. [`example.jsonc`](example.jsonc) and
[`example.toml`](example.toml) have every section.

A key that is not here is an error, except inside `mcpServers`, and beside it in a file with none of our
sections: there it is another client's, and a warning. `null` is as good as absent. In a table, a key
without a default is absent by default; what that means stands beside it.
";

#[test]
fn the_reference_is_what_the_schema_says() {
    let file = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../docs/settings.md");
    let text = reference();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "docs/settings.md is not what the schema says; run with UPDATE_GOLDENS=1 and look at it"
    );
}

fn reference() -> String {
    let mut text = HEAD.to_owned();
    let objects = objects();
    let mut done: Vec<&Node> = Vec::new();
    for object in &objects {
        if done.iter().any(|schema| std::ptr::eq(*schema, object.schema)) {
            continue;
        }
        done.push(object.schema);
        section(&mut text, object, &objects);
    }
    text.push_str("\n## Kinds of values\n\n| kind | what it is | examples |\n|---|---|---|\n");
    for (_, kind) in entries(schema().get("$defs").unwrap()) {
        let (Some(title), None) = (kind.get("title"), kind.get("properties")) else { continue };
        let mut what = description(kind).to_owned();
        if let Some(words) = kind.get("not").and_then(|not| not.get("enum")) {
            let _ = write!(what, " These are {}.", list(items(words).iter().map(code)));
        }
        let examples = kind.get("examples").map(items).unwrap_or_default();
        let examples = examples.iter().map(code).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "| {} | {what} | {examples} |", title.text().unwrap());
    }
    text
}

fn section(text: &mut String, object: &Object, all: &[Object]) {
    let schema = object.schema;
    let mut places: Vec<_> =
        all.iter().filter(|other| std::ptr::eq(other.schema, schema)).map(|other| shown(&other.path)).collect();
    places.dedup();
    let (level, heading) = match object.path.as_slice() {
        [] => ("##", "At the top".to_owned()),
        [Step::Key(key)] => ("##", format!("`{key}`")),
        _ if KINDS.iter().any(|(kind, ..)| definition(kind).is_some_and(|kind| std::ptr::eq(kind, schema))) => {
            ("###", upper_first(title(schema)))
        }
        // The first of mcpServers, which is no object with keys of its own.
        [_, Step::Name(_)] if title(schema) == "server" => ("##", "`mcpServers`".to_owned()),
        _ => ("###", places.iter().map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ")),
    };
    let _ = write!(text, "\n{level} {heading}\n\n");
    let about = if heading == "`mcpServers`" {
        let servers = super::shape::schema().get("properties").unwrap().get("mcpServers").unwrap();
        format!("{} These are the keys of every server; those of each kind follow.", description(servers))
    } else {
        description(schema).to_owned()
    };
    let _ = write!(text, "{about}\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for (key, property) in object.keys() {
        let default = match property.get("default") {
            _ if object.requires(key) => "required".to_owned(),
            Some(default) => code(default),
            None => String::new(),
        };
        let meaning = if property.get("description").is_some() { property } else { property.resolved() };
        let _ = writeln!(text, "| `{key}` | {} | {default} | {} |", value(property), description(meaning));
    }
    let Some(example) = schema.get("examples").and_then(|examples| items(examples).first()) else { return };
    let wrapped = match object.path.as_slice() {
        [] => render(example, 0, 0),
        [Step::Key(key)] => format!("{{\n  \"{key}\": {}\n}}", render(example, 2, key.len() + 4)),
        [_, Step::Name(name)] if definition("server").is_some_and(|server| !std::ptr::eq(server, schema)) => {
            let entry = render(example, 2, name.len() + 22);
            format!("{{\n  \"mcpServers\": {{ \"{name}\": {entry} }}\n}}")
        }
        _ => return,
    };
    let _ = write!(text, "\n```jsonc\n{wrapped}\n```\n");
}

fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn shown(path: &[Step]) -> String {
    let mut shown = String::new();
    for step in path {
        match step {
            Step::Item => shown.push_str("[]"),
            Step::Key(key) if shown.is_empty() => shown.push_str(key),
            Step::Key(key) => shown.extend([".", key]),
            Step::Name(_) => shown.push_str(".*"),
        }
    }
    shown
}

/// What may stand as a value, in words.
fn value(schema: &'static Node) -> String {
    let target = schema.resolved();
    if !std::ptr::eq(schema, target) {
        let title = title(target);
        return if target.get("properties").is_some() { "object, below".to_owned() } else { linked(title) };
    }
    if let Some(any) = schema.get("anyOf") {
        let any =
            items(any).iter().filter(|one| one.get("$ref").is_none_or(|name| name.text() != Some("#/$defs/reference")));
        return any.map(value).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema.get("enum") {
        return list(items(words).iter().filter(|word| !matches!(word.value, Value::Null)).map(code));
    }
    let kinds = match schema.get("type") {
        Some(Node { value: Value::List(kinds), .. }) => kinds.as_slice(),
        Some(kind) => std::slice::from_ref(kind),
        None => &[],
    };
    let kinds = kinds.iter().filter_map(Node::text).filter(|kind| *kind != "null");
    let words = list(kinds.flat_map(|kind| match kind {
        "boolean" => vec!["true".to_owned(), "false".to_owned()],
        "integer" => vec![format!("whole number from {}", schema.get("minimum").unwrap().json())],
        "array" => vec![schema.get("items").map_or("list".to_owned(), |items| format!("list of: {}", value(items)))],
        "object" => vec![format!("by name: {}", schema.get("additionalProperties").map(value).unwrap())],
        "string" => vec!["text".to_owned()],
        other => vec![other.to_owned()],
    }));
    if words.is_empty() { "anything".to_owned() } else { words }
}

fn linked(title: &str) -> String {
    format!("[{title}](#kinds-of-values)")
}

fn title(schema: &'static Node) -> &'static str {
    schema.get("title").and_then(Node::text).unwrap_or_default()
}

fn description(schema: &Node) -> &str {
    schema.get("description").and_then(Node::text).unwrap_or_default()
}

fn code(node: &Node) -> String {
    format!("`{}`", node.text().map_or_else(|| render(node, 0, 0), str::to_owned))
}

fn list(words: impl Iterator<Item = String>) -> String {
    let words: Vec<_> = words.collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// JSON in one line if there is room, as people write it.
fn render(node: &Node, indent: usize, lead: usize) -> String {
    let one = match &node.value {
        Value::Map(entries) if !entries.is_empty() => {
            let inside = entries.iter().map(|e| format!("\"{}\": {}", e.name, one_line(&e.node)));
            format!("{{ {} }}", inside.collect::<Vec<_>>().join(", "))
        }
        _ => one_line(node),
    };
    let pad = " ".repeat(indent + 2);
    match &node.value {
        Value::Map(entries) if indent + lead + one.len() > 96 => {
            let inside = entries
                .iter()
                .map(|e| format!("{pad}\"{}\": {}", e.name, render(&e.node, indent + 2, e.name.len() + 4)));
            format!("{{\n{}\n{}}}", inside.collect::<Vec<_>>().join(",\n"), " ".repeat(indent))
        }
        _ => one,
    }
}

fn one_line(node: &Node) -> String {
    match &node.value {
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(_) => render(node, 0, 0),
        Value::List(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        _ => node.json().to_string(),
    }
}
