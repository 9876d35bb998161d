//! Documents of real servers, byte for byte, and of schemas that servers should not send.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod hostile;

use mcp::Raw;
use openapi::{Document, Info, Validator};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

fn info() -> Info {
    Info { title: "T".into(), version: "1".into(), description: "D".into() }
}

fn document(tools: &[Raw]) -> Value {
    let mut document = Document::new(info());
    document.tools(tools);
    serde_json::from_slice(&document.render()).unwrap()
}

/// A tool list as it was taken from the server, with what `initialize` said.
fn listed(text: &str) -> (Info, Vec<Raw>) {
    let list = hostile::read(text);
    let server = list.get("serverInfo").unwrap();
    let title = server.get_text("title").or_else(|| server.get_text("name")).unwrap();
    let description = list.get_text("instructions").unwrap_or_else(|| format!("{title} MCP Server"));
    let info = Info { version: server.get_text("version").unwrap(), title, description };
    (info, list.get("tools").unwrap().items().collect())
}

/// Compares with a file; with `UPDATE_GOLDENS=1` writes it instead.
fn assert_golden(name: &str, document: &[u8]) {
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("tests/golden").join(name);
    let text = pretty(std::str::from_utf8(document).unwrap());
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{name} is not what it was; look at it and run with UPDATE_GOLDENS=1\n{text}");
}

