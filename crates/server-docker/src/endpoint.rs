//! Where the engine is.
//!
//! What the settings say comes first, then what the `docker` command would take: `DOCKER_HOST`, the context,
//! and the sockets that engines lie at. The sockets are looked for whenever there is no connection, so an
//! engine that is started later is found.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Times that it is tried again to find out who listens on a socket.
const MOST_TRIED: usize = 5;

/// Reads a variable of the environment.
pub(crate) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// An address of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A socket on this machine.
    Unix(PathBuf),
    /// A port, usually of another machine.
    #[allow(missing_docs)]
    Tcp { authority: String, tls: bool },
}

/// What a connection with TLS needs, each a PEM file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates that the engine's own is checked with, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The engine's certificate is not checked. Only a context may say so.
    pub skip_verify: bool,
}

/// An engine to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    pub(crate) tls: TlsFiles,
}

impl Host {
    /// Reads an address as `DOCKER_HOST` and `DOCKER_BASE_URL` have it.
    ///
    /// # Errors
    /// Says which addresses can be used instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(format!("{text:?} has no absolute path; write it like unix:///var/run/docker.sock"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let tcp = |rest: &str, tls: bool| {
            let authority = rest.trim_end_matches('/');
            if authority.is_empty() || authority.contains(['/', '@', '?', '#', ' ']) {
                return Err(format!("{text:?} is no address; write it like tcp://engine.internal:2376"));
            }
            let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            let port = if tls { 2376 } else { 2375 };
            let authority = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
            Ok(Self::Tcp { authority, tls })
        };
        if let Some(rest) = text.strip_prefix("tcp://") {
            return tcp(rest, false);
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return tcp(rest, true);
        }
        Err(match text.split_once("://").map(|(scheme, _)| scheme) {
            Some("http") => format!("{text:?} is not accepted; write tcp:// for an engine without TLS"),
            Some("ssh") => format!(
                "{text:?} cannot be used in this version; forward the socket with \
                 \"ssh -L /tmp/engine.sock:/var/run/docker.sock HOST\" and use unix:///tmp/engine.sock"
            ),
            Some("npipe") => format!("{text:?} is an address on Windows only; use a unix:// or tcp:// address"),
            _ => format!("{text:?} is no address of an engine; write unix:///PATH or tcp://HOST:PORT"),
        })
    }

    /// The same, spoken to with TLS. A socket needs none.
    fn secured(self) -> Self {
        match self {
            Self::Tcp { authority, tls: false } => {
                // Without a port it was completed with the one of plain connections.
                let authority = match authority.strip_suffix(":2375") {
                    Some(name) => format!("{name}:2376"),
                    None => authority,
                };
                Self::Tcp { authority, tls: true }
            }
            host => host,
        }
    }

    /// Whether paths of this process are paths for the engine.
    ///
    /// That is so on a socket, unless we are in a container and the engine is not: then whoever listens on it is
    /// in no process namespace of ours, or sees other mounts.
    pub(crate) async fn shares_files(&self) -> bool {
        let Self::Unix(path) = self else { return false };
        if !["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists()) {
            return true;
        }
        let mut peer = tokio::net::UnixStream::connect(path).await;
        for _ in 0..MOST_TRIED {
            if peer.is_ok() {
                break;
            }
            // A busy engine has no room for one more right now; what is decided here stays.
            tokio::time::sleep(Duration::from_millis(50)).await;
            peer = tokio::net::UnixStream::connect(path).await;
        }
        let peer = peer.and_then(|stream| stream.peer_cred());
        let Some(pid) = peer.ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0) else { return false };
        tokio::task::spawn_blocking(move || sees_our_mounts(pid)).await.unwrap_or_default()
    }
}

/// Whether a process has our root and our mounts. Some of its threads may have others for a while: engines look into
/// containers.
fn sees_our_mounts(pid: i32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let root = |process: &str| std::fs::metadata(format!("/proc/{process}/root/")).map(|at| (at.dev(), at.ino())).ok();
    let Ok(ours) = std::fs::read_link("/proc/self/ns/mnt") else { return false };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut mounts = threads.filter_map(|thread| std::fs::read_link(thread.path().join("ns/mnt")).ok());
    root("self").is_some_and(|ours| root(&pid.to_string()) == Some(ours)) && mounts.any(|theirs| theirs == ours)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { authority, tls: true } => write!(f, "https://{authority}"),
            Self::Tcp { authority, tls: false } => write!(f, "tcp://{authority}"),
        }
    }
}

