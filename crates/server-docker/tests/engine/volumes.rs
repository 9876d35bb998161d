//! Volumes, and the data in them.

use crate::engine;
use crate::support::{caller, unique};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_keeps_data_is_in_use_and_goes() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let (volume, name) = (unique("data"), unique("uses"));
    let made = me.tool("docker_create_volume", json!({"name": volume, "labels": {"kind": volume}})).await;
    assert_eq!((&made["name"], &made["driver"]), (&json!(volume), &json!("local")));
    assert!(made["mountpoint"].as_str().unwrap().contains(&volume));
    let mounts = json!({&volume: {"bind": "/data", "mode": "rw"}});
    let written = json!({"image": "busybox", "command": ["sh", "-c", "echo kept > /data/x"], "volumes": mounts, "detach": false, "remove": true});
    assert_eq!(me.tool("docker_run_container", written).await["exit_code"], 0);
    let read_only = json!({"image": "busybox", "command": ["sh", "-c", "cat /data/x; echo y > /data/y"], "volumes": {&volume: "/data:ro"}, "detach": false, "remove": true});
    let ran = me.tool("docker_run_container", read_only).await;
    assert!(ran["exit_code"] != 0 && ran["output"].as_str().unwrap().contains("kept"), "{ran}");
    me.run(&name, "sleep 1000", json!({"volumes": mounts, "stop_timeout": 0})).await;
    let used = me.fault("docker_remove_volume", json!({"volume_name": volume})).await;
    assert!(used.contains("Remove the containers that use it first"), "{used}");
    let dry = me.tool("docker_remove_volume", json!({"volume_name": volume, "dry_run": true})).await;
    assert!(dry["would_remove"].to_string().contains(&name), "{dry}");
    let listed = me.tool("docker_list_volumes", json!({"filters": {"label": format!("kind={volume}")}})).await;
    assert_eq!(listed["count"], 1);
    assert_eq!(me.tool("docker_inspect_volume", json!({"volume_name": volume})).await["details"]["Name"], volume);
    me.remove(&name).await;
    let kept = me.tool("docker_prune_volumes", json!({"filters": {"label": format!("kind={volume}")}})).await;
    assert_eq!(kept["deleted"], json!([]), "one with a name stays by default");
    let pruned =
        me.tool("docker_prune_volumes", json!({"all": true, "filters": {"label": format!("kind={volume}")}})).await;
    assert_eq!(pruned["deleted"], json!([volume]), "{pruned}");
    assert!(me.fault("docker_inspect_volume", json!({"volume_name": volume})).await.contains("docker_list_volumes"));
    let unnamed = me.tool("docker_create_volume", json!({})).await;
    me.tool("docker_remove_volume", json!({"volume_name": unnamed["name"], "force": true})).await;
}
