//! What a caller gets from the server, over archives that the tests write themselves.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{ask, call, fault, folder, put, quick, tool};
use futures_util::StreamExt;
use mcp::{Interest, Server, State};
use serde_json::{Value, json};
use server_zim::{Settings, server};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zim::writer::Writer;

fn pages(count: usize) -> Writer {
    let mut writer = Writer::new().metadata("Title", "Pages").metadata("Language", "eng");
    for i in 0..count {
        let body = format!("<h1>Page {i}</h1><p>{}</p>", "wörd 日本 ".repeat(i * 10));
        writer = writer.page(&format!("p/{i:03}.html"), &format!("Page {i:03}"), &body);
    }
    writer
        .page("Berlin", "Berlin", "<p>The <a href='Paris'>other</a> city</p>")
        .page("Paris", "Paris", "<p>A city</p>")
        .page("East_Berlin", "East Berlin", "<p>A part</p>")
        .redirect(b'C', "Capital", "Capital of Germany", (b'C', "Berlin"))
        .item((b'C', "logo.png"), "", "image/png", [1, 2, 3])
        .main_page("Berlin")
}

async fn settled(server: &Arc<dyn Server>, state: State) -> String {
    let mut changes = Arc::clone(server).watch(Interest::lists(), call());
    loop {
        let about = server.about();
        if about.state == state {
            return about.reason.clone();
        }
        changes.next().await.unwrap();
    }
}

#[tokio::test]
async fn tools_are_listed_with_schemas_and_as_reading_only() {
    let server = server(Settings::demo());
    let list = ask(&server, "tools/list", json!({})).await;
    let tools = list["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "zim_query",
            "zim_search",
            "zim_get",
            "zim_get_section",
            "zim_browse",
            "zim_metadata",
            "zim_links",
            "zim_health"
        ]
    );
    let mut surface = 0;
    for tool in tools {
        assert_eq!(tool["annotations"], json!({"readOnlyHint": true, "idempotentHint": true, "openWorldHint": false}));
        // An answer in words has no schema.
        assert_eq!(tool["outputSchema"]["type"] == "object", tool["name"] != "zim_query", "{tool}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        let input =
            json!({"name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"]});
        surface += input.to_string().len();
    }
    // What every model has to read before it does anything.
    assert!(surface < 20_000, "{surface}");
    println!("names, descriptions and input schemas: {surface} bytes");
    let mut plain = Settings::demo();
    plain.output_schemas = false;
    let plain = server_zim::server(plain);
    let list = ask(&plain, "tools/list", json!({})).await;
    assert!(list["tools"].as_array().unwrap().iter().all(|tool| tool["outputSchema"].is_null()));
    let result = ask(&plain, "tools/call", json!({"name": "zim_metadata", "arguments": {}})).await;
    assert!(
        result["structuredContent"].is_null()
            && result["content"][0]["text"].as_str().unwrap().contains("portcullis.zim")
    );
    assert_eq!(server.about().tools["zim_get"].tier, mcp::Tier::Safe);
}

#[tokio::test]
async fn the_sample_archive_is_served_from_memory_and_every_page_is_read() {
    let server = server(Settings::demo());
    let archives = tool(&server, "zim_metadata", json!({})).await;
    assert_eq!((&archives["total"], &archives["results"][0]["status"]), (&json!(1), &json!("ok")));
    let about = tool(&server, "zim_metadata", json!({"zim_file_path": "portcullis"})).await;
    assert_eq!(about["metadata"]["Language"], "eng");
    assert_eq!(
        about["index_capabilities"],
        json!({"has_fulltext_index": true, "has_title_index": true, "text_index": "xapian"})
    );
    let main = tool(&server, "zim_get", json!({"main_page": true})).await;
    assert_eq!(main["path"], "index.html");
    let found = tool(&server, "zim_search", json!({"query": "portcullis", "mode": "title", "limit": 50})).await;
    assert!(found["total"].as_u64().unwrap() >= 2, "{found}");
    let all = tool(&server, "zim_browse", json!({"namespace": "C", "limit": 200})).await;
    for row in all["results"].as_array().unwrap() {
        let entry = tool(&server, "zim_get", json!({"entry_path": row["path"]})).await;
        assert!(entry["total_chars"].as_u64().unwrap() > 50, "{row}");
        assert!(!entry["content"].as_str().unwrap().contains("<body"));
    }
    // Links of the main page lead to pages.
    let links: Vec<&str> =
        main["content"].as_str().unwrap().split("](").skip(1).filter_map(|l| l.split(')').next()).collect();
    assert!(links.len() >= 4);
    for link in links {
        tool(&server, "zim_get", json!({"entry_path": link})).await;
    }
}

