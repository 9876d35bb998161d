//! What holds for every page, whatever its bytes are: for fuzzing and for tests.

use super::{Article, Compact, beginning, read};
use crate::links::Base;
use crate::search::snippet::{Shape, snippet};

/// Reads a page and looks whether everything that is told of it is where it is said to be.
///
/// # Panics
/// If something is not: that is a mistake of the reader.
#[allow(clippy::panic, reason = "that is what it is for")]
#[doc(hidden)]
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let article = read(&text, &Base::new("dir/page.html"));
    assert!(article.markdown.len() <= 400 * text.len() + 4096, "a page comes out larger than it can be");
    places(&article);
    let how = Compact { table_rows: 1, table_chars: 5, facts: 1, links: false };
    article.compact(0..article.markdown.len(), &how);
    article.compact(article.lead(), &how);
    for enough in [0, 100, 2000] {
        places(&beginning(&text, &Base::new("page.html"), enough));
    }
    // Whatever is looked for, what is shown of it is short.
    for query in ["a b", "table", "\u{65e5}\u{672c}"] {
        let shape = Shape { chars: 50, paragraphs: 2 };
        let shown = snippet(&article, &glass::Highlighter::of_language(query, "eng"), shape);
        assert!(shown.chars().count() <= 60 * 5, "a snippet is longer than it may be");
    }
    for index in 0..article.headings.len() {
        let heading = article.headings.get(index).map_or(0, |h| h.body);
        assert!(article.end_of(index, true) >= heading, "a section ends before it begins");
    }
}

fn places(article: &Article) {
    let text = |range| article.markdown.get(range);
    for heading in &article.headings {
        let line = text(heading.at..heading.body);
        assert!(line.is_some_and(|line| line.starts_with('#')), "a heading is not where it is said to be");
        assert!(!heading.text.is_empty(), "a heading is empty");
    }
    for link in article.links.iter().filter(|link| !link.close.is_empty()) {
        let open = link.open.checked_sub(1).and_then(|at| text(at..link.open));
        assert_eq!(open, Some("["), "a link does not begin where it is said to");
        let close = text(link.close.clone());
        assert!(close.is_some_and(|close| close.starts_with("](")), "a link does not end where it is said to");
    }
    for fold in &article.folds {
        assert!(text(fold.range.clone()).is_some(), "a table is not where it is said to be");
    }
}
