//! What policy forbids is reached in no way.

use e2e::{Client, House, everywhere, secret, three, token};
use serde_json::{Value, json};

const ALL: [&str; 3] = ["builtin", "legacy", "modern"];

/// The reader, and on stdio the person, may do everything but what is in `deny`.
fn settings(deny: Value) -> Value {
    let tokens = [token("alice", &["reader"]), token("admin", &["admin"])];
    let reader = json!({"allow": ["*/*"], "deny": deny});
    json!({"sse": true, "auth": {"tokens": tokens}, "mcpServers": three(),
        "policy": {"roles": {"reader": reader, "default": reader, "admin": {"allow": ["*/*"]}}}})
}

async fn destroyed(house: &House, server: &str) -> u64 {
    let answer = house.client(server, Some(&secret("admin"))).call("counters", json!({})).await;
    answer.result()["structuredContent"]["destroy"]["started"].as_u64().unwrap_or_default()
}

/// Messages that may be understood as calls of `destroy`. `META` stands for `_meta`.
fn spellings() -> Vec<String> {
    let members = [
        r#""name":"destroy""#,
        r#""name":"destroy","arguments":{}"#,
        r#""n\u0061me":"destroy""#,
        r#""name":"d\u0065stroy""#,
        r#""name":"\u0064\u0065\u0073\u0074\u0072\u006f\u0079""#,
        r#""name":"read_only","name":"destroy""#,
        r#""name":"destroy","name":"read_only""#,
        r#""name":"read_only","n\u0061me":"destroy""#,
        r#""n\u0061me":"destroy","name":"read_only""#,
        r#""name":"read_only","Name":"destroy""#,
        r#""Name":"destroy""#,
        r#""name":"DESTROY""#,
        r#""name":"Destroy""#,
        r#""name":" destroy""#,
        r#""name":"destroy ""#,
        r#""name":"destroy\u0000""#,
        r#""name":"destroy\n""#,
        r#""name":"./destroy""#,
        r#""name":"tool:destroy""#,
        r#""name":"builtin__destroy""#,
        r#""name":"legacy__destroy""#,
        r#""name":"modern__destroy""#,
        r#""name":"builtin/destroy""#,
        r#""name":["destroy"]"#,
        r#""name":{"name":"destroy"}"#,
        r#""name":"read_only","uri":"destroy","tool":"destroy""#,
        r#""name":"read_only","arguments":{"name":"destroy"}"#,
        r#""name":"destroy","requestState":"x","inputResponses":{}"#,
    ];
    let mut all = Vec::new();
    for one in members {
        all.push(format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{{{one},"_meta":META}}}}"#));
    }
    let destroy = r#"{"name":"destroy","_meta":META}"#;
    let harmless = r#"{"name":"read_only","_meta":META}"#;
    for whole in [
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools\/call","params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"m\u0065thod":"tools/c\u0061ll","params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"Tools/Call","params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools/call ","params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"ping","method":"tools/call","params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools/call","method":"ping","params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{harmless},"params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{harmless},"p\u0061rams":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":900,"method":"tools/call","Params":{destroy},"params":{harmless}}}"#),
        format!(r#"{{"jsonrpc":"2.0","method":"tools/call","params":{destroy}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{destroy}}}"#),
        format!(r#"[{{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{destroy}}}]"#),
        format!(
            r#"[{{"jsonrpc":"2.0","id":1,"method":"ping"}},{{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{destroy}}}]"#
        ),
        format!("\u{feff}{{\"jsonrpc\":\"2.0\",\"id\":900,\"method\":\"tools/call\",\"params\":{destroy}}}"),
        format!(
            r#"{{"jsonrpc":"2.0","id":900,"method":"ping"}}{{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{destroy}}}"#
        ),
    ] {
        all.push(whole);
    }
    all
}

#[tokio::test]
async fn a_forbidden_tool_is_reached_by_no_spelling() {
    let mut settings = settings(json!(["*/tool:destroy"]));
    settings.as_object_mut().expect("an object").remove("mcpServers");
    let (house, talks) = everywhere(settings, "alice", json!({})).await;
    let all = talks.into_iter().map(|(front, mut talk)| async move {
        let harmless = r#"{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"read_only","_meta":META}}"#;
        let answer = talk.raw(&harmless.replace("META", &talk.meta()), "read_only").await.to_string();
        assert!(answer.contains("Nothing changed."), "{front}: this way a call gets through: {answer}");
        for spelling in spellings() {
            for header in ["destroy", "read_only"] {
                let text = spelling.replace("META", &talk.meta());
                let answer = talk.raw(&text, header).await.to_string();
                assert!(!answer.contains("Destroyed"), "{front}: {text}");
            }
        }
        // On stdio nobody else can look.
        let counters = talk.call("counters", json!({})).await;
        let started = &counters.response["result"]["structuredContent"]["destroy"]["started"];
        assert_eq!(started.as_u64().unwrap_or_default(), 0, "{front}");
        let heard = talk.call("read_only", json!({})).await;
        assert_eq!(heard.text(), "Nothing changed.", "{front} goes on");
    });
    futures_util::future::join_all(all).await;
    for server in ALL {
        assert_eq!(destroyed(&house, server).await, 0, "{server}");
        let admin = house.client(server, Some(&secret("admin")));
        assert_eq!(admin.call("destroy", json!({})).await.result()["content"][0]["text"], "Destroyed nothing.");
        assert_eq!(destroyed(&house, server).await, 1, "the counter counts");
    }
}

#[tokio::test]
async fn a_forbidden_tool_is_reached_by_no_entry_of_a_batch() {
    let house = House::start(settings(json!(["*/tool:destroy"]))).await;
    for server in ALL {
        let mut session = house.client(server, Some(&secret("alice")));
        session.open_as("2025-03-26", json!({})).await;
        for client in [house.client(server, Some(&secret("alice"))), session] {
            let call = |id: u64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
            let batch = json!([call(1, "read_only"), call(2, "destroy"), call(3, "read_only")]);
            let answer = client.send(batch.to_string()).await;
            let of = |id: u64| answer.messages.iter().find(|m| m["id"] == id).expect("an answer");
            assert!(of(1).get("result").is_some() && of(3).get("result").is_some(), "{server}: {:?}", answer.messages);
            assert_eq!(of(2)["error"]["code"], -32602, "{server}");
        }
        assert_eq!(destroyed(&house, server).await, 0, "{server}");
    }
}

#[tokio::test]
async fn a_tool_is_forbidden_under_its_joint_name_as_well() {
    let house = House::start(settings(json!(["builtin/tool:destroy", "modern/*"]))).await;
    let alice = house.client("", Some(&secret("alice")));
    for name in [
        "builtin__destroy",
        "builtin__builtin__destroy",
        "legacy__builtin__destroy",
        "builtin__legacy__destroy",
        "builtin___destroy",
        "builtin_destroy",
        "__destroy",
        "destroy",
        "Builtin__destroy",
        "modern__destroy",
        "modern__echo",
        "modern__modern__destroy",
    ] {
        for answer in [alice.call(name, json!({})).await, alice.modern_call(name, json!({}), json!({})).await] {
            assert_eq!(answer.error()["code"], -32602, "{name}: {}", answer.response());
        }
    }
    for server in ["builtin", "modern"] {
        assert_eq!(destroyed(&house, server).await, 0, "{server}");
    }
    let answer = alice.call("legacy__destroy", json!({})).await;
    assert_eq!(answer.result()["content"][0]["text"], "Destroyed nothing.", "that one is allowed");
}

#[tokio::test]
async fn a_header_that_names_another_tool_than_the_body_is_refused() {
    let house = House::start(settings(json!(["*/tool:destroy"]))).await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        for (header, body) in [("read_only", "destroy"), ("destroy", "read_only"), ("READ_ONLY", "read_only")] {
            let params = json!({"name": body, "arguments": {}, "_meta": e2e::modern_meta(json!({}))});
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
            let request = alice.post(body.to_string()).header("mcp-protocol-version", "2026-07-28");
            let request = request.header("mcp-method", "tools/call").header("mcp-name", header);
            let answer = e2e::read(request.send().await.expect("an answer")).await;
            assert!(answer.response().get("error").is_some(), "{server}: {header} {}", answer.response());
        }
        assert_eq!(destroyed(&house, server).await, 0);
    }
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    items.iter().map(|i| i[key].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn lists_show_only_what_policy_allows_and_only_that_can_be_used() {
    let mut settings = settings(json!([]));
    let allow = ["*/tool:echo", "*/prompt:test_simple_prompt", "*/resource:test://static-text"];
    settings["policy"]["roles"]["reader"] = json!({"allow": allow});
    settings["policy"]["roles"]["default"] = json!({"allow": allow});
    let (_house, talks) = everywhere(settings, "alice", json!({})).await;
    for (front, mut talk) in talks {
        for (method, list, key, expected) in [
            ("tools/list", "tools", "name", vec!["echo"]),
            ("prompts/list", "prompts", "name", vec!["test_simple_prompt"]),
            ("resources/list", "resources", "uri", vec!["test://static-text"]),
            ("resources/templates/list", "resourceTemplates", "uriTemplate", vec![]),
        ] {
            let heard = talk.request(method, json!({})).await;
            assert_eq!(names(&heard.response["result"][list], key), expected, "{front}: {method}");
        }
        let prompt = |name: &str| json!({"type": "ref/prompt", "name": name});
        let template = json!({"type": "ref/resource", "uri": "test://template/{id}/data"});
        let argument = json!({"name": "arg1", "value": "t"});
        for (method, params) in [
            ("tools/call", json!({"name": "read_only", "arguments": {}})),
            ("prompts/get", json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}})),
            ("resources/read", json!({"uri": "test://static-binary"})),
            ("resources/read", json!({"uri": "test://template/1/data"})),
            ("resources/read", json!({"uri": "TEST://static-binary"})),
            ("resources/read", json!({"uri": "test://static-text/../static-binary"})),
            ("completion/complete", json!({"ref": prompt("test_prompt_with_arguments"), "argument": argument})),
            ("completion/complete", json!({"ref": template, "argument": {"name": "id", "value": "1"}})),
        ] {
            let heard = talk.request(method, params.clone()).await;
            assert!(heard.response.get("error").is_some(), "{front}: {method} {params}: {}", heard.response);
        }
        if !talk.is_modern() {
            let heard = talk.request("resources/subscribe", json!({"uri": "test://watched-resource"})).await;
            assert!(heard.response.get("error").is_some(), "{front}: {}", heard.response);
        }
        for (method, params) in [
            ("tools/call", json!({"name": "echo", "arguments": {"message": "x"}})),
            ("prompts/get", json!({"name": "test_simple_prompt"})),
            ("resources/read", json!({"uri": "test://static-text"})),
        ] {
            let heard = talk.request(method, params).await;
            assert!(heard.response.get("result").is_some(), "{front}: {method}: {}", heard.response);
        }
    }
}

