//! Which paths hand over the host, or keys to other systems.

use crate::endpoint::Host;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path};

/// Paths that hand over the host: the system's own folders, devices and kernel, the accounts, and what engines
/// keep and listen on.
const REFUSED: [&str; 22] = [
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
    "/lib32",
    "/lib64",
    "/libx32",
    "/snap",
    "/usr",
    "/home",
    "/var/lib",
    "/var/backups",
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

/// Why this path is refused unless it is allowed by name. `root` is the folder in which the engine keeps everything.
pub(super) fn dangerous(path: &Path, engine: Option<&Host>, root: Option<&Path>) -> Option<String> {
    if let Some(why) = listed(path) {
        return Some(why);
    }
    if let Some(name) = KEYS.iter().find(|key| path.join(key).exists()) {
        return Some(format!("{name} with keys to other systems is inside it"));
    }
    // The folder of a user who has none below /home, such as a service's.
    if let Some(home) = std::env::home_dir().filter(|home| home.parent().is_some()) {
        if home.starts_with(path) {
            return Some("the home of who runs this is inside it".to_owned());
        }
        if path.strip_prefix(&home).is_ok_and(|rest| hidden(rest.components().next())) {
            return Some("names with a dot in a home are settings, keys and programs of its user".to_owned());
        }
    }
    if let Some(root) = root {
        let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        if touches(path, root) || touches(path, &real) {
            return Some("the engine keeps everything of all containers there".to_owned());
        }
    }
    socket(path, engine)
}

/// Whether nothing can be mounted from there unless it is allowed by name, whichever the engine is.
pub(crate) fn hands_over(path: &Path) -> bool {
    dangerous(path, None, None).is_some()
}

/// The part of that which is decided by the path alone, without looking at any file.
pub(crate) fn listed(path: &Path) -> Option<String> {
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
    if path.strip_prefix("/home").is_ok_and(|rest| hidden(rest.components().nth(1))) {
        return Some("names with a dot in a home are settings, keys and programs of its user".to_owned());
    }
    None
}

fn hidden(part: Option<Component<'_>>) -> bool {
    part.is_some_and(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
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
