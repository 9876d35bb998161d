//! Searches in several archives at once, with indexes that libzim made (`crates/glass/tests/data`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{folder, quick, tool};
use mcp::Server;
use serde_json::{Value, json};
use server_zim::server;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use zim::writer::Writer;

const WHOLE: &[u8] = include_bytes!("../../glass/tests/data/whole.glass");
const HALVES: [&[u8]; 2] =
    [include_bytes!("../../glass/tests/data/half-1.glass"), include_bytes!("../../glass/tests/data/half-2.glass")];
const FRENCH: &[u8] = include_bytes!("../../glass/tests/data/french.glass");

/// An archive with these pages and this index.
fn indexed(index: &[u8], pages: impl IntoIterator<Item = String>) -> Vec<u8> {
    let page = |writer: Writer, path: String| writer.page(&path, &path, "<p>All about a river, and rivers.</p>");
    let writer = pages.into_iter().fold(Writer::new(), page);
    writer.item((b'X', "fulltext/xapian"), "", "application/octet-stream+xapian", index).build()
}

fn numbered(pages: impl Iterator<Item = usize>) -> impl Iterator<Item = String> {
    pages.map(|n| format!("page/{n:02}"))
}

fn halves() -> [(&'static str, Vec<u8>); 2] {
    let half = |n: usize| indexed(HALVES[n], numbered((n..40).step_by(2)));
    [("half-1.zim", half(0)), ("half-2.zim", half(1))]
}

/// Scores with paths. Equal scores have no order of their own.
fn ranked(page: &Value) -> Vec<(i64, String)> {
    let row =
        |row: &Value| ((row["score"].as_f64().unwrap() * 1e4).round() as i64, row["path"].as_str().unwrap().to_owned());
    let mut rows: Vec<_> = page["results"].as_array().unwrap().iter().map(row).collect();
    assert!(rows.is_sorted_by(|a, b| a.0 >= b.0), "the best first: {rows:?}");
    rows.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    rows
}

#[tokio::test]
async fn two_halves_of_a_library_rank_as_the_whole() {
    let whole = folder(&[("whole.zim", indexed(WHOLE, numbered(0..40)))]);
    let whole = server(quick(&whole));
    let parts = folder(&halves());
    let parts = server(quick(&parts));
    for query in ["river", "bridge water", "lanterns winter forest"] {
        let one = tool(&whole, "zim_search", json!({"query": query, "limit": 50})).await;
        let two = tool(&parts, "zim_search", json!({"query": query, "cross_file": true, "limit": 50})).await;
        assert_eq!(one["total"], two["total"], "{query}");
        assert!(one["total"].as_u64().unwrap() > 5 && two["page_info"].get("total_is_lower_bound").is_none());
        assert_eq!(ranked(&one), ranked(&two), "{query}");
        let each: u64 = two["files"].as_array().unwrap().iter().map(|file| file["total"].as_u64().unwrap()).sum();
        assert_eq!(two["total"], each);
        assert!(two["results"][0]["snippet"].as_str().unwrap().contains("river"));
    }
}

#[tokio::test]
async fn pages_of_a_joint_search_have_no_row_twice_and_no_archive_too_often() {
    let [first, second] = halves();
    let folder = folder(&[first, second, ("whole.zim", indexed(WHOLE, numbered(0..40)))]);
    let server = server(quick(&folder));
    for per_file in [1, 4, 11] {
        let mut arguments = json!({"query": "river", "cross_file": true, "limit": per_file});
        let (mut seen, mut count) = (HashMap::<(String, String), u32>::new(), 0);
        let mut scores = Vec::new();
        loop {
            let page = tool(&server, "zim_search", arguments).await;
            for row in page["results"].as_array().unwrap() {
                let text = |name: &str| row[name].as_str().unwrap().to_owned();
                *seen.entry((text("zim_file"), text("path"))).or_default() += 1;
                scores.push(row["score"].as_f64().unwrap());
                count += 1;
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            arguments = json!({"query": "river", "cross_file": true, "cursor": cursor});
        }
        assert_eq!((count, seen.len()), (3 * per_file, 3 * per_file));
        assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        let of = |name: &str| seen.keys().filter(|(file, _)| file == name).count();
        assert_eq!((of("half-1.zim"), of("half-2.zim"), of("whole.zim")), (per_file, per_file, per_file));
    }
}

/// All rows of a search, page by page: archive and path.
async fn page_by_page(server: &Arc<dyn Server>, mut arguments: Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    loop {
        let page = tool(server, "zim_search", arguments.clone()).await;
        let rows = page["results"].as_array().unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        all.extend(rows.iter().map(|row| (text(row, "zim_file"), text(row, "path"))));
        assert_eq!(page["done"], page["next_cursor"].is_null(), "{page}");
        let Some(cursor) = page["next_cursor"].as_str() else { return all };
        assert!(!rows.is_empty(), "{page}");
        arguments["cursor"] = cursor.into();
    }
}

/// Pages whose titles begin alike and are of different lengths.
fn titled(count: usize) -> Vec<u8> {
    let page = |writer: Writer, n: usize| {
        let title = format!("Page {n:03} {}", "x".repeat(n * 37 % 50));
        writer.page(&format!("p{n}"), &title, "<p>text</p>")
    };
    (0..count).fold(Writer::new().page("Page", "Page", "<p>text</p>"), page).build()
}

#[tokio::test]
async fn pages_of_titles_have_every_title_once_in_one_archive_and_in_several() {
    let folder = folder(&[("a.zim", titled(330)), ("b.zim", titled(30))]);
    let server = server(quick(&folder));
    for (arguments, expected) in [
        (json!({"query": "page", "mode": "title", "zim_file_path": "a.zim", "limit": 7}), 331),
        (json!({"query": "page", "mode": "title", "cross_file": true, "limit": 20}), 331 + 31),
        // An archive without an index of its text.
        (json!({"query": "page", "zim_file_path": "a.zim", "limit": 90}), 331),
    ] {
        let all = page_by_page(&server, arguments.clone()).await;
        let once: HashSet<_> = all.iter().collect();
        assert_eq!((all.len(), once.len()), (expected, expected), "{arguments}");
        assert_eq!(all[0], ("a.zim".to_owned(), "Page".to_owned()));
    }
    // By offset as by cursor; and a page of titles says at each page that it is one.
    let at = async |offset: u64| {
        tool(&server, "zim_search", json!({"query": "page", "zim_file_path": "a", "offset": offset, "limit": 10})).await
    };
    let (first, second) = (at(0).await, at(10).await);
    assert_ne!(first["results"], second["results"]);
    assert_eq!((&second["page_info"]["offset"], &second["_meta"]["reason"]), (&json!(10), &json!("no_xapian_index")));
    assert!(second["_meta"]["hint"].as_str().unwrap().contains("build-index"), "{second}");
}

#[tokio::test]
async fn each_archive_reads_the_query_in_its_own_language() {
    let french = indexed(FRENCH, ["page/fr1".to_owned(), "page/fr2".to_owned()]);
    let folder = folder(&[("english.zim", indexed(WHOLE, numbered(0..40))), ("french.zim", french)]);
    let server = server(quick(&folder));
    let found = tool(&server, "zim_search", json!({"query": "ancienne rivière", "cross_file": true})).await;
    assert_eq!((&found["total"], &found["files_with_hits"]), (&json!(2), &json!(1)));
    assert!(found["results"].as_array().unwrap().iter().all(|row| row["zim_file"] == "french.zim"));
}

#[tokio::test]
async fn the_last_page_of_a_joint_search_says_what_it_leaves_out() {
    let [first, second] = halves();
    let folder = folder(&[first, second]);
    let server = server(quick(&folder));
    let mut arguments = json!({"query": "river", "cross_file": true, "limit": 8});
    let page = tool(&server, "zim_search", arguments.clone()).await;
    assert_eq!((&page["done"], &page["_meta"]["hint"]), (&json!(false), &Value::Null));
    arguments["cursor"] = page["next_cursor"].clone();
    let last = tool(&server, "zim_search", arguments).await;
    assert_eq!((&last["done"], last["page_info"]["offset"].as_u64()), (&json!(true), Some(10)));
    let hint = last["_meta"]["hint"].as_str().unwrap();
    let left = last["total"].as_u64().unwrap() - 16;
    assert!(left > 0 && hint.contains(&format!("{left} that match")), "{hint}");
    assert!(hint.contains("raise limit (it is 8, up to 50)") && hint.contains("zim_file_path"), "{hint}");
    // With all of them there is nothing to say.
    let all = tool(&server, "zim_search", json!({"query": "river", "cross_file": true, "limit": 50})).await;
    assert_eq!((&all["done"], &all["_meta"]["hint"]), (&json!(true), &Value::Null));
    let asked =
        json!({"name": "zim_query", "arguments": {"query": "search all files for river", "limit": 8, "offset": 10}});
    let text = common::ask(&server, "tools/call", asked).await["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("{left} that match")), "{text}");
}

#[tokio::test]
async fn an_archive_that_fails_hides_no_other_and_is_named() {
    let [sound, _] = halves();
    let mut broken = HALVES[1].to_vec();
    broken[2048..].fill(0xff);
    let folder = folder(&[
        sound,
        ("broken.zim", indexed(&broken, numbered(0..40))),
        ("damaged.zim", b"ZIM no more".repeat(20)),
        ("plain.zim", Writer::new().page("page/00", "River", "<p>A river</p>").build()),
    ]);
    let server = server(quick(&folder));
    let found = tool(&server, "zim_search", json!({"query": "river", "cross_file": true})).await;
    let file = |name: &str| {
        let files = found["files"].as_array().unwrap();
        files.iter().find(|file| file["name"] == name).unwrap_or_else(|| panic!("{name}: {found}")).clone()
    };
    assert_eq!((&file("half-1.zim")["has_hits"], &file("half-1.zim")["error"]), (&json!(true), &json!(false)));
    assert_eq!(file("broken.zim")["error_operation"], "index_damaged");
    assert_eq!(
        (&file("plain.zim")["error_operation"], &file("plain.zim")["error"]),
        (&json!("no_xapian_index"), &json!(false))
    );
    assert!(found["results"].as_array().unwrap().iter().all(|row| row["zim_file"] == "half-1.zim"));
    assert!(!found["results"].as_array().unwrap().is_empty());
    // Those with hits first, those that failed last; and a cursor outlives a new look at the folder.
    let names = |page: &Value| -> Vec<String> {
        page["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&found), ["half-1.zim", "plain.zim", "broken.zim", "damaged.zim"]);
    let all = page_by_page(&server, json!({"query": "river", "cross_file": true, "limit": 16})).await;
    assert_eq!(all.len(), 16);
    // All fail: each is named, and nothing is found.
    let only = common::folder(&[("broken.zim", indexed(&broken, numbered(0..40)))]);
    let server = server_zim::server(quick(&only));
    let found = tool(&server, "zim_search", json!({"query": "river", "cross_file": true})).await;
    assert_eq!((&found["files_failed"], &found["total"]), (&json!(1), &json!(0)));
}
