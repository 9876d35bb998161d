//! A tool's schema as components of a larger document.
//!
//! A document has one root, so `#/$defs/Item` of a tool means nothing in it. Every schema that a
//! reference points at becomes a component, and the reference names the component. What a schema
//! demands stays as it is; what older drafts spell differently is spelled as 2020-12 spells it,
//! which is what OpenAPI 3.1 reads. Three things are left out, each with a sentence in the
//! description that says so, because a document that carried them would be valid to nobody: a
//! reference to something outside of the schema (nothing is ever fetched), a reference that leads
//! back to itself on the same value, and a keyword whose value is not what the keyword takes, or
//! would be taken for a reference.

use crate::graph::Graph;
use crate::index::{Index, Key, Place, Target};
use crate::keyword::{self, Shape};
use crate::node::{Node, Object};
use crate::pattern::Patterns;
use crate::route::{Names, component};
use crate::write::Writer;
use std::collections::{HashMap, HashSet, VecDeque};

/// Schemas nest at most this deep in one component and values in a keyword at most so deep; what is
/// deeper becomes a component of its own. Together they keep a document within the nesting that
/// every reader of JSON allows.
const DEEPEST_SCHEMA: usize = 20;
const DEEPEST_VALUE: usize = 40;

/// Where components go and what they are called.
pub(crate) struct Components<'w> {
    /// The names given so far.
    pub(crate) names: &'w mut Names,
    /// What stands before a name in a reference.
    pub(crate) prefix: &'static str,
    /// The components, as members of an object.
    pub(crate) out: &'w mut Writer,
    /// The regular expressions met so far.
    pub(crate) patterns: &'w mut Patterns,
}

/// Writes `schema` and what it refers to; returns the name of the component that is the whole of it.
/// What is no schema demands nothing but `otherwise`.
pub(crate) fn components(schema: &Node, name: &str, otherwise: &[u8], to: Components<'_>) -> String {
    let index = Index::new(schema);
    let root = index.place(schema, 0);
    let circles = if schema.leads_somewhere() { Graph::new(&index, root).circles } else { HashSet::new() };
    let whole = to.names.unique(component(name));
    let mut rewriter = Rewriter {
        index,
        circles,
        placed: HashMap::from([(root.key(), whole.clone())]),
        waiting: VecDeque::from([(root, whole.clone())]),
        whole: whole.clone(),
        to,
    };
    while let Some((place, name)) = rewriter.waiting.pop_front() {
        let mut component = Writer::default();
        match place.node {
            Node::Object(_) => rewriter.schema(place, 0, &mut component),
            // Readers of documents expect objects where a name leads to.
            node if node.bool() == Some(false) => component.json(br#"{"not":{}}"#),
            _ if place.key() == root.key() => component.json(otherwise),
            _ => component.json(b"{}"),
        }
        rewriter.to.out.key(&name);
        rewriter.to.out.json(component.bytes());
    }
    whole
}

struct Rewriter<'n, 'w> {
    index: Index<'n>,
    circles: HashSet<Key>,
    /// The component that a schema became.
    placed: HashMap<Key, String>,
    /// Components that are named and not yet written.
    waiting: VecDeque<(Place<'n>, String)>,
    whole: String,
    to: Components<'w>,
}

impl<'n> Rewriter<'n, '_> {
    /// The reference to `place` as a component.
    fn reference(&mut self, place: Place<'n>, name: &str) -> String {
        let prefix = self.to.prefix;
        if let Some(placed) = self.placed.get(&place.key()) {
            return format!("{prefix}{placed}");
        }
        let unique = self.to.names.unique(format!("{}_{}", self.whole, component(name)));
        self.placed.insert(place.key(), unique.clone());
        let reference = format!("{prefix}{unique}");
        self.waiting.push_back((place, unique));
        reference
    }

    fn schema(&mut self, place: Place<'n>, depth: usize, out: &mut Writer) {
        match place.node {
            Node::Object(schema) if depth >= DEEPEST_SCHEMA && schema.len() > 0 => {
                let reference = self.reference(place, "part");
                out.object(|out| out.text_member("$ref", &reference));
            }
            Node::Object(schema) => out.object(|out| {
                Keywords { rewriter: self, schema, place, depth, notes: Vec::new() }.write(out);
            }),
            Node::Scalar(raw) if place.node.bool().is_some() => out.raw(raw),
            // Not a schema: demands nothing.
            _ => out.json(b"{}"),
        }
    }
}

/// One schema being written.
struct Keywords<'r, 'n, 'w> {
    rewriter: &'r mut Rewriter<'n, 'w>,
    schema: &'n Object,
    place: Place<'n>,
    depth: usize,
    /// What was left out.
    notes: Vec<String>,
}

