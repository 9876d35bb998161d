//! Reads Xapian glass databases and searches them, without Xapian: the full-text and title indexes that
//! libzim puts into ZIM archives. Results, their order and their weights are those of libzim.
//!
//! ```no_run
//! use glass::{Cache, Database, Search};
//! use std::{fs::File, sync::Arc};
//!
//! let cache = Arc::new(Cache::new(16 << 20)); // shared by all databases
//! let file = Arc::new(File::open("wikipedia.zim")?);
//! let full_text = Database::open(file.clone(), 81_920..40_960_000, &cache)?; // X/fulltext/xapian
//! let titles = Database::open(file, 40_960_000..50_000_000, &cache)?; // X/title/xapian
//!
//! let never = || false;
//! let matches = Search::full_text("water mills").offset(0).limit(20).run(&[&full_text], &never)?;
//! for hit in &matches.hits {
//!     println!("{} ({} %)", hit.path, hit.percent);
//! }
//! let suggestions = Search::suggestions("water mi").run(&[&titles], &never)?;
//! # Ok::<(), glass::Error>(())
//! ```
//!
//! # From the bottom up
//!
//! [`ReadAt`] is where bytes come from; a database is a range of it, so that one inside an archive is
//! read in place. [`Cache`] keeps blocks, in a bounded number of bytes for all databases together.
//! [`Database`] is what was opened, which is quick: one block is read. [`Search`] asks one or several of
//! them and ranks what it finds together; each reads the query in its own language.
//!
//! [`Highlighter`] makes snippets of the pages that were found, and marks the words of the query in all
//! of their forms.
//!
//! [`Analyser`] gives the terms of a text to whoever makes an index of another kind, for archives that bring
//! none along.
//!
//! # Files that were not made by friends
//!
//! Every number in a database is a claim. Positions and sizes are compared with the block that they are
//! in, memory grows with what is really there, keys must ascend, so that no search goes in circles, and
//! a [limit on work](Search::work_limit) bounds every search. A damaged database is an [`Error`] of the
//! search, or a wrong result, never a panic.

mod analyser;
mod block;
mod cache;
mod chars;
mod collect;
mod database;
mod edition;
mod error;
mod estimate;
mod expand;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
#[allow(missing_docs, clippy::panic, clippy::missing_panics_doc, reason = "checks of promises")]
pub mod fuzz;
mod geo;
mod header;
mod html;
mod language;
mod lengths;
mod lexer;
mod node;
mod normalise;
mod pack;
mod parse;
mod pass;
mod phrase;
mod plan;
mod positions;
mod postings;
mod query;
mod search;
mod settings;
mod snippet;
mod source;
mod suggest;
mod synonym;
mod table;
mod values;
mod vocabulary;
mod weight;
mod work;

pub use analyser::{Analyser, Term};
pub use cache::{Cache, Usage};
pub use database::Database;
pub use error::{Error, Result};
pub use geo::Place;
pub use html::html_text;
pub use normalise::normalise;
pub use search::{Hit, Matches, Search, Total};
pub use snippet::{Highlighter, Occurrence, Snippet};
pub use source::{Memory, ReadAt};
