//! Tools as OpenAPI.
//!
//! An MCP tool is a name, a JSON Schema for its arguments and maybe one for its result; that is
//! nearly an OpenAPI operation, and this crate is what is missing between the two, without I/O:
//!
//! - [`route`] is where a tool stands on the wire: any name becomes a path, and back;
//! - [`Document`] writes the document of one server or of many;
//! - [`Validator`] checks a body before the server sees it, and [`Invalid`] says what is wrong in
//!   the words that FastAPI has for it;
//! - [`Reply`] is what a result or an error becomes.
//!
//! Clients of mcpo must not notice that they are served by another program, so names, paths and
//! error bodies are its own. Where it loses something (enumerations, constraints, structured
//! results, resources) nothing is lost here.
//!
//! A schema is the one thing that is hard. It comes from a server that nobody here knows, in any
//! draft, recursive, broken or hostile, and has to end up in a document that stands by itself. What
//! is done with it, and what is not kept, stands at the top of `rewrite.rs`.

mod body;
mod detail;
mod document;
mod graph;
mod index;
mod keyword;
mod node;
mod pattern;
mod reply;
mod rewrite;
pub mod route;
mod uri;
mod validate;
mod write;

pub use detail::{Detail, Invalid, MOST_DETAILS, Step};
pub use document::{Document, Info};
pub use reply::Reply;
pub use validate::Validator;
