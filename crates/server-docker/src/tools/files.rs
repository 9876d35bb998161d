//! Images to and from archives on this machine's disk.

use super::{Offer, PLAIN};
use crate::disk;
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, image_path};
use crate::fault::Fault;
use crate::image::Image;
use crate::progress::Progress;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_save_image", "Save an image to a tar file on this machine that does not exist yet.", PLAIN, save);
    offer.add("docker_load_image", "Load images from a tar file on this machine.", PLAIN, load);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SaveImage")]
struct Save {
    /// Image name or ID
    image: String,
    /// Absolute path of the new file
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Saved {
    image: String,
    path: String,
    bytes: u64,
}

/// A file of this machine that may be touched, by the rules of mounts.
pub(super) async fn allowed(dock: &Dock, given: &str) -> Result<PathBuf, Fault> {
    let (safety, text, host) = (dock.safety().clone(), given.to_owned(), dock.engine.host());
    // An engine that is away keeps nobody from this machine's files.
    let root = dock.engine.root().await.unwrap_or_default();
    let checking = move || safety.mounts(root.as_deref()).host_path(&text, host.as_ref(), true);
    tokio::task::spawn_blocking(checking).await.map_err(|e| Fault::new(e.to_string()))?
}

/// A path without links to a file of this machine that may be touched. It is opened with [`disk`], so that it is
/// what was decided even if something is exchanged meanwhile.
pub(super) async fn on_disk<T: Send + 'static>(
    dock: &Dock,
    given: &str,
    open: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let path = allowed(dock, given).await?;
    let unchecked = dock.safety().unchecked;
    let opening = move || {
        let path = if unchecked { without_links(&path) } else { path };
        open(&path)
    };
    let opened = tokio::task::spawn_blocking(opening).await.map_err(|e| Fault::new(e.to_string()))?;
    opened.map_err(|e| Fault::new(format!("{given:?} cannot be opened: {e}.")))
}

/// Where nothing is refused, links are what they lead to.
fn without_links(path: &Path) -> PathBuf {
    let parent = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(parent).unwrap_or_else(|| path.to_owned())
}

async fn save(dock: Arc<Dock>, asked: Save, call: Call) -> Result<Structured<Saved>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let image = Image::parse(&asked.image)?;
        let failed = |e: &io::Error| Fault::new(format!("{:?} cannot be written: {e}.", asked.path));
        // Before the engine is asked, which may take its time.
        let (new, file) = on_disk(&dock, &asked.path, disk::NewFile::at).await?;
        let mut file = tokio::fs::File::from_std(file);
        let mut response = dock.engine.open(Ask::get(image_path(&image, "/get")), None).await?;
        let (mut bytes, mut progress) = (0, Progress::new(&call));
        loop {
            match response.chunk().await.map_err(crate::engine::EngineError::from)? {
                None => break,
                Some(chunk) => {
                    file.write_all(&chunk).await.map_err(|e| failed(&e))?;
                    bytes += chunk.len() as u64;
                    progress.tell(&format!("{} MB", bytes >> 20));
                }
            }
        }
        file.sync_all().await.map_err(|e| failed(&e))?;
        new.keep();
        Ok(Structured(Saved { image: image.as_str().to_owned(), path: asked.path.clone(), bytes }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "LoadImage")]
struct Load {
    /// Absolute path of the tar file
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Loaded {
    /// Names or ids of what was loaded.
    images: Vec<String>,
}

async fn load(dock: Arc<Dock>, asked: Load, call: Call) -> Result<Structured<Loaded>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let file = tokio::fs::File::from_std(on_disk(&dock, &asked.path, disk::file).await?);
        let ask = Ask::post("/images/load").flag("quiet", true).body("application/x-tar", reqwest::Body::from(file));
        let mut lines = dock.engine.lines(ask).await?;
        let mut images = Vec::new();
        let mut progress = Progress::new(&call);
        while let Some(line) = lines.next().await? {
            if let Some(error) = super::pull::failed(&line) {
                return Err(error);
            }
            for said in super::text(&line, "stream").lines() {
                progress.tell(said);
                let name = said.strip_prefix("Loaded image: ").or_else(|| said.strip_prefix("Loaded image ID: "));
                images.extend(name.map(|name| crate::redact::clean(name.trim()).into_owned()));
            }
        }
        if images.is_empty() {
            return Err(Fault::new(format!("there is no image in {:?}; save one with docker_save_image.", asked.path)));
        }
        Ok(Structured(Loaded { images }))
    })
    .await
}
