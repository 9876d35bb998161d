//! What the references of one schema mean.
//!
//! A schema may be several resources in one another (`$id`), each with anchors of its own. All
//! that can be referred to is in this one text; a reference to anything else has no target here.

use crate::keyword::subschemas;
use crate::node::{Node, Object};
use crate::uri;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;

/// A schema with the resource it belongs to, which decides what its references mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'n> {
    pub(crate) node: &'n Node,
    pub(crate) resource: usize,
}

/// The identity of a node, for maps of what was seen.
pub(crate) type Key = *const Node;

impl Place<'_> {
    pub(crate) const fn key(&self) -> Key {
        std::ptr::from_ref(self.node)
    }
}

struct Resource<'n> {
    uri: String,
    root: &'n Node,
    anchors: HashMap<String, &'n Node>,
    dynamic: HashMap<String, &'n Node>,
    recursive: bool,
}

/// See the module.
pub(crate) struct Index<'n> {
    resources: Vec<Resource<'n>>,
    by_uri: HashMap<String, usize>,
    /// Roots of resources other than the outermost.
    starts: HashMap<Key, usize>,
    /// Whether `$schema` names a draft in which nothing counts beside a `$ref`.
    is_old: bool,
    /// The keyword that is `$id` since draft 6.
    id: &'static str,
}

impl<'n> Index<'n> {
    pub(crate) fn new(root: &'n Node) -> Self {
        let draft = root.object().and_then(|o| o.get("$schema")).and_then(Node::text).unwrap_or_default();
        let is_draft = |names: &[&str]| names.iter().any(|n| draft.contains(n));
        let mut index = Self {
            resources: Vec::new(),
            by_uri: HashMap::new(),
            starts: HashMap::new(),
            is_old: is_draft(&["draft-03", "draft-04", "draft-06", "draft-07"]),
            id: if is_draft(&["draft-03", "draft-04"]) { "id" } else { "$id" },
        };
        index.open("", root);
        index.walk(root, 0);
        index
    }

    pub(crate) const fn is_old(&self) -> bool {
        self.is_old
    }

    fn open(&mut self, uri: &str, root: &'n Node) -> usize {
        let number = self.resources.len();
        self.resources.push(Resource {
            uri: uri.to_owned(),
            root,
            anchors: HashMap::new(),
            dynamic: HashMap::new(),
            recursive: false,
        });
        self.by_uri.entry(uri.to_owned()).or_insert(number);
        number
    }

    /// The depth of the recursion is that of the text.
    fn walk(&mut self, node: &'n Node, mut resource: usize) {
        let Some(schema) = node.object() else { return };
        if let Some(id) = schema.get(self.id).and_then(Node::text) {
            let (name, fragment) = uri::split(&id);
            if !name.is_empty() {
                let uri = uri::resolve(self.uri(resource), name);
                if self.resources.first().is_some_and(|r| std::ptr::eq(r.root, node)) {
                    if let Some(outermost) = self.resources.first_mut() {
                        outermost.uri.clone_from(&uri);
                    }
                    self.by_uri.insert(uri, 0);
                } else {
                    resource = self.open(&uri, node);
                    self.starts.insert(std::ptr::from_ref(node), resource);
                }
            }
            if !fragment.is_empty() {
                self.anchor(resource, fragment.to_owned(), node);
            }
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            let Some(name) = schema.get(keyword).and_then(Node::text) else { continue };
            if keyword == "$dynamicAnchor"
                && let Some(r) = self.resources.get_mut(resource)
            {
                r.dynamic.entry(name.clone()).or_insert(node);
            }
            self.anchor(resource, name, node);
        }
        if schema.get("$recursiveAnchor").and_then(Node::bool) == Some(true)
            && let Some(r) = self.resources.get_mut(resource).filter(|r| std::ptr::eq(r.root, node))
        {
            r.recursive = true;
        }
        for (_, inner) in subschemas(schema) {
            self.walk(inner, resource);
        }
    }

