//! Pages that imitate the markup of what archives are made of, with the Markdown that is right for them; and what
//! holds for every page of a real archive.

use super::*;
use std::path::{Path, PathBuf};
use zim::Archive;

fn folder() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("tests/html")
}

/// `UPDATE_GOLDENS=1` writes what comes out, to be read before it is committed.
fn golden(name: &str, path: &str) -> Article {
    let html = std::fs::read_to_string(folder().join(format!("{name}.html"))).unwrap();
    let article = read(&html, &Base::new(path));
    let place = folder().join(format!("{name}.md"));
    let how = Compact { table_rows: 8, table_chars: 600, facts: 30, links: false };
    let mut text = article.markdown.clone();
    text.push_str("\n\n-- compact\n\n");
    text.push_str(&article.compact(0..article.markdown.len(), &how));
    text.push_str("\n\n-- headings\n\n");
    for heading in &article.headings {
        text.push_str(&format!(
            "{} {} ({}, {})\n",
            "#".repeat(heading.level.into()),
            heading.text,
            heading.id,
            heading.id_source
        ));
    }
    text.push_str("\n-- links\n\n");
    for link in &article.links {
        text.push_str(&format!("{} -> {}\n", link.text, link.path.as_deref().unwrap_or(&link.url)));
    }
    for media in &article.media {
        text.push_str(&format!("{} {} -> {}\n", media.kind, media.alt, media.path.as_deref().unwrap_or(&media.url)));
    }
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&place, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&place).unwrap(), "{name}");
    article
}

#[test]
fn pages_of_wikipedia_read_as_articles() {
    let article = golden("wikipedia", "A/Marlow_Bridge");
    for word in ["Other bridges", "[1]", "edit", "Bridges", "closed bridge", "CC BY-SA"] {
        assert!(!article.markdown.contains(word), "{word}");
    }
}

#[test]
fn pages_of_stack_exchange_read_as_questions_and_answers() {
    golden("stackexchange", "questions/1/how-do-i-read-a-file");
}

#[test]
fn pages_of_zimit_are_their_content() {
    golden("zimit", "health.example/measles.html");
}

#[test]
fn pages_of_sphinx_keep_their_references() {
    golden("sphinx", "library/shelf.html");
}

/// The data that lies beside the repository, if it does.
fn shared() -> Option<PathBuf> {
    let told = std::env::var_os("PORTCULLIS_SHARED").map(PathBuf::from);
    let beside = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../../shared");
    [told, Some(beside)].into_iter().flatten().find(|path| path.join("data/zim/docs.zim").is_file())
}

#[test]
fn on_every_page_of_a_real_archive_no_text_is_lost_and_every_link_leads_somewhere() {
    let Some(shared) = shared() else {
        println!("the recorded archives are absent: set PORTCULLIS_SHARED");
        return;
    };
    let archive = Archive::open(shared.join("data/zim/docs.zim")).unwrap();
    let (mut pages, mut links, mut dead) = (0, 0, Vec::new());
    for index in archive.path_range(b'C', "").unwrap() {
        let entry = archive.entry(index).unwrap();
        if !entry.mime_type().is_some_and(|mime| mime.starts_with("text/html")) {
            continue;
        }
        let html = String::from_utf8(entry.read().unwrap()).unwrap();
        let path = entry.path().into_owned();
        let article = read(&html, &Base::new(&path));
        pages += 1;
        check(&html, &article, &path);
        for link in &article.links {
            let Some(target) = &link.path else { continue };
            links += 1;
            if archive.find(b'C', target).unwrap().is_none() {
                dead.push((path.clone(), link.url.clone()));
            }
        }
    }
    println!("{pages} pages, {links} links, {} dead", dead.len());
    // Those that lead nowhere do so in the manuals too: what they name was never in the archive.
    for (page, url) in &dead {
        assert!(!exists(&archive, page, url.split(['#', '?']).next().unwrap_or_default()), "{page}: {url}");
    }
    assert!(pages >= 7491 && dead.len() * 5 < links, "{pages} pages, {} of {links} links dead", dead.len());
}

/// Whether the reference means an entry, read by other rules than ours: nothing is decoded.
fn exists(archive: &Archive, page: &str, reference: &str) -> bool {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    archive.find(b'C', parts.join("/")).unwrap().is_some()
}

/// Every word of the content, and every heading of it, as a plain walk over the tokens finds them.
fn check(html: &str, article: &Article, path: &str) {
    use html5gum::{Token, Tokenizer, emitters::default::DefaultEmitter};
    let mut emitter = DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    let is_scoped = html.contains("role=\"main\"") || html.contains("<main");
    let (mut inside, mut depth, mut scope_tag) = (!is_scoped, 0_usize, String::new());
    let mut hidden: Option<(String, usize)> = None;
    let squeezed: String = squeeze(&article.markdown);
    let (mut headings, mut heading, mut at) = (0, None::<String>, 0);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if let Some((hider, count)) = &mut hidden {
                    *count += usize::from(*hider == name);
                    continue;
                }
                if is_scoped && !inside && (name == "main" || attribute(&tag, "role").as_deref() == Some("main")) {
                    (inside, depth, scope_tag) = (true, 0, name.clone());
                } else if is_scoped && inside && name == scope_tag {
                    depth += 1;
                }
                if furniture::hidden(&name, &tag).is_some() && !tag.self_closing {
                    hidden = Some((name.clone(), 0));
                }
                if matches!(name.as_str(), "h1" | "h2" | "h3" | "h4" | "h5" | "h6") && inside {
                    heading = Some(String::new());
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                if let Some((hider, count)) = &mut hidden {
                    if *hider == name {
                        if *count == 0 {
                            hidden = None;
                        } else {
                            *count -= 1;
                        }
                    }
                    continue;
                }
                if matches!(name.as_str(), "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
                    && let Some(text) = heading.take().filter(|text| !text.trim().is_empty())
                {
                    let known = article.headings.get(headings).unwrap_or_else(|| panic!("{path}: no heading {text}"));
                    assert_eq!(squeeze(&known.text), squeeze(text.trim_end_matches('¶')), "{path}");
                    headings += 1;
                }
                if is_scoped && inside && name == scope_tag {
                    if depth == 0 {
                        inside = false;
                    } else {
                        depth -= 1;
                    }
                }
            }
            Token::String(text) if inside && hidden.is_none() => {
                // What nobody sees is not shown.
                let text = String::from_utf8_lossy(&text);
                let text = redact::clean(&text);
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
                for word in text.split_whitespace() {
                    let word = squeeze(word);
                    if word.is_empty() {
                        continue;
                    }
                    // In their order: what is found is searched for behind what was found before.
                    let rest = squeezed.get(at..).unwrap_or_default();
                    let found = rest.find(&word).unwrap_or_else(|| panic!("{path}: {word:?} is lost"));
                    at += found + word.len();
                }
            }
            _ => {}
        }
    }
    assert_eq!(headings, article.headings.len(), "{path}");
}

/// Letters and digits alone: markup, escapes and spaces are not text.
fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}