#[tokio::test]
async fn pages_of_an_entry_put_together_are_the_entry() {
    let folder = folder(&[("a.zim", pages(40).build())]);
    let server = server(quick(&folder));
    let whole = tool(&server, "zim_get", json!({"entry_path": "p/030.html"})).await;
    assert_eq!((&whole["_meta"]["truncated"], &whole["next_cursor"]), (&json!(false), &Value::Null));
    for length in [1, 7, 1000, 2397, 2398, 2399, 100_000] {
        let (mut text, mut cursor) = (String::new(), Value::Null);
        let mut offset = 0;
        loop {
            let arguments = match cursor.as_str() {
                Some(cursor) => json!({"cursor": cursor}),
                None => json!({"entry_path": "p/030.html", "max_content_length": length, "content_offset": offset}),
            };
            let page = tool(&server, "zim_get", arguments).await;
            text.push_str(page["content"].as_str().unwrap());
            let Some(next) = page["_meta"]["more_at_offset"].as_u64() else { break };
            assert!(next > offset);
            offset = next;
            // By cursor and by offset in turn.
            cursor = if offset % 2 == 0 { page["next_cursor"].clone() } else { Value::Null };
        }
        assert_eq!(text, whole["content"].as_str().unwrap(), "{length}");
    }
    let beyond = fault(&server, "zim_get", json!({"entry_path": "Paris", "content_offset": 7})).await;
    assert_eq!(beyond["operation"], "invalid_content_offset");
    let foreign = tool(&server, "zim_browse", json!({"namespace": "C", "limit": 1})).await["next_cursor"].clone();
    assert_eq!(fault(&server, "zim_get", json!({"cursor": foreign})).await["operation"], "cursor_mismatch");
}

#[tokio::test]
async fn entries_are_found_by_the_ways_in_which_paths_are_written() {
    let folder = folder(&[("a.zim", pages(1).build())]);
    let server = server(quick(&folder));
    for path in ["East_Berlin", "East Berlin", "/East_Berlin", "A/East_Berlin", "C/East_Berlin", "East%5FBerlin"] {
        assert_eq!(tool(&server, "zim_get", json!({"entry_path": path})).await["path"], "East_Berlin", "{path}");
    }
    let redirected = tool(&server, "zim_get", json!({"entry_path": "Capital"})).await;
    assert_eq!((&redirected["path"], &redirected["requested_path"]), (&json!("Berlin"), &json!("Capital")));
    assert_eq!(redirected["content"], "The [other](Paris) city");
    assert_eq!(tool(&server, "zim_get", json!({"entry_path": "M/Title"})).await["content"], "Pages");
    let picture = tool(&server, "zim_get", json!({"entry_path": "logo.png"})).await;
    assert_eq!(picture["content"], "");
    assert!(picture["message"].as_str().unwrap().contains("image/png"));
    for path in ["../../etc/passwd", "/etc/passwd", "nothing", "X/listing/titleOrdered/v1"] {
        assert_eq!(fault(&server, "zim_get", json!({"entry_path": path})).await["operation"], "entry_not_found");
    }
    assert_eq!(fault(&server, "zim_get", json!({})).await["operation"], "invalid_path_combination");
}

#[tokio::test]
async fn browsing_shows_every_entry_once() {
    let folder = folder(&[("a.zim", pages(97).build())]);
    let server = server(quick(&folder));
    let (mut paths, mut cursor) = (Vec::new(), None);
    loop {
        let mut arguments = json!({"namespace": "content", "limit": 10, "include_assets": true});
        if let Some(cursor) = cursor {
            arguments["cursor"] = cursor;
        }
        let page = tool(&server, "zim_browse", arguments).await;
        assert_eq!(page["total"], 102);
        paths.extend(page["results"].as_array().unwrap().iter().map(|r| r["path"].as_str().unwrap().to_owned()));
        if page["done"] == true {
            assert_eq!(page["next_cursor"], Value::Null);
            break;
        }
        cursor = Some(page["next_cursor"].clone());
    }
    assert_eq!(paths.len(), 102);
    assert!(paths.is_sorted());
    let redirect = tool(&server, "zim_browse", json!({"namespace": "C", "offset": 1, "limit": 1})).await;
    assert_eq!(redirect["results"][0]["redirect_to"], "Berlin");
    assert_eq!(tool(&server, "zim_browse", json!({"namespace": "Q"})).await["_meta"]["reason"], "bad_namespace");
    for (arguments, code) in [
        (json!({"namespace": ""}), "bad_namespace"),
        (json!({"namespace": "C", "limit": 201}), "invalid_limit"),
        (json!({"namespace": "C", "limit": 0}), "invalid_limit"),
        (json!({"namespace": "C", "offset": -1}), "invalid_offset"),
        (json!({"namespace": "C", "cursor": "nonsense"}), "cursor_decode"),
        (json!({}), "invalid_argument"),
    ] {
        assert_eq!(fault(&server, "zim_browse", arguments).await["operation"], code);
    }
}

