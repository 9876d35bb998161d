//! Networks, and what is in them.

use crate::engine;
use crate::support::{caller, unique};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_container_joins_two_networks_and_leaves_them() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let (one, two, name) = (unique("net-a"), unique("net-b"), unique("joins"));
    let made = me
        .tool(
            "docker_create_network",
            json!({
                "name": one, "labels": "{\"team\": \"web\"}", "internal": true,
                "ipam": {"Config": [{"Subnet": "10.213.7.0/24", "Gateway": "10.213.7.1"}]},
            }),
        )
        .await;
    assert_eq!(made["name"], one);
    me.tool("docker_create_network", json!({"name": two})).await;
    me.run(&name, "sleep 1000", json!({"stop_timeout": 0, "network": one, "network_aliases": ["web"]})).await;
    let join = json!({"network_id": two, "container_id": name});
    for _ in 0..2 {
        let joined = me.tool("docker_connect_container", join.clone()).await;
        assert_eq!(joined["status"], "connected", "joining again is no error");
    }
    let details = me.tool("docker_inspect_container", json!({"container_id": name})).await;
    let networks = &details["details"]["NetworkSettings"]["Networks"];
    assert!(networks[&one]["IPAddress"].as_str().unwrap().starts_with("10.213.7."), "{networks}");
    assert!(networks[&two].is_object());
    let inspected = me.tool("docker_inspect_network", json!({"network_id": one})).await;
    assert_eq!(inspected["details"]["Containers"].as_object().unwrap().len(), 1);
    let listed = me.tool("docker_list_networks", json!({"filters": {"label": "team=web", "name": one}})).await;
    assert_eq!((&listed["count"], &listed["networks"][0]["driver"]), (&json!(1), &json!("bridge")));
    let used = me.fault("docker_remove_network", json!({"network_id": two})).await;
    assert!(used.contains("docker_disconnect_container"), "{used}");
    for _ in 0..2 {
        let left = me.tool("docker_disconnect_container", join.clone()).await;
        assert_eq!(left["status"], "disconnected", "leaving again is no error");
    }
    let dry = me.tool("docker_remove_network", json!({"network_id": two, "dry_run": true})).await;
    assert!(dry["would_remove"][0].as_str().unwrap().contains(&two));
    me.tool("docker_remove_network", json!({"network_id": two})).await;
    me.remove(&name).await;
    let pruned = me.tool("docker_prune_networks", json!({"filters": {"label": "team=web"}})).await;
    assert_eq!(pruned["deleted"].as_array().unwrap().len(), 1, "{pruned}");
    for (more, why) in [
        (json!({"driver": "macvlan"}), "(network:host)"),
        (json!({"driver": "some-plugin"}), "(network-driver:some-plugin)"),
        (json!({"options": {"com.docker.network.bridge.name": "docker0"}}), "(network-driver:bridge)"),
        (json!({"ipam": {"Driver": "some-plugin"}}), "(network-driver:some-plugin)"),
    ] {
        let mut arguments = more.clone();
        arguments["name"] = unique("never").into();
        let refused = me.fault("docker_create_network", arguments).await;
        assert!(refused.contains(why), "{more}: {refused}");
    }
    for (tool, arguments) in [
        ("docker_inspect_network", json!({"network_id": one})),
        ("docker_connect_container", json!({"network_id": one, "container_id": name})),
        (
            "docker_connect_container",
            json!({"network_id": "bridge", "container_id": name, "ipv4_address": "999.1.1.1"}),
        ),
        ("docker_create_network", json!({"name": "a/b"})),
    ] {
        me.fault(tool, arguments).await;
    }
}
