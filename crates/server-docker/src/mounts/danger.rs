//! Which paths hand over the host, or keys to other systems.

use crate::endpoint::Host;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// Paths that hand over the host: the system's own folders, devices and kernel, the accounts, and what engines
/// keep and listen on.
const REFUSED: [&str; 21] = [
    "/",
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/etc",
    "/root",
    "/run",
    "/var/run",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr",
    "/home",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/kubelet",
    "/var/spool/cron",
    "/var/log",
];

/// Folders of the person's own that may be used although a folder around them is refused.
const OPEN_INSIDE: [&str; 1] = ["/home"];

/// Folders in which people keep the keys to other systems, wherever they are.
const KEYS: [&str; 9] =
    [".ssh", ".aws", ".kube", ".docker", ".gnupg", ".azure", ".password-store", ".git-credentials", ".netrc"];

/// One is the other, or has it inside.
pub(super) fn touches(path: &Path, refused: &Path) -> bool {
    path.starts_with(refused) || refused.starts_with(path)
}

/// Why this path is refused unless it is allowed by name.
pub(super) fn dangerous(path: &Path, engine: Option<&Host>) -> Option<String> {
    let opened = |refused: &Path| {
        OPEN_INSIDE.iter().map(Path::new).any(|open| {
            // A person's own folder is no longer the folder of all of them, what is in it may be used.
            open.starts_with(refused)
                && path.starts_with(open)
                && path.components().count() > open.components().count() + 1
        })
    };
    for refused in REFUSED.iter().map(Path::new) {
        let inside = refused != Path::new("/") && path.starts_with(refused) && !opened(refused);
        if path == refused || inside {
            return Some(format!("{} hands over the host", refused.display()));
        }
        if refused.starts_with(path) {
            return Some(format!("{} is inside it", refused.display()));
        }
    }
    if let Some(name) = path.components().find_map(|part| KEYS.iter().find(|key| part.as_os_str() == **key)) {
        return Some(format!("{name} has keys to other systems"));
    }
    if let Some(name) = KEYS.iter().find(|key| path.join(key).exists()) {
        return Some(format!("{name} with keys to other systems is inside it"));
    }
    socket(path, engine)
}

/// Whether it is the engine's socket under any name, or a folder with it inside.
fn socket(path: &Path, engine: Option<&Host>) -> Option<String> {
    let Some(Host::Unix(socket)) = engine else { return None };
    let why = || Some("the engine's socket gives whoever has it the whole host".to_owned());
    let real = socket.canonicalize().unwrap_or_else(|_| socket.clone());
    if touches(path, socket) || touches(path, &real) {
        return why();
    }
    // A hard link or a bind mount of it has another name and the same number.
    let (ours, theirs) = (std::fs::metadata(path).ok()?, std::fs::metadata(socket).ok()?);
    if (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()) {
        return why();
    }
    if ours.file_type().is_socket()
        && path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            ["docker", "podman", "containerd", "crio"].iter().any(|engine| name.contains(engine))
        })
    {
        return why();
    }
    None
}
