//! The tokens of a page.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::emitters::{Emitter, ForwardingEmitter};
use html5gum::{Token, Tokenizer};

/// What authors did wrong is nobody's business here, and looking for it takes a tenth of the time.
#[derive(Debug)]
struct Quiet(DefaultEmitter<()>);

impl ForwardingEmitter for Quiet {
    type Token = Token<()>;

    fn inner(&mut self) -> &mut impl Emitter<Token = Self::Token> {
        &mut self.0
    }

    #[inline]
    fn should_emit_errors(&mut self) -> bool {
        false
    }
}

/// Without comments; the content of scripts and the like is one text.
pub(super) fn tokens(html: &str) -> impl Iterator<Item = Token<()>> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, Quiet(emitter)).filter_map(Result::ok)
}
