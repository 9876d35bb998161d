//! OpenAPI documents of what a caller may call.

use super::super::respond::{self, Answer};
use super::{Arrival, Settings, exchange};
use bytes::Bytes;
use gate::{Destination, Offer};
use http::StatusCode;
use http::header::{self, HeaderValue};
use openapi::{Document, Info};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Documents as they were last rendered, by everything that they are made of.
pub(in super::super) struct Documents {
    rendered: Mutex<HashMap<u64, Bytes>>,
    /// One is rendered at a time.
    rendering: Semaphore,
}

impl Default for Documents {
    fn default() -> Self {
        Self { rendered: Mutex::default(), rendering: Semaphore::new(1) }
    }
}

/// How many bytes of documents are kept.
const MOST_BYTES: usize = 32 * 1024 * 1024;

impl Documents {
    pub(in super::super) async fn get(&self, arrival: &Arrival, settings: &Settings) -> Answer {
        let gate = arrival.guarded.gate();
        let offers = arrival.guarded.offers(&exchange(arrival)).await;
        let (to, secured) = (arrival.guarded.destination().clone(), gate.asks_for_tokens());
        let key = fingerprint(&to, &offers, settings, secured);
        let known = || self.rendered.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let mut document = known();
        let mut _place = None;
        if document.is_none() {
            _place = self.rendering.acquire().await.ok();
            // Who waited may find it made.
            document = known();
        }
        let document = match document {
            Some(document) => document,
            None => {
                let settings = settings.clone();
                // Thousands of tools take a while.
                let rendering = tokio::task::spawn_blocking(move || render(&to, &offers, &settings, secured));
                let Ok(document) = rendering.await else {
                    return respond::empty(StatusCode::INTERNAL_SERVER_ERROR);
                };
                self.keep(key, &document);
                document
            }
        };
        let mut response = respond::json_bytes(StatusCode::OK, document);
        // It depends on who asks.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        response
    }

    fn keep(&self, key: u64, document: &Bytes) {
        let mut all = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = all.values().map(Bytes::len).sum();
        if kept + document.len() > MOST_BYTES {
            all.clear();
        }
        all.insert(key, document.clone());
    }
}

fn fingerprint(to: &Destination, offers: &[Offer], settings: &Settings, secured: bool) -> u64 {
    let mut hasher = DefaultHasher::new();
    (matches!(to, Destination::All), secured, &settings.root, &settings.prefix, &settings.root_path).hash(&mut hasher);
    if let Some(info) = &settings.info {
        (&info.title, &info.version, &info.description).hash(&mut hasher);
    }
    for offer in offers {
        (&offer.server, &offer.about.instructions, offer.about.info.bytes(), offer.tools.len()).hash(&mut hasher);
        for tool in &offer.tools {
            tool.raw.bytes().hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn render(to: &Destination, offers: &[Offer], settings: &Settings, secured: bool) -> Bytes {
    let base = settings.root_path.trim_end_matches('/');
    let prefix = settings.prefix.trim_end_matches('/');
    let secure = |document: Document| if secured { document.secured() } else { document };
    match (to, offers) {
        (Destination::One(name), [offer]) => {
            let mut document = secure(Document::new(Info::of(name, &offer.about)));
            let folder = if settings.root.is_some() { String::new() } else { format!("{prefix}/{name}") };
            let url = format!("{base}{folder}");
            document = document.served_at(if url.is_empty() { "/" } else { &url });
            document.tools(offer.tools.iter().map(|tool| &tool.raw));
            document.render()
        }
        _ => {
            let info = settings.info.clone().unwrap_or_else(|| Info {
                title: "Portcullis".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                description: "All servers behind this gateway.".into(),
            });
            // The prefix is in the paths: not all clients read where a document is served.
            let url = if base.is_empty() { "/" } else { base };
            let mut document = secure(Document::new(info)).served_at(url).with_prefix(prefix);
            for offer in offers {
                let about = Info::of(&offer.server, &offer.about);
                document.server(&offer.server, &about.description, offer.tools.iter().map(|tool| &tool.raw));
            }
            document.render()
        }
    }
}
