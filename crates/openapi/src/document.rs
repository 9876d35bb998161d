//! An OpenAPI 3.1 document of tools.
//!
//! It is written as text from front to back, not built as a tree: a document of a whole house has
//! thousands of tools, and every view of it (a role sees only its tools) is one of its own.

use crate::body;
use crate::node::Node;
use crate::pattern::Patterns;
use crate::rewrite::{Components, components};
use crate::route::{self, Names};
use crate::write::Writer;
use bytes::Bytes;
use mcp::{About, Raw};
use std::collections::HashSet;

/// What a document says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its title.
    pub title: String,
    /// The version of what it describes.
    pub version: String,
    /// A text in Markdown.
    pub description: String,
}

impl Info {
    /// Of one server, whose name in the settings is `name`.
    pub fn of(name: &str, about: &About) -> Self {
        let own = about.info.get_text("title").or_else(|| about.info.get_text("name")).filter(|t| !t.is_empty());
        let title = own.unwrap_or_else(|| name.to_owned());
        let description = about.instructions.clone().unwrap_or_else(|| format!("{title} MCP Server"));
        Self { title, version: about.info.get_text("version").unwrap_or_default(), description }
    }
}

/// A document in the making.
///
/// Tools come as their entries of `tools/list`, in the order in which they shall stand. The same
/// calls give the same bytes.
#[derive(Debug)]
pub struct Document {
    info: Info,
    base: Option<String>,
    /// What stands before the names of servers in paths; no slash at its end.
    prefix: String,
    is_secured: bool,
    tags: Writer,
    paths: Writer,
    schemas: Writer,
    /// What has been used up: each path and name stands once.
    taken_paths: HashSet<String>,
    operations: Names,
    names: Names,
    patterns: Patterns,
}

impl Document {
    /// Without tools.
    pub fn new(info: Info) -> Self {
        let mut names = Names::default();
        for name in ["Error", "HTTPValidationError", "ValidationError"] {
            names.unique(name.to_owned());
        }
        Self {
            info,
            base: None,
            prefix: String::new(),
            is_secured: false,
            tags: Writer::default(),
            paths: Writer::default(),
            schemas: Writer::default(),
            taken_paths: HashSet::new(),
            operations: Names::default(),
            names,
            patterns: Patterns::default(),
        }
    }