#[tokio::test]
async fn titles_are_found_by_what_they_are_begin_with_and_contain() {
    let folder = folder(&[("a.zim", pages(120).build())]);
    let server = server(quick(&folder));
    let title = |query: &str| tool(&server, "zim_search", json!({"query": query, "mode": "title"}));
    let found = title("berlin").await;
    let row = |row: &Value| (row["path"].as_str().unwrap().to_owned(), row["match_type"].as_str().unwrap().to_owned());
    let rows: Vec<_> = found["results"].as_array().unwrap().iter().map(row).collect();
    let told = |path: &str, how: &str| (path.to_owned(), how.to_owned());
    assert_eq!(rows, [told("Berlin", "direct"), told("East_Berlin", "fuzzy_suggest")]);
    assert_eq!((&found["fast_path_hit"], &found["fuzzy_path_hit"]), (&json!(true), &json!(false)));
    let redirect = title("capital of germany").await;
    assert_eq!(row(&redirect["results"][0]), told("Berlin", "redirect"));
    assert_eq!(redirect["results"][0]["pre_redirect_path"], "Capital");
    for mistaken in ["Berln", "Brelin", "Berlinn", "Perlin"] {
        let mended = title(mistaken).await;
        assert_eq!(row(&mended["results"][0]), told("Berlin", "typo_corrected"), "{mistaken}");
        assert_eq!(mended["_meta"]["suggestions"][0], json!({"type": "alt_spelling", "value": "Berlin"}));
    }
    let (mut titles, mut offset) = (Vec::new(), 0);
    loop {
        let arguments = json!({"query": "page", "mode": "title", "limit": 50, "offset": offset});
        let page = tool(&server, "zim_search", arguments).await;
        let rows = page["results"].as_array().unwrap();
        titles.extend(rows.iter().map(|r| r["title"].as_str().unwrap().to_owned()));
        offset += rows.len();
        if page["done"] == true {
            break;
        }
        assert!(!rows.is_empty());
    }
    titles.dedup();
    assert_eq!(titles.len(), 120);
    assert_eq!(title("zebra").await["_meta"]["reason"], "0_hits");
    let suggested = tool(&server, "zim_search", json!({"query": "ber", "mode": "suggest"})).await;
    let first = json!({"text": "Berlin", "path": "Berlin", "type": "title_start_match"});
    assert_eq!((&suggested["partial_query"], &suggested["results"][0]), (&json!("ber"), &first));
    assert_eq!(title(" ").await["_meta"]["reason"], "bad_query");
    for (arguments, code) in [
        (json!({"query": "x", "mode": "nonsense"}), "invalid_argument"),
        (json!({"query": "x", "mode": "title", "namespace": "C"}), "invalid_combination"),
        (json!({"query": "x", "mode": "suggest", "offset": 1}), "invalid_combination"),
        (json!({"query": "x", "cross_file": true, "zim_file_path": "a"}), "invalid_combination"),
        (json!({"query": "x", "mode": "filtered"}), "invalid_combination"),
        (json!({"query": "x".repeat(5000)}), "invalid_query"),
        (json!({"query": "x", "limit": 1001}), "invalid_limit"),
        (json!({"limit": 1}), "invalid_argument"),
    ] {
        assert_eq!(fault(&server, "zim_search", arguments).await["operation"], code);
    }
    // An archive without an index of its text is searched by title, and says so.
    let instead = tool(&server, "zim_search", json!({"query": "Paris"})).await;
    assert_eq!(
        (&instead["_meta"]["reason"], &instead["results"][0]["path"]),
        (&json!("no_xapian_index"), &json!("Paris"))
    );
}

