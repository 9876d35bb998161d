//! Images from and to registries, with progress.

use super::list::tags;
use super::{OPEN, OPEN_AGAIN, Offer, text};
use crate::dock::{Dock, Pace};
use crate::engine::{Ask, JsonLines, image_path};
use crate::fault::Fault;
use crate::image::Image;
use crate::progress::Progress;
use crate::redact;
use crate::tools::images::found;
use mcp::Call;
use mcp::builtin::{Fail, Structured};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

pub(super) fn add(offer: &mut Offer<'_>) {
    offer.add("docker_pull_image", "Pull a Docker image from a registry.", OPEN_AGAIN, pull);
    offer.add("docker_push_image", "Push a Docker image to a registry.", OPEN, push);
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PullImage")]
struct Pull {
    /// Image name (e.g., 'ubuntu:22.04'), also with a digest
    image: String,
    /// Optional tag (if not in image name)
    tag: Option<String>,
    /// Pull all tags
    #[serde(default)]
    all_tags: bool,
    /// Platform (e.g., 'linux/amd64')
    platform: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pulled {
    image: String,
    id: String,
    tags: Vec<String>,
}

async fn pull(dock: Arc<Dock>, asked: Pull, call: Call) -> Result<Structured<Pulled>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let image = Image::parse(&asked.image)?.with_tag(asked.tag.as_deref())?;
        if asked.all_tags && (image.tag().is_some() || image.digest().is_some()) {
            return Err(Fault::new("all_tags: the image has a tag or digest already; give its name alone."));
        }
        if asked.all_tags && dock.engine.is_podman().await? {
            return Err(Fault::new("all_tags: Podman pulls one tag at a time over Docker's API; name each of them."));
        }
        let image = match (image.tag(), image.digest()) {
            (None, None) if !asked.all_tags => image.with_tag(Some("latest"))?,
            _ => image,
        };
        let ask = Ask::post("/images/create")
            .query("fromImage", image.as_str())
            .maybe("platform", asked.platform)
            .header("x-registry-auth", super::registry::auth_for(&dock, &call, image.registry()).await);
        follow(dock.engine.lines(ask).await?, &call).await?;
        if asked.all_tags {
            return Ok(Structured(all_of(&dock, &image).await?));
        }
        let found = found(&dock, &image).await?;
        let id = text(&found, "Id").to_owned();
        Ok(Structured(Pulled { image: image.as_str().to_owned(), id, tags: tags(&found) }))
    })
    .await
}

/// All tags of a repository that are here now.
async fn all_of(dock: &Dock, image: &Image) -> Result<Pulled, Fault> {
    let mut filters = crate::filters::Filters::default();
    filters.set("reference", image.repository());
    let list = dock.engine.json(Ask::get("/images/json").maybe("filters", filters.query())).await?;
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(Pulled {
        image: image.as_str().to_owned(),
        id: all.first().map(|first| text(first, "Id").to_owned()).unwrap_or_default(),
        tags: all.iter().flat_map(tags).collect(),
    })
}

/// Tells progress until the end. Gives the last line of each kind that matters.
async fn follow(mut lines: JsonLines, call: &Call) -> Result<String, Fault> {
    let mut progress = Progress::new(call);
    let mut last = String::new();
    while let Some(line) = lines.next().await? {
        if let Some(error) = failed(&line) {
            return Err(error);
        }
        let status = text(&line, "status");
        if status.is_empty() {
            continue;
        }
        let id = text(&line, "id");
        let bar = line.get("progressDetail").map(amount).unwrap_or_default();
        let words = if id.is_empty() { status.to_owned() } else { format!("Layer {id}: {status}{bar}") };
        progress.tell(&words);
        last = status.to_owned();
    }
    Ok(redact::clean(&last).into_owned())
}

/// The engine's error in the middle of a stream, with the way on.
pub(super) fn failed(line: &Value) -> Option<Fault> {
    let detail = line.pointer("/errorDetail/message").or_else(|| line.get("error"))?.as_str()?;
    let message = redact::secrets(&redact::clean(detail.trim()));
    let lower = message.to_ascii_lowercase();
    let status = if lower.contains("not found") || lower.contains("manifest unknown") { 404 } else { 500 };
    Some(Fault::Engine(crate::engine::EngineError::Refused { status, message }))
}

/// ` 42% (10.1MB/24.0MB)`.
#[allow(clippy::cast_precision_loss, reason = "megabytes for people")]
fn amount(detail: &Value) -> String {
    let number = |key| detail.get(key).and_then(Value::as_u64);
    match (number("current"), number("total")) {
        (Some(current), Some(total)) if total > 0 => {
            let percent = current.saturating_mul(100) / total;
            format!(" {percent}% ({:.1}MB/{:.1}MB)", current as f64 / 1e6, total as f64 / 1e6)
        }
        _ => String::new(),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "PushImage")]
struct Push {
    /// Image name to push
    image: String,
    /// Optional tag
    tag: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pushed {
    image: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

async fn push(dock: Arc<Dock>, asked: Push, call: Call) -> Result<Structured<Pushed>, Fail> {
    dock.run(&call, Pace::Slow, async {
        let image = Image::parse(&asked.image)?.with_tag(asked.tag.as_deref())?;
        if image.digest().is_some() {
            return Err(Fault::new("image: a digest cannot be pushed; name a tag."));
        }
        let bare = Image::parse(image.repository())?;
        let ask = Ask::post(image_path(&bare, "/push"))
            .query("tag", image.tag().unwrap_or("latest"))
            .header("x-registry-auth", super::registry::auth_for(&dock, &call, image.registry()).await);
        let mut lines = dock.engine.lines(ask).await?;
        let mut progress = Progress::new(&call);
        let mut digest = None;
        while let Some(line) = lines.next().await? {
            if let Some(error) = failed(&line) {
                return Err(error);
            }
            if let Some(found) = line.pointer("/aux/Digest").and_then(Value::as_str) {
                digest = Some(found.to_owned());
            }
            let bar = line.get("progressDetail").map(amount).unwrap_or_default();
            progress.tell(&format!("Layer {}: {}{bar}", text(&line, "id"), text(&line, "status")));
        }
        Ok(Structured(Pushed { image: image.as_str().to_owned(), status: "pushed".into(), digest }))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_reads_as_that_of_docker() {
        assert_eq!(amount(&json!({"current": 10_100_000, "total": 24_000_000})), " 42% (10.1MB/24.0MB)");
        assert_eq!(amount(&json!({})), "");
        assert!(!amount(&json!({"current": u64::MAX, "total": 1})).is_empty());
    }
}