    /// Servers are below `prefix`, a path without a slash at its end. Called before they are added.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.to_owned();
        self
    }

    /// Paths are below `base`, a path or a whole uri. Called before tools are added.
    #[must_use]
    pub fn served_at(mut self, base: &str) -> Self {
        self.base = Some(base.to_owned());
        self
    }

    /// Calls need a bearer token. Called before tools are added.
    #[must_use]
    pub const fn secured(mut self) -> Self {
        self.is_secured = true;
        self
    }

    /// Adds the tools of the one server that the document is about.
    pub fn tools<'t>(&mut self, tools: impl IntoIterator<Item = &'t Raw>) {
        for tool in tools {
            self.tool(None, tool);
        }
    }

    /// Adds the tools of one server among several: paths begin with its name, and its operations
    /// have its tag.
    pub fn server<'t>(&mut self, name: &str, description: &str, tools: impl IntoIterator<Item = &'t Raw>) {
        self.tags.object(|out| {
            out.text_member("name", name);
            out.text_member("description", description);
        });
        for tool in tools {
            self.tool(Some(name), tool);
        }
    }

    fn tool(&mut self, server: Option<&str>, tool: &Raw) {
        let Some(name) = tool.get_text("name") else { return };
        let folder = server.map(|s| format!("{}/{}", self.prefix, route::segment(s))).unwrap_or_default();
        let path = format!("{folder}{}", route::path(&name));
        if !self.taken_paths.insert(path.clone()) {
            return;
        }
        let prefix = server.map(|s| format!("{s}_")).unwrap_or_default();
        let schema = |key| tool.get(key).map(|raw| Node::read(&raw));
        let input = schema("inputSchema").unwrap_or_else(|| Node::Scalar(Raw::null()));
        let body = self.schema(&input, &format!("{prefix}{name}_form_model"), br#"{"type":"object"}"#);
        let result = schema("outputSchema").map(|s| self.schema(&s, &format!("{prefix}{name}_response_model"), b"{}"));
        let id = self.operations.unique(route::operation_id(server, &name));
        let is_secured = self.is_secured;

        self.paths.key(&path);
        self.paths.object(|out| {
            out.key("post");
            out.object(|out| {
                if let Some(server) = server {
                    out.key("tags");
                    out.array(|out| out.text(server));
                }
                out.text_member("summary", &title(tool).unwrap_or_else(|| route::summary(&name)));
                if let Some(description) = tool.get_text("description") {
                    out.text_member("description", &description);
                }
                out.text_member("operationId", &id);
                out.key("requestBody");
                out.object(|out| {
                    content(out, |out| reference(out, &body));
                    out.key("required");
                    out.json(if body::is_required(&input) { b"true" } else { b"false" });
                });
                out.key("responses");
                out.object(|out| responses(out, result.as_deref(), is_secured));
                if is_secured {
                    out.key("security");
                    out.json(br#"[{"HTTPBearer":[]}]"#);
                }
                extensions(out, tool);
            });
        });
    }

    fn schema(&mut self, schema: &Node, name: &str, otherwise: &[u8]) -> String {
        let to = Components {
            names: &mut self.names,
            prefix: COMPONENTS,
            out: &mut self.schemas,
            patterns: &mut self.patterns,
        };
        components(schema, name, otherwise, to)
    }

    /// The document as JSON.
    pub fn render(self) -> Bytes {
        let mut out = Writer::default();
        out.object(|out| {
            out.text_member("openapi", "3.1.0");
            out.key("info");
            out.object(|out| {
                out.text_member("title", &self.info.title);
                out.text_member("description", &self.info.description);
                out.text_member("version", &self.info.version);
            });
            if let Some(base) = &self.base {
                out.key("servers");
                out.array(|out| out.object(|out| out.text_member("url", base)));
            }
            if !self.tags.is_empty() {
                out.key("tags");
                out.array(|out| out.json(self.tags.bytes()));
            }
            out.key("paths");
            out.object(|out| out.json(self.paths.bytes()));
            out.key("components");
            out.object(|out| {
                out.key("schemas");
                out.object(|out| {
                    out.json(self.schemas.bytes());
                    out.json(SCHEMAS.as_bytes());
                });
                out.key("responses");
                out.object(|out| {
                    for response in &RESPONSES {
                        response.write(out);
                    }
                });
                if self.is_secured {
                    out.key("securitySchemes");
                    out.json(br#"{"HTTPBearer":{"type":"http","scheme":"bearer"}}"#);
                }
            });
        });
        out.finish().into()
    }
}

const COMPONENTS: &str = "#/components/schemas/";

/// The tool's own name for people.
fn title(tool: &Raw) -> Option<String> {
    let annotated = || tool.get("annotations").and_then(|a| a.get_text("title"));
    tool.get_text("title").or_else(annotated).filter(|title| !title.is_empty())
}

fn reference(out: &mut Writer, name: &str) {
    out.object(|out| out.text_member("$ref", &format!("{COMPONENTS}{name}")));
}

fn content(out: &mut Writer, schema: impl FnOnce(&mut Writer)) {
    out.key("content");
    out.object(|out| {
        out.key("application/json");
        out.object(|out| {
            out.key("schema");
            schema(out);
        });
    });
}

fn responses(out: &mut Writer, result: Option<&str>, is_secured: bool) {
    out.key("200");
    out.object(|out| {
        out.text_member("description", "Successful Response");
        content(out, |out| match result {
            Some(name) => reference(out, name),
            // Any JSON value.
            None => out.json(b"{}"),
        });
    });
    for response in RESPONSES.iter().filter(|r| is_secured || !r.needs_security) {
        out.key(response.status);
        out.object(|out| out.text_member("$ref", &format!("#/components/responses/{}", response.name)));
    }
}

/// What a tool says beside its schemas and is nothing that OpenAPI has a place for.
fn extensions(out: &mut Writer, tool: &Raw) {
    for (key, extension) in [("annotations", "x-mcp-annotations"), ("icons", "x-mcp-icons"), ("_meta", "x-mcp-meta")] {
        let value = tool.get(key).map(|raw| Node::read(&raw));
        // Readers of documents would follow what looks like a reference.
        if let Some(value) = value.filter(|v| !v.leads_somewhere() && v.depth() <= 40) {
            out.key(extension);
            value.write(out);
        }
    }
}

/// A response that every operation has.
struct Response {
    status: &'static str,
    name: &'static str,
    description: &'static str,
    /// Its schema, as JSON.
    schema: &'static str,
    header: Option<(&'static str, &'static str)>,
    needs_security: bool,
}

impl Response {
    const fn new(status: &'static str, name: &'static str, description: &'static str) -> Self {
        let schema = r##"{"$ref":"#/components/schemas/Error"}"##;
        Self { status, name, description, schema, header: None, needs_security: false }
    }

    const fn with_header(mut self, name: &'static str, definition: &'static str) -> Self {
        self.header = Some((name, definition));
        self
    }

    const fn when_secured(mut self) -> Self {
        self.needs_security = true;
        self
    }

    fn write(&self, out: &mut Writer) {
        out.key(self.name);
        out.object(|out| {
            out.text_member("description", self.description);
            if let Some((name, definition)) = self.header {
                out.key("headers");
                out.object(|out| {
                    out.key(name);
                    out.json(definition.as_bytes());
                });
            }
            content(out, |out| out.json(self.schema.as_bytes()));
        });
    }
}

const RETRY_AFTER: &str =
    r#"{"description":"Seconds after which to try again","schema":{"type":"integer","minimum":0}}"#;
const CHALLENGE: &str = r#"{"description":"How to authenticate","schema":{"type":"string"}}"#;

const RESPONSES: [Response; 12] = [
    Response::new("400", "BadRequest", "The server does not take this for a request"),
    Response::new("401", "Unauthorized", "No bearer token was sent")
        .with_header("WWW-Authenticate", CHALLENGE)
        .when_secured(),
    Response::new("403", "Forbidden", "The bearer token is not a valid one").when_secured(),
    Response::new("404", "NotFound", "There is no such tool"),
    Response::new("413", "ContentTooLarge", "The arguments or the result are larger than a limit allows"),
    Response::new("415", "UnsupportedMediaType", "The body is no JSON"),
    Response {
        schema: r##"{"anyOf":[{"$ref":"#/components/schemas/HTTPValidationError"},{"$ref":"#/components/schemas/Error"}]}"##,
        ..Response::new("422", "ValidationFailed", "The arguments are not what the tool takes")
    },
    Response::new("429", "TooManyRequests", "A limit is reached").with_header("Retry-After", RETRY_AFTER),
    Response::new("500", "Failed", "The tool failed; the message is its own"),
    Response::new("502", "Lost", "The server ended in the middle of the call, which may have been carried out"),
    Response::new("503", "Unavailable", "The server cannot answer now").with_header("Retry-After", RETRY_AFTER),
    Response::new("504", "TimedOut", "The tool did not answer in time"),
];

/// The schemas of what goes wrong. The names of the first two are FastAPI's.
const SCHEMAS: &str = concat!(
    r##""HTTPValidationError":{"type":"object","title":"HTTPValidationError","properties":{"detail":"##,
    r##"{"type":"array","title":"Detail","items":{"$ref":"#/components/schemas/ValidationError"}}}},"##,
    r##""ValidationError":{"type":"object","title":"ValidationError","properties":{"##,
    r##""loc":{"type":"array","title":"Location","items":{"anyOf":[{"type":"string"},{"type":"integer"}]}},"##,
    r##""msg":{"type":"string","title":"Message"},"type":{"type":"string","title":"Error Type"},"##,
    r##""input":{"title":"Input"},"ctx":{"type":"object","title":"Context"}},"required":["loc","msg","type"]},"##,
    r##""Error":{"type":"object","title":"Error","properties":{"detail":{"title":"Detail","anyOf":[{"type":"string"},"##,
    r##"{"type":"object","properties":{"message":{"type":"string","title":"Message"},"data":{"title":"Data"}},"##,
    r##""required":["message"]}]}},"required":["detail"]}"##,
);
