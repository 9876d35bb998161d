//! Whether a call needs a body at all.

use crate::index::{Index, Place};
use crate::node::Node;

/// References and `allOf` are followed this far: what demands something deeper than that is found
/// when the arguments are checked.
const FOLLOWED: usize = 8;

/// Whether `schema` names arguments that have to be there. Without any, a call may come without a
/// body and is one with no arguments.
pub(crate) fn is_required(schema: &Node) -> bool {
    let Some(object) = schema.object() else { return schema.bool() == Some(false) };
    let is_plain =
        ["$ref", "$dynamicRef", "$recursiveRef", "allOf"].iter().all(|keyword| object.get(keyword).is_none());
    if is_plain {
        return names_any(schema);
    }
    let index = Index::new(schema);
    demands(&index, index.place(schema, 0), FOLLOWED)
}

fn names_any(schema: &Node) -> bool {
    let names = schema.object().and_then(|o| o.get("required")).and_then(Node::array);
    names.is_some_and(|names| names.iter().any(|name| name.text().is_some()))
}

fn demands<'n>(index: &Index<'n>, place: Place<'n>, left: usize) -> bool {
    let Some(object) = place.node.object() else { return false };
    if names_any(place.node) {
        return true;
    }
    let Some(left) = left.checked_sub(1) else { return false };
    let all = object.get("allOf").and_then(Node::array).unwrap_or_default();
    all.iter().any(|node| demands(index, index.place(node, place.resource), left))
        || index.references(object, place.resource).into_iter().flatten().any(|t| demands(index, t.place, left))
}
