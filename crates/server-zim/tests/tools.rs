//! The tools one by one, over archives that the tests write and over the sample archive, which has indexes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::{fault, folder, put, quick, tool};
use serde_json::{Value, json};
use server_zim::{Settings, server};
use zim::writer::Writer;

const ARTICLE: &str = "<html><body><h1>Rivers</h1><p>All about <a href='Lake' title='A lake'>lakes</a> and <a href='Lake'>lakes again</a>.</p>\
    <h2 id='big'>Big rivers</h2><p>The <a href='Nile'>Nile</a>, <a href='Lost_page'>a lost page</a>.</p>\
    <h3>The Nile itself</h3><p>Long.</p><h2>Small rivers</h2><p>See <a href='https://e.org/x'>there</a>.</p>\
    <table><tr><th>n</th></tr><tr><td>1</td></tr><tr><td>2</td></tr><tr><td>3</td></tr><tr><td>4</td></tr><tr><td>5</td></tr>\
    <tr><td>6</td></tr><tr><td>7</td></tr><tr><td>8</td></tr></table><img src='map.png' alt='A map'></body></html>";

fn rivers() -> Writer {
    Writer::new()
        .metadata("Title", "Rivers")
        .metadata("Name", "wikipedia_en_rivers")
        .metadata("Scraper", "mwoffliner 1.14")
        .page("River", "River", ARTICLE)
        .page("Lake", "Lake", "<h1>Lake</h1><p>Water. <a href='River'>River</a></p>")
        .page("Nile_(river)", "Nile (river)", "<p>A river</p>")
        .redirect(b'C', "Nile", "Nile", (b'C', "Nile_(river)"))
        .item((b'C', "map.png"), "", "image/png", [7; 10])
        .item((b'C', "style.css"), "", "text/css", "p{}")
        .main_page("River")
}

#[tokio::test]
async fn an_entry_has_views() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let server = server(quick(&folder));
    let view = |view: &str| tool(&server, "zim_get", json!({"entry_path": "River", "view": view}));
    let full = view("full").await;
    assert!(full["content"].as_str().unwrap().starts_with("# Rivers\n\nAll about [lakes](Lake)"), "{full}");
    assert_eq!((&full["matched_by"], &full["content_type"]), (&json!("exact"), &json!("text/html")));
    let summary = view("summary").await;
    assert_eq!(summary["summary"], "# Rivers\n\nAll about [lakes](Lake) and [lakes again](Lake).");
    assert_eq!((&summary["is_truncated"], &summary["word_count"]), (&json!(true), &json!(8)));
    let toc = view("toc").await;
    assert_eq!((&toc["heading_count"], &toc["max_depth"]), (&json!(4), &json!(3)));
    let root = &toc["toc"][0];
    assert_eq!((&root["section_id"], root["children"].as_array().unwrap().len()), (&json!("rivers"), 2));
    assert_eq!(root["children"][0]["children"][0]["text"], "The Nile itself");
    assert_eq!((&root["children"][0]["section_id"], &root["children"][0]["id_source"]), (&json!("big"), &json!("id")));
    let structure = view("structure").await;
    assert_eq!(
        structure["headings"][3],
        json!({"id": "small-rivers", "text": "Small rivers", "level": 2, "position": 3})
    );
    assert_eq!(structure["sections"][1]["content_preview"], "The Nile, a lost page.");
    for view in ["summary", "toc", "structure"] {
        let picture = tool(&server, "zim_get", json!({"entry_path": "map.png", "view": view})).await;
        assert!(picture["message"].as_str().unwrap().contains("image/png"));
        // Every view understands paths as the text does.
        let found = tool(&server, "zim_get", json!({"entry_path": "c/nile (RIVER)", "view": view})).await;
        assert_eq!((&found["path"], &found["matched_by"]), (&json!("Nile_(river)"), &json!("title")), "{view}");
    }
}

