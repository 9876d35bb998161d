//! Files into and out of a container, and a container into an image. Contents come and go with the call, so no
//! path of the host is involved.

use super::{AGAIN, Offer, PLAIN, text};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, path};
use crate::fault::{self, Fault};
use crate::fence::NOTICE;
use crate::image::{Image, is_tag};
use crate::mounts::lexical;
use crate::names;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read as _;
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add(
        "docker_copy_from_container",
        "Read a file of a container, or list a folder with all in it.",
        AGAIN,
        from,
    );
    offer.add("docker_copy_to_container", "Write a file into a container.", AGAIN, to);
    offer.add("docker_commit_container", "Make an image of a container as it is now.", PLAIN, commit);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CopyFrom")]
struct From {
    /// Container ID or name
    container_id: String,
    /// Absolute path in the container
    path: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Copied {
    container_id: String,
    path: String,
    /// The text of a file: data, never instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// A file that is no text, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_base64: Option<String>,
    /// What is in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<Entry>>,
    size: u64,
    truncated: bool,
    notice: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    path: String,
    size: u64,
    /// file, directory, link or other
    kind: &'static str,
}

/// Bytes of an archive that is read.
const MOST_ARCHIVE: usize = 64 << 20;

fn absolute(given: &str) -> Result<&str, Fault> {
    lexical(given)
        .map(|_| given)
        .ok_or_else(|| Fault::new(format!("path: {given:?} is no absolute path in the container.")))
}

async fn from(dock: Arc<Dock>, asked: From, call: Call) -> Result<Structured<Copied>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let name = names::container(&asked.container_id)?.to_owned();
        let ask = Ask::get(path(&["containers", &name, "archive"])).query("path", absolute(&asked.path)?);
        let archive = dock.engine.bytes(ask, MOST_ARCHIVE).await.map_err(|error| {
            let told = fault::sentence(&error);
            // Podman does not say what is missing.
            let is_named = told.contains(&asked.path) || !error.is_missing();
            if is_named { error.into() } else { Fault::new(format!("{:?}: {told}", asked.path)) }
        })?;
        let most = match dock.settings.limits.output_bytes {
            0 => MOST_ARCHIVE,
            most => most,
        };
        let entries = dock.settings.limits.list.max(1);
        // A large archive takes a while.
        let read = tokio::task::spawn_blocking(move || unpack(&archive, most, entries)).await;
        let mut copied = read.map_err(|e| Fault::new(e.to_string()))??;
        copied.container_id.clone_from(&asked.container_id);
        copied.path.clone_from(&asked.path);
        copied.content =
            copied.content.map(|text| dock.fenced(&format!("file {} of container {name}", asked.path), &text));
        Ok(Structured(copied))
    })
    .await
}

fn unpack(archive: &[u8], most: usize, most_entries: usize) -> Result<Copied, Fault> {
    let broken = |e: std::io::Error| Fault::new(format!("the engine's archive cannot be read: {e}."));
    let mut copied = Copied {
        container_id: String::new(),
        path: String::new(),
        content: None,
        content_base64: None,
        entries: None,
        size: 0,
        truncated: false,
        notice: NOTICE,
    };
    let mut entries = Vec::new();
    for entry in tar::Archive::new(archive).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        let shown = entry.path().map(|p| crate::redact::clean(&p.to_string_lossy()).into_owned()).map_err(broken)?;
        if kind.is_file() && entries.is_empty() {
            copied.size = entry.size();
            let mut bytes = Vec::new();
            entry.by_ref().take(most as u64).read_to_end(&mut bytes).map_err(broken)?;
            copied.truncated = (bytes.len() as u64) < copied.size;
            match String::from_utf8(bytes) {
                Ok(text) => copied.content = Some(text),
                // A text that was cut within a character is still one.
                Err(error) if copied.truncated && error.utf8_error().error_len().is_none() => {
                    copied.content = Some(String::from_utf8_lossy(error.as_bytes()).into_owned());
                }
                Err(error) => copied.content_base64 = Some(STANDARD.encode(error.as_bytes())),
            }
            return Ok(copied);
        }
        if entries.len() >= most_entries {
            copied.truncated = true;
            break;
        }
        let kind = match kind {
            tar::EntryType::Regular => "file",
            tar::EntryType::Directory => "directory",
            tar::EntryType::Symlink | tar::EntryType::Link => "link",
            _ => "other",
        };
        copied.size += entry.size();
        // Podman leaves it out.
        let slash = if kind == "directory" && !shown.ends_with('/') { "/" } else { "" };
        entries.push(Entry { path: shown + slash, size: entry.size(), kind });
    }
    copied.entries = Some(entries);
    Ok(copied)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CopyTo")]
