//! Compose projects, through the Compose of this machine.

use crate::engine;
use crate::support::{caller, unique};
use mcp::Tier;
use serde_json::{Value, json};

/// Whether there is one; without it, one line, unless it is required.
async fn there_is_one(me: &crate::support::Caller) -> bool {
    let is_there = me.tools().await.iter().any(|tool| tool["name"] == "docker_compose_up");
    if !is_there {
        assert!(!std::env::var("PORTCULLIS_ENGINE").is_ok_and(|v| v == "required"), "docker-compose is required");
        println!("there is no docker compose, so it was not tested");
    }
    is_there
}

fn project(text: &str) -> (tempfile::TempDir, Value) {
    let folder = tempfile::Builder::new().prefix("compose").tempdir_in("/tmp").unwrap();
    std::fs::write(folder.path().join("docker-compose.yml"), text).unwrap();
    let path = json!(folder.path());
    (folder, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_comes_up_is_looked_at_and_goes_down() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if !there_is_one(&me).await {
        return;
    }
    let text = "version: '3'\nservices:\n  web:\n    image: busybox:latest\n    command: ['sh', '-c', 'echo up and running; sleep 1000']\n    \
        stop_grace_period: 0s\n    environment:\n      DB_PASSWORD: hunter2\n    volumes: ['data:/data']\nvolumes:\n  data: {}\n";
    let (_folder, path) = project(text);
    let name = unique("project").to_lowercase();
    let with = |more: Value| {
        let mut all = json!({"path": path, "project": name});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let config = me.tool("docker_compose_config", with(json!({}))).await;
    assert_eq!((&config["services"], &config["refused"]), (&json!(["web"]), &Value::Null), "{config}");
    assert!(!config.to_string().contains("hunter2"));
    me.tool("docker_compose_up", with(json!({}))).await;
    let ps = me.tool("docker_compose_ps", with(json!({}))).await;
    assert!(ps["output"].as_str().unwrap().contains("web"), "{ps}");
    let listed = json!({"filters": {"label": format!("com.docker.compose.project={name}")}});
    assert_eq!(me.tool("docker_list_containers", listed.clone()).await["count"], 1);
    crate::support::wait_for("the log", async || {
        me.tool("docker_compose_logs", with(json!({"tail": 10}))).await["output"]
            .as_str()
            .unwrap()
            .contains("up and running")
    })
    .await;
    me.tool("docker_compose_stop", with(json!({}))).await;
    let dry = me.tool("docker_compose_down", with(json!({"dry_run": true, "volumes": true}))).await;
    assert!(dry["output"].as_str().unwrap().contains("data"), "{dry}");
    let asking = caller(engine, |s| s.safety.confirm = true);
    let refused = asking.fault("docker_compose_down", with(json!({}))).await;
    assert!(refused.contains("confirm_token"), "{refused}");
    me.tool("docker_compose_down", with(json!({"volumes": true}))).await;
    assert_eq!(me.tool("docker_list_containers", json!({"all": true, "filters": listed["filters"]})).await["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_is_no_way_around_the_rules() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if !there_is_one(&me).await {
        return;
    }
    let service = |more: &str| format!("version: '3'\nservices:\n  a:\n    image: busybox:latest\n    {more}\n");
    for text in [
        service("privileged: true"),
        service("network_mode: host"),
        service("pid: host"),
        service("cap_add: [SYS_ADMIN]"),
        service("devices: ['/dev/null:/dev/x']"),
        service("security_opt: ['seccomp:unconfined']"),
        service("volumes: ['/etc:/x']"),
        service("volumes: ['../../../etc:/x']"),
        service("volumes: ['/var/run/docker.sock:/s']"),
        service("env_file: /etc/passwd"),
        service("volumes: ['bad:/x']") + "volumes:\n  bad:\n    driver_opts: {type: none, o: bind, device: /etc}\n",
        "include: [other.yml]\nservices: {}\n".to_owned(),
        "services: [".to_owned(),
    ] {
        let (_folder, path) = project(&text);
        let refused = me.fault("docker_compose_up", json!({"path": path})).await;
        assert!(!refused.contains("Creating"), "{text}: {refused}");
    }
    for path in ["/etc", "/nowhere", "relative"] {
        me.fault("docker_compose_config", json!({"path": path})).await;
    }
    let read_only = caller(engine, |s| s.safety.tier = Tier::Safe);
    let names: Vec<_> = read_only.tools().await.iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect();
    assert!(!names.contains(&"docker_compose_up".to_owned()));
}