#[tokio::test]
async fn the_compact_form_names_long_tables_and_pages_through_itself() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let server = server(quick(&folder));
    let compact = tool(&server, "zim_get", json!({"entry_path": "River", "compact": true})).await;
    let text = compact["content"].as_str().unwrap();
    assert!(text.contains("[Table 1: 9 rows x 1 cols - pass compact=False to expand]"), "{text}");
    let tiny = json!({"entry_path": "River", "compact": true, "compact_budget": 500, "max_content_length": 50});
    let mut whole = String::new();
    let mut arguments = tiny;
    loop {
        let page = tool(&server, "zim_get", arguments).await;
        whole.push_str(page["content"].as_str().unwrap());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        arguments = json!({ "cursor": cursor });
    }
    assert_eq!(whole, text);
}

#[tokio::test]
async fn several_entries_come_at_once_and_each_costs() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let server = server(quick(&folder));
    let batch = json!({"entry_paths": ["River", "nowhere", "Nile", "map.png"], "max_content_length": 10});
    let got = tool(&server, "zim_get", batch.clone()).await;
    assert_eq!((&got["succeeded"], &got["failed"]), (&json!(3), &json!(1)));
    assert_eq!(
        (&got["results"][0]["content"], &got["results"][0]["more_at_offset"]),
        (&json!("# Rivers\n\n"), &json!(10))
    );
    assert_eq!(got["results"][2]["resolved_path"], "Nile_(river)");
    assert!(got["results"][1]["error"].as_str().unwrap().contains("nowhere"));
    let cost = server.about().tools["zim_get"].cost;
    let raw = |value: &Value| mcp::Raw::of(value);
    assert_eq!(cost(Some(&raw(&batch))), 4);
    assert_eq!(cost(Some(&raw(&json!({"entry_path": "x", "binary": true})))), 3);
    assert_eq!(cost(Some(&raw(&json!({"entry_path": "x"})))), 1);
    let many: Vec<String> = (0..51).map(|n| n.to_string()).collect();
    for (arguments, code) in [
        (json!({"entry_paths": many}), "invalid_limit"),
        (json!({"entry_paths": ["a"], "entry_path": "b"}), "invalid_path_combination"),
        (json!({"entry_paths": ["a"], "view": "toc"}), "invalid_path_combination"),
        (json!({"entry_paths": ["a"], "content_offset": 5}), "invalid_path_combination"),
        (json!({"entry_path": "River", "main_page": true}), "invalid_path_combination"),
        (json!({"entry_path": "River", "binary": true, "view": "toc"}), "invalid_path_combination"),
        (json!({"entry_path": "River", "max_content_length": 0}), "invalid_max_content_length"),
        (json!({"entry_path": "River", "content_offset": -1}), "invalid_content_offset"),
    ] {
        assert_eq!(fault(&server, "zim_get", arguments).await["operation"], code);
    }
}

#[tokio::test]
async fn bytes_come_as_base64_and_only_so_many() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let server = server(quick(&folder));
    let got = tool(&server, "zim_get", json!({"entry_path": "map.png", "binary": true})).await;
    assert_eq!(
        (&got["mime_type"], &got["size"], &got["encoding"]),
        (&json!("image/png"), &json!(10), &json!("base64"))
    );
    assert_eq!(got["data"], "BwcHBwcHBwcHBw==");
    let cut = tool(&server, "zim_get", json!({"entry_path": "map.png", "binary": true, "max_content_length": 9})).await;
    assert_eq!((&cut["truncated"], &cut["data"]), (&json!(true), &Value::Null));
    assert!(cut["message"].as_str().unwrap().contains("max_content_length=10"));
}

