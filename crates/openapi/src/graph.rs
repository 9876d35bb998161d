//! How a schema hangs together, before anything walks along its references.
//!
//! References make a graph of a tree. Two things in it must be known first. A schema that applies to
//! the same value again and again (`{"$ref": "#"}`) demands nothing, but readers of the document
//! loop on it: the reference that closes such a circle is left out. And a small text can unfold to
//! more schemas than anyone can check (each of forty schemas naming the next one twice): how many
//! they are is counted, so that a validator can decline.

use crate::index::{Index, Key, Place};
use crate::keyword::{Applies, subschemas};
use crate::node::Node;
use std::collections::{HashMap, HashSet};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Schemas whose reference closes a circle on one value.
    pub(crate) circles: HashSet<Key>,
    /// How many schemas the schema unfolds to, circles cut.
    pub(crate) unfolded: u64,
    /// The most schemas that apply to one value.
    pub(crate) in_place: u64,
    /// The longest way along schemas that apply to one value.
    pub(crate) height: u64,
    /// Whether a value can be as deep as it likes.
    pub(crate) is_recursive: bool,
}

/// What is known of one schema.
#[derive(Clone, Copy, Default)]
struct Seen {
    done: bool,
    weight: u64,
    height: u64,
}

/// A schema on the way, with what it leads to and how far that was followed.
struct Step<'n> {
    key: Key,
    next: std::vec::IntoIter<(bool, Place<'n>)>,
    seen: Seen,
}

impl Graph {
    pub(crate) fn new(index: &Index<'_>, root: Place<'_>) -> Self {
        let mut graph = Self::default();
        let all = graph.walk(index, root, false);
        graph.unfolded = all.get(&root.key()).map_or(1, |seen| seen.weight);
        let mut in_place = HashMap::new();
        for place in reachable(index, root) {
            if !in_place.contains_key(&place.key()) {
                graph.walk_from(index, place, true, &mut in_place);
            }
        }
        graph.in_place = in_place.values().map(|seen| seen.weight).max().unwrap_or(1);
        graph.height = in_place.values().map(|seen| seen.height).max().unwrap_or(1);
        graph
    }

    fn walk(&mut self, index: &Index<'_>, root: Place<'_>, in_place: bool) -> HashMap<Key, Seen> {
        let mut seen = HashMap::new();
        self.walk_from(index, root, in_place, &mut seen);
        seen
    }

    /// Depth first without recursion: chains of references are as long as the text allows.
    fn walk_from(&mut self, index: &Index<'_>, root: Place<'_>, in_place: bool, seen: &mut HashMap<Key, Seen>) {
        seen.insert(root.key(), Seen::default());
        let mut way = vec![Step::new(index, root, in_place)];
        while let Some(step) = way.last_mut() {
            let Some((by_reference, next)) = step.next.next() else {
                let finished = Seen { done: true, ..step.seen };
                seen.insert(step.key, finished);
                way.pop();
                if let Some(outer) = way.last_mut() {
                    outer.seen.add(finished);
                }
                continue;
            };
            match seen.get(&next.key()) {
                Some(known) if known.done => step.seen.add(*known),
                Some(_) if in_place && by_reference => {
                    self.circles.insert(step.key);
                }
                Some(_) => self.is_recursive |= !in_place,
                None => {
                    seen.insert(next.key(), Seen::default());
                    way.push(Step::new(index, next, in_place));
                }
            }
        }
    }
}

impl<'n> Step<'n> {
    fn new(index: &Index<'n>, place: Place<'n>, in_place: bool) -> Self {
        let next = leads_to(index, place, in_place).into_iter();
        Self { key: place.key(), next, seen: Seen { done: false, weight: 1, height: 1 } }
    }
}

impl Seen {
    fn add(&mut self, inner: Self) {
        self.weight = self.weight.saturating_add(inner.weight);
        self.height = self.height.max(inner.height.saturating_add(1));
    }
}

/// The schemas that apply when this one does: to the same value, or also to its parts. The flag
/// says that a reference leads there.
fn leads_to<'n>(index: &Index<'n>, place: Place<'n>, in_place: bool) -> Vec<(bool, Place<'n>)> {
    let Node::Object(schema) = place.node else { return Vec::new() };
    let references = index.references(schema, place.resource).into_iter().flatten().map(|t| (true, t.place));
    let inner = subschemas(schema).filter(|(applies, _)| match applies {
        Applies::InPlace => true,
        Applies::Below => !in_place,
        Applies::ByReference => false,
    });
    let inner = inner.map(|(_, node)| (false, index.place(node, place.resource)));
    references.chain(inner).collect()
}

/// Every schema that can come to apply.
fn reachable<'n>(index: &Index<'n>, root: Place<'n>) -> Vec<Place<'n>> {
    let mut seen = HashSet::from([root.key()]);
    let mut all = vec![root];
    let mut at = 0;
    while let Some(place) = all.get(at).copied() {
        at += 1;
        all.extend(leads_to(index, place, false).into_iter().map(|(_, p)| p).filter(|p| seen.insert(p.key())));
    }
    all
}
