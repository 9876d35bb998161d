//! Which keywords of a schema hold what (JSON Schema 2020-12, with the older spellings that servers
//! still send).

use crate::node::{Node, Object};

/// What a keyword holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    SchemaMap,
    /// Schemas or lists of names by name: `dependencies`, before it was two keywords.
    Dependencies,
    /// `items`: one schema, or in old drafts a list.
    Items,
    /// What other keywords point into; not in force by itself.
    Definitions,
    /// What names the schema or points at another one.
    Core,
    /// A value that the schema compares with or shows; never a schema.
    Value,
    /// A list of such values.
    Values,
    Text,
    Bool,
    Number,
    /// A number above zero.
    Positive,
    /// `exclusiveMinimum` and `exclusiveMaximum`: a number, or in old drafts a boolean.
    Exclusive,
    /// A whole number, not negative.
    Count,
    /// Names, each once.
    Names,
    /// Lists of names by name.
    NamesMap,
    /// The name of a type, or several.
    Type,
    /// `discriminator` of OpenAPI, whose mapping points at schemas.
    Discriminator,
    /// OpenAPI's own, for XML and for links: nothing that a call needs, and checked by others.
    Dropped,
    /// Nothing that we know of.
    Unknown,
}

pub(crate) fn shape(keyword: &str) -> Shape {
    match keyword {
        "not"
        | "if"
        | "then"
        | "else"
        | "additionalProperties"
        | "unevaluatedProperties"
        | "propertyNames"
        | "additionalItems"
        | "unevaluatedItems"
        | "contains"
        | "contentSchema" => Shape::Schema,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Shape::Schemas,
        "properties" | "patternProperties" | "dependentSchemas" => Shape::SchemaMap,
        "dependencies" => Shape::Dependencies,
        "items" => Shape::Items,
        "$defs" | "definitions" => Shape::Definitions,
        "$comment" | "title" | "description" | "format" | "pattern" | "contentEncoding" | "contentMediaType" => {
            Shape::Text
        }
        "const" | "default" | "example" => Shape::Value,
        "enum" | "examples" => Shape::Values,
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" | "nullable" => Shape::Bool,
        "minimum" | "maximum" => Shape::Number,
        "exclusiveMinimum" | "exclusiveMaximum" => Shape::Exclusive,
        "multipleOf" => Shape::Positive,
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
        | "maxContains" => Shape::Count,
        "required" => Shape::Names,
        "dependentRequired" => Shape::NamesMap,
        "type" => Shape::Type,
        "discriminator" => Shape::Discriminator,
        "xml" | "externalDocs" => Shape::Dropped,
        core if core.starts_with('$') => Shape::Core,
        _ => Shape::Unknown,
    }
}

/// Keywords that tell something and demand nothing: what an old draft leaves beside a `$ref`.
pub(crate) fn is_annotation(keyword: &str) -> bool {
    matches!(
        keyword,
        "title" | "description" | "default" | "example" | "examples" | "deprecated" | "readOnly" | "writeOnly"
    )
}

/// Where a schema inside of another one applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applies {
    /// To the same value.
    InPlace,
    /// To a part of the value.
    Below,
    /// Nowhere by itself.
    ByReference,
}

/// The schemas that stand directly in `schema`.
pub(crate) fn subschemas(schema: &Object) -> impl Iterator<Item = (Applies, &Node)> {
    schema.members().flat_map(|(keyword, value)| {
        let applies = match keyword {
            "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas" | "dependencies" => {
                Applies::InPlace
            }
            "$defs" | "definitions" => Applies::ByReference,
            _ => Applies::Below,
        };
        let held: Vec<&Node> = match (shape(keyword), value) {
            (Shape::Schema, node) => vec![node],
            (Shape::Items, Node::Object(_)) => vec![value],
            (Shape::Items | Shape::Schemas, Node::Array(items)) => items.iter().collect(),
            (Shape::SchemaMap | Shape::Definitions, Node::Object(map)) => map.members().map(|(_, node)| node).collect(),
            (Shape::Dependencies, Node::Object(map)) => {
                map.members().map(|(_, node)| node).filter(|node| node.array().is_none()).collect()
            }
            _ => Vec::new(),
        };
        held.into_iter().map(move |node| (applies, node))
    })
}
