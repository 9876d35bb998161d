//! The schema as the objects and keys it describes, in its own order.

use crate::tree::{Node, Value, below};
use std::sync::LazyLock;

/// Kinds of servers by their names in the schema, each with its type and a name for a server in
/// examples. The last has no keys of its own.
pub(crate) const KINDS: [(&str, &str, &str); 6] = [
    ("child", "stdio", "time"),
    ("remote", "streamable-http", "notes"),
    ("openapi", "openapi", "inbox"),
    ("zim", "zim", "wiki"),
    ("docker", "docker", "docker"),
    ("", "fixture", "fixture"),
];

/// The schema, as our own reader of JSON sees it.
pub(crate) fn schema() -> &'static Node {
    static SCHEMA: LazyLock<Node> =
        LazyLock::new(|| crate::jsonc::parse(crate::schema()).ok().map(|(root, _)| root).unwrap());
    &SCHEMA
}

/// A step from an object to what is in it.
#[derive(Clone)]
pub(crate) enum Step {
    Key(String),
    /// A name of the operator's; this one in examples.
    Name(&'static str),
    Item,
}

/// An object of the settings.
pub(crate) struct Object {
    pub(crate) path: Vec<Step>,
    pub(crate) schema: &'static Node,
}

impl Object {
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, &'static Node)> + use<> {
        entries(self.schema.get("properties").unwrap())
    }

    pub(crate) fn requires(&self, key: &str) -> bool {
        self.schema.get("required").is_some_and(|keys| items(keys).iter().any(|item| item.text() == Some(key)))
    }

    pub(crate) fn read_path(&self) -> String {
        read_path(&self.path)
    }
}

/// A path as the reader writes it, with the names of examples.
pub(crate) fn read_path(path: &[Step]) -> String {
    path.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) => below(&path, key),
        Step::Name(name) => below(&path, name),
        Step::Item => format!("{path}[0]"),
    })
}

/// All objects, from the top. A server is there once for each kind, and beside it the keys of the kind.
pub(crate) fn objects() -> Vec<Object> {
    let mut found = Vec::new();
    walk(schema(), Vec::new(), &mut found);
    found
}

fn walk(schema: &'static Node, path: Vec<Step>, into: &mut Vec<Object>) {
    let schema = schema.resolved();
    let with = |step: Step| path.iter().cloned().chain([step]).collect::<Vec<_>>();
    if schema.get("properties").is_some() {
        into.push(Object { path: path.clone(), schema });
        for (key, property) in entries(schema.get("properties").unwrap()) {
            walk(property, with(Step::Key(key.to_owned())), into);
        }
        let is_server = definition("server").is_some_and(|server| std::ptr::eq(server, schema));
        if let (true, [_, Step::Name(name)]) = (is_server, path.as_slice()) {
            let kind = KINDS.iter().find(|(_, _, other)| other == name).and_then(|(kind, ..)| definition(kind));
            kind.into_iter().for_each(|kind| walk(kind, path.clone(), into));
        }
    }
    if let Some(items) = schema.get("items") {
        walk(items, with(Step::Item), into);
    }
    if let Some(values @ Node { value: Value::Map(_), .. }) = schema.get("additionalProperties") {
        let names: Vec<&str> = match path.last() {
            Some(Step::Key(key)) if key == "mcpServers" => KINDS.iter().map(|(_, _, name)| *name).collect(),
            Some(Step::Key(key)) if key == "per_tool" => vec!["time/*"],
            Some(Step::Key(key)) if key == "roles" => vec!["reader"],
            _ => vec!["echo"],
        };
        names.into_iter().for_each(|name| walk(values, with(Step::Name(name)), into));
    }
}

pub(crate) fn definition(name: &str) -> Option<&'static Node> {
    schema().get("$defs").unwrap().get(name)
}

pub(crate) fn entries(node: &'static Node) -> impl Iterator<Item = (&'static str, &'static Node)> {
    let Value::Map(entries) = &node.value else { panic!("no object") };
    entries.iter().map(|entry| (entry.name.as_str(), &entry.node))
}

pub(crate) fn items(node: &Node) -> &[Node] {
    let Value::List(items) = &node.value else { panic!("no list") };
    items
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.name == key).map(|entry| &entry.node)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What `$ref` names, or the schema itself.
    pub(crate) fn resolved(&'static self) -> &'static Self {
        self.get("$ref").map_or(self, |name| {
            definition(name.text().and_then(|name| name.strip_prefix("#/$defs/")).unwrap()).unwrap()
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            // A number that JSON has not (`inf`) is no number any setting wants.
            Value::Number(number) => serde_json::from_str(number).unwrap_or_default(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(entries) => entries.iter().map(|e| (e.name.clone(), e.node.json())).collect(),
        }
    }
}
