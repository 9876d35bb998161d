//! The tools on a real engine, which these tests start themselves (`dockerd` of the machine; see `support`).
//!
//! Without one they say so in one line and pass, unless `PORTCULLIS_ENGINE=required`. With
//! `PORTCULLIS_ENGINE_SOCKET` they use the engine at that socket instead, such as Podman's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]
#![allow(missing_docs, unreachable_pub, reason = "tests")]

mod support;

mod compose;
mod confirmation;
mod containers;
mod defects;
mod images;
mod networks;
mod registry;
mod safety;
mod server;
mod system;
mod volumes;
