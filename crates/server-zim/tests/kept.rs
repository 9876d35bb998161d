//! What is kept over a restart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{folder, put, quick, tool};
use mcp::Server;
use serde_json::{Value, json};
use server_zim::{Settings, server};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use zim::writer::Writer;

const PAGE: &str = "<h1>Nile</h1><p>All about <a href='Delta' title='t'>deltas</a>.</p><h2 id='big'>Big</h2><p>Yes.</p>\
    <table><tr><td>1</td></tr><tr><td>2</td></tr></table><img src='m.png' alt='A map'>";

fn rivers(text: &str) -> Vec<u8> {
    Writer::new().page("Nile", "Nile", PAGE).page("Rhine", "Rhine", &format!("<p>{text}</p>")).build()
}

fn keeping(folder: &TempDir, cache: &TempDir) -> Settings {
    let mut settings = quick(folder);
    settings.cache_folder = Some(cache.path().to_owned());
    settings.keeps_answers = true;
    settings
}

async fn get(server: &Arc<dyn Server>, path: &str, view: &str) -> Value {
    let mut got = tool(server, "zim_get", json!({ "entry_path": path, "view": view })).await;
    got.as_object_mut().unwrap().remove("_meta");
    got
}

async fn performance(server: &Arc<dyn Server>) -> Value {
    tool(server, "zim_health", json!({})).await["health"]["cache_performance"].clone()
}

fn file(cache: &TempDir) -> PathBuf {
    let names = fs::read_dir(cache.path()).unwrap().flatten().map(|entry| entry.path());
    let files: Vec<_> = names.filter(|path| path.is_file()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    file.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_were_read_are_there_after_a_restart_and_are_the_same() {
    let (folder, cache) = (folder(&[("r.zim", rivers("cold"))]), tempfile::tempdir().unwrap());
    let first = server(keeping(&folder, &cache));
    let mut before = Vec::new();
    for view in ["full", "toc", "structure", "summary"] {
        before.push(get(&first, "Nile", view).await);
    }
    let links = tool(&first, "zim_links", json!({"entry_path": "Nile", "kind": "media"})).await;
    assert_eq!(performance(&first).await["persistence_enabled"], true);
    Arc::clone(&first).close().await;
    drop(first);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(file(&cache)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let second = server(keeping(&folder, &cache));
    restored(&second).await;
    for (view, before) in ["full", "toc", "structure", "summary"].into_iter().zip(before) {
        assert_eq!(get(&second, "Nile", view).await, before, "{view}");
    }
    assert_eq!(
        tool(&second, "zim_links", json!({"entry_path": "Nile", "kind": "media"})).await["results"],
        links["results"]
    );
    let now = performance(&second).await;
    assert_eq!((&now["misses"], &now["size"]), (&json!(0), &json!(1)), "{now}");
}

/// A server reads what was kept before it looks for archives.
async fn restored(server: &Arc<dyn Server>) {
    while server.about().state == mcp::State::Starting {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_archive_that_was_replaced_never_comes_back() {
    let (folder, cache) = (folder(&[("r.zim", rivers("cold"))]), tempfile::tempdir().unwrap());
    let first = server(keeping(&folder, &cache));
    assert_eq!(get(&first, "Rhine", "full").await["content"], "cold");
    Arc::clone(&first).close().await;
    drop(first);
    put(folder.path(), "r.zim", &rivers("warm"));
    let second = server(keeping(&folder, &cache));
    restored(&second).await;
    assert_eq!(get(&second, "Rhine", "full").await["content"], "warm");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_ignored_and_written_anew() {
    let (folder, cache) = (folder(&[("r.zim", rivers("cold"))]), tempfile::tempdir().unwrap());
    let first = server(keeping(&folder, &cache));
    get(&first, "Rhine", "full").await;
    Arc::clone(&first).close().await;
    drop(first);
    let file = file(&cache);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("cold"), "{text}");
    fs::write(&file, text.replace("cold", "hot!")).unwrap();
    let second = server(keeping(&folder, &cache));
    restored(&second).await;
    assert_eq!(get(&second, "Rhine", "full").await["content"], "cold");
    assert_eq!(performance(&second).await["misses"], 1);
    Arc::clone(&second).close().await;
    assert_eq!(fs::read_to_string(&file).unwrap().matches("cold").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_unless_it_was_asked_for_and_health_tells_the_truth() {
    let (folder, cache) = (folder(&[("r.zim", rivers("cold"))]), tempfile::tempdir().unwrap());
    let mut settings = keeping(&folder, &cache);
    settings.keeps_answers = false;
    let plain = server(settings);
    get(&plain, "Rhine", "full").await;
    assert_eq!(performance(&plain).await["persistence_enabled"], false);
    Arc::clone(&plain).close().await;
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    // A cache folder that cannot be written is noticed when it is.
    let mut settings = keeping(&folder, &cache);
    fs::write(cache.path().join("file"), "").unwrap();
    settings.cache_folder = Some(cache.path().join("file"));
    let unkept = server(settings);
    get(&unkept, "Rhine", "full").await;
    Arc::clone(&unkept).close().await;
    assert_eq!(performance(&unkept).await["persistence_enabled"], false);
}
