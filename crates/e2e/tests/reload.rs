//! Settings that change while the gateway works.

use e2e::faults::{Process, gone};
use e2e::{House, child, hello, wait_for};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A cheap source of choices, the same in every run.
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Settings with one server that never changes, and others that come, go and change.
fn settings(choices: &mut Choices) -> Value {
    let mut servers = json!({"steady": child("legacy")});
    for name in ["one", "two", "three"] {
        let mut server = child(["legacy", "modern"][usize::try_from(choices.below(2)).expect("small")]);
        server["env"] = json!({"GENERATION": choices.below(4).to_string()});
        if choices.below(3) > 0 {
            servers[name] = server;
        }
    }
    json!({"mcpServers": servers, "limits": {"timeout": format!("{}s", 20 + choices.below(10))}})
}

/// Not valid, in one of the ways in which people are wrong.
fn wrong(choices: &mut Choices) -> String {
    let good = settings(choices).to_string();
    match choices.below(4) {
        0 => good[..good.len() / 2].to_owned(),
        1 => good.replacen("mcpServers", "mcpServer", 1).replacen("limits", "limts", 1),
        2 => good.replacen("\"command\"", "\"comand\"", 1),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_edits_under_load_lose_no_call_no_session_and_no_process() {
    let mut choices = Choices(7);
    let only_steady = || json!({"mcpServers": {"steady": child("legacy")}});
    let mut house = House::start(only_steady()).await;
    let gateway = Process::of(house.pid()).expect("it runs");
    let mut steady = house.client("steady", None);
    assert_eq!(steady.open(json!({})).await.status, 200);
    // The server and the reaper.
    let first = gateway.descendants();
    assert_eq!(first.len(), 2);

    // Callers of the steady server get the right answer each time; callers of those that come and go
    // get theirs, or an error that says why there is none.
    let (ends, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = ["steady", "steady", "one", "two", "three"]
        .into_iter()
        .enumerate()
        .map(|(n, server)| {
            let (client, ends, answered) = (house.client(server, None), Arc::clone(&ends), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut count = 0_u64;
                while !ends.load(Ordering::Relaxed) {
                    count += 1;
                    let message = format!("{n} {count}");
                    let answer = client.call("echo", json!({"message": message})).await;
                    let right = answer.status == 200
                        && answer.response().get("result").is_some()
                        && answer.result()["content"][0]["text"] == message;
                    if right {
                        answered.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_ne!(server, "steady", "{} {}", answer.status, answer.response());
                        // There was no such server then (404), or it was starting or going.
                        let says_why = answer.status == 404
                            || answer.error()["message"].as_str().is_some_and(|message| !message.is_empty());
                        assert!(says_why, "{} {}", answer.status, answer.response());
                    }
                }
            })
        })
        .collect();

    let mut refused = 0;
    for _ in 0..500 {
        if choices.below(5) == 0 {
            house.reload_text(&wrong(&mut choices)).await;
            refused += 1;
        } else {
            house.reload(settings(&mut choices)).await;
        }
    }
    ends.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("every call ends rightly");
    }
    assert!(refused > 50 && answered.load(Ordering::Relaxed) > 500, "{refused} {answered:?}");
    assert_eq!(
        house.log.lock().expect("log").iter().filter(|line| line.contains("nothing was changed")).count(),
        refused
    );

    // The session of the server that never changed is still there, and so is its process. What was
    // taken out or changed is gone.
    assert_eq!(steady.call("echo", json!({"message": "x"})).await.status, 200);
    house.reload(only_steady()).await;
    wait_for("the end of all others", async || gateway.descendants() == first).await;
    assert_eq!(steady.call("echo", json!({"message": "x"})).await.status, 200);
    assert_eq!(house.stop().await, Some(0));
    gone("every process", &first).await;
}

#[tokio::test]
async fn a_file_that_is_edited_or_a_secret_that_is_rotated_takes_effect_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the-first-secret-of-all\n").expect("written");
    let settings = |more: &str| {
        json!({
            "mcpServers": {"one": child("legacy")},
            "auth": {"tokens": [{"name": "ann", "token": format!("${{file:{}}}", secret.display())}]},
            "limits": {"timeout": more},
        })
    };
    let house = House::start(settings("10s")).await;
    let hello = async |token: &str| {
        house.client("one", Some(token)).legacy("initialize", hello("2025-11-25", json!({}))).await.status
    };
    assert_eq!(hello("the-first-secret-of-all").await, 200);
    // As Kubernetes does it: another file takes the name.
    let next = folder.path().join("next");
    std::fs::write(&next, "another-secret-entirely\n").expect("written");
    std::fs::rename(&next, &secret).expect("renamed");
    wait_for("the new secret", async || hello("another-secret-entirely").await == 200).await;
    assert_eq!(hello("the-first-secret-of-all").await, 401);
    // A file that is not valid changes nothing, and is reported.
    let file = house.folder.path().join("portcullis.jsonc");
    std::fs::write(&file, "{").expect("written");
    wait_for("the report", async || house.logged("nothing was changed")).await;
    assert_eq!(hello("another-secret-entirely").await, 200);
}
