//! Containers, from their creation to their end.

use crate::engine;
use crate::support::{caller, unique, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What stands between the marks of untrusted text.
pub fn inside(fenced: &Value) -> String {
    let text = fenced.as_str().unwrap();
    if text.is_empty() {
        return String::new();
    }
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.starts_with("<untrusted-"), "{text}");
    let (body, last) = rest.rsplit_once('\n').map_or(("", rest), |(body, last)| (body, last));
    assert!(last.starts_with("</untrusted-"), "{text}");
    body.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_created_started_looked_at_stopped_and_removed() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let name = unique("life");
    let made = me
        .tool("docker_create_container", json!({
            "image": "busybox", "name": name, "command": "sleep 1000", "environment": {"A": "b", "N": 1},
            "mem_limit": "64m", "cpu_shares": 512, "labels": {"kind": "life"}, "restart_policy": "on-failure:3",
            "user": "1000:1000", "workdir": "/tmp", "hostname": "box", "read_only": true, "tmpfs": {"/run": "size=1m"},
            "healthcheck": {"test": ["true"], "interval": 1}, "cap_drop": ["ALL"], "cap_add": ["CHOWN"], "pids_limit": 50,
            "security_opt": ["no-new-privileges"], "ulimits": {"nofile": "100:200", "nproc": "500:500"}, "init": true, "stop_timeout": 1,
        }))
        .await;
    assert_eq!(made["name"], name);
    let details = me.tool("docker_inspect_container", json!({"container_id": name})).await;
    let (config, host) = (&details["details"]["Config"], &details["details"]["HostConfig"]);
    assert_eq!(
        (&config["User"], &config["Hostname"], &config["WorkingDir"]),
        (&json!("1000:1000"), &json!("box"), &json!("/tmp"))
    );
    assert_eq!(
        (&host["Memory"], &host["CpuShares"], &host["ReadonlyRootfs"]),
        (&json!(64 << 20), &json!(512), &json!(true))
    );
    assert_eq!(host["RestartPolicy"], json!({"Name": "on-failure", "MaximumRetryCount": 3}));
    assert!(host["Ulimits"].as_array().unwrap().iter().any(|limit| limit["Hard"] == 200), "{host}");
    assert_eq!(details["details"]["State"]["Status"], "created");

    for _ in 0..2 {
        let started = me.tool("docker_start_container", json!({"container_id": name})).await;
        assert_eq!(started, json!({"container_id": name, "status": "running"}), "starting what runs is no error");
    }
    let filters = json!({"label": ["kind=life"], "name": name});
    let listed = me.tool("docker_list_containers", json!({"filters": filters})).await;
    assert_eq!(listed["count"], 1);
    let one = &listed["containers"][0];
    assert_eq!((&one["name"], &one["status"]), (&json!(name), &json!("running")));
    assert_eq!(one["image"].as_str().unwrap().trim_end_matches(":latest"), "busybox", "as people write it");
    assert_eq!(one["id"].as_str().unwrap().get(..12), one["short_id"].as_str());
    assert_eq!(one["labels"]["kind"], "life");

    if !engine.not_on_podman("before 4.4 it tells nothing of processes here") {
        // What starts it is still there for a moment.
        wait_for("its command among the processes", async || {
            let top = me.tool("docker_container_top", json!({"container_id": name})).await;
            top["processes"].to_string().contains("sleep")
        })
        .await;
    }
    let paused = me.tool("docker_pause_container", json!({"container_id": name})).await;
    assert_eq!(paused["status"], "paused");
    assert_eq!(me.tool("docker_pause_container", json!({"container_id": name})).await["status"], "paused");
    assert_eq!(me.tool("docker_unpause_container", json!({"container_id": name})).await["status"], "running");
    let update = json!({"container_id": name, "cpu_shares": 256, "restart_policy": "no"});
    if engine.not_on_podman("4.3 cannot change a container's limits over Docker's API") {
        assert!(me.fault("docker_update_container", update).await.contains("does not offer that"));
    } else {
        assert_eq!(me.tool("docker_update_container", update).await["container_id"], name);
    }
    let other = unique("renamed");
    me.tool("docker_rename_container", json!({"container_id": name, "new_name": other})).await;
    let details = me.tool("docker_inspect_container", json!({"container_id": other})).await;
    assert_eq!(details["details"]["HostConfig"]["CpuShares"], if engine.podman { 512 } else { 256 });
    for _ in 0..2 {
        let stopped = me.tool("docker_stop_container", json!({"container_id": other, "timeout": 1})).await;
        assert_eq!(stopped["status"], "exited", "stopping what is stopped is no error");
    }
    assert_eq!(
        me.tool("docker_restart_container", json!({"container_id": other, "timeout": 1})).await["status"],
        "running"
    );
    let refused = me.fault("docker_remove_container", json!({"container_id": other})).await;
    assert!(refused.contains("Stop it first, or use force"), "{refused}");
    me.remove(&other).await;
    let gone = me.fault("docker_inspect_container", json!({"container_id": other})).await;
    assert!(gone.contains(&other) && gone.contains("docker_list_containers"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn run_gives_exit_code_and_output_or_leaves_it_running() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let run = async |more: Value| {
        let mut arguments = json!({"image": "busybox", "detach": false, "remove": true});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        me.tool("docker_run_container", arguments).await
    };
    let ran = run(
        json!({"command": ["sh", "-c", "echo out; echo err >&2; echo $WHO; exit 3"], "environment": {"WHO": "me"}}),
    )
    .await;
    assert_eq!((&ran["exit_code"], &ran["status"]), (&json!(3), &json!("removed")));
    let lines = inside(&ran["output"]);
    let mut lines: Vec<_> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "me", "out"]);
    let id = ran["container_id"].as_str().unwrap();
    assert!(
        me.fault("docker_inspect_container", json!({"container_id": id}))
            .await
            .to_lowercase()
            .contains("no such container")
    );

    let late = run(json!({"command": "sleep 100", "timeout": 1, "stop_timeout": 0})).await;
    assert_eq!((&late["exit_code"], &late["status"]), (&Value::Null, &json!("running")));
    me.remove(late["container_id"].as_str().unwrap()).await;

    let name = unique("nowhere");
    let failed = me
        .fault("docker_run_container", json!({"image": "busybox", "name": name, "command": "/no/such/program"}))
        .await;
    assert!(failed.contains("no such file") && failed.contains("It was not kept"), "{failed}");
    assert!(
        me.fault("docker_inspect_container", json!({"container_id": name}))
            .await
            .to_lowercase()
            .contains("no such container")
    );
    let missing = me.fault("docker_run_container", json!({"image": "no/such:image"})).await;
    assert!(missing.contains("docker_pull_image"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_cut_told_and_fetched_in_parts() {
    let engine = engine!();
    let me = caller(engine, |s| s.limits.log_lines = 100);
    let name = unique("logs");
    me.run(&name, "for i in $(seq 1 250); do echo line $i; done; echo last", json!({})).await;
    me.tool("docker_wait_container", json!({"container_id": name})).await;
    let logs = me.tool("docker_container_logs", json!({"container_id": name})).await;
    let body = inside(&logs["logs"]);
    assert_eq!((body.lines().count(), body.lines().last()), (100, Some("last")), "{body}");
    assert_eq!(logs["truncation_info"]["truncated"], true);
    let told = logs["truncation_info"]["message"].as_str().unwrap();
    let until = told.split("until=\"").nth(1).unwrap().split('"').next().unwrap();
    if !engine.not_on_podman("times in its logs are whole seconds, so what was before the first line is not known") {
        let before = me.tool("docker_container_logs", json!({"container_id": name, "until": until, "tail": 3})).await;
        assert_eq!(inside(&before["logs"]).lines().count(), 3);
        assert_eq!(before["truncation_info"]["truncated"], false, "{before}");
    }
    let two = me.tool("docker_container_logs", json!({"container_id": name, "tail": "2", "timestamps": true})).await;
    let two = inside(&two["logs"]);
    assert!(two.lines().count() == 2 && two.lines().all(|line| line.contains('T') && line.contains('Z')), "{two}");
    let none = me.tool("docker_container_logs", json!({"container_id": name, "since": "2030-01-01T00:00:00Z"})).await;
    assert_eq!(none["logs"], "");
    for (wrong, word) in [
        (json!({"tail": "many"}), "tail"),
        (json!({"since": "yesterday"}), "since"),
        (json!({"tial": 1}), "Did you mean \"tail\""),
    ] {
        let mut arguments = json!({"container_id": name});
        arguments.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let refused = me.fault("docker_container_logs", arguments).await;
        assert!(refused.contains(word), "{refused}");
    }
    me.remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn following_is_bounded_in_time_tells_progress_and_ends_with_its_caller() {
    let engine = engine!();
    let me = caller(engine, |s| s.limits.follow = Duration::from_secs(2));
    let name = unique("follow");
    me.run(&name, "i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done", json!({"stop_timeout": 0})).await;
    let begun = Instant::now();
    let arguments = json!({"container_id": name, "follow": true, "follow_seconds": 1000});
    let (result, asked) = me.listening("docker_container_logs", arguments, json!({})).await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(result["structuredContent"]["logs"].as_str().unwrap().contains("tick 3"), "{result}");
    assert!(
        result["structuredContent"]["truncation_info"]["message"].as_str().unwrap().contains("goes on"),
        "{result}"
    );
    assert!(asked.progress.iter().any(|line| line.contains("tick")), "{asked:?}");
    let arguments = json!({"container_id": name, "follow": true});
    me.abandon("docker_container_logs", arguments, tokio::time::sleep(Duration::from_millis(300))).await;
    let stats = json!({"container_id": name, "stream": true, "seconds": 2});
    let (result, asked) = me.listening("docker_container_stats", stats, json!({})).await;
    assert!(result["structuredContent"]["snapshots"].as_u64().unwrap() >= 1, "{result}");
    assert!(asked.progress.iter().any(|line| line.contains("memory")), "{asked:?}");
    me.remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_with_user_folder_environment_and_a_time_limit() {
    let engine = engine!();
    let me = caller(engine, |s| s.limits.output_bytes = 2000);
    let name = unique("exec");
    me.run(&name, "sleep 1000", json!({"stop_timeout": 0})).await;
    let exec = async |more: Value| {
        let mut arguments = json!({"container_id": name});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        me.tool("docker_exec_command", arguments).await
    };
    let ran = exec(json!({"command": ["sh", "-c", "pwd; id -u; echo $A; exit 4"], "workdir": "/tmp", "user": "1234", "environment": "{\"A\": \"x;y $(z)\"}"})).await;
    assert_eq!((&ran["exit_code"], inside(&ran["output"])), (&json!(4), "/tmp\n1234\nx;y $(z)".to_owned()));
    let long = exec(json!({"command": "seq 1 5000"})).await;
    let info = &long["truncation_info"];
    assert_eq!(info["truncated"], true, "{long}");
    let rest = json!({"output_id": info["output_id"], "offset": info["truncated_size"]});
    let rest = me.tool("docker_output_rest", rest).await;
    let follows = me.tool("docker_output_rest", json!({"output_id": info["output_id"]})).await;
    assert_eq!(
        (inside(&follows["output"]), &follows["next_offset"]),
        (inside(&rest["output"]), &rest["next_offset"]),
        "without an offset it goes on where the answer was cut"
    );
    let shown = inside(&long["output"]) + &inside(&rest["output"]);
    assert!(shown.starts_with("1\n2\n") && shown.len() >= 3900, "{}", shown.len());
    assert_eq!(me.as_other("docker_output_rest", json!({"output_id": info["output_id"]})).await["isError"], true);
    let begun = Instant::now();
    let late = me
        .fault(
            "docker_exec_command",
            json!({"container_id": name, "command": ["sh", "-c", "echo begun; sleep 60"], "timeout": 1}),
        )
        .await;
    assert!(
        begun.elapsed() < Duration::from_secs(20) && late.contains("begun") && late.contains("did not end"),
        "{late}"
    );
    let missing = exec(json!({"command": "no-such-program"})).await;
    assert!(missing["exit_code"] == 126 || missing["exit_code"] == 127, "{missing}");
    me.tool("docker_kill_container", json!({"container_id": name, "signal": "SIGKILL"})).await;
    let stopped = me.fault("docker_exec_command", json!({"container_id": name, "command": "true"})).await;
    assert!(stopped.contains("docker_start_container"), "{stopped}");
    me.remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_ignores_sigterm_is_killed_in_time_and_its_end_is_told() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let name = unique("stubborn");
    me.run(&name, "trap '' TERM; echo ready; while true; do sleep 0.1; done", json!({})).await;
    wait_for("the trap", async || {
        me.tool("docker_container_logs", json!({"container_id": name})).await["logs"]
            .as_str()
            .unwrap()
            .contains("ready")
    })
    .await;
    let waited = me.tool("docker_wait_container", json!({"container_id": name, "timeout": 0.5})).await;
    assert_eq!((&waited["ended"], &waited["exit_code"]), (&json!(false), &Value::Null));
    let begun = Instant::now();
    let stopped = me.tool("docker_stop_container", json!({"container_id": name, "timeout": 1})).await;
    assert_eq!(stopped["status"], "exited");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let waited = me.tool("docker_wait_container", json!({"container_id": name})).await;
    assert_eq!((&waited["ended"], &waited["exit_code"]), (&json!(true), &json!(137)));
    me.remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_crashes_or_is_unhealthy_shows_it() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let (crash, sick) = (unique("crash"), unique("sick"));
    me.run(&crash, "echo no database >&2; exit 1", json!({})).await;
    let waited = me.tool("docker_wait_container", json!({"container_id": crash})).await;
    assert_eq!(waited["exit_code"], 1);
    let listed = me.tool("docker_list_containers", json!({"filters": {"status": "exited", "name": crash}})).await;
    assert_eq!((&listed["count"], &listed["containers"][0]["status"]), (&json!(1), &json!("exited")));
    if engine.not_on_podman("its health checks are timers of systemd, which a sandbox has not") {
        me.remove(&crash).await;
        return;
    }
    let health = json!({"test": ["false"], "interval": "1s", "retries": 1, "timeout": "1s"});
    me.run(&sick, "sleep 1000", json!({"healthcheck": health, "stop_timeout": 0})).await;
    wait_for("the health check", async || {
        let listed = me.tool("docker_list_containers", json!({"filters": {"name": sick}})).await;
        listed["containers"][0]["status_text"].as_str().unwrap_or_default().contains("unhealthy")
    })
    .await;
    me.remove(&crash).await;
    me.remove(&sick).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_read_and_listed_and_changes_are_shown_and_committed() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let name = unique("files");
    me.run(&name, "mkdir /data; echo old > /data/old; sleep 1000", json!({"stop_timeout": 0})).await;
    wait_for("the file", async || {
        me.tool("docker_container_diff", json!({"container_id": name})).await.to_string().contains("/data/old")
    })
    .await;
    let to = json!({"container_id": name, "path": "/data/new.txt", "content": "héllo\n", "mode": "0600"});
    assert_eq!(me.tool("docker_copy_to_container", to).await["bytes"], 7);
    let from = me.tool("docker_copy_from_container", json!({"container_id": name, "path": "/data/new.txt"})).await;
    assert_eq!((inside(&from["content"]), &from["size"]), ("héllo".to_owned(), &json!(7)));
    let to = json!({"container_id": name, "path": "/data/raw", "content_base64": "AP8B"});
    me.tool("docker_copy_to_container", to).await;
    let from = me.tool("docker_copy_from_container", json!({"container_id": name, "path": "/data/raw"})).await;
    assert_eq!(from["content_base64"], "AP8B");
    let folder = me.tool("docker_copy_from_container", json!({"container_id": name, "path": "/data"})).await;
    let mut paths: Vec<_> = folder["entries"].as_array().unwrap().iter().map(|e| e["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["data/", "data/new.txt", "data/old", "data/raw"]);
    let missing = me.fault("docker_copy_from_container", json!({"container_id": name, "path": "/nowhere"})).await;
    assert!(missing.contains("nowhere"), "{missing}");
    for path in ["relative", "/", ""] {
        let to = json!({"container_id": name, "path": path, "content": "x"});
        me.fault("docker_copy_to_container", to).await;
    }
    let repository = unique("committed");
    let committed = me
        .tool(
            "docker_commit_container",
            json!({"container_id": name, "repository": repository, "tag": "v1", "message": "m"}),
        )
        .await;
    assert_eq!(committed["image"], format!("{repository}:v1"));
    let ran =
        json!({"image": format!("{repository}:v1"), "command": "cat /data/new.txt", "detach": false, "remove": true});
    assert_eq!(inside(&me.tool("docker_run_container", ran).await["output"]), "héllo");
    me.remove(&name).await;
    me.tool("docker_remove_image", json!({"image": format!("{repository}:v1")})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_in_pages() {
    let engine = engine!();
    let me = caller(engine, |s| s.limits.list = 2);
    let label = unique("page");
    let mut names = Vec::new();
    for _ in 0..5 {
        let name = unique("paged");
        me.tool("docker_create_container", json!({"image": "busybox", "name": name, "labels": {"page": label}})).await;
        names.push(name);
    }
    let filters = json!({"label": format!("page={label}")});
    let mut seen = Vec::new();
    let mut offset = 0;
    loop {
        let page = me.tool("docker_list_containers", json!({"all": true, "filters": filters, "offset": offset})).await;
        seen.extend(page["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()));
        if page["truncation_info"]["truncated"] == false {
            break;
        }
        offset = seen.len();
    }
    seen.sort();
    names.sort();
    assert_eq!(seen, names);
    let pruned = me.tool("docker_prune_containers", json!({"filters": filters})).await;
    assert_eq!(pruned["deleted"].as_array().unwrap().len(), 5);
}
