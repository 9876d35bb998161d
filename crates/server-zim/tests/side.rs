//! Full text of archives that bring no index of it along.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{fault, folder, put, quick, tool};
use mcp::Server;
use serde_json::{Value, json};
use server_zim::{BuiltIndex, NotBuilt, Settings, build_index, server};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use zim::writer::Writer;

fn rivers() -> Writer {
    let long =
        format!("<h1>Flood</h1><p>{}</p><p>A flooded <b>meadow</b> at last.</p>", "Dry words here. ".repeat(9000));
    Writer::new()
        .metadata("Title", "Rivers")
        .metadata("Language", "eng")
        .page("Nile", "Nile", "<h1>Nile</h1><p>The big river runs through the desert.</p>")
        .page("Rhine", "Rhine", "<h1>Rhine</h1><p>A river that is big and <a href='Nile'>cold</a>; it was running.</p>")
        .page("Well", "Well", "<p>A well-known hole in the ground. C++ is known well.</p>")
        .page("Flood", "Flood", &long)
        .page("River", "River", "<p>Water.</p>")
        .item((b'C', "notes.txt"), "Notes", "text/plain", "Notes on the river, by hand.")
        .item((b'C', "style.css"), "", "text/css", "river{}")
        .redirect(b'C', "Nil", "Nil", (b'C', "Nile"))
}

fn with_cache(settings: Settings, cache: &TempDir) -> Settings {
    let mut settings = settings;
    settings.cache_folder = Some(cache.path().to_owned());
    settings
}

fn make(archive: &Path, cache: &TempDir) -> Result<BuiltIndex, NotBuilt> {
    build_index(archive, cache.path(), false, &mut |done, total| assert!(done <= total))
}

async fn paths(server: &Arc<dyn Server>, query: &str) -> Vec<String> {
    let found = tool(server, "zim_search", json!({ "query": query, "zim_file_path": "r" })).await;
    assert_eq!(found["_meta"]["text_index"], "side", "{found}");
    found["results"].as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap().to_owned()).collect()
}

fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort();
    paths
}

