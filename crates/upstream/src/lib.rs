//! Servers that live elsewhere, behind the one trait that answers MCP requests.
//!
//! [`child`] runs a server as a process and speaks with it over its standard input and output.

pub mod child;

pub use child::{Backoff, Child, Reaper, Settings};