#[tokio::test]
async fn what_is_forbidden_looks_like_what_does_not_exist() {
    let house = House::start(settings(json!([
        "*/tool:destroy",
        "*/prompt:test_simple_prompt",
        "*/resource:test://static-text"
    ])))
    .await;
    for server in ALL {
        let alice = house.client(server, Some(&secret("alice")));
        for (method, key, forbidden, missing) in [
            ("tools/call", "name", "destroy", "nosuch!"),
            ("prompts/get", "name", "test_simple_prompt", "test_nosuch_prompt"),
            ("resources/read", "uri", "test://static-text", "test://nosuch-text"),
        ] {
            let shape = async |name: &str| {
                let answer = alice.legacy(method, json!({key: name})).await;
                answer.error().to_string().replace(name, "NAME")
            };
            assert_eq!(shape(forbidden).await, shape(missing).await, "{server}: {method}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_nobodys_business_does_not_exist() {
    let mut settings = settings(json!([]));
    settings["policy"]["roles"]["reader"] = json!({"allow": ["builtin/*"]});
    let house = House::start(settings).await;
    let alice = |server: &str| house.client(server, Some(&secret("alice")));
    let (hidden, missing) = (alice("legacy"), alice("nosuch"));
    let look = async |client: &Client, server: &str| {
        let answer = client.call("echo", json!({"message": "x"})).await;
        let get = client.listen(None).await;
        let sse = client.http.get(format!("{}/{server}/sse", house.address)).bearer_auth(secret("alice"));
        let sse = sse.header("accept", "text/event-stream").send().await.expect("an answer").status();
        (answer.status, answer.text, answer.messages, get.status(), sse)
    };
    let seen = look(&hidden, "legacy").await;
    assert_eq!(seen.0, 404);
    assert_eq!(seen, look(&missing, "nosuch").await);
    let mut joint = alice("");
    let welcome = joint.open(json!({})).await.response().to_string();
    let discovered = joint.modern("server/discover", json!({}), json!({})).await.response().to_string();
    let listed = joint.legacy("tools/list", json!({})).await.response().to_string();
    let page = async |path: &str| {
        let page = joint.http.get(format!("{}{path}", house.address)).bearer_auth(secret("alice"));
        page.send().await.expect("an answer").text().await.expect("a text")
    };
    let health = page("/health").await;
    for (what, text) in [("initialize", welcome), ("discover", discovered), ("tools/list", listed), ("/health", health)]
    {
        assert!(!text.contains("legacy") && !text.contains("modern"), "{what} names what alice may not know: {text}");
    }
}

#[tokio::test]
async fn a_method_that_no_revision_knows_is_denied_unless_policy_names_it() {
    let (_house, talks) = everywhere(json!({}), "", json!({})).await;
    for (front, mut talk) in talks {
        for method in
            ["x/y", "tools/call/", "tools/destroy", "sampling/createMessage", "roots/list", "elicitation/create"]
        {
            let heard = talk.request(method, json!({})).await;
            assert_eq!(heard.code(), Some(-32601), "{front}: {method}: {}", heard.response);
        }
    }
    let mut settings = settings(json!([]));
    settings["policy"]["roles"]["reader"]["allow"] = json!(["*/*", "builtin/method:x/*"]);
    settings["audit"] = json!({"file": "audit.jsonl", "sync": true});
    let house = House::start(settings).await;
    let mut decisions = Vec::new();
    for (server, method) in [("builtin", "x/y"), ("builtin", "y/x"), ("legacy", "x/y")] {
        house.client(server, Some(&secret("alice"))).legacy(method, json!({})).await;
        decisions.push(house.audit().last().expect("a line")["decision"].clone());
    }
    assert_eq!(decisions, ["allow", "deny", "deny"]);
}

#[tokio::test]
async fn a_disabled_tool_does_not_exist_for_anybody() {
    let settings = json!({"each": {"tools": {"destroy": {"disabled": true}}, "disabledTools": ["read_only"]}});
    let (house, talks) = everywhere(settings, "", json!({})).await;
    for (front, mut talk) in talks {
        let heard = talk.request("tools/list", json!({})).await;
        let names = names(&heard.response["result"]["tools"], "name");
        assert!(names.contains(&"echo".into()), "{front}");
        for tool in ["destroy", "read_only"] {
            assert!(!names.contains(&tool.into()), "{front} lists {tool}");
            assert_eq!(talk.call(tool, json!({})).await.code(), Some(-32602), "{front}: {tool}");
        }
    }
    for server in ALL {
        let answer = house.client("", None).call(&format!("{server}__destroy"), json!({})).await;
        assert_eq!(answer.error()["code"], -32602);
    }
}

#[tokio::test]
async fn a_tier_holds_and_what_a_server_says_of_itself_counts_only_if_it_is_trusted() {
    let mut settings = settings(json!([]));
    settings["policy"]["roles"]["reader"] = json!({"allow": ["*/*"], "tier": "safe"});
    let mut named = e2e::child("legacy");
    named["tools"] = json!({"echo": {"tier": "safe"}, "destroy": {"tier": "moderate"}});
    let mut trusted = e2e::child("modern");
    trusted["trust_annotations"] = true.into();
    trusted["tools"] = json!({"unknown_fields": {"tier": "destructive"}});
    settings["mcpServers"]["named"] = named;
    settings["mcpServers"]["trusted"] = trusted;
    let house = House::start(settings).await;
    for (server, may, may_not) in [
        ("builtin", vec!["echo", "read_only"], vec!["destroy"]),
        // A child vouches for nothing.
        ("legacy", vec![], vec!["echo", "read_only", "destroy"]),
        ("modern", vec![], vec!["echo", "read_only", "destroy"]),
        ("named", vec!["echo"], vec!["read_only", "destroy"]),
        ("trusted", vec!["read_only"], vec!["echo", "destroy", "unknown_fields"]),
    ] {
        let alice = house.client(server, Some(&secret("alice")));
        let listed = alice.legacy("tools/list", json!({})).await;
        let listed = names(&listed.result()["tools"], "name");
        let joint = house.client("", Some(&secret("alice")));
        for tool in may {
            assert!(listed.contains(&tool.into()), "{server}: {tool}");
            assert!(
                alice.call(tool, json!({"message": "x"})).await.response().get("result").is_some(),
                "{server}: {tool}"
            );
        }
        for tool in may_not {
            assert!(!listed.contains(&tool.into()), "{server} lists {tool}");
            assert_eq!(alice.call(tool, json!({"message": "x"})).await.error()["code"], -32602, "{server}: {tool}");
            let answer = joint.call(&format!("{server}__{tool}"), json!({"message": "x"})).await;
            assert_eq!(answer.error()["code"], -32602, "{server}: {tool}");
        }
    }
}

#[tokio::test]
async fn names_are_joint_at_the_address_of_all_and_plain_when_there_is_one_server() {
    let house = House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "a_b": {"type": "fixture"}}})).await;
    let all = house.client("", None);
    let listed = all.legacy("tools/list", json!({})).await;
    let listed = names(&listed.result()["tools"], "name");
    for name in ["builtin__echo", "a_b__echo"] {
        assert!(listed.contains(&name.into()), "{listed:?}");
        let answer = all.call(name, json!({"message": "hi"})).await;
        assert!(answer.response().get("result").is_some(), "{name} is listed: {}", answer.response());
    }
    assert!(!listed.contains(&"echo".into()));
    assert_eq!(all.call("echo", json!({"message": "hi"})).await.error()["code"], -32602);
    let prompt = all.legacy("prompts/get", json!({"name": "builtin__test_simple_prompt"})).await;
    assert!(prompt.response().get("result").is_some());
    assert_eq!(
        house.client("builtin", None).call("builtin__echo", json!({"message": "x"})).await.error()["code"],
        -32602
    );

    let house = House::start(json!({"mcpServers": {"only": {"type": "fixture"}}})).await;
    let all = house.client("", None);
    assert_eq!(all.call("echo", json!({"message": "hi"})).await.result()["content"][0]["text"], "hi");
    assert_eq!(all.call("only__echo", json!({"message": "hi"})).await.error()["code"], -32602);
}
