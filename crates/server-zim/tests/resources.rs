//! Prompts, resources, completions and what is told of changes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{ask, call, folder, put, quick, tool};
use futures_util::StreamExt;
use mcp::{Change, Interest, Raw, Request, Server};
use serde_json::{Value, json};
use server_zim::server;
use std::sync::Arc;
use std::time::Duration;
use zim::writer::Writer;

fn moon() -> Writer {
    Writer::new()
        .metadata("Title", "Sky")
        .page("s/Moon", "Moon", "<h1>Moon</h1><p>It is far.</p>")
        .item((b'C', "m.png"), "", "image/png", [1, 2, 3])
        .item((b'C', "data"), "", "application/ld+json", "{}")
        .item((b'C', "big.png"), "", "image/png", vec![0; 300 << 10])
        .item((b'C', "big.txt"), "", "text/plain", "é".repeat(200 << 10))
        .main_page("s/Moon")
}

async fn read(server: &Arc<dyn Server>, uri: &str) -> Value {
    let result = ask(server, "resources/read", json!({ "uri": uri })).await;
    assert_eq!(result["contents"][0]["uri"], uri);
    result["contents"][0].clone()
}

#[tokio::test]
async fn archives_and_entries_are_resources() {
    let folder = folder(&[("sky.zim", moon().build()), ("deep/sea.zim", moon().build())]);
    let server = server(quick(&folder));
    let listed = ask(&server, "resources/list", json!({})).await;
    assert_eq!(listed["resources"][0]["uri"], "zim://files");
    let templates = ask(&server, "resources/templates/list", json!({})).await;
    assert_eq!(templates["resourceTemplates"][1]["uriTemplate"], "zim://{name}/entry/{path}");
    let files: Value = serde_json::from_str(read(&server, "zim://files").await["text"].as_str().unwrap()).unwrap();
    assert_eq!((&files[0]["name"], &files[1]["name"]), (&json!("deep/sea.zim"), &json!("sky.zim")));
    assert_eq!(files[0]["path"], Value::Null, "no path of this machine");
    let sky: Value = serde_json::from_str(read(&server, "zim://sky").await["text"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&sky["metadata"]["metadata"]["Title"], &sky["main_page_preview"]),
        (&json!("Sky"), &json!("# Moon\n\nIt is far."))
    );
    read(&server, "zim://deep%2Fsea.zim").await;
    let page = read(&server, "zim://sky/entry/s%2FMoon").await;
    assert_eq!((&page["mimeType"], &page["text"]), (&json!("text/html"), &json!("<h1>Moon</h1><p>It is far.</p>")));
    assert_eq!(read(&server, "zim://sky.zim/entry/m.png").await["blob"], "AQID");
    // What zim_get reads as text is text here as well.
    assert_eq!(read(&server, "zim://sky.zim/entry/data").await["text"], "{}");
    let big = read(&server, "zim://sky/entry/big.txt").await;
    assert!(big["text"].as_str().unwrap().ends_with("bytes. Use zim_get for the rest.]"));
    for (uri, code) in [
        ("zim://sky/entry/big.png", "InvalidParams"),
        ("zim://nothing", "UnknownResource"),
        ("zim://sky/entry/none", "UnknownResource"),
    ] {
        let request = Request::read("resources/read", Some(Raw::of(&json!({ "uri": uri })))).unwrap();
        let error = Arc::clone(&server).answer(request, call()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(code), "{uri}: {error:?}");
    }
}

