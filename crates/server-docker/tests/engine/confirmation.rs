//! What is destroyed is confirmed by a person first.

use crate::engine;
use crate::support::{caller, unique};
use serde_json::{Value, json};

async fn stopped(me: &crate::support::Caller, name: &str) {
    me.tool("docker_create_container", json!({"image": "busybox", "name": name})).await;
}

fn said(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_is_asked_and_told_what_will_go() {
    let engine = engine!();
    let me = caller(engine, |s| s.safety.confirm = true);
    let name = unique("asked");
    stopped(&me, &name).await;
    let arguments = json!({"container_id": name});
    for answer in [
        json!({"action": "decline"}),
        json!({"action": "cancel"}),
        json!({"action": "accept", "content": {"confirm": false}}),
        json!({"action": "accept"}),
    ] {
        let (result, asked) = me.listening("docker_remove_container", arguments.clone(), answer).await;
        assert_eq!(result["isError"], true);
        assert!(said(&result).contains("did not confirm"), "{result}");
        assert_eq!(asked.questions.len(), 1);
        let message = asked.questions[0]["message"].as_str().unwrap();
        assert!(
            message.contains(&name) && message.contains("busybox") && message.contains("cannot be undone"),
            "{message}"
        );
    }
    let yes = json!({"action": "accept", "content": {"confirm": true}});
    let (result, _) = me.listening("docker_remove_container", arguments.clone(), yes).await;
    assert_eq!(result["structuredContent"]["container_id"], name, "{result}");
    assert!(me.fault("docker_inspect_container", arguments).await.to_lowercase().contains("no such container"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_asked_gets_a_token_that_is_good_once_and_for_this_alone() {
    let engine = engine!();
    let me = caller(engine, |s| s.safety.confirm = true);
    let (name, other) = (unique("token"), unique("other"));
    stopped(&me, &name).await;
    stopped(&me, &other).await;
    let refused = me.fault("docker_remove_container", json!({"container_id": name})).await;
    assert!(refused.contains(&name) && refused.contains("Nothing was done yet"), "{refused}");
    let token = refused.split("confirm_token=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let with = |container: &str| json!({"container_id": container, "confirm_token": token});
    let stolen = me.as_other("docker_remove_container", with(&name)).await;
    assert!(said(&stolen).contains("not good"), "{stolen}");
    me.tool("docker_remove_container", with(&name)).await;
    assert!(me.fault("docker_remove_container", with(&other)).await.contains("not good"));
    let refused = me.fault("docker_remove_container", json!({"container_id": other})).await;
    let token = refused.split("confirm_token=\"").nth(1).unwrap().split('"').next().unwrap();
    // With force it is another deed than the one that was named.
    let forced = json!({"container_id": other, "force": true, "confirm_token": token});
    assert!(me.fault("docker_remove_container", forced).await.contains("not good"));
    engine.docker(&["rm", &other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_destructive_tool_asks_first() {
    let engine = engine!();
    let me = caller(engine, |s| s.safety.confirm = true);
    let label = unique("doomed");
    let labels = json!({"doomed": label});
    let filters = json!({"label": format!("doomed={label}")});
    let (container, network, volume, image) = (unique("c"), unique("n"), unique("v"), unique("i"));
    me.tool("docker_create_container", json!({"image": "busybox", "name": container, "labels": labels})).await;
    me.tool("docker_create_network", json!({"name": network, "labels": labels})).await;
    me.tool("docker_create_volume", json!({"name": volume, "labels": labels})).await;
    me.tool("docker_tag_image", json!({"image": "busybox", "repository": image})).await;
    for (tool, arguments) in [
        ("docker_remove_container", json!({"container_id": container})),
        ("docker_remove_network", json!({"network_id": network})),
        ("docker_remove_volume", json!({"volume_name": volume})),
        ("docker_remove_image", json!({"image": image})),
        ("docker_prune_containers", json!({"filters": filters})),
        ("docker_prune_networks", json!({"filters": filters})),
        ("docker_prune_volumes", json!({"filters": filters, "all": true})),
        ("docker_prune_volumes", json!({"force_all": true})),
        ("docker_prune_images", json!({"force_all": true})),
        ("docker_system_prune", json!({"filters": filters})),
        ("docker_prune_system", json!({"filters": filters})),
    ] {
        let refused = me.fault(tool, arguments.clone()).await;
        assert!(refused.contains("confirm_token="), "{tool}: {refused}");
        let (result, asked) = me.listening(tool, arguments, json!({"action": "decline"})).await;
        assert!(result["isError"] == true && asked.questions.len() == 1, "{tool}: {result}");
    }
    engine.docker(&["rm", &container]);
    engine.docker(&["network", "rm", &network]);
    engine.docker(&["volume", "rm", &volume]);
    engine.docker(&["rmi", &format!("{image}:latest")]);
}
