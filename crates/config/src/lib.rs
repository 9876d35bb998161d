//! One file to validated plain settings.
//!
//! [`load`] reads a file, [`parse`] a text. Both report everything that is wrong at once, each
//! problem with its file, line, key and what to do about it ([`Errors`]). What they return needs no
//! further validation, with one exception: whether it is safe to listen where the settings say is
//! asked separately ([`Settings::check_safe_start`]), because it resolves names.
//!
//! From the text to the settings: `jsonc` or `toml` makes a `tree` that knows its lines and has no
//! duplicate keys; `read` walks it, completes `${env:…}` and
//! `${file:…}`, collects problems and notices keys that nobody asked for; one file per section
//! (`server`, `auth`, `policy`, …) holds the plain types and reads them. Secrets leave the tree as
//! [`Secret`] or [`Text`], which do not show themselves.
//!
//! [`schema`] describes the file for editors and other programs.
//!
//! This crate knows no other crate of ours: tiers, levels and patterns are its own enums and
//! strings, and the binary translates them.

mod audit;
mod auth;
mod docker;
mod effective;
mod env;
mod error;
mod fingerprint;
mod hosts;
mod jsonc;
mod limits;
mod lines;
mod load;
mod names;
mod nearest;
mod pattern;
mod policy;
mod read;
mod safe_start;
mod schema;
mod secret;
mod server;
mod settings;
mod state;
mod telemetry;
#[cfg(test)]
mod tests;
mod toml;
mod tree;
mod units;
mod url;
mod zim;

pub use audit::{Arguments, Audit};
pub use auth::{Auth, Credential, Token};
pub use docker::{Docker, Engine as DockerEngine, Publish as DockerPublish, Rules as DockerRules};
pub use env::{Env, Recorder, SystemEnv};
pub use error::{ConfigError, Errors, Invalid, Place, Warning};
pub use hosts::{HostPattern, HostPort, Listen, check_origin};
pub use limits::{Limits, PerSecond, Rate};
pub use load::{load, parse};
pub use names::{RESERVED, check_server_name};
pub use pattern::check_pattern;
pub use policy::{Policy, Role};
pub use schema::schema;
pub use secret::{Secret, Text};
pub use server::{Document, RemoteKind, ServerKind, ServerLimits, ServerSettings, Tier, ToolSettings};
pub use settings::{Settings, Source, Words, parse_network};
pub use state::StateSettings;
pub use telemetry::{Log, LogFormat, LogLevel, Metrics, Telemetry};
pub use units::{parse_duration, parse_size};
pub use zim::{Zim, ZimMode};