impl<'n> Keywords<'_, 'n, '_> {
    fn write(&mut self, out: &mut Writer) {
        let mut references = self.references().into_iter();
        let first = references.next();
        let more: Vec<String> = references.collect();
        if let Some(first) = &first {
            out.text_member("$ref", first);
        }
        let alone = self.rewriter.index.is_old() && self.schema.get("$ref").is_some();
        for (keyword, value) in self.schema.members() {
            let at_the_end = keyword == "description" || (keyword == "allOf" && !more.is_empty());
            if !at_the_end && (!alone || keyword::is_annotation(keyword)) {
                self.keyword(keyword, value, out);
            }
        }
        if !more.is_empty() {
            out.key("allOf");
            out.array(|out| {
                self.schemas(self.schema.get("allOf").and_then(Node::array).unwrap_or_default(), out);
                for reference in &more {
                    out.object(|out| out.text_member("$ref", reference));
                }
            });
        }
        self.description(out);
    }

    /// The references as they stand in the document.
    fn references(&mut self) -> Vec<String> {
        let is_circle = self.rewriter.circles.contains(&self.place.key());
        let found = self.rewriter.index.references(self.schema, self.place.resource);
        let mut references = Vec::new();
        for reference in found {
            match reference {
                Ok(_) if is_circle => self.notes.push("A reference that leads back to itself is left out.".into()),
                Ok(Target { place, name }) => references.push(self.rewriter.reference(place, &name)),
                Err(reference) => {
                    let shown: String = reference.chars().take(200).collect();
                    self.notes.push(format!("What `{shown}` demands is left out: it is not part of this schema."));
                }
            }
        }
        references
    }

    fn description(&self, out: &mut Writer) {
        let given = self.schema.get("description").and_then(Node::text);
        if given.is_some() || !self.notes.is_empty() {
            let parts: Vec<String> = given.into_iter().chain(self.notes.iter().cloned()).collect();
            out.text_member("description", &parts.join("\n\n"));
        }
    }

    fn left_out(&mut self, keyword: &str) {
        let shown: String = keyword.chars().take(80).collect();
        self.notes.push(format!("The keyword `{shown}` is left out: a document cannot carry its value."));
    }

    /// Writes one keyword, or notes why not.
    fn keyword(&mut self, keyword: &'n str, value: &'n Node, out: &mut Writer) {
        let sound = match keyword::shape(keyword) {
            Shape::Core if keyword == "$comment" => true,
            Shape::Core | Shape::Definitions | Shape::Dropped => return,
            Shape::Schema => return self.one(keyword, value, out),
            Shape::Items => return self.items(value, out),
            Shape::Schemas => return self.list(keyword, value, out),
            Shape::SchemaMap => return self.map(keyword, value, out),
            Shape::Dependencies => return self.dependencies(value, out),
            Shape::Exclusive if value.bool().is_some() => return self.exclusive(keyword, value, out),
            Shape::Number if self.is_exclusive(keyword) => return,
            Shape::Discriminator => return self.discriminator(value, out),
            Shape::Unknown => {
                // An annotation of the server's own; what would be taken for a reference cannot stay.
                if !value.leads_somewhere() && value.depth() <= DEEPEST_VALUE {
                    out.key(keyword);
                    value.write(out);
                }
                return;
            }
            // What looks like a reference can stay only where it is demanded.
            Shape::Value if keyword != "const" => value.depth() <= DEEPEST_VALUE && !value.leads_somewhere(),
            Shape::Values if keyword != "enum" => {
                value.array().is_some() && value.depth() <= DEEPEST_VALUE && !value.leads_somewhere()
            }
            Shape::Value => value.depth() <= DEEPEST_VALUE,
            Shape::Values => value.array().is_some() && value.depth() <= DEEPEST_VALUE,
            Shape::Text if keyword == "pattern" => {
                value.text().is_some_and(|pattern| self.rewriter.to.patterns.is_sound(&pattern))
            }
            Shape::Text => value.text().is_some(),
            Shape::Bool => value.bool().is_some(),
            Shape::Number | Shape::Exclusive => value.number().is_some(),
            Shape::Positive => value.number().is_some_and(|n| n > 0.0),
            Shape::Count => value.number().is_some_and(|n| n >= 0.0 && n.fract() == 0.0),
            Shape::Names => is_names(value),
            Shape::NamesMap => value.object().is_some_and(|map| map.members().all(|(_, names)| is_names(names))),
            Shape::Type => is_type(value),
        };
        if sound {
            out.key(keyword);
            value.write(out);
        } else {
            self.left_out(keyword);
        }
    }

    fn deeper(&mut self, node: &'n Node, out: &mut Writer) {
        let place = self.rewriter.index.place(node, self.place.resource);
        self.rewriter.schema(place, self.depth + 1, out);
    }

    fn schemas(&mut self, nodes: &'n [Node], out: &mut Writer) {
        for node in nodes {
            self.deeper(node, out);
        }
    }

    fn one(&mut self, keyword: &str, value: &'n Node, out: &mut Writer) {
        match keyword {
            // In force only beside `items` as a list, see `items`.
            "additionalItems" => {}
            _ if value.object().is_some() || value.bool().is_some() => {
                out.key(keyword);
                self.deeper(value, out);
            }
            _ => self.left_out(keyword),
        }
    }

