//! Pushing and pulling, with Debian's `docker-registry`, with and without a password.

use crate::engine;
use crate::support::{Engine, Stall, caller, unique, wait_for};
use serde_json::json;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use tokio::sync::{Mutex, MutexGuard};

struct Registry {
    address: String,
    process: Child,
    _alone: Option<MutexGuard<'static, ()>>,
    _folder: tempfile::TempDir,
}

impl Registry {
    /// On a free port of loopback, which engines trust without TLS.
    async fn start(htpasswd: Option<&str>) -> Option<Self> {
        if !std::path::Path::new("/usr/bin/docker-registry").exists() {
            assert!(!std::env::var("PORTCULLIS_ENGINE").is_ok_and(|v| v == "required"), "docker-registry is required");
            println!("there is no docker-registry, so pushing and pulling was not tested");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let given = given_port(htpasswd.is_some());
        // Those on given ports come one after the other.
        static GIVEN: Mutex<()> = Mutex::const_new(());
        let alone = if given.is_some() { Some(GIVEN.lock().await) } else { None };
        let port =
            given.unwrap_or_else(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let address = format!("127.0.0.1:{port}");
        let auth = htpasswd.map(|line| {
            std::fs::write(folder.path().join("htpasswd"), line).unwrap();
            format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", folder.path().join("htpasswd").display())
        });
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n{}",
            folder.path().join("data").display(),
            auth.unwrap_or_default()
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        let mut command = Command::new("/usr/bin/docker-registry");
        command.arg("serve").arg(folder.path().join("config.yml"));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let registry = Self { address, process, _alone: alone, _folder: folder };
        wait_for("the registry", async || TcpStream::connect(&registry.address).is_ok()).await;
        Some(registry)
    }
}

/// A port that whoever started the engine told it to trust without TLS: one for the open registry and one for the other.
fn given_port(is_locked: bool) -> Option<u16> {
    let ports = std::env::var("PORTCULLIS_REGISTRY_PORTS").ok()?;
    ports.split(' ').nth(usize::from(is_locked))?.parse().ok()
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `docker` with the password `hunter2`, by bcrypt.
const HTPASSWD: &str = "docker:$2b$05$wS/CBTwqjYvkvhBsYwPW4en8AZUwhqlmr8DphxSOShnGo8n3jD.Ki";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pushed_removed_and_pulled_again_with_progress() {
    let engine = engine!();
    let Some(registry) = Registry::start(None).await else { return };
    let me = caller(engine, |_| {});
    let repository = format!("{}/team/{}", registry.address, unique("app"));
    me.tool("docker_tag_image", json!({"image": "busybox", "repository": repository, "tag": "v1"})).await;
    let (pushed, asked) = me.listening("docker_push_image", json!({"image": repository, "tag": "v1"}), json!({})).await;
    let pushed = &pushed["structuredContent"];
    assert_eq!((&pushed["status"], &pushed["image"]), (&json!("pushed"), &json!(format!("{repository}:v1"))));
    assert!(!asked.progress.is_empty());
    me.tool("docker_remove_image", json!({"image": format!("{repository}:v1")})).await;
    let (pulled, asked) =
        me.listening("docker_pull_image", json!({"image": format!("{repository}:v1")}), json!({})).await;
    let pulled = &pulled["structuredContent"];
    assert!(pulled["tags"].to_string().contains(&format!("{repository}:v1")) && !asked.progress.is_empty(), "{pulled}");
    if !engine.not_on_podman("it does not tell the digest of what was pushed") {
        let digest = format!("{repository}@{}", pushed["digest"].as_str().unwrap());
        let by_digest = me.tool("docker_pull_image", json!({"image": digest})).await;
        assert_eq!(by_digest["id"], pulled["id"], "a digest is a reference");
    }
    let all = json!({"image": repository, "all_tags": true});
    if engine.podman {
        let refused = me.fault("docker_pull_image", all).await;
        assert!(refused.contains("one tag at a time"), "{refused}");
    } else {
        let all = me.tool("docker_pull_image", all).await;
        assert!(all["tags"].to_string().contains(":v1"));
    }
    me.tool("docker_remove_image", json!({"image": format!("{repository}:v1"), "force": true})).await;
    let missing = me.fault("docker_pull_image", json!({"image": repository, "tag": "v9"})).await;
    assert!(missing.contains("not found") || missing.contains("unknown"), "{missing}");
    for (arguments, word) in [
        (json!({"image": format!("{repository}:v1"), "tag": "v2"}), "only one"),
        (json!({"image": format!("{repository}:v1"), "all_tags": true}), "all_tags"),
        (json!({"image": "Ubuntu"}), "lower case"),
    ] {
        let refused = me.fault("docker_pull_image", arguments).await;
        assert!(refused.contains(word), "{refused}");
    }
    let away = me.fault("docker_pull_image", json!({"image": "127.0.0.1:1/nothing:here"})).await;
    assert!(away.contains("reach"), "{away}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_a_password_needs_a_login_which_belongs_to_one_caller() {
    let engine = engine!();
    if engine.not_on_podman("it logs in with TLS only, whatever its settings trust") {
        return;
    }
    let Some(registry) = Registry::start(Some(HTPASSWD)).await else { return };
    let me = caller(engine, |_| {});
    let image = format!("{}/{}:v1", registry.address, unique("private"));
    let (repository, _) = image.rsplit_once(':').unwrap();
    me.tool("docker_tag_image", json!({"image": "busybox", "repository": repository, "tag": "v1"})).await;
    let refused = me.fault("docker_push_image", json!({"image": image})).await;
    assert!(refused.contains("docker_login"), "{refused}");
    let wrong = json!({"registry": registry.address, "username": "docker", "password": "wrong-secret"});
    let wrong = me.fault("docker_login", wrong).await;
    assert!(wrong.contains("does not accept") && !wrong.contains("wrong-secret"), "{wrong}");
    let right = json!({"registry": registry.address, "username": "docker", "password": "hunter2"});
    let logged_in = me.tool("docker_login", right).await;
    assert!(!logged_in.to_string().contains("hunter2"));
    me.tool("docker_push_image", json!({"image": image})).await;
    me.tool("docker_pull_image", json!({"image": image})).await;
    let other = me.as_other("docker_pull_image", json!({"image": image})).await;
    assert_eq!(other["isError"], true, "another caller is not logged in: {other}");
    let out = json!({"registry": registry.address});
    assert_eq!(me.tool("docker_logout", out.clone()).await["forgotten"], true);
    assert_eq!(me.tool("docker_logout", out).await["forgotten"], false);
    me.fault("docker_push_image", json!({"image": image})).await;
    me.tool("docker_remove_image", json!({"image": image})).await;
}

/// An image of a file that cannot be made smaller, larger than what gets through a [`Stall`].
fn large_image(engine: &Engine, name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (file, archive) = (folder.path().join("noise"), folder.path().join("image.tar"));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    std::fs::write(&file, noise.take(1 << 18).flatten().collect::<Vec<_>>()).unwrap();
    let mut tar = tar::Builder::new(std::fs::File::create(&archive).unwrap());
    tar.append_path_with_name(&file, "noise").unwrap();
    tar.into_inner().unwrap();
    engine.docker(&["import", archive.to_str().unwrap(), name]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_and_a_push_end_when_their_caller_goes_away() {
    let engine = engine!();
    let Some(registry) = Registry::start(None).await else { return };
    let me = caller(engine, |_| {});
    let name = unique("large");
    let stall = Stall::before(&registry.address, given_port(true)).await;
    let (here, far) = (format!("{}/{name}:v1", registry.address), format!("{}/{name}:v1", stall.address));
    large_image(engine, &here);
    engine.docker(&["tag", &here, &far]);
    me.abandon("docker_push_image", json!({"image": far}), wait_for("the push", async || stall.is_stalled())).await;
    wait_for("the end of the push at the registry", async || stall.open() == 0).await;
    let tags = format!("http://{}/v2/{name}/tags/list", registry.address);
    assert_eq!(reqwest::get(&tags).await.unwrap().status(), 404, "nothing of it arrived");

    me.tool("docker_push_image", json!({"image": here})).await;
    assert_eq!(reqwest::get(&tags).await.unwrap().status(), 200);
    engine.docker(&["rmi", &here, &far]);
    stall.reset();
    me.abandon("docker_pull_image", json!({"image": far}), wait_for("the pull", async || stall.is_stalled())).await;
    wait_for("the end of the pull at the registry", async || stall.open() == 0).await;
    me.fault("docker_inspect_image", json!({"image_name": far})).await;
}
