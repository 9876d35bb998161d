//! An engine in a temporary folder: started once for all tests, ended with them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long an engine may take to start, and anything else in a test to come true.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Engine {
    pub socket: PathBuf,
    pub podman: bool,
    _daemon: Option<Daemon>,
}

/// The engine of all tests. `None`, and one line, if there is none.
pub fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let made = make();
        match made {
            Ok(engine) => Some(engine),
            Err(why) => {
                assert!(!is_required(), "an engine is required: {why}");
                println!("no engine, so nothing of it was tested: {why}");
                None
            }
        }
    });
    engine.as_ref()
}

fn is_required() -> bool {
    std::env::var("PORTCULLIS_ENGINE").is_ok_and(|value| value == "required")
}

fn make() -> Result<Engine, String> {
    let given = std::env::var_os("PORTCULLIS_ENGINE_SOCKET").map(PathBuf::from);
    let (socket, daemon) = match given {
        Some(socket) => (socket, None),
        None => {
            let daemon = Daemon::start()?;
            (daemon.socket.clone(), Some(daemon))
        }
    };
    let version = docker(&socket, &["version", "--format", "{{json .Server}}"])?;
    let engine = Engine { podman: version.contains("Podman"), socket, _daemon: daemon };
    engine.import_busybox()?;
    Ok(engine)
}

impl Engine {
    /// What the `docker` command says, which must succeed.
    pub fn docker(&self, arguments: &[&str]) -> String {
        docker(&self.socket, arguments).unwrap()
    }

    /// Whether this is Podman; then one line says why a test, or a part of one, is not done there.
    pub fn not_on_podman(&self, because: &str) -> bool {
        if self.podman {
            println!("not on Podman because {because}");
        }
        self.podman
    }

    /// An image with busybox and nothing else, as `busybox:latest`.
    fn import_busybox(&self) -> Result<(), String> {
        if docker(&self.socket, &["image", "inspect", "busybox:latest"]).is_ok() {
            return Ok(());
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().map(Path::new).find(|path| path.exists());
        let busybox = busybox.ok_or("there is no busybox (Debian's busybox-static)")?;
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let archive = folder.path().join("busybox.tar");
        let mut tar = tar::Builder::new(std::fs::File::create(&archive).map_err(|e| e.to_string())?);
        for (folder, mode) in [("bin/", 0o755), ("tmp/", 0o1777), ("root/", 0o700)] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            header.set_mode(mode);
            tar.append_data(&mut header, folder, std::io::empty()).map_err(|e| e.to_string())?;
        }
        tar.append_path_with_name(busybox, "bin/busybox").map_err(|e| e.to_string())?;
        for applet in [
            "sh", "ls", "cat", "echo", "sleep", "true", "false", "sed", "wget", "ping", "ip", "nc", "tail", "dd",
            "yes", "id", "env", "pwd", "mkdir", "touch", "rm", "ps", "kill", "seq", "head", "printf", "httpd", "test",
            "mount",
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            tar.append_link(&mut header, format!("bin/{applet}"), "busybox").map_err(|e| e.to_string())?;
        }
        tar.into_inner().map_err(|e| e.to_string())?;
        docker(
            &self.socket,
            &["import", "--change", "CMD [\"sh\"]", archive.to_str().unwrap_or_default(), "busybox:latest"],
        )
        .map(|_| ())
    }
}

/// Runs the `docker` command of this machine: another client, to make things and to look at them.
pub fn docker(socket: &Path, arguments: &[&str]) -> Result<String, String> {
    let program =
        ["/usr/bin/docker", "docker"].iter().find(|p| p.starts_with('/') && Path::new(p).exists()).unwrap_or(&"docker");
    let mut command = Command::new(program);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display())).env("DOCKER_BUILDKIT", "0").args(arguments);
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("docker cannot be run: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A `dockerd` of its own. It ends with this value, or with the process whose pipe it watches.
pub struct Daemon {
    pub socket: PathBuf,
    folder: tempfile::TempDir,
    watcher: Child,
}

/// Starts dockerd and ends it when its input ends, which it does when the test process is gone. Then its folder goes
/// too, unless it was told to keep it.
const WATCH: &str = r#"
trap '' INT HUP
"$@" >"$LOG" 2>&1 &
pid=$!
word=$(cat)
kill "$pid" 2>/dev/null
wait "$pid"
[ "$word" = keep ] || rm -rf "$FOLDER"
"#;

impl Daemon {
    pub fn start() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("engine").tempdir_in("/tmp").map_err(|e| e.to_string())?;
        Self::start_in(folder)
    }

    /// Starts it over the data of one that was stopped.
    pub fn start_in(folder: tempfile::TempDir) -> Result<Self, String> {
        let dockerd = ["/usr/sbin/dockerd", "/usr/bin/dockerd"].iter().map(Path::new).find(|path| path.exists());
        let dockerd = dockerd.ok_or("there is no dockerd on this machine (Debian's docker.io)")?;
        let at = |name: &str| folder.path().join(name);
        let socket = at("docker.sock");
        let log = at("log");
        let watcher = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(dockerd)
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            // What a sandbox allows: no rules of a firewall, and copies instead of layers.
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"])
            .args(["--ip-forward=false", "--ip-masq=false", "--shutdown-timeout=2"])
            .env("LOG", &log)
            .env("FOLDER", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("dockerd cannot be started: {e}"))?;
        let daemon = Self { socket, folder, watcher };
        let begun = Instant::now();
        while docker(&daemon.socket, &["version"]).is_err() {
            if begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(5).collect();
                return Err(format!("dockerd did not start: {last:?}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(daemon)
    }

    /// Stops it and keeps its data.
    pub fn stop(mut self) -> tempfile::TempDir {
        if let Some(stdin) = &mut self.watcher.stdin {
            std::io::Write::write_all(stdin, b"keep").unwrap();
        }
        self.end();
        let empty = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.folder, empty)
    }

    fn end(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until something is so.
pub async fn wait_for(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
