//! What fuzz targets check, for the crate `fuzzing`. Each function takes any bytes and panics where a
//! promise is broken.

use crate::cache::Cache;
use crate::database::Database;
use crate::error::Error;
use crate::html::html_text;
use crate::normalise::normalise;
use crate::pack::{put_sortable, put_sortable_string, put_varint};
use crate::parse::{Words, full_text};
use crate::positions::{MOST, decode};
use crate::postings::{END, Postings};
use crate::search::Search;
use crate::snippet::Highlighter;
use crate::source::Memory;
use crate::suggest::suggestion;
use std::sync::Arc;

/// Work that a search of a small database may take.
const WORK: u64 = 1_000_000;

/// Any blocks behind a sound first one: tables end, searches end.
pub fn block(data: &[u8]) {
    const SIZE: usize = 2048;
    let Some((&shape, data)) = data.split_first() else { return };
    let level = shape % 3;
    let mut blocks = first_block(SIZE, &[(1, level), (u32::from(shape >> 2 & 3), level), (1, level)]);
    blocks.extend(data);
    blocks.resize(blocks.len().next_multiple_of(SIZE), 0);
    let Some(database) = open(blocks) else { return };
    // No block is come to twice, and none has more items than this.
    let most = items_of(SIZE) * (data.len() / SIZE + 2);
    if let Ok((mut cursor, true)) = database.terms_from(b"") {
        let mut seen = 0;
        while cursor.key().is_ok() {
            seen += 1;
            assert!(seen <= most, "a table has an end");
            let _ = cursor.tag();
            if !matches!(cursor.next(), Ok(true)) {
                break;
            }
        }
    }
    search_all(&database);
}

/// Any bytes as the first chunk of a posting list: documents ascend, and a list that seeks is where one
/// that goes step by step would be.
pub fn posting(data: &[u8]) {
    let Some((&far, tag)) = data.split_first() else { return };
    let mut key = Vec::new();
    put_sortable_string(&mut key, b"a");
    let mut later = key.clone();
    later.push(0);
    put_sortable(&mut later, u32::from(far) * 7 + 1);
    let (first, second) = tag.split_at(tag.len() / 2);
    let Some(database) = with_items(&[(&key, tag)]) else { return };
    check_postings(&database, u32::from(far));
    let Some(database) = with_items(&[(&key, first), (&later, second)]) else { return };
    check_postings(&database, u32::from(far));
}

fn check_postings(database: &Database, far: u32) {
    let Ok(Some(mut list)) = database.term_postings(b"a") else { return };
    let mut documents = Vec::new();
    while list.docid() != END {
        assert!(documents.last().is_none_or(|last| *last < list.docid()), "documents ascend");
        documents.push(list.docid());
        if list.next().is_err() {
            break;
        }
    }
    let target = documents.first().copied().unwrap_or(1).saturating_add(far);
    let Ok(Some(mut list)) = database.term_postings(b"a") else { return };
    let Some(expected) = documents.iter().find(|docid| **docid >= target) else { return };
    if target > list.docid() && Postings::seek(&mut list, target).is_ok() {
        assert!(list.docid() <= *expected && list.docid() >= target, "seeking finds what stepping finds");
    }
    search_all(database);
}

/// Any bytes as a list of positions: they ascend.
pub fn position(data: &[u8]) {
    let mut out = Vec::new();
    if decode(data, &mut out).is_ok() {
        assert!(out.is_sorted_by(|a, b| a < b) && !out.is_empty(), "positions ascend");
        assert!(out.len() <= MOST as usize, "few bytes may be many positions, but not any number of them");
    }
}

/// Any text as a query, as HTML and as what snippets are cut of.
pub fn query(data: &[u8]) {
    struct Any;
    impl Words for Any {
        fn stems(&self, word: &str) -> Vec<String> {
            vec![word.to_owned()]
        }

        fn is_stop(&self, word: &str) -> bool {
            word.len() < 3
        }
    }
    let text = String::from_utf8_lossy(data);
    let normal = normalise(&text);
    assert_eq!(normalise(&normal), normal, "what is normal stays as it is");
    for is_lenient in [false, true] {
        let _ = full_text(&normal, &Any, is_lenient).to_string();
    }
    let _ = suggestion(&normal, Some(&|word| word.to_owned())).to_string();
    let plain = html_text(&text);
    let (question, page) = text.split_once('\n').unwrap_or((&text, &plain));
    let Some(database) = with_items(&[]) else { return };
    let Ok(highlighter) = Highlighter::new(&Search::full_text(question), &database) else { return };
    let snippet = highlighter.snippet(page, 40);
    assert!(page.contains(&snippet.text), "a snippet is a part of its text");
    for range in &snippet.found {
        assert!(snippet.text.get(range.clone()).is_some_and(|found| !found.is_empty()));
    }
    search_all(&database);
}