    fn anchor(&mut self, resource: usize, name: String, node: &'n Node) {
        if let Some(resource) = self.resources.get_mut(resource) {
            resource.anchors.entry(name).or_insert(node);
        }
    }

    fn uri(&self, resource: usize) -> &str {
        self.resources.get(resource).map_or("", |r| &r.uri)
    }

    /// `node`, met inside of `resource`.
    pub(crate) fn place(&self, node: &'n Node, resource: usize) -> Place<'n> {
        let resource = self.starts.get(&std::ptr::from_ref(node)).copied().unwrap_or(resource);
        Place { node, resource }
    }

    /// What the references in `schema` lead to, by keyword; `Err` holds one without a target here.
    pub(crate) fn references(&self, schema: &'n Object, resource: usize) -> Vec<Result<Target<'n>, String>> {
        let mut found = Vec::new();
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(reference) = schema.get(keyword).and_then(Node::text) else { continue };
            let place = match keyword {
                "$ref" => self.resolve(&reference, resource),
                "$dynamicRef" => self.resolve_dynamic(&reference, resource),
                _ => self.resolve_recursive(resource),
            };
            found.push(match place {
                Some(place) => Ok(Target { place, name: last_name(&reference) }),
                None => Err(reference),
            });
        }
        found
    }

    /// What `reference`, written inside of `resource`, points at.
    pub(crate) fn resolve(&self, reference: &str, resource: usize) -> Option<Place<'n>> {
        let (name, fragment) = uri::split(reference);
        let resource =
            if name.is_empty() { resource } else { *self.by_uri.get(&uri::resolve(self.uri(resource), name))? };
        let found = self.resources.get(resource)?;
        let fragment = percent_decode_str(fragment).decode_utf8().ok()?;
        if fragment.is_empty() {
            return Some(self.place(found.root, resource));
        }
        let Some(pointer) = fragment.strip_prefix('/') else {
            return found.anchors.get(fragment.as_ref()).map(|node| self.place(node, resource));
        };
        pointer.split('/').try_fold(self.place(found.root, resource), |place, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            let node = match place.node {
                Node::Object(object) => object.get(&token),
                Node::Array(items) => token.parse::<usize>().ok().and_then(|at| items.get(at)),
                Node::Scalar(_) => None,
            };
            node.map(|node| self.place(node, place.resource))
        })
    }

    /// A dynamic reference means the outermost anchor of its name on the way to it. The outermost
    /// resource is on every way; beyond it, the way is not known in a document without dynamics, and
    /// the reference means what it would mean as a plain one.
    fn resolve_dynamic(&self, reference: &str, resource: usize) -> Option<Place<'n>> {
        let plain = self.resolve(reference, resource)?;
        let (_, anchor) = uri::split(reference);
        let is_dynamic = self.resources.get(plain.resource).is_some_and(|r| r.dynamic.contains_key(anchor));
        let outermost = self.resources.first().and_then(|r| r.dynamic.get(anchor));
        Some(outermost.filter(|_| is_dynamic).map_or(plain, |node| self.place(node, 0)))
    }

    /// The same in draft 2019-09, which knew it only for the root of a resource.
    fn resolve_recursive(&self, resource: usize) -> Option<Place<'n>> {
        let own = self.resources.get(resource)?;
        let outermost = self.resources.first()?;
        let (found, resource) = if own.recursive && outermost.recursive { (outermost, 0) } else { (own, resource) };
        Some(self.place(found.root, resource))
    }
}

/// What a reference leads to.
pub(crate) struct Target<'n> {
    pub(crate) place: Place<'n>,
    /// The last word of the reference, for a name.
    pub(crate) name: String,
}

fn last_name(reference: &str) -> String {
    let last = reference.rsplit(['/', '#']).find(|part| !part.is_empty()).unwrap_or("part");
    let decoded = percent_decode_str(last).decode_utf8_lossy();
    decoded.replace("~1", "/").replace("~0", "~").chars().take(60).collect()
}