#[tokio::test]
async fn an_unknown_argument_is_refused_with_the_one_that_was_meant() {
    let server = server(Settings::demo());
    let refused = fault(&server, "zim_search", json!({"query": "x", "limitt": 3})).await;
    assert_eq!(refused["operation"], "unknown_argument");
    assert!(refused["message"].as_str().unwrap().contains("\"limit\""), "{refused}");
    for (tool, arguments, argument, told) in [
        ("zim_search", json!({}), "query", "query is needed: Words to find."),
        (
            "zim_search",
            json!({"query": "x", "limit": "ten"}),
            "limit",
            "limit is a whole number, such as 10, and not the text \"ten\".",
        ),
        (
            "zim_links",
            json!({"entry_path": "x", "direction": "out"}),
            "direction",
            "direction is one of \"outbound\", \"inbound\", \"related\", and not the text \"out\".",
        ),
        (
            "zim_get",
            json!({"entry_paths": "a"}),
            "entry_paths",
            "entry_paths is a list of texts, such as [\"a\", \"b\"], and not the text \"a\".",
        ),
        ("zim_get", json!({"entry_paths": ["a", 1]}), "entry_paths", "entry_paths[1] is a text, and not the number 1."),
        (
            "zim_get",
            json!({"compact_budget": {}}),
            "compact_budget",
            "compact_budget is a whole number, such as 10 or a text, and not an object.",
        ),
    ] {
        let refused = fault(&server, tool, arguments).await;
        assert_eq!(refused["message"], told);
        assert_eq!(
            (&refused["operation"], &refused["invalid_arguments"]),
            (&json!("invalid_argument"), &json!([argument]))
        );
    }
    let refused = fault(&server, "zim_get", json!({"whatever": 1})).await;
    assert!(refused["message"].as_str().unwrap().contains("entry_path"), "{refused}");
}

#[tokio::test]
async fn an_empty_folder_is_healthy_and_one_that_is_not_there_is_down_and_comes_back() {
    let empty = tempfile::tempdir().unwrap();
    let healthy = server(quick(&empty));
    settled(&healthy, State::Healthy).await;
    assert_eq!(tool(&healthy, "zim_metadata", json!({})).await["total"], 0);
    assert_eq!(fault(&healthy, "zim_search", json!({"query": "x"})).await["operation"], "no_archives_available");

    let missing = empty.path().join("secret-place");
    let mut settings = quick(&empty);
    settings.paths = vec![missing.clone()];
    let down = server(settings.clone());
    let reason = settled(&down, State::Down).await;
    assert!(!reason.contains("secret-place") && reason.contains("1 of 1"), "{reason}");
    std::fs::create_dir(&missing).unwrap();
    settled(&down, State::Healthy).await;

    settings.paths = vec![empty.path().to_owned(), empty.path().join("nowhere")];
    settled(&server(settings), State::Degraded).await;
    settled(&server(Settings::default()), State::Down).await;
}

