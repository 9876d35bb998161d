//! What of a page is not what it says: navigation, editing, apparatus. Data, to be read as a list.

use html5gum::StartTag;

/// Elements whose content is no text of the page.
const UNSEEN: [&str; 13] = [
    "script",
    "style",
    "head",
    "template",
    "noscript",
    "svg",
    "iframe",
    "object",
    "canvas",
    "audio",
    "video",
    "footer",
    "annotation",
];

/// Classes of elements that are left out: (element or any, class). Only on elements that must be closed, because
/// what is left out ends with them.
const CLASSES: [(&str, &str); 29] = [
    // MediaWiki
    ("div", "reflist"),
    ("", "mw-editsection"),
    ("", "thumb"),
    ("", "thumbcaption"),
    ("ul", "gallery"),
    ("div", "gallery"),
    ("div", "hatnote"),
    ("table", "sidebar"),
    ("div", "sidebar"),
    ("", "navbox"),
    ("div", "navbox-styles"),
    ("sup", "reference"),
    ("sup", "cite_ref"),
    ("", "mw-collapsible-toggle"),
    ("span", "geo-nondefault"),
    ("span", "geo-multi-punct"),
    ("span", "mw-cite-backlink"),
    ("div", "printfooter"),
    // Sphinx and other generators of manuals
    ("a", "headerlink"),
    ("a", "anchorjs-link"),
    ("div", "linenodiv"),
    ("span", "linenos"),
    ("div", "sphinxsidebar"),
    // Stack Exchange
    ("div", "js-voting-container"),
    ("div", "post-menu"),
    ("div", "js-menu-popup-container"),
    // Whole sites
    ("div", "cookie-banner"),
    ("div", "skip-link"),
    ("a", "skip-link"),
];

/// Elements that need no end tag, or have none: none of them begins something that is left out.
const OPEN_ENDED: [&str; 23] = [
    "img", "br", "hr", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr", "param",
    "li", "p", "td", "th", "tr", "dt", "dd", "option", "body",
];

/// Sections of whole sites that are about the site, by their headings in lower case. They are left out only where
/// the page says which part of it is the content.
pub(super) const SECTIONS: [&str; 12] = [
    "test your knowledge",
    "see play and learn",
    "see, play and learn",
    "find an expert",
    "patient handouts",
    "related issues",
    "related health topics",
    "learn more",
    "review date",
    "reference desk",
    "videos and tutorials",
    "was this page helpful?",
];

/// Why an element is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// It is no text.
    Never,
    /// It is furniture, if the page closes it.
    Furniture,
    /// A picture with its caption; what is text in it is shown all the same.
    Figure,
}

pub(super) fn hidden(name: &str, tag: &StartTag<()>) -> Option<Hidden> {
    if UNSEEN.contains(&name) {
        return Some(Hidden::Never);
    }
    if name == "figure" {
        return Some(Hidden::Figure);
    }
    if OPEN_ENDED.contains(&name) || tag.self_closing {
        return None;
    }
    let mut small_box = (false, false);
    for class in classes(tag) {
        if CLASSES.iter().any(|(element, known)| *known == class && (element.is_empty() || *element == name)) {
            return Some(Hidden::Furniture);
        }
        small_box.0 |= class == "metadata";
        small_box.1 |= class == "mbox-small";
    }
    (small_box == (true, true)).then_some(Hidden::Furniture)
}

/// The classes of an element.
pub(super) fn classes(tag: &StartTag<()>) -> impl Iterator<Item = &str> {
    let value = tag.attributes.get(b"class".as_slice()).map(|value| value.as_slice());
    let text = std::str::from_utf8(value.unwrap_or_default()).unwrap_or_default();
    text.split_ascii_whitespace().take(50)
}
