//! A text as a file for a process that we start, which nobody else can exchange.

use std::io;
use std::path::{Path, PathBuf};

/// It is there as long as this is.
pub(crate) struct Held {
    path: PathBuf,
    #[cfg(target_os = "linux")]
    _file: std::fs::File,
}

/// In memory; found through this process.
#[cfg(target_os = "linux")]
fn put(text: &str) -> io::Result<Held> {
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    let mut file = std::fs::File::from(memfd_create("compose", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    Ok(Held { path: path.into(), _file: file })
}

/// In the folder for temporary files, where only this user can read and write it.
#[cfg(not(target_os = "linux"))]
fn put(text: &str) -> io::Result<Held> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| io::Error::other("there is no randomness"))?;
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = std::env::temp_dir().join(format!("compose-{name}"));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let held = Held { path };
    file.write_all(text.as_bytes())?;
    Ok(held)
}

#[cfg(not(target_os = "linux"))]
impl Drop for Held {
    fn drop(&mut self) {
        // There may be nothing left to remove it with.
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(crate) fn text(text: &str) -> Result<Held, crate::fault::Fault> {
    put(text).map_err(|e| crate::fault::Fault::new(format!("the file cannot be given to Compose: {e}.")))
}

impl Held {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
