//! What is in a side index: for each page its text as terms, and which entry it is.

use glass::Analyser;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tantivy::schema::{FAST, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Title and text of a page.
pub(super) const TEXT: &str = "text";
/// The index of its entry.
pub(super) const ENTRY: &str = "entry";
/// The name of [`Terms`] in the schema.
pub(super) const TOKENIZER: &str = "glass";

pub(super) fn schema() -> Schema {
    let mut schema = Schema::builder();
    let terms = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_fieldnorms(true)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    schema.add_text_field(TEXT, TextOptions::default().set_indexing_options(terms));
    schema.add_u64_field(ENTRY, FAST);
    schema.build()
}

/// How much text waits to become terms: the writer's own queue is bounded in pages only.
pub(super) struct Flow {
    waiting: Mutex<usize>,
    less: Condvar,
    most: usize,
}

impl Flow {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Mutex::new(0), less: Condvar::new(), most }
    }

    /// Waits until there is room for so many bytes, or until `stop` says so. The writer itself says at the next page
    /// if it is broken, so there is an end to waiting for it.
    pub(super) fn enter(&self, bytes: usize, stop: &dyn Fn() -> bool) {
        const STEP: Duration = Duration::from_millis(50);
        const STEPS: usize = 1200;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..STEPS {
            if *waiting == 0 || *waiting + bytes <= self.most || stop() {
                break;
            }
            waiting = self.less.wait_timeout(waiting, STEP).unwrap_or_else(PoisonError::into_inner).0;
        }
        *waiting += bytes;
    }

    fn leave(&self, bytes: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = waiting.saturating_sub(bytes);
        self.less.notify_all();
    }
}

/// Makes terms of text, for the writer.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) analyser: Arc<Analyser>,
    pub(super) flow: Arc<Flow>,
}

impl Tokenizer for Terms {
    type TokenStream<'a> = Stream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream {
        self.flow.leave(text.len());
        Stream { terms: self.analyser.terms(text).into_iter(), token: Token::default() }
    }
}

pub(super) struct Stream {
    terms: std::vec::IntoIter<glass::Term>,
    token: Token,
}

impl TokenStream for Stream {
    fn advance(&mut self) -> bool {
        let Some(term) = self.terms.next() else { return false };
        self.token.position = usize::try_from(term.position).unwrap_or(usize::MAX);
        self.token.text = term.text;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