#[tokio::test]
async fn a_section_is_found_by_id_title_and_number() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let server = server(quick(&folder));
    let section = |id: &str| tool(&server, "zim_get_section", json!({"entry_path": "River", "section_id": id}));
    for id in ["big", "Big rivers", "big RIVERS", "#big", "2"] {
        let got = section(id).await;
        let text = "The [Nile](Nile), [a lost page](Lost_page).\n\n### The Nile itself\n\nLong.";
        assert_eq!((&got["section_id"], &got["content_markdown"]), (&json!("big"), &json!(text)), "{id}");
        assert_eq!((&got["parent_id"], &got["level"]), (&json!("rivers"), &json!(2)));
    }
    let narrow = json!({"entry_path": "River", "section_id": "big", "include_subsections": false});
    let narrow = tool(&server, "zim_get_section", narrow).await;
    assert_eq!(narrow["content_markdown"], "The [Nile](Nile), [a lost page](Lost_page).");
    let cut = tool(&server, "zim_get_section", json!({"entry_path": "River", "section_id": "2", "max_chars": 8})).await;
    assert_eq!((&cut["content_markdown"], &cut["truncated"]), (&json!("The [Nil"), &json!(true)));
    let unknown = fault(&server, "zim_get_section", json!({"entry_path": "River", "section_id": "bigg"})).await;
    assert_eq!((&unknown["operation"], &unknown["closest_match"]), (&json!("section_not_found"), &json!("big")));
    assert_eq!(unknown["available_section_ids"], json!(["rivers", "big", "the-nile-itself", "small-rivers"]));
    let picture = fault(&server, "zim_get_section", json!({"entry_path": "map.png", "section_id": "x"})).await;
    assert_eq!(picture["operation"], "invalid_section");
}

