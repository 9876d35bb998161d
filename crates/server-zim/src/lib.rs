//! A built-in MCP server over ZIM archives: what an assistant needs to look something up in them.
//!
//! [`server`] makes it of [`Settings`]. The tools have the names, parameters and results of openzim-mcp.
//!
//! From the outside in: `server` holds the tools and says how the library is; `tools` has one file for each;
//! `work` takes them off the async threads, with a deadline; `library` knows the archives by name, `scan` finds
//! them, `book` opens one, `index` asks the indexes it brings along and `side` the one that was made for it; `retrieve` finds the entry that a path means; `article` and `html` turn entries into what
//! a model reads. Paths of callers are compared with what was found and never opened.

mod arguments;
mod article;
mod book;
mod cache;
mod cursor;
mod demo;
mod events;
mod fault;
mod html;
mod index;
mod kept;
mod library;
mod linkgraph;
mod links;
mod meta;
mod nearest;
mod preset;
mod prompts;
mod query;
mod resources;
mod retrieve;
mod scan;
mod search;
mod server;
mod settings;
mod side;
mod telemetry;
mod text;
mod time;
mod tools;
mod work;

pub use demo::demo_archive;
#[doc(hidden)]
pub use html::check as check_page;
pub use linkgraph::{Built, build as build_link_graph};
pub use scan::archives;
pub use server::server;
pub use settings::{Answers, Content, Rewrite, Search, Settings, Synthesize};
pub use side::{BuiltIndex, NotBuilt, build_index, cache_folder};