#[tokio::test]
async fn a_damaged_archive_is_listed_as_damaged_and_harms_no_other() {
    let mut cut = pages(5).build();
    cut.truncate(400);
    let folder = folder(&[
        ("good.zim", pages(3).build()),
        ("cut.zim", cut),
        ("empty.zim", Vec::new()),
        ("text.zim", b"hello".to_vec()),
    ]);
    let server = server(quick(&folder));
    let reason = settled(&server, State::Degraded).await;
    assert_eq!(reason, "3 of 4 archives cannot be used");
    let list = tool(&server, "zim_metadata", json!({})).await;
    let states: Vec<_> = list["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["name"].as_str().unwrap(), r["status"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [("cut.zim", "damaged"), ("empty.zim", "damaged"), ("good.zim", "ok"), ("text.zim", "damaged")]);
    assert!(!list.to_string().contains(folder.path().to_str().unwrap()));
    assert_eq!(
        fault(&server, "zim_get", json!({"zim_file_path": "cut.zim", "main_page": true})).await["operation"],
        "archive_damaged"
    );
    tool(&server, "zim_get", json!({"zim_file_path": "good.zim", "main_page": true})).await;
    let found = tool(&server, "zim_search", json!({"query": "Berlin", "cross_file": true})).await;
    assert_eq!((&found["files_searched_successfully"], &found["files_failed"]), (&json!(1), &json!(3)));
    put(folder.path(), "cut.zim", &pages(5).build());
    tool(&server, "zim_get", json!({"zim_file_path": "cut.zim", "main_page": true})).await;
}

#[tokio::test]
async fn archives_that_come_go_and_change_are_noticed_at_the_next_call() {
    let folder = folder(&[("a.zim", pages(1).build())]);
    let server = server(quick(&folder));
    assert_eq!(tool(&server, "zim_get", json!({"entry_path": "Paris"})).await["content"], "A city");
    let cursor = tool(&server, "zim_browse", json!({"namespace": "C", "limit": 1})).await["next_cursor"].clone();
    put(
        folder.path(),
        "a.zim",
        &Writer::new().page("Paris", "Paris", "<p>Another text</p>").page("z", "Z", "z").build(),
    );
    assert_eq!(tool(&server, "zim_get", json!({"entry_path": "Paris"})).await["content"], "Another text");
    let stale = fault(&server, "zim_browse", json!({"namespace": "C", "cursor": cursor})).await;
    assert_eq!(stale["operation"], "cursor_context_mismatch");
    put(folder.path(), "sub/b.zim", &pages(2).build());
    let missing = fault(&server, "zim_get", json!({"entry_path": "Paris"})).await;
    assert_eq!(missing["operation"], "missing_archive");
    assert!(missing["message"].as_str().unwrap().contains("sub/b.zim"));
    for name in ["sub/b.zim", "b.zim", "b", "sub/b"] {
        assert_eq!(
            tool(&server, "zim_get", json!({"zim_file_path": name, "entry_path": "Paris"})).await["zim_file"],
            "sub/b.zim"
        );
    }
    let path = folder.path().canonicalize().unwrap().join("sub/b.zim");
    // By its path on the machine's own client only.
    let by_path = json!({"zim_file_path": path, "entry_path": "Paris"});
    assert_eq!(fault(&server, "zim_get", by_path.clone()).await["operation"], "file_not_found");
    let mut settings = quick(&folder);
    settings.shows_paths = true;
    tool(&self::server(settings), "zim_get", by_path).await;
    std::fs::remove_file(folder.path().join("a.zim")).unwrap();
    let gone = fault(&server, "zim_get", json!({"zim_file_path": "a.zim", "entry_path": "Paris"})).await;
    assert_eq!(gone["operation"], "file_not_found");
}

#[cfg(unix)]
#[tokio::test]
async fn no_name_and_no_link_leads_out_of_the_folders() {
    let outside = folder(&[("secret.zim", pages(1).build()), ("deep/other.zim", pages(1).build())]);
    let inside = folder(&[("a.zim", pages(1).build())]);
    let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, inside.path().join(to)).unwrap();
    link(&outside.path().join("secret.zim"), "link.zim");
    link(&outside.path().join("deep"), "folder");
    link(inside.path(), "circle");
    link(&inside.path().join("a.zim"), "same.zim");
    link(Path::new("/dev/zero"), "endless.zim");
    let server = server(quick(&inside));
    let list = tool(&server, "zim_metadata", json!({})).await;
    assert_eq!(list["total"], 1, "{list}");
    let outside = outside.path().join("secret.zim");
    for name in
        [outside.to_str().unwrap(), "../secret.zim", "link.zim", "folder/other.zim", "/dev/zero", "a.zim/../link.zim"]
    {
        let refused = fault(&server, "zim_get", json!({"zim_file_path": name, "main_page": true})).await;
        assert_eq!(refused["operation"], "file_not_found", "{name}");
        assert!(!refused.to_string().contains(inside.path().to_str().unwrap()));
    }
}

#[tokio::test]
async fn archives_of_the_same_name_have_names_of_their_own() {
    let all = tempfile::tempdir().unwrap();
    for sub in ["x", "y"] {
        put(&all.path().join(sub), "same.zim", &pages(1).build());
    }
    let mut settings = quick(&all);
    settings.paths = vec![all.path().join("x"), all.path().join("y"), all.path().join("x/same.zim")];
    let server = server(settings);
    let list = tool(&server, "zim_metadata", json!({})).await;
    let names: Vec<_> = list["results"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["same.zim", "y/same.zim"]);
    let filtered = tool(&server, "zim_metadata", json!({"name_filter": "Y/"})).await;
    assert_eq!(filtered["total"], 1);
}