    /// `items` as a list of schemas is `prefixItems` since 2020-12, and what was `additionalItems`
    /// beside it is `items`.
    fn items(&mut self, value: &'n Node, out: &mut Writer) {
        let Node::Array(list) = value else { return self.one("items", value, out) };
        if self.schema.get("prefixItems").is_some() {
            return self.left_out("items");
        }
        if !list.is_empty() {
            out.key("prefixItems");
            out.array(|out| self.schemas(list, out));
        }
        if let Some(rest) = self.schema.get("additionalItems") {
            self.one("items", rest, out);
        }
    }

    fn list(&mut self, keyword: &str, value: &'n Node, out: &mut Writer) {
        match value.array() {
            Some(list) if !list.is_empty() => {
                out.key(keyword);
                out.array(|out| self.schemas(list, out));
            }
            _ => self.left_out(keyword),
        }
    }

    fn map(&mut self, keyword: &str, value: &'n Node, out: &mut Writer) {
        let Some(map) = value.object() else { return self.left_out(keyword) };
        let is_pattern = keyword == "patternProperties";
        out.key(keyword);
        out.object(|out| {
            for (name, node) in map.members() {
                if is_pattern && !self.rewriter.to.patterns.is_sound(name) {
                    self.left_out(keyword);
                    continue;
                }
                out.key(name);
                self.deeper(node, out);
            }
        });
    }

    /// `dependencies` is two keywords since 2019-09.
    fn dependencies(&mut self, value: &'n Node, out: &mut Writer) {
        let Some(map) = value.object() else { return self.left_out("dependencies") };
        let of_names = |node: &Node| node.array().is_some();
        if map.members().any(|(_, node)| of_names(node)) && self.schema.get("dependentRequired").is_none() {
            out.key("dependentRequired");
            out.object(|out| {
                for (name, node) in map.members().filter(|(_, node)| of_names(node)) {
                    if is_names(node) {
                        out.key(name);
                        node.write(out);
                    } else {
                        self.left_out("dependencies");
                    }
                }
            });
        }
        if map.members().any(|(_, node)| !of_names(node)) && self.schema.get("dependentSchemas").is_none() {
            out.key("dependentSchemas");
            out.object(|out| {
                for (name, node) in map.members().filter(|(_, node)| !of_names(node)) {
                    out.key(name);
                    self.deeper(node, out);
                }
            });
        }
    }

    /// Whether draft 4 makes this limit an exclusive one by a boolean beside it.
    fn is_exclusive(&self, keyword: &str) -> bool {
        let flag = if keyword == "minimum" { "exclusiveMinimum" } else { "exclusiveMaximum" };
        self.schema.get(flag).and_then(Node::bool) == Some(true)
    }

    fn exclusive(&mut self, keyword: &str, value: &Node, out: &mut Writer) {
        let limit = self.schema.get(if keyword == "exclusiveMinimum" { "minimum" } else { "maximum" });
        if let Some(limit) = limit.filter(|l| value.bool() == Some(true) && l.number().is_some()) {
            out.key(keyword);
            limit.write(out);
        }
    }

    /// Its mapping points at schemas, as references or by their names.
    fn discriminator(&mut self, value: &'n Node, out: &mut Writer) {
        let property = value.object().and_then(|o| o.get("propertyName")).and_then(Node::text);
        let Some(property) = property else { return self.left_out("discriminator") };
        let mapping = value.object().and_then(|o| o.get("mapping")).and_then(Node::object);
        let mut known = Vec::new();
        for (name, node) in mapping.iter().flat_map(|m| m.members()) {
            let Some(reference) = node.text() else { continue };
            let by_name = format!("#/$defs/{reference}");
            let place = [reference.as_str(), by_name.as_str()]
                .iter()
                .find_map(|r| self.rewriter.index.resolve(r, self.place.resource));
            if let Some(place) = place {
                let last = reference.rsplit('/').next().unwrap_or_default().to_owned();
                known.push((name, self.rewriter.reference(place, &last)));
            }
        }
        out.key("discriminator");
        out.object(|out| {
            out.text_member("propertyName", &property);
            if !known.is_empty() {
                out.key("mapping");
                out.object(|out| known.iter().for_each(|(name, reference)| out.text_member(name, reference)));
            }
        });
    }
}

fn is_names(node: &Node) -> bool {
    let Some(items) = node.array() else { return false };
    let names: HashSet<String> = items.iter().filter_map(Node::text).collect();
    names.len() == items.len()
}

fn is_type(node: &Node) -> bool {
    let known = |name: &Node| {
        name.text().is_some_and(|n| {
            matches!(n.as_str(), "string" | "number" | "integer" | "boolean" | "object" | "array" | "null")
        })
    };
    match node.array() {
        Some(items) => !items.is_empty() && items.iter().all(known) && is_names(node),
        None => known(node),
    }
}
