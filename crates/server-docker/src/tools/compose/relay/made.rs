//! What Compose made on the engine, so that it can be taken away again.

use super::asked::Kind;
use crate::dock::Dock;
use crate::engine::{Ask, path};
use crate::tools::text;
use serde_json::Value;
use std::collections::HashSet;

/// What was made.
#[derive(Default)]
pub(in crate::tools::compose) struct Made {
    /// Ids, each with the service's name.
    containers: Vec<(String, String)>,
    networks: Vec<String>,
    /// Names: those that were not there before.
    volumes: Vec<String>,
}

impl Made {
    pub(super) fn remember(&mut self, kind: Kind, asked: &Value, answer: &[u8]) {
        let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return };
        let id = text(&answer, if kind == Kind::Volume { "Name" } else { "Id" }).to_owned();
        match kind {
            _ if id.is_empty() => {}
            Kind::Container => {
                let service = asked.pointer("/Labels/com.docker.compose.service").and_then(Value::as_str);
                self.containers.push((id, service.unwrap_or_default().to_owned()));
            }
            Kind::Network => self.networks.push(id),
            Kind::Volume => self.volumes.push(id),
        }
    }

    /// Takes it away again, but for containers of services that had one before: those took its place. Says what was
    /// done.
    pub(in crate::tools::compose) async fn undo(self, dock: &Dock, before: &HashSet<String>) -> String {
        let (mut gone, mut kept) = (0, 0);
        for (id, service) in &self.containers {
            let ask = Ask::delete(path(&["containers", id])).flag("force", true).flag("v", true);
            if !before.contains(service) && dock.engine.act(ask).await.is_ok() {
                gone += 1;
            } else {
                kept += 1;
            }
        }
        let rest = self.networks.iter().map(|id| ("networks", id)).chain(self.volumes.iter().map(|id| ("volumes", id)));
        for (kind, id) in rest {
            let removed = dock.engine.act(Ask::delete(path(&[kind, id]))).await.is_ok();
            *(if removed { &mut gone } else { &mut kept }) += 1;
        }
        match (gone, kept) {
            (0, 0) => "Nothing was made.".to_owned(),
            (_, 0) => "What was made for it was removed again.".to_owned(),
            (_, kept) => {
                format!("What was made for it was removed again, but for {kept} that took another's place or are used.")
            }
        }
    }
}
