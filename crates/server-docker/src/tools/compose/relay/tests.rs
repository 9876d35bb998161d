use super::*;
use crate::endpoint::Host;
use crate::settings::Settings;
use std::collections::HashSet;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// An engine of which only what these tests ask for is there. Remembers what was asked.
struct Fake {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Fake {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        let mounted = folder.path().join("data").display().to_string();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (heard, mounted) = (Arc::clone(&heard), mounted.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request: Request<Incoming>| {
                        heard.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
                        let answer = fake(request, &mounted);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    let _ = serving.with_upgrades().await;
                });
            }
        });
        Self { folder, asked, serving }
    }

    fn dock(&self) -> Arc<Dock> {
        let host = Some(Host::Unix(self.folder.path().join("engine.sock")));
        Arc::new(Dock::new(Settings { host, ..Settings::default() }))
    }

    fn was_asked(&self, what: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked == what)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn fake(request: Request<Incoming>, mounted: &str) -> Response<Body> {
    let json = |status: u16, value: Value| {
        let body = Body::from(value.to_string());
        response(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), body)
    };
    let path = request.uri().path().to_owned();
    match (request.method().as_str(), path.split_once("/v1.41").map_or(path.as_str(), |(_, path)| path)) {
        ("GET", "/_ping") => {
            let mut answer = json(200, json!("OK"));
            answer.headers_mut().insert("api-version", "1.41".parse().unwrap());
            answer
        }
        ("GET", "/info") => json(200, json!({})),
        ("GET", "/containers/web/json") => json(
            200,
            json!({"Id": "0123", "Name": "/p_web_1", "Config": {"Labels": {"com.docker.compose.service": "web"}},
                "HostConfig": {}, "Mounts": [{"Type": "bind", "Source": mounted, "RW": true}]}),
        ),
        ("GET", "/containers/json") => json(200, json!([])),
        ("GET", "/volumes") => json(200, json!({"Volumes": []})),
        ("GET", "/volumes/p_old") => json(200, json!({"Name": "p_old", "Driver": "local"})),
        ("POST", "/volumes/create") => json(201, json!({"Name": "p_new"})),
        ("POST", "/containers/0123/start") => json(204, Value::Null),
        ("POST", "/containers/create") => json(201, json!({"Id": "4567", "Warnings": []})),
        ("POST", "/networks/create") => json(201, json!({"Id": "89ab"})),
        ("DELETE", _) => json(204, Value::Null),
        ("POST", "/containers/0123/attach") => {
            tokio::spawn(async move {
                let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
                let mut word = [0; 4];
                stream.read_exact(&mut word).await.unwrap();
                stream.write_all(&word.map(|byte| byte.to_ascii_uppercase())).await.unwrap();
            });
            let mut answer = json(101, Value::Null);
            *answer.body_mut() = Body::default();
            answer.headers_mut().insert(CONNECTION, "Upgrade".parse().unwrap());
            answer.headers_mut().insert(UPGRADE, "tcp".parse().unwrap());
            answer
        }
        _ => json(404, json!({"message": "page not found"})),
    }
}

/// What comes back for a request to a relay.
async fn send(relay: &Relay, head: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(relay.place.socket()).await.unwrap();
    let request =
        format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn what_is_not_decided_here_passes_with_the_engines_own_answer() {
    let engine = Fake::start();
    let relay = Relay::open(&engine.dock()).await.unwrap();
    assert!(send(&relay, "GET /v1.41/containers/json?all=1", "").await.starts_with("HTTP/1.1 200"));
    assert!(engine.was_asked("GET /v1.41/containers/json?all=1"));
    let missing = send(&relay, "GET /v1.41/nothing", "").await;
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("page not found"), "{missing}");
    assert!(relay.seen().0.is_none());
}

#[tokio::test]
async fn a_container_is_started_by_its_id_and_only_if_what_it_mounts_stands() {
    let engine = Fake::start();
    let relay = Relay::open(&engine.dock()).await.unwrap();
    assert!(send(&relay, "POST /v1.41/containers/web/start", "").await.starts_with("HTTP/1.1 204"));
    assert!(engine.was_asked("POST /v1.41/containers/0123/start"));
    engine.asked.lock().unwrap().clear();
    let data = engine.folder.path().join("data");
    std::fs::remove_dir(&data).unwrap();
    std::os::unix::fs::symlink("/etc", &data).unwrap();
    for verb in ["start", "restart?t=1"] {
        for version in ["/v1.41", "", "/v1.41/./x/.."] {
            let refused = send(&relay, &format!("POST {version}/containers/web/{verb}"), "").await;
            assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("/etc"), "{refused}");
        }
    }
    assert!(!engine.asked.lock().unwrap().iter().any(|asked| asked.starts_with("POST")));
    let (Some(Fault::Refused(why)), _) = relay.seen() else { panic!("it is told") };
    assert!(why.contains("\"web\"") && why.contains("p_web_1"), "{why}");
}

