//! A built-in MCP server over ZIM archives: what an assistant needs to look something up in them.
//!
//! [`server`] makes it of [`Settings`]. The tools have the names, parameters and results of openzim-mcp as far
//! as they are here: `zim_get` (one entry as text), `zim_browse` (what there is), `zim_metadata` (the archives,
//! and one of them), `zim_search` (by title).
//!
//! From the outside in: `server` holds the tools and says how the library is; `tools` has one file for each;
//! `work` takes them off the async threads, with a deadline; `library` knows the archives by name, `scan` finds
//! them; `text`, `html` and `links` turn entries into what a model reads. Paths of callers are compared with what
//! was found and never opened.

mod arguments;
mod cursor;
mod demo;
mod fault;
mod html;
mod library;
mod links;
mod nearest;
mod scan;
mod server;
mod settings;
mod text;
mod tools;
mod work;

pub use demo::demo_archive;
pub use server::server;
pub use settings::Settings;
