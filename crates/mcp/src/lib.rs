//! The Model Context Protocol without I/O.
//!
//! Bottom up: [`scan`] and [`Raw`] hold JSON as the bytes it came in; [`message`] is the envelope;
//! [`request`] the typed head that policy decides on; [`revision`], [`method`], [`header`],
//! [`handshake`] and [`sse`] are the two eras on the wire; [`seal`] is state that travels through
//! clients. [`Server`] and [`Call`] are what everything that answers requests is written against,
//! and [`builtin`] makes a server of plain async functions.

pub mod builtin;
pub mod call;
pub mod capability;
pub mod error;
pub mod handshake;
pub mod header;
pub mod message;
pub mod method;
pub mod places;
pub mod raw;
pub mod request;
pub mod revision;
pub mod scan;
pub mod seal;
pub mod server;
pub mod sse;
pub mod watchers;

pub use call::{Call, Caller, Detail, Ears, Question, Reply, Said};
pub use capability::Capabilities;
pub use error::{Error, ErrorObject};
pub use message::{BadMessage, Id, Incoming, Message};
pub use method::Method;
pub use places::{Place, Places};
pub use raw::{Kind, Raw, push_string};
pub use request::{Level, Note, Request, Resume, Target};
pub use revision::{Era, Revision};
pub use scan::Limits;
pub use server::{
    About, Answer, Answering, Asks, Change, Interest, Server, ServerCapabilities, Settling, State, Tier, ToolTraits,
    Watching,
};