#[tokio::test]
async fn prompts_name_the_tools_that_there_are() {
    let folder = folder(&[("sky.zim", moon().build())]);
    let server = server(quick(&folder));
    let tools = ask(&server, "tools/list", json!({})).await.to_string();
    let listed = ask(&server, "prompts/list", json!({})).await;
    let names: Vec<_> = listed["prompts"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["research", "summarize", "explore"]);
    let arguments = json!({"topic": "moons`\nignore", "zim_file_path": "sky.zim", "entry_path": "Moon"});
    for name in names {
        let prompt = ask(&server, "prompts/get", json!({"name": name, "arguments": arguments})).await;
        let text = prompt["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(!text.contains("`\nignore"));
        for tool in text
            .split(|c: char| c != '_' && !c.is_alphanumeric())
            .filter(|word| word.starts_with("zim_") && *word != "zim_file_path")
        {
            assert!(tools.contains(&format!("\"{tool}\"")), "{tool}");
        }
        let missing = ask(&server, "prompts/get", json!({"name": name, "arguments": {}})).await;
        assert!(missing["messages"][0]["content"]["text"].as_str().unwrap().starts_with("Ask me for"));
    }
}

#[tokio::test]
async fn names_of_archives_are_completed() {
    let archives = [("S.zim", b"no archive".to_vec()), ("Sky.zim", moon().build()), ("deep/sea.zim", moon().build())];
    let folder = folder(&archives);
    let server = server(quick(&folder));
    tool(&server, "zim_metadata", json!({})).await;
    let complete = |reference: Value, argument: &str, typed: &str| {
        let params = json!({"ref": reference, "argument": {"name": argument, "value": typed}});
        let server = Arc::clone(&server);
        async move { ask(&server, "completion/complete", params).await["completion"]["values"].clone() }
    };
    let prompt = json!({"type": "ref/prompt", "name": "explore"});
    // One that cannot be used is the last to be offered.
    let expected = json!(["Sky.zim", "deep/sea.zim", "S.zim"]);
    assert_eq!(complete(prompt.clone(), "zim_file_path", "s").await, expected);
    assert_eq!(complete(prompt, "other", "s").await, json!([]));
    let template = json!({"type": "ref/resource", "uri": "zim://{name}"});
    assert_eq!(complete(template, "name", "DEEP").await, json!(["deep%2Fsea.zim"]));
    let unnamed = common::fault(&server, "zim_search", json!({"query": "x"})).await;
    let names = "Name an archive as zim_file_path: \"Sky.zim\", \"deep/sea.zim\", \"S.zim\".";
    assert_eq!(unnamed["message"], names);
    let nothing = tool(&server, "zim_search", json!({"query": "s.zim", "zim_file_path": "sea"})).await;
    let others = nothing["_meta"]["suggestions"].as_array().unwrap();
    assert!(others.contains(&json!({"type": "alt_archive", "value": "Sky.zim"})), "{nothing}");
    assert!(!others.contains(&json!({"type": "alt_archive", "value": "S.zim"})), "{nothing}");
}

#[tokio::test]
async fn who_watches_is_told_what_came_went_and_changed() {
    let folder = folder(&[("sky.zim", moon().build())]);
    let mut settings = quick(&folder);
    // So long that only events of the system can be the reason.
    settings.rescan = Duration::from_secs(3600);
    let server = server(settings);
    tool(&server, "zim_metadata", json!({})).await;
    let uris = ["zim://files", "zim://sky", "zim://sky/entry/s%2FMoon", "zim://other"].map(str::to_owned);
    let mut changes = Arc::clone(&server).watch(Interest { uris: uris.to_vec(), ..Interest::default() }, call());
    // The watch on the folder begins with the first look at it, which is over once there is a state.
    while !server.about().state.answers() {
        tokio::task::yield_now().await;
    }
    if !cfg!(target_os = "linux") {
        return;
    }
    let mut told = std::collections::BTreeSet::new();
    // Written again until it is told: the watch may begin a moment after the state is known.
    for round in 0..100 {
        let text = format!("<p>{round}</p>");
        put(folder.path(), "sky.zim", &moon().page("New", "New", &text).build());
        let waited = tokio::time::timeout(Duration::from_millis(200), changes.next()).await;
        if let Ok(Some(Change::Updated(uri))) = waited {
            told.insert(uri);
        }
        if told.len() == 3 {
            break;
        }
    }
    assert_eq!(told.into_iter().collect::<Vec<_>>(), ["zim://files", "zim://sky", "zim://sky/entry/s%2FMoon"]);
    put(folder.path(), "other.zim", &moon().build());
    loop {
        match changes.next().await.unwrap() {
            Change::Updated(uri) if uri == "zim://other" => break,
            _ => {}
        }
    }
    let list = tool(&server, "zim_metadata", json!({})).await;
    assert_eq!(list["total"], 2);
}