/// How many items fit into the directory of a block.
const fn items_of(block: usize) -> usize {
    block / 2
}

fn search_all(database: &Database) {
    for search in
        [Search::full_text("a b"), Search::full_text("a"), Search::suggestions("a"), Search::suggestions("a b")]
    {
        match search.work_limit(WORK).run(&[database], &|| false) {
            Ok(matches) => assert!(matches.hits.len() <= 10),
            Err(Error::Stopped) => panic!("nobody stopped it"),
            Err(_) => {}
        }
    }
}

fn open(bytes: Vec<u8>) -> Option<Database> {
    let range = 0..bytes.len() as u64;
    Database::open(Arc::new(Memory(bytes)), range, &Arc::new(Cache::new(1 << 20))).ok()
}

/// A database with one leaf, which holds these keys and tags.
fn with_items(items: &[(&[u8], &[u8])]) -> Option<Database> {
    const SIZE: usize = 65536;
    let mut lengths = vec![0, 0, 0, b'1'];
    put_varint(&mut lengths, 999);
    lengths.extend([5].into_iter().chain([0, 5].into_iter().cycle().take(2 * 999)));
    let mut items: Vec<(&[u8], &[u8])> = items.to_vec();
    items.push((b"\0\xe0", &lengths));
    items.sort_unstable();
    let mut blocks = first_block(SIZE, &[(1, 0), (1, 0), (1, 0)]);
    let start = blocks.len();
    blocks.resize(start + SIZE, 0);
    let leaf = blocks.get_mut(start..)?;
    let mut at = 11 + items.len() * 2;
    leaf.get_mut(9..11)?.copy_from_slice(&(at as u16).to_be_bytes());
    for (n, (key, tag)) in items.iter().enumerate() {
        let tag = tag.get(..tag.len().min(8000))?;
        let size = 3 + key.len() + tag.len();
        leaf.get_mut(11 + n * 2..13 + n * 2)?.copy_from_slice(&(at as u16).to_be_bytes());
        let flags = 0x6000 | (size - 3) as u16;
        let item = [&flags.to_be_bytes(), [key.len() as u8].as_slice(), key, tag].concat();
        leaf.get_mut(at..at + item.len())?.copy_from_slice(&item);
        at += item.len();
    }
    open(blocks)
}

/// A sound first block: roots of postings, documents and positions, and a thousand documents.
fn first_block(size: usize, roots: &[(u32, u8); 3]) -> Vec<u8> {
    let mut block = b"\x0f\x0dXapian Glass\x04\x6e0123456789abcdef".to_vec();
    put_varint(&mut block, 1);
    let [postings, documents, positions] = *roots;
    let none = (0, 0);
    for (root, level) in [postings, documents, none, positions, none, none] {
        put_varint(&mut block, u64::from(root));
        put_varint(&mut block, u64::from(level) << 2 | u64::from(root == 0));
        put_varint(&mut block, 1);
        put_varint(&mut block, (size >> 11) as u64);
        block.extend([0, 0]);
    }
    for number in [1000, 0, 5, 1000, 5, 0, 5000, 0] {
        put_varint(&mut block, number);
    }
    block.resize(size, 0);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_that_targets_make_are_sound() {
        let mut key = Vec::new();
        put_sortable_string(&mut key, b"a");
        // Two documents, 3 and 5, which have it twice and once.
        let tag = [2, 3, 2, b'1', 2, 2, 1, 1];
        let database = with_items(&[(&key, &tag)]).unwrap();
        assert_eq!((database.documents(), database.term_frequency("a").unwrap()), (1000, 2));
        assert_eq!(database.lengths().get(700).unwrap(), 5);
        let list = database.term_postings(b"a").unwrap().unwrap();
        assert_eq!((list.docid(), list.wdf()), (3, 2));
    }

    #[test]
    fn random_bytes_break_no_promise() {
        let mut state = 1_u64;
        for round in 0..600_u64 {
            let data: Vec<u8> = (0..round % 300)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // Small numbers are more often of use.
                    if state >> 62 == 0 { (state >> 40) as u8 } else { (state >> 40) as u8 % 8 }
                })
                .collect();
            block(&data);
            posting(&data);
            position(&data);
            query(&data);
        }
    }
}
