//! The text of an HTML page, for snippets.

use html5gum::Tokenizer;
use html5gum::emitters::default::{DefaultEmitter, Token};

/// Elements whose content is no text of the page.
const UNSEEN: [&[u8]; 12] = [
    b"script",
    b"style",
    b"head",
    b"template",
    b"noscript",
    b"svg",
    b"math",
    b"iframe",
    b"object",
    b"canvas",
    b"audio",
    b"video",
];
/// Elements that are within a line; all others end it.
const INLINE: [&[u8]; 32] = [
    b"a", b"abbr", b"acronym", b"b", b"bdi", b"bdo", b"big", b"cite", b"code", b"data", b"del", b"dfn", b"em", b"font",
    b"i", b"img", b"ins", b"kbd", b"label", b"mark", b"q", b"rp", b"rt", b"ruby", b"s", b"samp", b"small", b"span",
    b"strong", b"sub", b"sup", b"wbr",
];
/// Bytes of text that are taken of a page.
const MOST: usize = 4 << 20;

/// The text of a page: no markup, one line a block, one space between words.
///
/// ```
/// assert_eq!(glass::html_text("<title>x</title><p>Fish &amp; <b>chi</b>ps<p>Tea"), "x\nFish & chips\nTea");
/// ```
pub fn html_text(html: &str) -> String {
    let mut emitter = DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    let mut text = Text::default();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Ok(Token::StartTag(tag)) => text.start(&tag.name, tag.self_closing),
            Ok(Token::EndTag(tag)) => text.end(&tag.name),
            Ok(Token::String(string)) => text.push(&String::from_utf8_lossy(&string)),
            Ok(Token::Comment(_) | Token::Doctype(_) | Token::Error(_)) | Err(_) => {}
        }
        if text.out.len() > MOST {
            break;
        }
    }
    text.out
}

#[derive(Default)]
struct Text {
    out: String,
    /// What is due before the next text.
    gap: Option<char>,
    /// The element that is not shown, and how often it was opened within itself.
    unseen: Option<(Vec<u8>, usize)>,
}

impl Text {
    fn start(&mut self, name: &[u8], is_closed: bool) {
        match &mut self.unseen {
            // A head has no end tag if the author left it out.
            Some((unseen, _)) if unseen == b"head" && name == b"body" => self.unseen = None,
            Some((unseen, depth)) if unseen == name => *depth += 1,
            Some(_) => {}
            None if UNSEEN.contains(&name) && !is_closed => self.unseen = Some((name.to_vec(), 1)),
            None => self.border(name),
        }
    }

    fn end(&mut self, name: &[u8]) {
        match &mut self.unseen {
            Some((unseen, depth)) if unseen == name => {
                *depth -= 1;
                if *depth == 0 {
                    self.unseen = None;
                }
            }
            Some(_) => {}
            None => self.border(name),
        }
    }

    fn border(&mut self, name: &[u8]) {
        if !INLINE.contains(&name) {
            self.gap = Some('\n');
        }
    }

    fn push(&mut self, text: &str) {
        if self.unseen.is_some() {
            return;
        }
        for (n, word) in text.split(char::is_whitespace).enumerate() {
            if n > 0 {
                self.gap.get_or_insert(' ');
            }
            if word.is_empty() {
                continue;
            }
            if let Some(gap) = self.gap.take().filter(|_| !self.out.is_empty()) {
                self.out.push(gap);
            }
            self.out.push_str(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_shown_is_no_text() {
        let html = "<html><head><title>T</title><script>a<b</script></head><body>One<style>p{}</style> two\
                    <script>var x = '<p>';</script><ul><li>three<li>four</ul><p>f<i>iv</i>e&nbsp;&lt;six&gt;";
        assert_eq!(html_text(html), "One two\nthree\nfour\nfive <six>");
        assert_eq!(html_text("<head><meta x><body>b<svg><svg></svg>c</svg>d"), "bd");
    }

    proptest! {
        #[test]
        fn any_text_gives_text_with_single_gaps(html in "[<>a-z/ \\n&;\"=!-]{0,200}") {
            let text = html_text(&html);
            prop_assert!(!text.contains("  ") && !text.contains("\n\n") && text.trim() == text);
        }
    }
}
