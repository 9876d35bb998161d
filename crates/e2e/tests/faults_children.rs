//! Children that die, flood, hang or never start: each harms only its own calls, is shown as what
//! it is, and leaves nothing behind.

use e2e::faults::{Process, gone};
use e2e::{Answer, Client, House, child, wait_for};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A child that misbehaves, with a short deadline.
fn bad(mode: &str) -> Value {
    json!({"command": env!("CARGO_BIN_EXE_misbehave"), "args": [mode], "limits": {"timeout": "2s"}})
}

async fn house_with(mode: &str) -> House {
    House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy"), "bad": bad(mode)}}))
        .await
}

/// Calls to everybody else are answered, and not late.
async fn others_go_on(house: &House) {
    for server in ["builtin", "good"] {
        let begun = Instant::now();
        let answers = (0..20).map(|n| echo(house, server, n.to_string()));
        for (n, answer) in join_all(answers).await.iter().enumerate() {
            assert_eq!(answer.result()["content"][0]["text"], n.to_string(), "{server}");
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(2), "{server} took {took:?} for 20 calls");
    }
}

async fn echo(house: &House, server: &str, message: String) -> Answer {
    house.client(server, None).call("echo", json!({"message": message})).await
}

/// The first text of a result.
fn text(answer: &Answer) -> &str {
    answer.result()["content"][0]["text"].as_str().expect("a text")
}

async fn pid(client: &Client) -> Process {
    let pid = text(&client.call("whoami", json!({})).await).parse().expect("a number");
    Process::of(pid).expect("it lives")
}

fn message(answer: &Answer) -> &str {
    answer.error()["message"].as_str().expect("a message")
}

#[tokio::test]
async fn calls_of_a_child_that_is_killed_fail_at_once_and_the_next_ones_are_answered() {
    let house = house_with("good").await;
    let client = house.client("bad", None);
    house.is_in("good", "healthy").await;
    let first = pid(&client).await;
    let first_pid = first.pid.to_string();
    let others = house.client("good", None);
    let slow = others.call("slow", json!({"ms": 1500}));
    let killed = async {
        let hanging = (0..20).map(|_| client.call("hang", json!({})));
        let killing = async {
            wait_for("the calls", async || house.gauge("portcullis_calls_in_flight").await >= 21).await;
            e2e::signal(first.pid, "KILL");
            Instant::now()
        };
        let (answers, killed) = tokio::join!(join_all(hanging), killing);
        let took = killed.elapsed();
        assert!(took < Duration::from_secs(1), "the calls ended {took:?} after the child");
        for answer in &answers {
            assert_eq!(answer.error()["code"], 1007, "{}", answer.error());
            assert!(message(answer).contains("signal 9"), "{}", answer.error());
        }
    };
    let (slow, ()) = tokio::join!(slow, killed);
    assert_eq!(text(&slow), "That took 1500 ms.");
    wait_for("the next life", async || {
        let answer = client.call("whoami", json!({})).await;
        answer.response().get("result").is_some_and(|r| r["content"][0]["text"].as_str() != Some(&first_pid))
    })
    .await;
    assert!(!first.lives());
    assert_eq!(house.is_in("bad", "healthy").await, "");
    house.is_at_rest().await;
}

#[tokio::test]
async fn a_child_that_crashes_in_a_call_says_why_and_comes_back() {
    let house = house_with("good").await;
    let client = house.client("bad", None);
    let answer = client.call("crash", json!({})).await;
    assert_eq!(answer.error()["code"], 1007);
    assert!(message(&answer).contains("exited with status 9"), "{}", answer.error());
    assert!(message(&answer).ends_with("it is not known whether the call was carried out"), "{}", answer.error());
    assert!(answer.error()["data"].get("retryAfterSeconds").is_none(), "{}", answer.error());
    others_go_on(&house).await;
    wait_for("the next life", async || {
        client.call("echo", json!({"message": "hi"})).await.response().get("result").is_some()
    })
    .await;
}

