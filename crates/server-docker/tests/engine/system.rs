//! The engine itself: what it is, what it does, what it uses.

use crate::engine;
use crate::support::{caller, unique};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_says_what_it_is() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let version = me.tool("docker_version", json!({})).await;
    assert_eq!(
        version["version"]["Version"].as_str().unwrap(),
        engine.docker(&["version", "--format", "{{.Server.Version}}"])
    );
    assert!(version["api_version"].as_str().unwrap().starts_with("1."));
    assert_eq!(version["platform"]["os"], "linux");
    let info = me.tool("docker_system_info", json!({})).await;
    assert!(info["info"]["Containers"].is_number());
    let health = me.tool("docker_healthcheck", json!({})).await;
    assert_eq!(health["healthy"], true);
    let df = me.tool("docker_system_df", json!({})).await;
    assert!(df["usage"]["Images"]["count"].as_u64().unwrap() >= 1, "{df}");
    assert!(me.fault("docker_version", json!({"verbose": true})).await.contains("It takes none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_have_a_beginning_an_end_and_filters() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let name = unique("event");
    me.run(&name, "true", json!({})).await;
    me.tool("docker_wait_container", json!({"container_id": name})).await;
    if engine.not_on_podman("its filters of events know containers by id only, and not two filters together") {
        let events = me.tool("docker_events", json!({"since": "5m", "filters": {"event": "start"}})).await;
        assert!(events.to_string().contains(&name), "{events}");
        let until = me.tool("docker_events", json!({"since": "2h", "until": "1h"})).await;
        assert_eq!(until["count"], 0);
        me.remove(&name).await;
        return;
    }
    let filters = json!({"container": [name], "event": ["start", "die"]});
    let events = me.tool("docker_events", json!({"since": "5m", "filters": filters})).await;
    let actions: Vec<_> = events["events"].as_array().unwrap().iter().map(|e| e["Action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["start", "die"], "{events}");
    let newest = me.tool("docker_events", json!({"since": "5m", "filters": filters, "limit": 1})).await;
    assert_eq!((&newest["count"], &newest["truncation_info"]["truncated"]), (&json!(1), &json!(true)));
    let until = me.tool("docker_events", json!({"since": "2h", "until": "1h"})).await;
    assert_eq!(until["count"], 0);
    let removing = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        engine.docker(&["rm", &name]);
    };
    let following =
        me.listening("docker_events", json!({"follow_seconds": 2, "filters": {"container": name}}), json!({}));
    let ((result, asked), ()) = tokio::join!(following, removing);
    assert!(result["structuredContent"]["events"].to_string().contains("destroy"), "{result}");
    assert!(asked.progress.iter().any(|line| line.contains("destroy")), "{asked:?}");
    assert!(me.fault("docker_events", json!({"since": "never"})).await.contains("since"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_of_everything_names_it_first_and_keeps_to_its_filters() {
    let engine = engine!();
    let me = caller(engine, |s| s.safety.protect_labels = vec!["keep".into()]);
    let label = unique("everything");
    let labels = json!({"all": label});
    let (gone, kept, net, volume) = (unique("gone"), unique("kept"), unique("net"), unique("vol"));
    me.tool("docker_create_container", json!({"image": "busybox", "name": gone, "labels": labels})).await;
    me.tool(
        "docker_create_container",
        json!({"image": "busybox", "name": kept, "labels": {"all": label, "keep": "yes"}}),
    )
    .await;
    me.tool("docker_create_network", json!({"name": net, "labels": labels})).await;
    me.tool("docker_create_volume", json!({"name": volume, "labels": labels})).await;
    let filters = json!({"label": format!("all={label}")});
    for tool in ["docker_system_prune", "docker_prune_system"] {
        let dry = me.tool(tool, json!({"filters": filters, "volumes": true, "dry_run": true})).await;
        assert_eq!(dry["would_remove"].as_array().unwrap().len(), 2, "the container and the network: {dry}");
        assert!(dry["kept"].to_string().contains("keep"), "{dry}");
    }
    let pruned = me.tool("docker_system_prune", json!({"filters": filters, "volumes": true})).await;
    assert_eq!(pruned["containers_deleted"].as_array().unwrap().len(), 1, "{pruned}");
    assert_eq!(pruned["networks_deleted"].as_array().unwrap().len(), 1, "{pruned}");
    assert!(me.fault("docker_remove_container", json!({"container_id": kept})).await.contains("protected"));
    engine.docker(&["rm", &kept]);
    engine.docker(&["volume", "rm", &volume]);
    me.tool("docker_prune_build_cache", json!({"dry_run": true})).await;
    assert!(me.fault("docker_system_prune", json!({"filters": {"name": "x"}})).await.contains("filters"));
}