/// Line breaks between tokens, nothing else: order and spelling are part of what is compared.
fn pretty(json: &str) -> String {
    let (mut out, mut depth, mut in_string, mut escaped) = (String::new(), 0, false, false);
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        if in_string {
            out.push(c);
            (in_string, escaped) = (escaped || c != '"', !escaped && c == '\\');
            continue;
        }
        let line = |out: &mut String, depth: usize| {
            out.push('\n');
            out.push_str(&" ".repeat(depth));
        };
        match c {
            '{' | '[' => {
                out.push(c);
                if !matches!(chars.peek(), Some('}' | ']')) {
                    depth += 1;
                    line(&mut out, depth);
                } else if let Some(close) = chars.next() {
                    out.push(close);
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                in_string = true;
                out.push(c);
            }
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out + "\n"
}

#[test]
fn the_time_server_has_this_document() {
    let (info, tools) = listed(include_str!("data/mcp-server-time.json"));
    let mut document = Document::new(info);
    document.tools(&tools);
    assert_golden("mcp-server-time.json", &document.render());
}

#[test]
fn server_everything_has_this_document() {
    let (info, tools) = listed(include_str!("data/server-everything.json"));
    let mut document = Document::new(info).served_at("/everything").secured();
    document.tools(&tools);
    assert_golden("server-everything.json", &document.render());
}

#[test]
fn a_house_has_this_document() {
    let (time, time_tools) = listed(include_str!("data/mcp-server-time.json"));
    let (everything, everything_tools) = listed(include_str!("data/server-everything.json"));
    let mut document = Document::new(info()).secured();
    document.server("time", &time.title, &time_tools);
    document.server("everything", &everything.title, &everything_tools);
    document.server("time-2", &time.title, &time_tools);
    assert_golden("house.json", &document.render());
}

#[test]
fn every_hostile_schema_gives_a_sound_document_and_a_working_validator() {
    let schemas = hostile::schemas();
    assert!(schemas.len() >= 60);
    for (name, schema) in &schemas {
        let begun = Instant::now();
        let tool = hostile::tool(name, schema);
        let one = document(std::slice::from_ref(&tool));
        hostile::assert_sound(name, &one);
        assert_eq!(one["paths"].as_object().unwrap().len(), 1, "{name}");
        let validator = Validator::new(schema);
        for body in ["{}", r#"{"a":"x","b":5}"#, r#"{"a":{"a":{"a":1}}}"#, "[1]", "", "{"] {
            let _ = validator.validate(body.into());
        }
        let limit = Duration::from_secs(10);
        assert!(begun.elapsed() < limit, "{name} took {:?}", begun.elapsed());
    }
    let tools: Vec<_> = schemas.iter().map(|(name, schema)| hostile::tool(name, schema)).collect();
    let mut all = Document::new(info());
    all.server("one", "One", &tools);
    all.server("two", "Two", &tools);
    let all: Value = serde_json::from_slice(&all.render()).unwrap();
    assert_eq!(all["paths"].as_object().unwrap().len(), 2 * schemas.len());
    hostile::assert_sound("all", &all);
}

#[test]
fn what_of_a_hostile_schema_cannot_be_checked_is_said_and_the_rest_is_checked() {
    let schemas: HashMap<_, _> = hostile::schemas().into_iter().collect();
    let refused = |name: &str, body: &str| {
        let validator = Validator::new(&schemas[name]);
        let refused = validator.validate(body.to_owned().into()).is_err();
        (validator.unchecked().is_some(), refused)
    };
    for (name, body, expected) in [
        ("recursive root", r#"{"name":"x","children":[{"name":5}]}"#, (false, true)),
        ("refers to nowhere", r#"{"a":1,"b":2}"#, (true, false)),
        ("refers to nowhere", r#"{"a":1,"b":"x"}"#, (true, true)),
        ("refers to a web page", r#"{"a":1,"b":"x"}"#, (true, true)),
        ("root refers to itself beside more", r#"{"a":"x"}"#, (true, true)),
        ("old definitions", r#"{"a":"z"}"#, (false, true)),
        ("siblings of a reference do not count", r#"{"a":"xxxx"}"#, (false, false)),
        ("siblings of a reference count", r#"{"a":"xxxx"}"#, (false, true)),
        ("ids", r#"{"c":"x"}"#, (false, true)),
        ("an unknown draft", "{}", (true, true)),
        ("tuples of draft 7", r#"{"pair":["x",1,2]}"#, (true, true)),
        ("tuples without a draft", r#"{"pair":["x",1,2]}"#, (true, true)),
        ("a regular expression that is none", r#"{"a":"x","b":"x"}"#, (true, true)),
        ("a name pattern that is none", r#"{"x-a":"x"}"#, (true, true)),
        ("values that are none", r#"{"a":1,"b":2}"#, (true, false)),
        ("twice the same key", r#"{"a":"x"}"#, (false, true)),
        ("missing", r#"{"anything":1}"#, (true, false)),
        ("true", r#"{"anything":1}"#, (false, false)),
        ("false", "{}", (false, true)),
        ("a chain of sixty references", r#"{"a":5}"#, (false, true)),
        ("forty schemas that each name the next one twice", r#"{"a":5}"#, (true, false)),
        ("nested as deep as can be", "{}", (false, false)),
        ("a dynamic reference overridden", r#"{"children":[{"daat":1}]}"#, (false, true)),
    ] {
        assert_eq!(refused(name, body), expected, "{name}: {body}");
    }
}

#[test]
fn a_chain_of_references_is_followed_without_recursion() {
    // Longer than other people's validators can follow, though there is nothing wrong with it.
    let schema = hostile::read(&hostile::chain(5000, 1));
    hostile::assert_sound("endless", &document(&[hostile::tool("endless", &schema)]));
    let validator = Validator::new(&schema);
    assert!(validator.unchecked().is_some());
    assert!(validator.validate(r#"{"a":5}"#.into()).is_ok());
}

#[test]
fn a_regular_expression_that_is_none_is_left_out() {
    let schemas: HashMap<_, _> = hostile::schemas().into_iter().collect();
    let one = document(&[hostile::tool("t", &schemas["a regular expression that is none"])]);
    let a = &one["components"]["schemas"]["t_form_model"]["properties"]["a"];
    assert!(a.get("pattern").is_none(), "{a}");
    assert!(a["description"].as_str().unwrap().contains("`pattern` is left out"), "{a}");
    let one = document(&[hostile::tool("t", &schemas["a pattern that explodes"])]);
    let model = &one["components"]["schemas"]["t_form_model"]["properties"];
    assert!(model["a"]["pattern"].is_string() && model["b"]["pattern"].is_string());
}

#[test]
fn a_constraint_that_leads_out_is_left_out_and_said() {
    let schemas: HashMap<_, _> = hostile::schemas().into_iter().collect();
    let one = document(&[hostile::tool("t", &schemas["refers to a web page"])]);
    let a = &one["components"]["schemas"]["t_form_model"]["properties"]["a"];
    assert_eq!(
        a["description"],
        "An a.\n\nWhat `https://example.com/schema.json#/x` demands is left out: it is not part of this schema."
    );
    assert_eq!(a.as_object().unwrap().len(), 1);
}

#[test]
fn older_spellings_are_spelled_as_the_document_needs_them() {
    let schemas: HashMap<_, _> = hostile::schemas().into_iter().collect();
    let model = |name: &str| {
        let one = document(&[hostile::tool("t", &schemas[name])]);
        one["components"]["schemas"]["t_form_model"]["properties"].clone()
    };
    let tuple = &model("tuples of draft 7")["pair"];
    assert_eq!(tuple["prefixItems"][1]["type"], "integer");
    assert_eq!(tuple["items"], false);
    let limits = model("an id of draft 4");
    assert_eq!(limits["n"]["exclusiveMinimum"], 0);
    assert!(limits["n"].get("minimum").is_none());
    assert_eq!(limits["m"]["maximum"], 9);
    assert_eq!(limits["id"]["type"], "string");
}

#[test]
fn reserved_words_and_odd_names_have_paths_of_their_own() {
    let names =
        ["docs", "openapi.json", "mcp", "tools", "sse", "messages", "health", "a/b", "a.b", "a b", "日本", "a_b"];
    let schema = hostile::read(r#"{"type":"object"}"#);
    let tools: Vec<_> = names.iter().map(|name| hostile::tool(name, &schema)).collect();
    let document = document(&tools);
    let paths: HashSet<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "/tools/docs",
        "/tools/openapi.json",
        "/tools/mcp",
        "/tools/tools",
        "/tools/sse",
        "/tools/messages",
        "/tools/health",
        "/a%2Fb",
        "/a.b",
        "/a%20b",
        "/%E6%97%A5%E6%9C%AC",
        "/a_b",
    ];
    assert_eq!(paths, HashSet::from(expected));
    hostile::assert_sound("names", &document);
    assert_eq!(document["paths"]["/a_b"]["post"]["operationId"], "tool_a_b_post_4");
}

#[test]
fn a_tool_says_its_title_annotations_icons_and_meta() {
    let tool = hostile::read(
        r#"{"name":"x_y","annotations":{"title":"Exwhy","readOnlyHint":true},"icons":[{"src":"data:,"}],"_meta":{"a":1},
            "inputSchema":{"type":"object"}}"#,
    );
    let operation = document(&[tool])["paths"]["/x_y"]["post"].clone();
    assert_eq!(operation["summary"], "Exwhy");
    assert_eq!(operation["x-mcp-annotations"]["readOnlyHint"], true);
    assert_eq!(operation["x-mcp-icons"][0]["src"], "data:,");
    assert_eq!(operation["x-mcp-meta"]["a"], 1);
    assert_eq!(operation["requestBody"]["required"], false);
}

#[test]
fn documents_are_the_same_every_time() {
    let tools: Vec<_> = hostile::schemas().iter().map(|(name, schema)| hostile::tool(name, schema)).collect();
    let render = || {
        let mut document = Document::new(info());
        document.server("s", "S", &tools);
        document.render()
    };
    assert_eq!(render(), render());
}

#[test]
fn a_document_of_fifty_servers_with_two_thousand_tools_is_rendered() {
    let (_, tools) = listed(include_str!("data/server-everything.json"));
    let schema = hostile::read(
        r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"type":"array","items":{"$ref":"#/$defs/B"}}},
            "$defs":{"A":{"enum":["x","y"]},"B":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}}}}}"##,
    );
    let named = |i: usize| match tools.get(i) {
        Some(tool) => tool.clone(),
        None => hostile::tool(&format!("tool_{i}"), &schema),
    };
    let tools: Vec<Raw> = (0..40).map(named).collect();
    let begun = Instant::now();
    let mut document = Document::new(info()).secured();
    for server in 0..50 {
        document.server(&format!("server{server}"), "S", &tools);
    }
    let bytes = document.render();
    let took = begun.elapsed();
    println!("{} bytes in {took:?}", bytes.len());
    // It hangs, or it does not: how long it takes is measured by ./bench.
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn a_document_is_named_after_its_server() {
    let about = |info: &str, instructions: Option<&str>| mcp::About {
        info: hostile::read(info),
        instructions: instructions.map(str::to_owned),
        capabilities: mcp::ServerCapabilities::default(),
        state: mcp::State::Healthy,
        reason: String::new(),
        incarnation: 1,
        varies: false,
        is_built_in: false,
        tools: std::sync::Arc::default(),
    };
    let named = Info::of("time", &about(r#"{"name":"mcp-time","version":"1.2"}"#, None));
    let expected = ("mcp-time", "1.2", "mcp-time MCP Server");
    assert_eq!((named.title.as_str(), named.version.as_str(), named.description.as_str()), expected);
    let titled = Info::of("time", &about(r#"{"name":"mcp-time","title":"Time"}"#, Some("Ask me.")));
    assert_eq!((titled.title.as_str(), titled.version.as_str(), titled.description.as_str()), ("Time", "", "Ask me."));
    assert_eq!(Info::of("time", &about("{}", None)).title, "time");
}