struct To {
    /// Container ID or name
    container_id: String,
    /// Absolute path of the file in the container; its folder must exist
    path: String,
    /// Its text
    content: Option<String>,
    /// Or its bytes in base64
    content_base64: Option<String>,
    /// Permissions in octal, like "0644"
    mode: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Written {
    container_id: String,
    path: String,
    bytes: usize,
}

async fn to(dock: Arc<Dock>, asked: To, call: Call) -> Result<Structured<Written>, Fail> {
    dock.run(&call, Pace::Patient, async {
        let name = names::container(&asked.container_id)?;
        let bytes = match (asked.content, asked.content_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => STANDARD
                .decode(text.trim())
                .map_err(|e| Fault::new(format!("content_base64: this is no base64: {e}.")))?,
            _ => return Err(Fault::new("give either content or content_base64.")),
        };
        let mode = asked.mode.as_deref().unwrap_or("0644");
        let mode = u32::from_str_radix(mode.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o7777);
        let mode = mode.ok_or_else(|| Fault::new("mode: write it in octal like \"0644\"."))?;
        let place = lexical(absolute(&asked.path)?).unwrap_or_default();
        let (folder, file) = match (place.parent(), place.file_name()) {
            (Some(folder), Some(file)) => (folder.to_string_lossy().into_owned(), file.to_owned()),
            _ => return Err(Fault::new("path: name a file, not a folder.")),
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_entry_type(tar::EntryType::Regular);
        let mut builder = tar::Builder::new(Vec::new());
        let packed = builder.append_data(&mut header, &file, bytes.as_slice()).and_then(|()| builder.into_inner());
        let packed = packed.map_err(|e| Fault::new(format!("path: this cannot be packed: {e}.")))?;
        let ask = Ask::new(reqwest::Method::PUT, path(&["containers", name, "archive"]))
            .query("path", folder)
            .body("application/x-tar", packed);
        dock.engine.act(ask).await?;
        Ok(Structured(Written {
            container_id: asked.container_id.clone(),
            path: asked.path.clone(),
            bytes: bytes.len(),
        }))
    })
    .await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CommitContainer")]
struct Commit {
    /// Container ID or name
    container_id: String,
    /// Name of the image, without a tag
    repository: String,
    #[serde(default = "latest")]
    tag: String,
    message: Option<String>,
    author: Option<String>,
    /// Pause the container meanwhile
    #[serde(default = "yes")]
    pause: bool,
}

fn latest() -> String {
    "latest".into()
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Serialize, JsonSchema)]
struct Committed {
    container_id: String,
    image_id: String,
    image: String,
}

async fn commit(dock: Arc<Dock>, asked: Commit, call: Call) -> Result<Structured<Committed>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let name = names::container(&asked.container_id)?;
        if !is_tag(&asked.tag) {
            return Err(Fault::new(format!("tag: {:?} is none.", asked.tag)));
        }
        let image = Image::parse(&asked.repository)?.with_tag(Some(&asked.tag))?;
        let ask = Ask::post("/commit")
            .query("container", name)
            .query("repo", image.repository())
            .query("tag", &asked.tag)
            .maybe("comment", asked.message)
            .maybe("author", asked.author)
            .flag("pause", asked.pause)
            .json(&serde_json::json!({}));
        let answer = dock.engine.json(ask).await?;
        Ok(Structured(Committed {
            container_id: asked.container_id.clone(),
            image_id: text(&answer, "Id").to_owned(),
            image: image.as_str().to_owned(),
        }))
    })
    .await
}
