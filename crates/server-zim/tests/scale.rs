//! A library of two hundred archives.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{folder, tool};
use serde_json::{Value, json};
use server_zim::{Settings, server};
use std::path::Path;
use std::time::Duration;
use zim::writer::Writer;

const ARCHIVES: usize = 200;
const OPEN: usize = 16;

/// How many files under this folder the process has open.
#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> usize {
    let folder = folder.canonicalize().unwrap();
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).filter(|target| target.starts_with(&folder)).count()
}

#[cfg(not(target_os = "linux"))]
fn open_files(_: &Path) -> usize {
    0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_library_is_listed_page_by_page_opened_when_it_is_used_and_holds_few_files_open() {
    let names: Vec<String> = (0..ARCHIVES).map(|n| format!("wiki_{}_{n:03}.zim", ["en", "de"][n % 2])).collect();
    let archives: Vec<(&str, Vec<u8>)> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let text = format!("<p>Page of archive number {n}</p>");
            (name.as_str(), Writer::new().metadata("Title", format!("Archive {n}")).page("Page", "Page", &text).build())
        })
        .collect();
    let folder = folder(&archives);
    let mut settings = Settings::of([folder.path().to_owned()]);
    settings.open_archives = OPEN;
    settings.threads = 4;
    let server = server(settings);
    while server.about().state == mcp::State::Starting {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.about().state, mcp::State::Healthy);
    assert_eq!(open_files(folder.path()), 0);
    let health = tool(&server, "zim_health", json!({})).await;
    let opened = |health: &Value| health["health"]["cache_performance"]["archives_opened"].as_u64().unwrap();
    assert_eq!((opened(&health), &health["loaded_archives_total"]), (0, &json!(ARCHIVES)));

    let (mut listed, mut arguments) = (Vec::new(), json!({"limit": 30}));
    loop {
        let page = tool(&server, "zim_metadata", arguments).await;
        let rows = page["results"].as_array().unwrap();
        assert!(rows.len() <= 30 && page["total"] == ARCHIVES);
        listed.extend(rows.iter().map(|row| (row["name"].as_str().unwrap().to_owned(), row["title"].clone())));
        assert!(open_files(folder.path()) <= OPEN, "{}", open_files(folder.path()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        arguments = json!({ "cursor": cursor });
    }
    assert_eq!(listed.len(), ARCHIVES);
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(listed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), sorted);
    assert!(
        listed
            .iter()
            .all(|(name, title)| title.as_str().unwrap().ends_with(&name[8..11].trim_start_matches('0').to_owned()))
    );
    let german = tool(&server, "zim_metadata", json!({"name_filter": "WIKI_DE", "limit": 5})).await;
    assert_eq!((&german["total"], german["results"].as_array().unwrap().len()), (&json!(100), 5));
    let one = tool(&server, "zim_metadata", json!({"name_filter": "_017"})).await;
    assert_eq!((&one["total"], &one["results"][0]["title"]), (&json!(1), &json!("Archive 17")));

    // Reads from all of them, in parallel, in any order.
    let reads = (0..ARCHIVES * 2).map(|n| {
        let (server, name) = (server.clone(), names[n * 7 % ARCHIVES].clone());
        tokio::spawn(async move {
            let got = tool(&server, "zim_get", json!({ "entry_path": "Page", "zim_file_path": name })).await;
            let number = name[8..11].parse::<usize>().unwrap();
            assert_eq!(got["content"], format!("Page of archive number {number}"));
        })
    });
    futures_util::future::join_all(reads).await.into_iter().for_each(Result::unwrap);
    assert!(open_files(folder.path()) <= OPEN, "{}", open_files(folder.path()));
}