#[tokio::test]
async fn links_lead_to_entries_that_can_be_read() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let server = server(quick(&folder));
    let links = |more: Value| {
        let mut arguments = json!({"entry_path": "River"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tool(&server, "zim_links", arguments)
    };
    let internal = links(json!({"direction": "outgoing"})).await;
    assert_eq!(internal["category_totals"], json!({"internal": 4, "external": 1, "media": 1, "anchor": 0}));
    let rows = internal["results"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["path"], &rows[0]["title"], &rows[0]["text"]),
        (&json!("Lake"), &json!("A lake"), &json!("lakes"))
    );
    for row in rows {
        if row["missing"] == true {
            assert_eq!(row["path"], "Lost_page");
        } else {
            tool(&server, "zim_get", json!({"entry_path": row["path"]})).await;
        }
    }
    let external = links(json!({"kind": "external"})).await;
    assert_eq!(
        (&external["results"][0]["url"], &external["results"][0]["domain"]),
        (&json!("https://e.org/x"), &json!("e.org"))
    );
    let media = links(json!({"kind": "media"})).await;
    assert_eq!((&media["results"][0]["path"], &media["results"][0]["type"]), (&json!("map.png"), &json!("image")));
    let related = links(json!({"direction": "related"})).await;
    let rows: Vec<_> = related["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["path"].as_str().unwrap(), r["mention_count"].as_u64().unwrap()))
        .collect();
    assert_eq!(rows, [("Lake", 2), ("Nile_(river)", 1)]);
    let (mut seen, mut arguments) = (0, json!({"entry_path": "River", "limit": 1}));
    loop {
        let page = tool(&server, "zim_links", arguments).await;
        seen += page["results"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        arguments = json!({"entry_path": "River", "cursor": cursor});
        let other =
            fault(&server, "zim_links", json!({"entry_path": "River", "kind": "media", "cursor": cursor})).await;
        assert_eq!(other["operation"], "cursor_context_mismatch");
    }
    assert_eq!(seen, 4);
    let inbound = fault(&server, "zim_links", json!({"entry_path": "River", "direction": "inbound"})).await;
    assert_eq!(inbound["operation"], "inbound_sidecar_unavailable");
    let archive = folder.path().join("r.zim");
    let mut last = 0;
    let built = server_zim::build_link_graph(&archive, None, false, |done, _| last = done).unwrap();
    assert_eq!((built.edges, built.unreadable, last), (3, 0, 6));
    assert!(server_zim::build_link_graph(&archive, None, false, |_, _| {}).unwrap_err().contains("--force"));
    let inbound = tool(&server, "zim_links", json!({"entry_path": "Nile", "direction": "inbound"})).await;
    let row = json!({"path": "River", "title": "River", "link_text": "Nile", "inbound_degree": 1});
    assert_eq!(
        (&inbound["results"], &inbound["total"], &inbound["path"]),
        (&json!([row]), &json!(1), &json!("Nile_(river)"))
    );
    assert_eq!(tool(&server, "zim_health", json!({"zim_file_path": "r"})).await["has_link_graph"], true);
    // A graph of another archive is none of this one.
    let mut other = archive.clone().into_os_string();
    other.push(".linkgraph.sqlite");
    put(folder.path(), "s.zim", &Writer::new().page("River", "River", "<p>x</p>").build());
    std::fs::copy(other, folder.path().join("s.zim.linkgraph.sqlite")).unwrap();
    let stale = json!({"zim_file_path": "s", "entry_path": "River", "direction": "inbound"});
    assert_eq!(fault(&server, "zim_links", stale).await["operation"], "inbound_sidecar_unavailable");
}

#[tokio::test]
async fn a_link_graph_that_is_a_program_is_none() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let archive = folder.path().join("r.zim");
    let graph = folder.path().join("r.zim.linkgraph.sqlite");
    let endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r)";
    let attacks = [
        format!(
            "DROP TABLE edges; CREATE VIEW edges AS {endless} SELECT 1 target_id, 1 source_id, 'x' anchor_text FROM r WHERE x < 0;"
        ),
        "ALTER TABLE meta RENAME TO m; CREATE VIEW meta AS SELECT * FROM m;".to_owned(),
        "CREATE TRIGGER t AFTER INSERT ON nodes BEGIN DELETE FROM edges; END;".to_owned(),
        "ALTER TABLE edges ADD COLUMN more TEXT AS (hex(zeroblob(100)));".to_owned(),
        "DROP TABLE nodes;".to_owned(),
        // More than a value may have.
        "UPDATE edges SET anchor_text = hex(zeroblob(100000));".to_owned(),
        // As large as it may be, and no index that would make it quick.
        "DROP INDEX edges_by_target; WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r LIMIT 100000)
         INSERT INTO edges SELECT 1, x, 'x' FROM r;"
            .to_owned(),
    ];
    let inbound = json!({"entry_path": "Nile", "direction": "inbound"});
    for (number, attack) in attacks.iter().enumerate() {
        server_zim::build_link_graph(&archive, None, true, |_, _| {}).unwrap();
        let database = rusqlite::Connection::open(&graph).unwrap();
        database.execute_batch(attack).unwrap();
        database.close().unwrap();
        let server = server(quick(&folder));
        let has = &tool(&server, "zim_health", json!({"zim_file_path": "r"})).await["has_link_graph"];
        if number < 5 {
            assert_eq!(has, false, "{attack}");
        }
        if number < 6 {
            let refused = fault(&server, "zim_links", inbound.clone()).await;
            assert_eq!(refused["operation"], "inbound_sidecar_unavailable", "{attack}");
        } else {
            tool(&server, "zim_links", inbound.clone()).await;
        }
    }
    // Nor is one that is a link to elsewhere.
    if cfg!(unix) {
        server_zim::build_link_graph(&archive, None, true, |_, _| {}).unwrap();
        std::fs::rename(&graph, folder.path().join("elsewhere")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &graph).unwrap();
        let refused = fault(&server(quick(&folder)), "zim_links", inbound).await;
        assert_eq!(refused["operation"], "inbound_sidecar_unavailable");
    }
}