#[tokio::test]
async fn without_an_index_titles_are_searched_and_the_answer_says_how_to_make_one() {
    let (folder, cache) = (folder(&[("r.zim", rivers().build())]), tempfile::tempdir().unwrap());
    let server = server(with_cache(quick(&folder), &cache));
    let found = tool(&server, "zim_search", json!({"query": "desert"})).await;
    assert_eq!((&found["_meta"]["reason"], &found["total"]), (&json!("no_xapian_index"), &json!(0)));
    let hint = found["_meta"]["hint"].as_str().unwrap();
    assert!(hint.contains("portcullis zim build-index"), "{hint}");
    let about = tool(&server, "zim_metadata", json!({"zim_file_path": "r.zim"})).await;
    assert_eq!(about["index_capabilities"]["text_index"], "none");
    // The index is seen as soon as it is there.
    let built = make(&folder.path().join("r.zim"), &cache).unwrap();
    assert_eq!((built.documents, built.unreadable), (6, 0));
    assert_eq!(paths(&server, "desert").await, ["Nile"]);
    let about = tool(&server, "zim_metadata", json!({"zim_file_path": "r.zim"})).await;
    let indexes = &about["index_capabilities"];
    assert_eq!((&indexes["text_index"], &indexes["has_fulltext_index"]), (&json!("side"), &json!(false)));
    let health = tool(&server, "zim_health", json!({"zim_file_path": "r.zim"})).await;
    assert_eq!(health["text_index"], "side");
    let health = tool(&server, "zim_health", json!({})).await;
    let side = &health["health"]["side_indexes"];
    assert_eq!((&side["has_cache_folder"], &side["built_in_background"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn words_are_found_in_all_their_forms_and_phrases_as_they_stand() {
    let (folder, cache) = (folder(&[("r.zim", rivers().build())]), tempfile::tempdir().unwrap());
    make(&folder.path().join("r.zim"), &cache).unwrap();
    let server = server(with_cache(quick(&folder), &cache));
    for (query, expected) in [
        ("rivers", vec!["Nile", "Rhine", "River", "notes.txt"]),
        ("RUNS river", vec!["Nile", "Rhine"]),
        ("big river", vec!["Nile", "Rhine"]),
        ("\"big river\"", vec!["Nile"]),
        ("well-known", vec!["Well"]),
        ("known-well", vec!["Well"]),
        ("hole-ground", vec![]),
        ("c++", vec!["Well"]),
        ("flooding meadows", vec!["Flood"]),
        ("river zebra", vec![]),
        ("\"", vec![]),
    ] {
        assert_eq!(sorted(paths(&server, query).await), expected, "{query}");
    }
    // The page that is called so is the best, and what matches is shown.
    assert_eq!(paths(&server, "river").await[0], "River");
    let found = tool(&server, "zim_search", json!({"query": "meadow"})).await;
    assert!(found["results"][0]["snippet"].as_str().unwrap().contains("**meadow**"), "{found}");
    assert!(found["results"][0]["score"].as_f64().unwrap() > 0.0);
    assert_eq!(found["page_info"].get("total_is_lower_bound"), None);
}

#[tokio::test]
async fn results_come_page_by_page_filtered_and_beside_those_of_other_archives() {
    let mut many = Writer::new().metadata("Language", "eng");
    for number in 0..25 {
        many = many.page(&format!("P{number:02}"), &format!("Page {number}"), "<p>A lake of mercury</p>");
    }
    let archives = [("r.zim", rivers().build()), ("many.zim", many.build())];
    let (folder, cache) = (folder(&archives), tempfile::tempdir().unwrap());
    for name in ["r.zim", "many.zim"] {
        make(&folder.path().join(name), &cache).unwrap();
    }
    let mut settings = with_cache(quick(&folder), &cache);
    settings.memory = Settings::demo().memory;
    let server = server(settings);
    let mut arguments = json!({"query": "mercury", "zim_file_path": "many.zim", "limit": 10});
    let mut seen = Vec::new();
    loop {
        let page = tool(&server, "zim_search", arguments).await;
        assert_eq!(page["total"], 25);
        seen.extend(page["results"].as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        arguments = json!({"query": "mercury", "zim_file_path": "many.zim", "cursor": cursor});
    }
    // Of equal pages the first come first, so no page comes twice.
    assert_eq!(seen, (0..25).map(|number| format!("P{number:02}")).collect::<Vec<_>>());
    let plain = json!({"query": "river", "zim_file_path": "r.zim", "content_type": "text/plain"});
    let plain = tool(&server, "zim_search", plain).await;
    assert_eq!((plain["results"].as_array().unwrap().len(), &plain["results"][0]["path"]), (1, &json!("notes.txt")));
    let deep = json!({"query": "mercury", "zim_file_path": "many.zim", "offset": 10_000});
    assert_eq!(fault(&server, "zim_search", deep).await["operation"], "invalid_query");
    let all = tool(&server, "zim_search", json!({"query": "the", "cross_file": true})).await;
    let mut kinds: Vec<(&str, &str)> = all["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["name"].as_str().unwrap(), file["text_index"].as_str().unwrap()))
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [("many.zim", "side"), ("portcullis.zim", "xapian"), ("r.zim", "side")]);
    let from = |name: &str| all["results"].as_array().unwrap().iter().any(|row| row["zim_file"] == name);
    assert!(from("r.zim") && from("portcullis.zim"), "{all}");
}

#[tokio::test]
async fn scripts_without_spaces_and_other_languages_are_searched_in_their_own_way() {
    let german = Writer::new().metadata("Language", "deu").page("H", "Häuser", "<p>Viele Häuser am Fluss</p>");
    let japanese = Writer::new().metadata("Language", "jpn").page("T", "東京都", "<p>東京都は日本の首都です</p>").page(
        "K",
        "京都",
        "<p>京都は東にある</p>",
    );
    for (archive, query, expected) in [
        (german, "HAUS", vec!["H"]),
        (japanese.clone(), "東京", vec!["T"]),
        (japanese.clone(), "京都", vec!["K", "T"]),
        (japanese, "東", vec!["K", "T"]),
    ] {
        let (folder, cache) = (folder(&[("r.zim", archive.build())]), tempfile::tempdir().unwrap());
        make(&folder.path().join("r.zim"), &cache).unwrap();
        let server = server(with_cache(quick(&folder), &cache));
        assert_eq!(sorted(paths(&server, query).await), expected, "{query}");
    }
}

fn index_of(cache: &TempDir) -> PathBuf {
    let places = fs::read_dir(cache.path().join("fulltext")).unwrap().flatten().map(|entry| entry.path());
    let indexes: Vec<_> = places.filter(|place| place.is_dir()).collect();
    let [index] = indexes.as_slice() else { panic!("{indexes:?}") };
    index.clone()
}

#[tokio::test]
async fn an_index_of_an_archive_that_was_replaced_is_not_used_and_goes() {
    let (folder, cache) = (folder(&[("r.zim", rivers().build())]), tempfile::tempdir().unwrap());
    let archive = folder.path().join("r.zim");
    make(&archive, &cache).unwrap();
    let old = index_of(&cache);
    let server = server(with_cache(quick(&folder), &cache));
    assert_eq!(paths(&server, "desert").await, ["Nile"]);
    put(folder.path(), "r.zim", &rivers().page("New", "New", "<p>A dune of the desert</p>").build());
    let found = tool(&server, "zim_search", json!({"query": "desert"})).await;
    assert_eq!(found["_meta"]["reason"], "no_xapian_index");
    make(&archive, &cache).unwrap();
    assert_eq!(sorted(paths(&server, "desert").await), ["New", "Nile"]);
    assert_ne!(index_of(&cache), old);
}

#[tokio::test]
async fn an_index_that_is_damaged_or_half_made_is_not_used_and_is_made_anew() {
    let (folder, cache) = (folder(&[("r.zim", rivers().build())]), tempfile::tempdir().unwrap());
    let archive = folder.path().join("r.zim");
    make(&archive, &cache).unwrap();
    assert_eq!(make(&archive, &cache).unwrap_err(), NotBuilt::Present);
    let index = index_of(&cache);
    let files: Vec<PathBuf> = fs::read_dir(&index).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let whole = fs::read(&file).unwrap();
        if whole.is_empty() {
            continue;
        }
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let cut = server(with_cache(quick(&folder), &cache));
        let found = tool(&cut, "zim_search", json!({"query": "desert"})).await;
        assert_eq!(found["_meta"]["reason"], "no_xapian_index", "{}", file.display());
        // What has the right length and other content finds something else, or is an error; nothing worse.
        let mut damaged = whole.clone();
        damaged.iter_mut().skip(whole.len() / 4).step_by(3).for_each(|byte| *byte ^= 0x55);
        fs::write(&file, damaged).unwrap();
        let changed = server(with_cache(quick(&folder), &cache));
        let arguments = json!({"name": "zim_search", "arguments": {"query": "desert"}});
        let answer = common::ask(&changed, "tools/call", arguments).await;
        assert!(answer["content"][0]["text"].is_string());
        fs::write(&file, &whole).unwrap();
    }
    // A crash leaves a part behind.
    let part = cache.path().join("fulltext/.x.part");
    fs::create_dir_all(&part).unwrap();
    fs::write(part.join("segment"), "half").unwrap();
    fs::remove_file(index.join("complete.json")).unwrap();
    make(&archive, &cache).unwrap();
    assert!(!part.exists());
    let server = server(with_cache(quick(&folder), &cache));
    assert_eq!(paths(&server, "desert").await, ["Nile"]);
}

#[test]
fn one_index_is_made_at_a_time_and_only_where_there_is_none() {
    let (folder, cache) = (folder(&[("r.zim", rivers().build())]), tempfile::tempdir().unwrap());
    let archive = folder.path().join("r.zim");
    fs::create_dir_all(cache.path().join("fulltext")).unwrap();
    let lock = fs::File::create(cache.path().join("fulltext/lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(make(&archive, &cache).unwrap_err(), NotBuilt::Busy);
    lock.unlock().unwrap();
    make(&archive, &cache).unwrap();
    let sample = folder.path().join("sample.zim");
    fs::write(&sample, server_zim::demo_archive()).unwrap();
    assert_eq!(make(&sample, &cache).unwrap_err(), NotBuilt::HasOwn);
    fs::write(&sample, "no archive").unwrap();
    assert!(matches!(make(&sample, &cache).unwrap_err(), NotBuilt::Failed(_)));
}

/// Waits until this is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never was so: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_makes_indexes_itself_if_it_is_told_to_and_tells_how_far_it_is() {
    let archives = [("a.zim", rivers().build()), ("b.zim", rivers().page("X", "X", "<p>x</p>").build())];
    let (folder, cache) = (folder(&archives), tempfile::tempdir().unwrap());
    let mut settings = with_cache(quick(&folder), &cache);
    settings.rescan = Duration::from_millis(50);
    settings.builds_indexes = true;
    let server = server(settings);
    let health = async || tool(&server, "zim_health", json!({})).await["health"]["side_indexes"].clone();
    let source =
        async |name: &str| tool(&server, "zim_health", json!({ "zim_file_path": name })).await["text_index"].clone();
    until("both have an index", async || source("a.zim").await == "side" && source("b.zim").await == "side").await;
    until("nothing is being made", async || {
        let health: Value = health().await;
        health["building"].is_null() && health["waiting"] == 0
    })
    .await;
    let found = tool(&server, "zim_search", json!({"query": "desert", "zim_file_path": "b.zim"})).await;
    assert_eq!((&found["results"][0]["path"], &found["_meta"]["text_index"]), (&json!("Nile"), &json!("side")));
    // One that comes later gets one, too.
    put(folder.path(), "c.zim", &rivers().page("Y", "Y", "<p>y</p>").build());
    until("the third has an index", async || {
        let about = json!({"zim_file_path": "c.zim"});
        let answer = common::ask(&server, "tools/call", json!({"name": "zim_health", "arguments": about})).await;
        answer["structuredContent"]["text_index"] == "side"
    })
    .await;
    Arc::clone(&server).close().await;
}