#[tokio::test]
async fn a_large_library_is_listed_in_pages_and_few_of_its_archives_are_open() {
    let archives: Vec<_> = (0..200).map(|n| (format!("lib/{n:03}.zim"), pages(1).build())).collect();
    let all = tempfile::tempdir().unwrap();
    for (name, bytes) in &archives {
        put(all.path(), name, bytes);
    }
    let mut settings = quick(&all);
    settings.open_archives = 5;
    settings.rescan = Duration::from_secs(3600);
    let server = server(settings);
    let found = tool(&server, "zim_search", json!({"query": "Berlin", "mode": "title", "cross_file": true})).await;
    assert_eq!((&found["files_searched"], &found["files_failed"]), (&json!(200), &json!(0)));
    let (mut names, mut arguments) = (Vec::new(), json!({"limit": 64}));
    loop {
        let page = tool(&server, "zim_metadata", arguments).await;
        names.extend(page["results"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()));
        if page["done"] == true {
            break;
        }
        arguments = json!({"cursor": page["next_cursor"]});
    }
    assert!(names.len() == 200 && names.is_sorted());
    let some = tool(&server, "zim_metadata", json!({"name_filter": "19"})).await;
    assert_eq!(some["total"], 12);
    settled(&server, State::Healthy).await;
    if cfg!(target_os = "linux") {
        let place = all.path().canonicalize().unwrap();
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let open =
            open.filter(|fd| std::fs::read_link(fd.as_ref().unwrap().path()).is_ok_and(|to| to.starts_with(&place)));
        let open = open.count();
        assert!(open <= 5, "{open}");
    }
}

#[tokio::test]
async fn a_split_archive_is_one_archive() {
    let bytes = pages(50).build();
    let parts: Vec<_> = bytes.chunks(bytes.len() / 3 + 1).collect();
    let folder =
        folder(&[("s.zimaa", parts[0].to_vec()), ("s.zimab", parts[1].to_vec()), ("s.zimac", parts[2].to_vec())]);
    let server = server(quick(&folder));
    let about = tool(&server, "zim_metadata", json!({"zim_file_path": "s"})).await;
    assert_eq!(about["archive_identity"]["is_multipart"], true);
    assert_eq!(about["archive_identity"]["size_bytes"], bytes.len());
    tool(&server, "zim_get", json!({"main_page": true})).await;
}

#[cfg(unix)]
#[tokio::test]
async fn no_part_of_a_split_archive_leads_out_of_the_folder() {
    let bytes = pages(50).build();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let outside = folder(&[("secret.txt", second.to_vec())]);
    let inside = folder(&[("s.zimaa", first.to_vec()), ("other/s.zimab", second.to_vec())]);
    let part = inside.path().join("s.zimab");
    let link = |target: &Path| {
        let _ = std::fs::remove_file(&part);
        std::os::unix::fs::symlink(target, &part).unwrap();
    };
    // Found in its folder, or configured by its first part.
    for paths in [vec![inside.path().to_owned()], vec![inside.path().join("s.zimaa")]] {
        let settings = || {
            let mut settings = quick(&inside);
            settings.paths.clone_from(&paths);
            settings
        };
        link(&outside.path().join("secret.txt"));
        let list = tool(&server(settings()), "zim_metadata", json!({})).await;
        assert_eq!(list["total"], 0, "{list}");
        link(&inside.path().join("other/s.zimab"));
        let server = server(settings());
        tool(&server, "zim_get", json!({"zim_file_path": "s", "main_page": true})).await;
        // It is another file from now on.
        link(&outside.path().join("secret.txt"));
        let gone = fault(&server, "zim_get", json!({"zim_file_path": "s", "main_page": true})).await;
        assert_eq!(gone["operation"], "file_not_found");
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up() {
    let folder = folder(&[("a.zim", pages(1).build())]);
    let mut settings = quick(&folder);
    settings.deadline = Duration::ZERO;
    let server = server(settings);
    assert_eq!(fault(&server, "zim_get", json!({"main_page": true})).await["operation"], "timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_all_get_their_answers() {
    let folder = folder(&[("a.zim", pages(60).build())]);
    let server = server(quick(&folder));
    let calls = (0..200).map(|i| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let path = format!("p/{:03}.html", i % 60);
            let entry = tool(&server, "zim_get", json!({"entry_path": path})).await;
            assert!(entry["content"].as_str().unwrap().starts_with(&format!("# Page {}", i % 60)));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}