#[tokio::test]
async fn a_child_that_floods_its_output_is_served_and_harms_nobody() {
    for flood in ["flood-stdout", "flood-line", "flood-notes", "flood-stderr"] {
        let house = house_with(flood).await;
        house.is_in("bad", "healthy").await;
        let before = house.vitals();
        let begun = Instant::now();
        // In front of a line without end no answer can be told apart: a clear error instead.
        let answer = echo(&house, "bad", "hi".into()).await;
        if flood == "flood-line" && answer.response().get("error").is_some() {
            assert_eq!(answer.error()["code"], 1002, "{flood}: {}", answer.error());
        } else {
            assert_eq!(text(&answer), "hi", "{flood}");
        }
        if flood == "flood-stdout" {
            wait_for("a warning", async || house.logged("skipped what is no message")).await;
        }
        while begun.elapsed() < Duration::from_secs(1) {
            others_go_on(&house).await;
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{flood}: {took:?}");
        let after = house.vitals();
        let grown = after.resident_kb.saturating_sub(before.resident_kb);
        assert!(grown < 64 * 1024, "{flood}: {grown} kB more");
        let lines = house.log.lock().expect("log").len();
        assert!(lines < 200, "{flood}: {lines} lines of log");
        house.is_at_rest().await;
    }
}

#[tokio::test]
async fn a_child_that_never_answers_fails_its_calls_at_their_deadline() {
    let house = house_with("good").await;
    let client = house.client("bad", None);
    client.call("echo", json!({"message": "warm"})).await;
    let begun = Instant::now();
    let hanging = join_all((0..50).map(|_| client.call("hang", json!({}))));
    let (answers, ()) = tokio::join!(hanging, others_go_on(&house));
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1900) && took < Duration::from_secs(4), "{took:?}");
    for answer in &answers {
        assert_eq!(answer.error()["code"], 1002);
        assert_eq!(message(answer), "no answer within 2 s");
    }
    house.is_at_rest().await;
    assert_eq!(text(&echo(&house, "bad", "still there".into()).await), "still there");
}

#[tokio::test]
async fn the_deadline_of_a_server_holds_at_the_joint_address_as_well() {
    let house = house_with("good").await;
    house.is_in("bad", "healthy").await;
    let client = house.client("", None);
    let answer = tokio::time::timeout(Duration::from_secs(4), client.call("bad__hang", json!({}))).await;
    let answer = answer.expect("its deadline of 2 s ends the call");
    assert_eq!(answer.error()["code"], 1002);
}

#[tokio::test]
async fn a_child_that_never_answers_the_handshake_holds_up_only_its_own_callers() {
    let house = house_with("silent").await;
    let begun = Instant::now();
    others_go_on(&house).await;
    let answer = echo(&house, "bad", "hi".into()).await;
    assert!(matches!(answer.error()["code"].as_i64(), Some(1001 | 1002)), "{}", answer.error());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    let health = house.health().await;
    assert_eq!(health["servers"]["bad"]["state"], "starting");
    assert_eq!(health["servers"]["good"]["state"], "healthy");
    house.is_at_rest().await;
}

#[tokio::test]
async fn opening_the_joint_address_does_not_wait_long_for_a_child_that_does_not_start() {
    let house = house_with("silent").await;
    house.is_in("good", "healthy").await;
    let mut client = house.client("", None);
    let begun = Instant::now();
    client.open(json!({})).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "`initialize` took {took:?}");
    let begun = Instant::now();
    let tools = client.legacy("tools/list", json!({})).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(4), "`tools/list` took {took:?}");
    let names = tools.result()["tools"].as_array().expect("tools").iter().map(|t| t["name"].as_str().expect("a name"));
    let names: Vec<_> = names.collect();
    assert!(names.contains(&"good__echo") && names.contains(&"builtin__echo"), "{names:?}");
}

#[tokio::test]
async fn a_child_that_never_tells_its_tools_does_not_hold_up_the_joint_address_every_time() {
    let house = house_with("lists-nothing").await;
    house.is_in("bad", "healthy").await;
    house.is_in("good", "healthy").await;
    for _ in 0..3 {
        let begun = Instant::now();
        house.client("", None).open(json!({})).await;
        let tools = house.client("", None).legacy("tools/list", json!({})).await;
        assert!(tools.result()["tools"].as_array().is_some_and(|tools| !tools.is_empty()));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(4), "opening and listing took {took:?}");
    }
}

#[tokio::test]
async fn a_child_that_never_reads_costs_its_callers_their_deadline_and_us_bounded_memory() {
    let house = house_with("deaf").await;
    house.is_in("bad", "healthy").await;
    wait_for("its tools", async || {
        let tools = house.client("bad", None).legacy("tools/list", json!({})).await;
        tools.response().get("result").is_some_and(|r| !r["tools"].as_array().expect("a list").is_empty())
    })
    .await;
    let before = house.vitals().resident_kb;
    let client = house.client("bad", None);
    let large = "x".repeat(1 << 20);
    for _ in 0..2 {
        let begun = Instant::now();
        let calls = join_all((0..20).map(|_| client.call("echo", json!({"message": large}))));
        let (answers, ()) = tokio::join!(calls, others_go_on(&house));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
        for answer in &answers {
            assert_eq!(answer.error()["code"], 1002, "{}", answer.error());
        }
        // What the calls held was given back; what waits for the child is bounded.
        wait_for("their end", async || house.gauge("portcullis_calls_in_flight").await == 0).await;
    }
    let after = house.vitals().resident_kb;
    assert!(after < before + 64 * 1024, "from {before} to {after} kB");
    others_go_on(&house).await;
}