#[tokio::test]
async fn browsing_shows_pages_and_walking_names_them() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let server = server(quick(&folder));
    let page = tool(&server, "zim_browse", json!({"namespace": "C"})).await;
    let paths: Vec<_> = page["results"].as_array().unwrap().iter().map(|r| r["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["Lake", "Nile", "Nile_(river)", "River"]);
    assert_eq!(page["results"][0]["preview"], "# Lake\n\nWater. River");
    assert_eq!(
        (&page["page_info"]["assets_skipped"], &page["total"], &page["done"]),
        (&json!(2), &json!(6), &json!(true))
    );
    let all = tool(&server, "zim_browse", json!({"namespace": "C", "include_assets": "true", "limit": "10"})).await;
    assert_eq!(all["results"].as_array().unwrap().len(), 6);
    let walk = tool(&server, "zim_browse", json!({"namespace": "C", "mode": "walk", "limit": 3})).await;
    assert_eq!(walk["results"][0], json!({"path": "Lake", "title": "Lake"}));
    let next = json!({"namespace": "C", "mode": "walk", "cursor": walk["next_cursor"]});
    let next = tool(&server, "zim_browse", next).await;
    assert_eq!((&next["results"][0]["path"], &next["done"]), (&json!("River"), &json!(true)));
    let metadata = tool(&server, "zim_browse", json!({"namespace": "metadata", "mode": "list"})).await;
    assert_eq!(
        (&metadata["results"][0]["path"], &metadata["results"][0]["preview"]),
        (&json!("M/Name"), &json!("wikipedia_en_rivers"))
    );
    let unknown = tool(&server, "zim_browse", json!({"namespace": "nonsense"})).await;
    assert_eq!(
        (&unknown["_meta"]["reason"], &unknown["discovery_method"]),
        (&json!("bad_namespace"), &json!("rejected_unknown_namespace"))
    );
}

#[tokio::test]
async fn metadata_and_health_tell_what_an_archive_is() {
    let folder = folder(&[("r.zim", rivers().build())]);
    let mut settings = quick(&folder);
    let hidden = server(settings.clone());
    let about = tool(&hidden, "zim_metadata", json!({"zim_file_path": "r"})).await;
    assert_eq!(
        (&about["_meta"]["detected_type"], &about["_meta"]["detection_confidence"]),
        (&json!("wikipedia"), &json!("high"))
    );
    assert_eq!(about["namespaces"][0]["sample_entries"][0], json!({"path": "Lake", "title": "Lake"}));
    let whole = tool(&hidden, "zim_health", json!({"zim_file_path": "r"})).await;
    assert_eq!(
        (&whole["is_valid"], &whole["has_fulltext_index"], &whole["has_link_graph"]),
        (&json!(true), &json!(false), &json!(false))
    );
    let report = tool(&hidden, "zim_health", json!({})).await;
    assert_eq!(
        (&report["health"]["status"], &report["health"]["health_checks"]["zim_files_found"]),
        (&json!("healthy"), &json!(1))
    );
    assert!(report["health"]["cache_performance"]["misses"].is_u64());
    let place = folder.path().to_str().unwrap();
    assert!(!report.to_string().contains(place), "a path is shown");
    settings.shows_paths = true;
    let shown = tool(&server(settings), "zim_health", json!({})).await;
    assert!(shown["loaded_archives"][0]["path"].as_str().unwrap().starts_with(place));
}

#[tokio::test]
async fn outlines_of_pages_with_very_many_headings_are_cut_and_say_so() {
    let body: String = (0..3000).map(|n| format!("<h{}>Heading number {n}</h{0}><p>Text.</p>", 2 + n % 3)).collect();
    let folder = folder(&[("r.zim", Writer::new().page("Long", "Long", &body).build())]);
    let mut settings = quick(&folder);
    settings.content.max_chars = 6000;
    let server = server(settings);
    for view in ["toc", "structure"] {
        let got = tool(&server, "zim_get", json!({"entry_path": "Long", "view": view})).await;
        let chars = got["_meta"]["chars"].as_u64().unwrap();
        assert!(got["_meta"]["truncated"] == true && (1000..12_000).contains(&chars), "{view}: {chars}");
    }
    let toc = tool(&server, "zim_get", json!({"entry_path": "Long", "view": "toc"})).await;
    assert_eq!((&toc["heading_count"], &toc["toc"][0]["text"]), (&json!(3000), &json!("Heading number 0")));
}

#[tokio::test]
async fn health_says_what_is_wrong_and_what_to_do() {
    let empty = folder(&[]);
    let report = tool(&server(quick(&empty)), "zim_health", json!({})).await;
    let health = &report["health"];
    assert_eq!((&health["status"], &health["warnings"]), (&json!("warning"), &json!(["there is no archive"])));
    assert!(health["recommendations"][0].as_str().unwrap().contains("Put a .zim file"), "{health}");
    assert_eq!(report["configuration"]["diagnostics"]["validation_status"], "ok");

    let some = folder(&[("r.zim", rivers().build()), ("bad.zim", b"no archive".to_vec())]);
    let mut settings = quick(&some);
    settings.paths.push(some.path().join("secret-place"));
    settings.builds_indexes = true;
    let presets = some.path().join("presets.toml");
    std::fs::write(&presets, "[nonsense]").unwrap();
    settings.presets = Some(presets);
    let report = tool(&server(settings), "zim_health", json!({})).await;
    let (health, diagnostics) = (&report["health"], &report["configuration"]["diagnostics"]);
    assert_eq!((&health["status"], &diagnostics["validation_status"]), (&json!("warning"), &json!("warning")));
    let checks = &health["health_checks"];
    assert_eq!((&checks["directories_accessible"], &checks["permissions_ok"]), (&json!(1), &json!(false)));
    assert_eq!(checks["zim_files_damaged"], 1);
    let (told, wrong) = (health["warnings"].to_string(), diagnostics["warnings"].to_string());
    for warning in ["1 of 2 configured paths cannot be read", "no folder for them", "file of presets"] {
        assert!(told.contains(warning) && wrong.contains(warning), "{warning}: {report}");
    }
    assert!(told.contains("1 of 2 archives cannot be used") && !report.to_string().contains("secret-place"));
    let readable: Vec<_> = report["loaded_archives"].as_array().unwrap().iter().map(|a| &a["readable"]).collect();
    assert_eq!(readable, [false, true]);

    let nothing = tool(&server(Settings::default()), "zim_health", json!({})).await;
    let statuses = (&nothing["health"]["status"], &nothing["configuration"]["diagnostics"]["validation_status"]);
    assert_eq!(statuses, (&json!("error"), &json!("error")));
}

/// The archive as writers of long ago made it: the header ends before the position of the checksum.
fn without_checksum(mut archive: Vec<u8>) -> Vec<u8> {
    let number = |archive: &[u8], at: usize| u64::from_le_bytes(archive[at..at + 8].try_into().unwrap());
    let count = |archive: &[u8], at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().unwrap()) as usize;
    let lists = [(number(&archive, 32), count(&archive, 24)), (number(&archive, 48), count(&archive, 28))];
    let pointers = lists.iter().flat_map(|(at, count)| (0..*count).map(|n| *at as usize + n * 8));
    for at in [32, 40, 48, 56].into_iter().chain(pointers) {
        let moved = number(&archive, at).saturating_sub(8);
        archive[at..at + 8].copy_from_slice(&moved.to_le_bytes());
    }
    archive.truncate(archive.len() - 16);
    archive.drain(72..80);
    archive
}

