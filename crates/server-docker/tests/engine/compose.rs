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
        service("network_mode: n") + "networks:\n  n:\n    driver_opts: {com.docker.network.bridge.name: x0}\n",
        service("build: 'git@127.0.0.1:x.git'"),
        service("build: {context: 'http://127.0.0.1:1/x'}"),
        service("labels: {a: b} # x\u{2028}    env_file: /etc/passwd"),
        "include: [other.yml]\nservices: {}\n".to_owned(),
        "services: [".to_owned(),
    ] {
        let (_folder, path) = project(&text);
        let refused = me.fault("docker_compose_up", json!({"path": path})).await;
        assert!(!refused.contains("Creating"), "{text}: {refused}");
    }
    // What is built from lies in its folder, and a dollar that Compose writes twice is one.
    let outside = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::write(outside.path().join("Dockerfile"), "FROM busybox:latest\n").unwrap();
    let (folder, path) = project(&service("build: ."));
    std::os::unix::fs::symlink(outside.path().join("Dockerfile"), folder.path().join("Dockerfile")).unwrap();
    assert!(me.fault("docker_compose_up", json!({"path": path})).await.contains("Dockerfile must lie in the folder"));
    let (folder, path) = project(&service("build: './$$up'"));
    std::fs::create_dir(folder.path().join("$$up")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.path().join("$up")).unwrap();
    assert!(me.fault("docker_compose_up", json!({"path": path})).await.contains("/etc hands over the host"));
    for path in ["/etc", "/nowhere", "relative"] {
        me.fault("docker_compose_config", json!({"path": path})).await;
    }
    let read_only = caller(engine, |s| s.safety.tier = Tier::Safe);
    let names: Vec<_> = read_only.tools().await.iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect();
    assert!(!names.contains(&"docker_compose_up".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_exists_is_decided_by_what_it_stands_for() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if engine.podman || !there_is_one(&me).await {
        return;
    }
    let name = unique("hostetc");
    engine.docker(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/etc", &name]);
    for external in [format!("external: true\n    name: {name}"), format!("name: {name}")] {
        let (_folder, path) = project(&format!(
            "version: '3.5'\nservices:\n  db:\n    image: busybox:latest\n    network_mode: none\n    volumes: ['e:/x']\n\
             volumes:\n  e:\n    {external}\n"
        ));
        let refused = me.fault("docker_compose_up", json!({"path": path})).await;
        assert!(refused.contains("/etc"), "{refused}");
    }
    engine.docker(&["volume", "rm", &name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn going_down_names_what_goes_and_spares_what_is_protected() {
    let engine = engine!();
    let me = caller(engine, |s| s.safety.confirm = true);
    if engine.podman || !there_is_one(&me).await {
        return;
    }
    let (one, two) = (unique("first"), unique("second"));
    let text = |name: &str| {
        format!(
            "version: '3.5'\nservices:\n  web:\n    image: busybox:latest\n    network_mode: none\nvolumes:\n  scratch:\n    name: {name}\n"
        )
    };
    let (folder, path) = project(&text(&one));
    engine.docker(&["volume", "create", "--label", "keep=1", &one]);
    engine.docker(&["volume", "create", &two]);
    let down = |more: Value| {
        let mut all = json!({"path": path, "volumes": true, "project": "going"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let asked = me.fault("docker_compose_down", down(json!({}))).await;
    assert!(asked.contains(&one), "{asked}");
    let token = asked.split("confirm_token=\"").nth(1).unwrap().split('"').next().unwrap();
    std::fs::write(folder.path().join("docker-compose.yml"), text(&two)).unwrap();
    let refused = me.fault("docker_compose_down", down(json!({"confirm_token": token}))).await;
    assert!(refused.contains("not good"), "{refused}");
    std::fs::write(folder.path().join("docker-compose.yml"), text(&one)).unwrap();
    let keeper = caller(engine, |s| s.safety.protect_labels = vec!["keep".into()]);
    let refused = keeper.fault("docker_compose_down", down(json!({}))).await;
    assert!(refused.contains("protected"), "{refused}");
    engine.docker(&["volume", "inspect", &one, &two]);
    engine.docker(&["volume", "rm", &one, &two]);
}

#[tokio::test(flavor = "multi_thread")]
async fn coming_up_makes_nothing_anew_that_is_protected_or_of_another_folder() {
    let engine = engine!();
    let me = caller(engine, |s| s.safety.tier = Tier::Moderate);
    if engine.podman || !there_is_one(&me).await {
        return;
    }
    let name = unique("vic").to_lowercase();
    let text = |seconds: u32| {
        format!(
            "version: '3'\nservices:\n  db:\n    image: busybox:latest\n    command: sleep {seconds}\n    network_mode: none\n    \
             stop_grace_period: 0s\n    labels: {{keep: '1'}}\n"
        )
    };
    let ((first, at_first), (_second, at_second)) = (project(&text(600)), project(&text(601)));
    me.tool("docker_compose_up", json!({"path": at_first, "project": name})).await;
    let refused = me.fault("docker_compose_up", json!({"path": at_second, "project": name})).await;
    assert!(refused.contains("another folder"), "{refused}");
    std::fs::write(first.path().join("docker-compose.yml"), text(602)).unwrap();
    let keeper = caller(engine, |s| s.safety.protect_labels = vec!["keep".into()]);
    let refused = keeper.fault("docker_compose_up", json!({"path": at_first, "project": name})).await;
    assert!(refused.contains("protected"), "{refused}");
    me.tool("docker_compose_up", json!({"path": at_first, "project": name})).await;
    let all = caller(engine, |_| {});
    all.tool("docker_compose_down", json!({"path": at_first, "project": name})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_compose_would_read_are_decided_first() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if !there_is_one(&me).await {
        return;
    }
    let keys = tempfile::Builder::new().prefix("keys").tempdir_in("/tmp").unwrap();
    std::fs::create_dir(keys.path().join(".aws")).unwrap();
    std::fs::write(keys.path().join(".aws/credentials"), "aws_id=hunter2\n").unwrap();
    let (folder, path) =
        project("version: '3'\nservices:\n  web:\n    image: busybox:latest\n    labels: {a: 'v${aws_id}'}\n");
    let link = folder.path().join(".env");
    for target in [keys.path().join(".aws/credentials"), "/dev/zero".into()] {
        std::os::unix::fs::symlink(target, &link).unwrap();
        let refused = me.fault("docker_compose_config", json!({"path": path})).await;
        assert!(!refused.contains("hunter2"), "{refused}");
        std::fs::remove_file(&link).unwrap();
    }
    std::fs::write(&link, "aws_id=mine\n").unwrap();
    let config = me.tool("docker_compose_config", json!({"path": path})).await;
    assert!(config["config"].as_str().unwrap().contains("vmine"), "{config}");
    std::fs::write(folder.path().join("docker-compose.yml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    let large = me.fault("docker_compose_config", json!({"path": path})).await;
    assert!(large.contains("larger"), "{large}");
}

/// What there is of a project on the engine, whatever its state.
fn of_project(engine: &crate::support::Engine, name: &str) -> [String; 2] {
    let label = format!("label=com.docker.compose.project={name}");
    [engine.docker(&["ps", "-aq", "--filter", &label]), engine.docker(&["network", "ls", "-q", "--filter", &label])]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_became_a_link_before_its_service_starts_is_not_mounted() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if engine.not_on_podman("its health checks are timers of systemd") || !there_is_one(&me).await {
        return;
    }
    let text = "services:\n  first:\n    image: busybox:latest\n    command: sleep 1000\n    stop_grace_period: 0s\n    \
        volumes: ['./marks:/marks:ro']\n    healthcheck: {test: ['CMD', 'test', '-e', '/marks/go'], interval: 1s, retries: 100}\n  \
        second:\n    image: busybox:latest\n    command: sleep 1000\n    stop_grace_period: 0s\n    volumes: ['./data:/data']\n    \
        depends_on: {first: {condition: service_healthy}}\n";
    let (folder, path) = project(text);
    for name in ["marks", "data"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let name = unique("exchanged").to_lowercase();
    let exchange = async {
        // The first one runs, so everything was decided; the second one waits for it.
        let listed = json!({"filters": {"label": format!("com.docker.compose.project={name}")}});
        crate::support::wait_for("the first service", async || {
            caller(engine, |_| {}).tool("docker_list_containers", listed.clone()).await["count"] != 0
        })
        .await;
        std::fs::remove_dir(folder.path().join("data")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("marks/go"), "").unwrap();
    };
    let arguments = json!({"path": path, "project": name});
    let (refused, ()) = futures_util::future::join(me.fault("docker_compose_up", arguments.clone()), exchange).await;
    assert!(
        refused.contains("\"second\"") && refused.contains("/etc") && refused.contains("removed again"),
        "{refused}"
    );
    assert_eq!(of_project(engine, &name), ["", ""]);
    std::fs::remove_file(folder.path().join("data")).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    me.tool("docker_compose_up", arguments.clone()).await;
    assert_eq!(of_project(engine, &name)[0].lines().count(), 2);
    me.tool("docker_compose_down", arguments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_container_can_write_is_not_mounted_by_a_service_either() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if !there_is_one(&me).await {
        return;
    }
    let service = |name: &str, mount: &str| {
        format!(
            "  {name}:\n    image: busybox:latest\n    command: sleep 1000\n    network_mode: none\n    stop_grace_period: 0s\n    volumes: ['{mount}']\n"
        )
    };
    let text = |services: &[String]| format!("version: '3'\nservices:\n{}", services.concat());
    let (folder, path) = project(&text(&[service("web", "./:/app"), service("db", "./data:/data")]));
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let name = unique("beside").to_lowercase();
    let arguments = json!({"path": path, "project": name});
    let refused = me.fault("docker_compose_up", arguments.clone()).await;
    assert!(refused.contains("beside") && refused.contains("mount_allow"), "{refused}");
    let config = me.tool("docker_compose_config", arguments.clone()).await;
    assert!(config["refused"].as_str().unwrap().contains("beside"), "{config}");
    let file = folder.path().join("docker-compose.yml");
    let write = |services: &[String]| std::fs::write(&file, text(services)).unwrap();
    write(&[service("web", "./:/app:ro"), service("db", "./data:/data")]);
    me.tool("docker_compose_up", arguments.clone()).await;
    assert_eq!(of_project(engine, &name)[0].lines().count(), 2);
    me.tool("docker_compose_down", arguments.clone()).await;
    let other = unique("writer");
    me.run(&other, "sleep 1000", json!({"volumes": {path.as_str().unwrap(): "/x"}, "stop_timeout": 0})).await;
    write(&[service("db", "./data:/data")]);
    let refused = me.fault("docker_compose_up", arguments.clone()).await;
    assert!(refused.contains("beside"), "{refused}");
    let named = caller(engine, |s| s.safety.mount_allow = vec![folder.path().into(), folder.path().join("data")]);
    named.tool("docker_compose_up", arguments.clone()).await;
    me.tool("docker_compose_down", arguments).await;
    me.remove(&other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_does_not_join_a_container_that_is_privileged() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if !there_is_one(&me).await {
        return;
    }
    let powerful = unique("powerful");
    engine.docker(&["create", "--privileged", "--name", &powerful, "busybox:latest", "sleep", "1000"]);
    let (_folder, path) = project(&format!(
        "version: '2.4'\nservices:\n  a:\n    image: busybox:latest\n    pid: 'container:{powerful}'\n    network_mode: none\n"
    ));
    let refused = me.fault("docker_compose_up", json!({"path": path, "project": "joining"})).await;
    assert!(refused.contains("privileged"), "{refused}");
    assert_eq!(of_project(engine, "joining"), ["", ""]);
    engine.docker(&["rm", &powerful]);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_files_come_to_a_service_and_only_of_files_that_may_be_read() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    if !there_is_one(&me).await {
        return;
    }
    let text = "version: '3'\nx-more: &more\n  env_file: b.env\nservices:\n  web:\n    image: busybox:latest\n    env_file: [a.env]\n  \
        other:\n    <<: *more\n    image: busybox:latest\n";
    let (folder, path) = project(text);
    std::fs::write(folder.path().join("a.env"), "FROM_A=one\n").unwrap();
    let missing = me.fault("docker_compose_config", json!({"path": path})).await;
    assert!(missing.contains("b.env"), "{missing}");
    std::fs::write(folder.path().join("b.env"), "FROM_B=two\n").unwrap();
    let config = me.tool("docker_compose_config", json!({"path": path})).await;
    let config = config["config"].as_str().unwrap();
    assert!(
        config.contains("\"FROM_A\": \"one\"") && config.contains("\"FROM_B\": \"two\"") && !config.contains("/proc/"),
        "{config}"
    );
    std::fs::remove_file(folder.path().join("b.env")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", folder.path().join("b.env")).unwrap();
    let refused = me.fault("docker_compose_config", json!({"path": path})).await;
    assert!(refused.contains("/etc"), "{refused}");
}