#[tokio::test]
async fn a_container_is_created_only_if_our_own_tools_would_create_it() {
    let engine = Fake::start();
    let relay = Relay::open(&engine.dock()).await.unwrap();
    let labels = json!({"com.docker.compose.service": "web"});
    for host in [
        json!({"Privileged": true}),
        json!({"NetworkMode": "host"}),
        json!({"PidMode": "host"}),
        json!({"CapAdd": ["SYS_ADMIN"]}),
        json!({"SecurityOpt": ["seccomp=unconfined"]}),
        json!({"Devices": [{"PathOnHost": "/dev/null"}]}),
        json!({"LogConfig": {"Type": "syslog"}}),
        json!({"Binds": ["/etc:/x:ro"]}),
        json!({"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/x"}]}),
        json!({"Mounts": [{"Type": "npipe", "Source": "x", "Target": "/x"}]}),
        json!({"Mounts": [{"Type": "volume", "Target": "/x", "VolumeOptions": {"DriverConfig": {"Options": {"o": "bind"}}}}]}),
        json!({"VolumesFrom": ["other"]}),
        json!({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["x"]}]}),
        json!({"Runtime": "x"}),
    ] {
        let body = json!({"Image": "x", "Labels": labels, "HostConfig": host}).to_string();
        let refused = send(&relay, "POST /v1.41/containers/create?name=x", &body).await;
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("web"), "{host}: {refused}");
    }
    for network in
        [json!({"IPAM": {"Driver": "some-plugin"}}), json!({"Options": {"com.docker.network.bridge.name": "docker0"}})]
    {
        let refused = send(&relay, "POST /v1.41/networks/create", &network.to_string()).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{network}: {refused}");
    }
    assert!(!engine.asked.lock().unwrap().iter().any(|asked| asked.starts_with("POST")));
    let data = engine.folder.path().join("data").display().to_string();
    let other = [
        ("containers", json!({"Image": "x", "hostconfig": {"Binds": ["/etc:/x"]}})),
        ("containers", json!({"Image": "x", "HostConfig": {"binds": ["/etc:/x"]}})),
        ("containers", json!({"Image": "x", "HostConfig": {"Bind\u{17f}": ["/etc:/x"]}})),
        ("containers", json!({"Image": "x", "HostConfig": {"Binds": [format!("{data}:/x:rshared")]}})),
        ("networks", json!({"Name": "n", "Options": {"com.docker.network.bridge.name": "br0"}})),
        ("networks", json!({"Name": "n", "Driver": "macvlan"})),
        ("networks", json!({"Name": "n", "ipam": {"Driver": "other"}})),
        ("volumes", json!({"Name": "v", "DriverOpts": {"type": "none", "o": "bind", "device": "/etc"}})),
    ];
    for (kind, body) in other {
        let refused = send(&relay, &format!("POST /v1.41/{kind}/create"), &body.to_string()).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{body}: {refused}");
    }
    for head in [
        "POST /v1.41/build?networkmode=host",
        "POST /v1.41/build?remote=http://127.0.0.1/x",
        "POST /v1.41/containers/web/%73tart",
        "POST /v1.41/containers/web/exec",
        "POST /v1.41/networks/host/connect",
    ] {
        assert!(send(&relay, head, "{}").await.starts_with("HTTP/1.1 403"), "{head}");
    }
    assert!(!engine.asked.lock().unwrap().iter().any(|asked| asked.starts_with("POST")));
    relay.seen();
    let fine = json!({"Image": "x", "Labels": labels, "HostConfig": {"NetworkMode": "none", "CapAdd": ["NET_BIND_SERVICE"],
        "Binds": [format!("{}:/data:rw", engine.folder.path().join("data").display()), "/anonymous"]}});
    assert!(send(&relay, "POST /v1.41/containers/create?name=x", &fine.to_string()).await.contains("4567"));
    assert!(send(&relay, "POST /v1.41/networks/create", r#"{"Name": "p_default"}"#).await.contains("89ab"));
    for name in ["p_new", "p_old"] {
        let body = json!({"Name": name, "Driver": "local"}).to_string();
        assert!(send(&relay, "POST /v1.41/volumes/create", &body).await.starts_with("HTTP/1.1 201"));
    }
    let (refused, made) = relay.seen();
    assert!(refused.is_none());
    let dock = engine.dock();
    assert!(made.undo(&dock, &HashSet::new()).await.contains("removed again."));
    assert!(engine.was_asked("DELETE /v1.41/containers/4567?force=true&v=true"));
    assert!(engine.was_asked("DELETE /v1.41/networks/89ab") && engine.was_asked("DELETE /v1.41/volumes/p_new"));
    assert!(!engine.was_asked("DELETE /v1.41/volumes/p_old"), "it was there before");
}

#[tokio::test]
async fn a_connection_that_becomes_another_protocols_carries_both_ways() {
    let engine = Fake::start();
    let relay = Relay::open(&engine.dock()).await.unwrap();
    let mut stream = UnixStream::connect(relay.place.socket()).await.unwrap();
    let head = "POST /v1.41/containers/0123/attach?stream=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"PING");
}

#[tokio::test]
async fn the_way_ends_with_who_opened_it() {
    let engine = Fake::start();
    let relay = Relay::open(&engine.dock()).await.unwrap();
    let socket = relay.place.socket().to_owned();
    assert_eq!(relay.host(), format!("unix://{}", socket.display()));
    let mut open = UnixStream::connect(&socket).await.unwrap();
    drop(relay);
    assert!(!socket.exists() && UnixStream::connect(&socket).await.is_err());
    assert_eq!(open.read(&mut [0; 1]).await.unwrap_or(0), 0, "what was connected is cut off");
    assert!(!Path::new(socket.parent().unwrap()).exists());
}