#[tokio::test]
async fn without_a_checksum_nobody_says_that_an_archive_is_whole() {
    let old = Writer::old().titles(true, false).page("Lake", "Lake", "<p>Water</p>").build();
    let folder = folder(&[("old.zim", without_checksum(old))]);
    let server = server(quick(&folder));
    tool(&server, "zim_get", json!({"entry_path": "Lake"})).await;
    let health = tool(&server, "zim_health", json!({"zim_file_path": "old"})).await;
    assert_eq!((&health["is_valid"], &health["has_checksum"]), (&Value::Null, &json!(false)));
    assert!(health["message"].as_str().unwrap().contains("no checksum"), "{health}");
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_a_row_and_the_page_says_that_it_may_be_incomplete() {
    let pages = (0..50).fold(Writer::new(), |writer, n| {
        let name = format!("p{n:02}");
        writer.page(&name, &name, "<p>text</p>")
    });
    let mut archive = pages.build();
    let list = u64::from_le_bytes(archive[32..40].try_into().unwrap()) as usize;
    archive[list + 80..list + 88].fill(0xff);
    let folder = folder(&[("r.zim", archive)]);
    let server = server(quick(&folder));
    let page = tool(&server, "zim_browse", json!({"namespace": "C", "limit": 20})).await;
    assert_eq!((&page["results_may_be_incomplete"], &page["results"][10]["path"]), (&json!(true), &json!("")));
    assert!(page["results"][10]["content_type"].as_str().unwrap().starts_with("unreadable"), "{page}");
    let rest = tool(&server, "zim_browse", json!({"namespace": "C", "offset": 20})).await;
    assert_eq!((&rest["results_may_be_incomplete"], &rest["done"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn a_mistake_in_one_word_of_a_title_is_mended_whatever_the_other_words_are() {
    let server = server(Settings::demo());
    let title = |query: &str| tool(&server, "zim_search", json!({"query": query, "mode": "title"}));
    for query in ["manual portculis", "manaul portcullis", "the manual Portculils"] {
        let found = title(query).await;
        let row = &found["results"][0];
        let told = (&row["path"], &row["match_type"]);
        assert_eq!(told, (&json!("index.html"), &json!("typo_corrected")), "{query}: {found}");
        assert_eq!(found["fuzzy_path_hit"], true);
    }
    assert_eq!(title("manual zzqqxx").await["total"], 0);
}

#[tokio::test]
async fn text_is_searched_in_the_archives_own_index() {
    let server = server(Settings::demo());
    let found = tool(&server, "zim_search", json!({"query": "gates and policies"})).await;
    let rows = found["results"].as_array().unwrap();
    assert!(!rows.is_empty() && found["total"].as_u64().unwrap() >= rows.len() as u64, "{found}");
    let scores: Vec<f64> = rows.iter().map(|row| row["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b) && scores[0] > 0.0);
    assert!(rows.iter().any(|row| row["snippet"].as_str().unwrap().contains("**")), "{found}");
    let (mut paths, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = tool(&server, "zim_search", json!({"query": "gate", "limit": 2, "cursor": cursor})).await;
        paths.extend(page["results"].as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].clone();
        assert_eq!(page["done"], cursor.is_null());
        if cursor.is_null() {
            assert_eq!(page["total"], paths.len());
            break;
        }
    }
    let whole = tool(&server, "zim_search", json!({"query": "gate", "limit": 100})).await;
    let together: Vec<_> =
        whole["results"].as_array().unwrap().iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(paths, together);
    let filtered = json!({"query": "gate", "content_type": "text/html", "namespace": "C", "mode": "filtered"});
    let filtered = tool(&server, "zim_search", filtered).await;
    assert_eq!(
        (&filtered["results"][0]["namespace"], &filtered["results"][0]["content_type"]),
        (&json!("C"), &json!("text/html"))
    );
    let none = tool(&server, "zim_search", json!({"query": "gate", "content_type": "image/"})).await;
    assert_eq!((&none["total"], &none["page_info"]["total_is_lower_bound"]), (&json!(0), &Value::Null));
    let nothing = tool(&server, "zim_search", json!({"query": "zzqqxx"})).await;
    assert_eq!((&nothing["total"], &nothing["_meta"]["reason"]), (&json!(0), &json!("0_hits")));
}

#[tokio::test]
async fn all_archives_are_searched_at_once_and_make_one_ranking() {
    let mut cut = rivers().build();
    cut.truncate(300);
    let sample = server_zim::demo_archive().to_vec();
    let folder =
        folder(&[("one.zim", sample.clone()), ("two.zim", sample), ("cut.zim", cut), ("plain.zim", rivers().build())]);
    let server = server(quick(&folder));
    let found = tool(&server, "zim_search", json!({"query": "gate", "mode": "cross_file", "limit": 3})).await;
    assert_eq!(
        (&found["files_searched"], &found["files_failed"], &found["files_with_hits"]),
        (&json!(4), &json!(1), &json!(2))
    );
    let rows = found["results"].as_array().unwrap();
    let files: std::collections::BTreeSet<_> = rows.iter().map(|row| row["zim_file"].as_str().unwrap()).collect();
    assert_eq!(files.into_iter().collect::<Vec<_>>(), ["one.zim", "two.zim"]);
    let scores: Vec<f64> = rows.iter().map(|row| row["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let cut = found["files"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&cut["name"], &cut["error"], &cut["error_operation"]),
        (&json!("cut.zim"), &json!(true), &json!("archive_damaged"))
    );
    let titles = tool(&server, "zim_search", json!({"query": "river", "mode": "title", "cross_file": true})).await;
    assert_eq!(titles["results"][0]["zim_file"], "plain.zim");
}