#[tokio::test]
async fn a_child_that_exits_at_once_is_down_with_its_reason_and_harms_nobody() {
    let house = house_with("exit").await;
    others_go_on(&house).await;
    let reason = house.is_in("bad", "down").await;
    assert!(reason.contains("exited with status 3") && reason.contains("there is no database"), "{reason}");
    assert_eq!(house.health().await["status"], "degraded");
    let begun = Instant::now();
    let answer = echo(&house, "bad", "hi".into()).await;
    assert_eq!(answer.error()["code"], 1001);
    assert!(message(&answer).contains("there is no database"), "{}", answer.error());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    // All together still start and list at once.
    let begun = Instant::now();
    house.client("", None).open(json!({})).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    // It is tried again with growing pauses, and nothing of it piles up.
    wait_for("other tries", async || {
        house.log.lock().expect("log").iter().filter(|l| l.contains("is down")).count() >= 3
    })
    .await;
    let processes = house.process().descendants();
    assert!(processes.len() <= 3, "the good one, the reaper, and perhaps a try: {processes:?}");
    others_go_on(&house).await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_down_with_its_reason_from_the_start() {
    let house = House::start(json!({"mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy"),
        "bad": {"command": "/nowhere/no-such-program"}}}))
    .await;
    let reason = house.is_in("bad", "down").await;
    assert_eq!(reason, "the command \"no-such-program\" was not found");
    others_go_on(&house).await;
    let answer = echo(&house, "bad", "hi".into()).await;
    assert_eq!(answer.error()["code"], 1001);
    assert!(!answer.error().to_string().contains("/nowhere"), "no path reaches a caller");
}

#[tokio::test]
async fn what_a_child_leaves_behind_ends_with_it() {
    let house = house_with("good").await;
    let client = house.client("bad", None);
    let mut left = Vec::new();
    for _ in 0..3 {
        let pid = text(&client.call("leave", json!({})).await).parse().expect("a number");
        left.push(Process::of(pid).expect("it lives"));
    }
    let parent = pid(&client).await;
    assert!(left.iter().all(|process| parent.descendants().contains(process)));
    // It holds the pipes of its parent: that must not hold up anybody who waits for an answer.
    let begun = Instant::now();
    assert_eq!(client.call("crash", json!({})).await.error()["code"], 1007);
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(1800), "{took:?}");
    gone("the end of what was left", &left).await;
    others_go_on(&house).await;
}

#[tokio::test]
async fn a_server_taken_out_of_the_settings_leaves_no_process() {
    let mut house = house_with("brood").await;
    let client = house.client("bad", None);
    let leader = pid(&client).await;
    let brood = leader.descendants();
    assert_eq!(brood.len(), 1);
    house
        .reload(json!({"listen": house.address.trim_start_matches("http://"),
        "mcpServers": {"builtin": {"type": "fixture"}, "good": child("legacy")}}))
        .await;
    gone("the end of the child", [&leader]).await;
    gone("the end of its child", &brood).await;
    others_go_on(&house).await;
    assert_eq!(house.stop().await, Some(0));
}

#[tokio::test]
async fn an_answer_that_is_no_message_is_an_error_for_its_own_call_only() {
    let house = house_with("good").await;
    let client = house.client("bad", None);
    client.call("echo", json!({"message": "warm"})).await;
    let odd = join_all(["broken", "deep"].map(|tool| client.call(tool, json!({}))));
    let sound = join_all((0..10).map(|n| echo(&house, "bad", n.to_string())));
    let (odd, sound, ()) = tokio::join!(odd, sound, others_go_on(&house));
    for answer in &odd {
        assert!(answer.error()["code"].is_i64(), "{}", answer.response());
        assert!(!answer.headers.is_empty() && answer.status == 200);
    }
    assert!(sound.iter().enumerate().all(|(n, answer)| text(answer) == n.to_string()));
    assert_eq!(text(&echo(&house, "bad", "fine".into()).await), "fine");
    house.is_at_rest().await;
}

#[tokio::test]
async fn an_answer_longer_than_a_line_may_be_is_a_clear_error_at_once_wherever_its_id_stands() {
    let house = house_with("good").await;
    let client = house.client("bad", None);
    client.call("echo", json!({"message": "warm"})).await;
    let mut wrong = Vec::new();
    for order in ["usual", "sorted", "last"] {
        let answer = client.call("long", json!({"bytes": 17 << 20, "order": order})).await;
        if answer.error()["code"] != 1005 {
            wrong.push((order, answer.error().clone()));
        }
        assert_eq!(text(&echo(&house, "bad", "fine".into()).await), "fine");
    }
    house.is_at_rest().await;
    assert!(wrong.is_empty(), "{wrong:?}");
}
