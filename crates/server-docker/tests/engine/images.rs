//! Images: built, named, looked at, saved, loaded and removed.

use crate::engine;
use crate::support::{caller, unique, wait_for};
use serde_json::{Value, json};
use std::path::Path;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("build").tempdir_in("/tmp").unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn path(folder: &tempfile::TempDir) -> Value {
    json!(folder.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_built_by_both_builders_with_progress_and_without_what_is_ignored() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let dockerfile = "FROM busybox:latest AS base\nARG WHO=nobody\nCOPY . /app\nRUN ls /app > /list; echo hello $WHO > /hello\nFROM base\nLABEL last=yes\n";
    let files = [
        ("Dockerfile", dockerfile),
        (".dockerignore", "*.log\nsecret*\n"),
        ("a.txt", "a"),
        ("b.log", "b"),
        ("secret.key", "k"),
    ];
    let folder = folder(&files);
    let builders: &[&str] = if engine.podman { &["auto"] } else { &["classic", "buildkit"] };
    for builder in builders {
        let tag = format!("{}:v1", unique("built"));
        let arguments = json!({"path": path(&folder), "tag": tag, "buildargs": {"WHO": builder}, "builder": builder, "network": "none", "nocache": true, "labels": {"built": "here"}});
        let (result, asked) = me.listening("docker_build_image", arguments, json!({})).await;
        let built = &result["structuredContent"];
        assert_eq!(built["tags"], json!([tag]), "{result}");
        assert!(
            built["logs"].as_array().unwrap().len() > 2
                && asked
                    .progress
                    .iter()
                    .any(|line| ["FROM", "COPY", "RUN", "Step", "STEP"].iter().any(|word| line.contains(word))),
            "{asked:?}"
        );
        let ran = json!({"image": tag, "command": "cat /list /hello", "detach": false, "remove": true});
        let ran = me.tool("docker_run_container", ran).await;
        let output = ran["output"].as_str().unwrap();
        assert!(output.contains("a.txt") && output.contains(&format!("hello {builder}")), "{output}");
        assert!(!output.contains("b.log") && !output.contains("secret"), "{output}");
        let details = me.tool("docker_inspect_image", json!({"image_name": tag})).await;
        let labels = &details["details"]["Config"]["Labels"];
        // Podman adds one of its own.
        assert_eq!((&labels["last"], &labels["built"]), (&json!("yes"), &json!("here")), "{labels}");
        let history = me.tool("docker_image_history", json!({"image": tag})).await;
        assert!(history["count"].as_u64().unwrap() >= 3);
        let removed = me.tool("docker_remove_image", json!({"image": tag})).await;
        assert!(removed["deleted"].to_string().contains("Untagged"), "{removed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_fails_shows_the_step_and_what_it_wrote() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let failing = folder(&[("Dockerfile", "FROM busybox:latest\nRUN echo about to fail; exit 7\n")]);
    let builders: &[&str] = if engine.podman { &["auto"] } else { &["classic", "buildkit"] };
    for builder in builders {
        let failed = me
            .fault("docker_build_image", json!({"path": path(&failing), "builder": builder, "network": "none"}))
            .await;
        assert!(
            failed.contains("the build failed") && failed.contains('7') && failed.contains("about to fail"),
            "{failed}"
        );
    }
    let broken = folder(&[("Dockerfile", "NONSENSE\n")]);
    me.fault("docker_build_image", json!({"path": path(&broken)})).await;
    for (arguments, word) in [
        (json!({"path": path(&broken), "dockerfile": "Other"}), "Other"),
        (json!({"path": path(&broken), "dockerfile": "../Dockerfile"}), "Dockerfile"),
        (json!({"path": "/tmp/nowhere-at-all"}), "no folder"),
        (json!({"path": "/"}), "refused"),
        (json!({"path": "/etc"}), "refused"),
        (json!({"path": path(&broken), "tag": "No Tag"}), "No Tag"),
        (json!({"path": path(&broken), "builder": "other"}), "builder"),
        (json!({"path": path(&broken), "network": "host"}), "network:host"),
    ] {
        let refused = me.fault("docker_build_image", arguments).await;
        assert!(refused.contains(word), "{word}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_ends_when_its_caller_goes_away() {
    let engine = engine!();
    if engine.not_on_podman("its build goes on when the connection ends") {
        return;
    }
    let me = caller(engine, |_| {});
    let folder = folder(&[("Dockerfile", "FROM busybox:latest\nRUN sleep 987\n")]);
    let steps = || engine.docker(&["ps", "--no-trunc", "--format", "{{.Command}}"]).contains("sleep 987");
    let arguments = json!({"path": path(&folder), "builder": "classic", "network": "none", "nocache": true});
    me.abandon("docker_build_image", arguments, wait_for("the step", async || steps())).await;
    wait_for("the end of the step", async || !steps()).await;
}

/// Whether a process of this machine has these words.
fn runs(words: &[&str]) -> bool {
    let wanted: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok()).any(|words| words == wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_with_buildkit_ends_when_its_caller_goes_away() {
    let engine = engine!();
    if engine.not_on_podman("it has no BuildKit") {
        return;
    }
    let me = caller(engine, |_| {});
    let seconds = (1_000_000 + std::process::id()).to_string();
    let folder = folder(&[("Dockerfile", &format!("FROM busybox:latest\nRUN [\"sleep\", \"{seconds}\"]\n"))]);
    let step = || runs(&["sleep", &seconds]);
    let arguments = json!({"path": path(&folder), "builder": "buildkit", "network": "none", "nocache": true});
    me.abandon("docker_build_image", arguments, wait_for("the step", async || step())).await;
    wait_for("the end of the step", async || !step()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_listed_tagged_saved_and_loaded() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let name = unique("tagged");
    let tagged = me.tool("docker_tag_image", json!({"image": "busybox", "repository": name, "tag": "v2"})).await;
    assert_eq!(tagged, json!({"source": "busybox", "target": format!("{name}:v2")}));
    let listed = me.tool("docker_list_images", json!({"filters": {"reference": format!("{name}:*")}})).await;
    assert_eq!(listed["count"], 1);
    let tags = listed["images"][0]["tags"].to_string();
    assert!(
        tags.contains(&format!("{name}:v2"))
            && listed["images"][0]["short_id"].as_str().unwrap().starts_with("sha256:"),
        "{listed}"
    );
    let folder = tempfile::Builder::new().prefix("save").tempdir_in("/tmp").unwrap();
    let file = folder.path().join("image.tar");
    let saved = me.tool("docker_save_image", json!({"image": format!("{name}:v2"), "path": file})).await;
    assert_eq!(saved["bytes"].as_u64().unwrap(), std::fs::metadata(&file).unwrap().len());
    let again = me.fault("docker_save_image", json!({"image": format!("{name}:v2"), "path": file})).await;
    assert!(again.contains("exists"), "nothing is written over: {again}");
    let missing = folder.path().join("missing.tar");
    me.fault("docker_save_image", json!({"image": "no-such-image", "path": missing})).await;
    assert!(!Path::new(&missing).exists(), "a file that was not finished goes");
    me.fault("docker_save_image", json!({"image": "busybox", "path": "/etc/image.tar"})).await;
    me.tool("docker_remove_image", json!({"image": format!("{name}:v2")})).await;
    let loaded = me.tool("docker_load_image", json!({"path": file})).await;
    assert!(loaded["images"].to_string().contains(&name), "{loaded}");
    std::fs::write(&missing, "no archive").unwrap();
    me.fault("docker_load_image", json!({"path": missing})).await;
    me.fault("docker_load_image", json!({"path": "/etc/shadow"})).await;
    let dry = me.tool("docker_remove_image", json!({"image": format!("{name}:v2"), "dry_run": true})).await;
    assert_eq!(dry["dry_run"], true);
    me.tool("docker_remove_image", json!({"image": format!("{name}:v2")})).await;
    let gone = me.fault("docker_inspect_image", json!({"image_name": format!("{name}:v2")})).await;
    assert!(gone.contains("docker_pull_image"), "{gone}");
    let unreachable = me.fault("docker_search_images", json!({"term": "busybox"})).await;
    assert!(!unreachable.is_empty());
    me.fault("docker_search_images", json!({"term": " "})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dangling_and_unused_images_are_pruned_and_protected_ones_stay() {
    let engine = engine!();
    let label = unique("prune");
    let me = caller(engine, |s| s.safety.protect_names = vec!["*keep-me*".into()]);
    let dockerfile = |n: u32| format!("FROM busybox:latest\nLABEL prune={label} n={n}\nRUN echo {n} > /n\n");
    let keep = unique("keep-me");
    let mut tags = Vec::new();
    for n in 0..2 {
        let folder = folder(&[("Dockerfile", &dockerfile(n))]);
        let tag = if n == 0 { keep.clone() } else { unique("unused") };
        me.tool("docker_build_image", json!({"path": path(&folder), "tag": tag, "network": "none"})).await;
        tags.push(tag);
    }
    let dangling = folder(&[("Dockerfile", &dockerfile(2))]);
    me.tool("docker_build_image", json!({"path": path(&dangling), "network": "none"})).await;
    let filters = json!({"label": format!("prune={label}")});
    let dry = me.tool("docker_prune_images", json!({"filters": filters, "dry_run": true})).await;
    assert_eq!(dry["would_remove"].as_array().unwrap().len(), 1, "{dry}");
    let pruned = me.tool("docker_prune_images", json!({"filters": filters})).await;
    assert!(pruned["deleted"].to_string().contains("Deleted"), "{pruned}");
    let all = me.tool("docker_prune_images", json!({"filters": filters, "force_all": true})).await;
    assert!(all["deleted"].to_string().contains(&tags[1]) && !all["deleted"].to_string().contains(&keep), "{all}");
    assert!(all["kept"].to_string().contains("protected"), "{all}");
    let refused = me.fault("docker_remove_image", json!({"image": keep, "force": true})).await;
    assert!(refused.contains("protected"), "{refused}");
    engine.docker(&["rmi", &keep]);
}
