//! A built-in MCP server over a Docker engine, with the tools, parameters and results of mcp-docker 1.1.1.
//!
//! [`server`] makes it of [`Settings`]. From the outside in: `server` holds what is offered and says how the
//! engine is; `tools` has one file for each kind of thing; `options`, `isolation`, `mounts`, `volumes` decide what
//! may be done; `confirm` asks the person; `redact` and `fence` look after text from strangers; `dock` is what
//! all of them work on; `engine` speaks to the engine and `endpoint` finds it.
//!
//! The engine is spoken to over its HTTP API as JSON that stays what it is: `docker_inspect_*` promises the
//! engine's own attributes, so a field that we do not know must survive, a state that only Podman has must not
//! be an error, and BuildKit's progress must not need a gRPC stack. That is why there are no generated models
//! between the engine and the tools.

mod command;
mod confirm;
mod context;
mod disk;
mod dock;
mod endpoint;
mod engine;
mod environment;
mod fault;
mod fence;
mod filters;
mod image;
mod isolation;
mod lenient;
mod mounts;
mod names;
mod options;
mod ports;
mod progress;
mod prompts;
mod protect;
mod redact;
mod resources;
mod server;
mod settings;
mod start;
mod tools;
mod units;
mod volumes;
mod when;

pub use endpoint::{Host, TlsFiles, is_there};
pub use server::server;
pub use settings::{Limits, Publish, Safety, Settings, is_exception};
pub use tools::{TOOLS, tier_of};

/// Parsers of what callers write, for fuzzers.
#[doc(hidden)]
pub mod parsers {
    pub use crate::context::ignore_matches;
    pub use crate::image::check as image;
    pub use crate::mounts::lexical;
    pub use crate::ports::check as port;
    pub use crate::tools::compose_check as compose;
}