impl Endpoint {
    /// The engine to try now.
    ///
    /// # Errors
    /// Says what is wrong with what was given, or that there is no socket.
    pub(crate) fn find(given: Option<&Host>, tls: &TlsFiles, env: Variable<'_>) -> Result<Self, String> {
        if let Some(host) = given {
            return Ok(Self::of(host.clone(), tls.clone()));
        }
        let said = |name| env(name).filter(|value| !value.trim().is_empty());
        if let Some(text) = said("DOCKER_HOST") {
            let host = Host::parse(&text).map_err(|e| format!("DOCKER_HOST {e}"))?;
            // Who asks for TLS gets it, also without files of one's own: then the system's authorities are asked.
            let host = if verifies(env) { host.secured() } else { host };
            let tls = if *tls == TlsFiles::default() { tls_of_docker(env) } else { tls.clone() };
            return Ok(Self::of(host, tls));
        }
        let home = said("HOME").map(PathBuf::from);
        let folder = said("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".docker")));
        if let Some(folder) = &folder {
            let named = said("DOCKER_CONTEXT").or_else(|| current_context(folder));
            if let Some(name) = named.filter(|name| name != "default") {
                return context(folder, &name);
            }
        }
        let runtime = said("XDG_RUNTIME_DIR").map(PathBuf::from);
        let found = sockets(home.as_deref(), runtime.as_deref()).into_iter().find(|path| is_socket(path));
        found.map(|path| Self::of(Host::Unix(path), TlsFiles::default())).ok_or_else(|| {
            "no engine's socket was found on this machine; start Docker (or Podman's socket), or say where it is \
             in DOCKER_HOST"
                .to_owned()
        })
    }

    fn of(host: Host, tls: TlsFiles) -> Self {
        let host = if tls == TlsFiles::default() { host } else { host.secured() };
        Self { host, tls }
    }
}

/// Where engines put their sockets, the system's first.
fn sockets(home: Option<&Path>, runtime: Option<&Path>) -> Vec<PathBuf> {
    let mut all = vec![PathBuf::from("/var/run/docker.sock")];
    all.extend(runtime.map(|dir| dir.join("docker.sock")));
    let under_home = [
        ".docker/run/docker.sock",
        ".docker/desktop/docker.sock",
        ".orbstack/run/docker.sock",
        ".colima/default/docker.sock",
        ".rd/docker.sock",
    ];
    all.extend(home.into_iter().flat_map(|home| under_home.map(|path| home.join(path))));
    all.push(PathBuf::from("/run/podman/podman.sock"));
    all.extend(runtime.map(|dir| dir.join("podman/podman.sock")));
    all
}

/// Whether an engine answers on a socket of this machine now. Blocks for two seconds at most.
pub fn is_there() -> bool {
    use std::io::{Read as _, Write as _};
    let env = |name: &str| std::env::var(name).ok();
    let Ok(Endpoint { host: Host::Unix(path), .. }) = Endpoint::find(None, &TlsFiles::default(), &env) else {
        return false;
    };
    let asked = || {
        let mut stream = std::os::unix::net::UnixStream::connect(path)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok::<_, std::io::Error>(head.ends_with(b" 200"))
    };
    asked().unwrap_or_default()
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

fn verifies(env: Variable<'_>) -> bool {
    env("DOCKER_TLS_VERIFY").is_some_and(|v| !v.is_empty() && v != "0" && !v.eq_ignore_ascii_case("false"))
}

/// The files that the `docker` command takes when `DOCKER_TLS_VERIFY` is set.
fn tls_of_docker(env: Variable<'_>) -> TlsFiles {
    let folder = env("DOCKER_CERT_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(env("HOME")?).join(".docker")));
    match folder {
        Some(folder) if verifies(env) => files_in(&folder),
        _ => TlsFiles::default(),
    }
}

fn files_in(folder: &Path) -> TlsFiles {
    let there = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
    TlsFiles { ca: there("ca.pem"), cert: there("cert.pem"), key: there("key.pem"), skip_verify: false }
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn current_context(folder: &Path) -> Option<String> {
    let name = json(&folder.join("config.json"))?.get("currentContext")?.as_str()?.to_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// A context as the `docker` command stores it: below the SHA-256 of its name.
fn context(folder: &Path, name: &str) -> Result<Endpoint, String> {
    let id: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = json(&folder.join("contexts/meta").join(&id).join("meta.json"));
    let unknown = || format!("there is no Docker context {name:?}; \"docker context ls\" shows those there are");
    let meta = meta.ok_or_else(unknown)?;
    let endpoint = meta.pointer("/Endpoints/docker").ok_or_else(unknown)?;
    let host = endpoint.get("Host").and_then(Value::as_str).ok_or_else(unknown)?;
    let host = Host::parse(host).map_err(|e| format!("the Docker context {name:?}: {e}"))?;
    let mut tls = files_in(&folder.join("contexts/tls").join(&id).join("docker"));
    tls.skip_verify = endpoint.get("SkipTLSVerify").and_then(Value::as_bool).unwrap_or_default();
    Ok(Endpoint::of(host, tls))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }

    fn find(pairs: &[(&str, &str)]) -> Result<Endpoint, String> {
        Endpoint::find(None, &TlsFiles::default(), &env(pairs))
    }

    #[test]
    fn addresses_are_what_the_docker_command_takes_and_the_rest_says_what_to_write() {
        assert_eq!(Host::parse("unix:///run/x.sock").unwrap(), Host::Unix("/run/x.sock".into()));
        let tcp = |authority: &str, tls| Host::Tcp { authority: authority.into(), tls };
        assert_eq!(Host::parse("tcp://10.0.0.1").unwrap(), tcp("10.0.0.1:2375", false));
        assert_eq!(Host::parse("https://e:1/").unwrap(), tcp("e:1", true));
        for (wrong, hint) in [
            ("http://127.0.0.1:2375", "tcp://"),
            ("ssh://me@host", "ssh -L"),
            ("npipe:////./pipe/docker_engine", "Windows"),
            ("/var/run/docker.sock", "unix:///PATH"),
            ("unix://relative", "absolute"),
            ("tcp://user:pw@host", "tcp://engine"),
        ] {
            let error = Host::parse(wrong).unwrap_err();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn docker_host_comes_before_contexts_and_contexts_before_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let id: String = Sha256::digest(b"lab").iter().map(|byte| format!("{byte:02x}")).collect();
        let meta = home.join(".docker/contexts/meta").join(&id);
        std::fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Name":"lab","Endpoints":{"docker":{"Host":"tcp://lab.internal:2376","SkipTLSVerify":false}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        let tls = home.join(".docker/contexts/tls").join(&id).join("docker");
        std::fs::create_dir_all(&tls).unwrap();
        std::fs::write(tls.join("ca.pem"), "x").unwrap();
        std::fs::write(home.join(".docker/config.json"), r#"{"currentContext":"lab"}"#).unwrap();

        let home = home.to_str().unwrap();
        let found = find(&[("HOME", home)]).unwrap();
        assert_eq!(found.host, Host::Tcp { authority: "lab.internal:2376".into(), tls: true });
        assert!(found.tls.ca.is_some());
        let found = find(&[("HOME", home), ("DOCKER_HOST", "unix:///x.sock")]).unwrap();
        assert_eq!(found.host, Host::Unix("/x.sock".into()));
        let missing = find(&[("HOME", home), ("DOCKER_CONTEXT", "other")]).unwrap_err();
        assert!(missing.contains("docker context ls"), "{missing}");
    }

    #[test]
    fn a_rootless_or_podman_socket_is_found_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        if is_socket(Path::new("/var/run/docker.sock")) || is_socket(Path::new("/run/podman/podman.sock")) {
            return;
        }
        let run = folder.path().to_str().unwrap();
        let known = [("HOME", "/nonexistent"), ("XDG_RUNTIME_DIR", run)];
        assert!(find(&known).unwrap_err().contains("DOCKER_HOST"));
        std::fs::create_dir(folder.path().join("podman")).unwrap();
        let path = folder.path().join("podman/podman.sock");
        let _podman = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(find(&known).unwrap().host, Host::Unix(path));
        let path = folder.path().join("docker.sock");
        let _docker = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(find(&known).unwrap().host, Host::Unix(path));
    }

    #[test]
    fn the_variables_of_the_docker_command_turn_tls_on() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), "x").unwrap();
        let place = folder.path().to_str().unwrap();
        let pairs = [("DOCKER_HOST", "tcp://e"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", place)];
        let found = find(&pairs).unwrap();
        assert_eq!(found.host, Host::Tcp { authority: "e:2376".into(), tls: true });
        let pairs = [("DOCKER_HOST", "tcp://e"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", "/nonexistent")];
        assert_eq!(find(&pairs).unwrap().host, found.host, "never without TLS because files are missing");
    }
}
