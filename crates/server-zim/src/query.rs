//! Questions in words: what `zim_query` understands, and how it answers.
//!
//! `grammar` reads the ways of saying things from `intents.txt`, which is the place to look at and to change;
//! `question` finds what a question means; `guard` says what is no question, or several; `mend` corrects it;
//! `topic` finds the page that a topic is; `answers` has an answer for each intent; `synthesize` puts one together
//! from several pages; `frame` is what stands around an answer: fence, size, notes.

pub(crate) mod answers;
pub(crate) mod frame;
mod grammar;
mod guard;
mod mend;
mod question;
pub(crate) mod synthesize;
mod topic;

pub(crate) use answers::answer;
pub(crate) use mend::Misspellings;
