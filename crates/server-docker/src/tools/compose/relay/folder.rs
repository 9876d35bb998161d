//! A folder that only this user can enter and that no container can have.

use crate::mounts::hands_over;
use crate::settings::Safety;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// It is there as long as this is.
pub(super) struct Private {
    folder: PathBuf,
    socket: PathBuf,
}

impl Private {
    /// Makes it where nothing may be mounted from; if there is no such place, where temporary files are. Who gets in all
    /// the same is not served ([`is_ours`](super::peer::is_ours)).
    pub(super) fn new(safety: &Safety) -> io::Result<Self> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|_| io::Error::other("there is no randomness"))?;
        let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!(".portcullis-{name}");
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let usual = [runtime, Some("/run".into()), std::env::home_dir()];
        let usual = usual.into_iter().flatten().map(|base| base.join(&name));
        let rules = safety.mounts(None);
        let is_apart = |folder: &PathBuf| {
            folder.is_absolute() && hands_over(folder) && !folder.ancestors().any(|part| rules.names(part))
        };
        let apart = usual.filter(is_apart).find_map(|at| Self::at(at).ok());
        apart.map_or_else(|| Self::at(std::env::temp_dir().join(&name)), Ok)
    }

    fn at(folder: PathBuf) -> io::Result<Self> {
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self { socket: folder.join("engine.sock"), folder })
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // There may be nothing left to remove it with.
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_dir(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_this_users_alone_and_goes_with_its_socket() {
        let place = Private::new(&Safety::default()).unwrap();
        assert_eq!(std::fs::metadata(&place.folder).unwrap().permissions().mode() & 0o777, 0o700);
        let _listener = std::os::unix::net::UnixListener::bind(place.socket()).unwrap();
        let folder = place.folder.clone();
        drop(place);
        assert!(!folder.exists());
    }
}
