//! Speaks to the engine: one request, one answer, as JSON or as a stream.
//!
//! The connection is made when it is needed and made anew after the engine was away. The version of the API is
//! the engine's own, as its `/_ping` tells it, but none newer than what is known here.

mod connect;
mod error;
mod frames;
mod lines;
mod picked;

pub(crate) use error::EngineError;
pub(crate) use frames::{Frames, Source};
pub(crate) use lines::JsonLines;

use crate::endpoint::{Endpoint, Host};
use crate::settings::Settings;
use arc_swap::ArcSwapOption;
use connect::Connection;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an answer that is read as a whole.
const LARGEST: usize = 64 << 20;

/// Times that a list is asked for while things of it go away.
const MOST_ASKED: usize = 4;

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answering {
    /// Nobody looked yet.
    Unknown,
    /// It answers; what it is.
    Yes(String),
    /// It does not; why.
    No(String),
}

/// See the module.
pub(crate) struct Engine {
    settings: Arc<Settings>,
    connection: ArcSwapOption<Connection>,
    /// Where it was looked for last.
    tried: ArcSwapOption<Host>,
}

/// What is asked of the engine.
pub(crate) struct Ask<'a> {
    method: Method,
    path: String,
    query: Vec<(&'a str, String)>,
    body: Option<reqwest::Body>,
    headers: Vec<(&'static str, String)>,
}

impl<'a> Ask<'a> {
    /// `path` is made with [`path`] or is a constant.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None, headers: Vec::new() }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub(crate) fn query(mut self, name: &'a str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Nothing is sent for `None`.
    pub(crate) fn maybe(self, name: &'a str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(crate) fn flag(self, name: &'a str, value: bool) -> Self {
        self.query(name, value)
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.headers.push(("content-type", "application/json".into()));
        self.body = Some(reqwest::Body::from(body.to_string()));
        self
    }

    pub(crate) fn body(mut self, kind: &str, body: impl Into<reqwest::Body>) -> Self {
        self.headers.push(("content-type", kind.to_owned()));
        self.body = Some(body.into());
        self
    }

    /// The same once more, if asking twice is as good as once.
    fn again(&self) -> Option<Self> {
        let (method, path) = (self.method.clone(), self.path.clone());
        let (query, headers) = (self.query.clone(), self.headers.clone());
        (method == Method::GET && self.body.is_none()).then_some(Self { method, path, query, body: None, headers })
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What may stand in a segment of a path. A slash and a dot segment never do: names are checked before.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':').remove(b'@');

/// A path of these segments.
pub(crate) fn path(segments: &[&str]) -> String {
    segments.iter().flat_map(|segment| ["/".into(), utf8_percent_encode(segment, SEGMENT).to_string()]).collect()
}

/// The path of something of an image, whose name may have slashes in it.
pub(crate) fn image_path(image: &crate::image::Image, rest: &str) -> String {
    let parts: Vec<String> =
        image.as_str().split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
    format!("/images/{}{rest}", parts.join("/"))
}

impl Engine {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, connection: ArcSwapOption::empty(), tried: ArcSwapOption::empty() }
    }

    /// Where it is, once that is known.
    pub(crate) fn host(&self) -> Option<Host> {
        self.connection.load().as_ref().map(|c| c.endpoint.host.clone())
    }

    /// Where it is, or where it was looked for last.
    pub(crate) fn tried(&self) -> Option<Arc<Host>> {
        self.tried.load_full()
    }

    /// Looks for the engine anew the next time.
    pub(crate) fn forget(&self) {
        self.connection.store(None);
    }

    /// The connection there is, or a new one.
    async fn connection(&self) -> Result<Arc<Connection>, EngineError> {
        if let Some(connection) = self.connection.load_full() {
            return Ok(connection);
        }
        let settings = Arc::clone(&self.settings);
        let find = move || {
            let env = |name: &str| std::env::var(name).ok();
            let endpoint = Endpoint::find(settings.host.as_ref(), &settings.tls, &env)?;
            Connection::prepare(endpoint)
        };
        // Files are read to find it.
        let made = tokio::task::spawn_blocking(find).await.map_err(|e| EngineError::Setup(e.to_string()))?;
        let mut connection = made.map_err(EngineError::Setup)?;
        self.tried.store(Some(Arc::new(connection.endpoint.host.clone())));
        connection.negotiate().await?;
        let connection = Arc::new(connection);
        self.connection.store(Some(Arc::clone(&connection)));
        Ok(connection)
    }

    /// Whether the engine's files are ours.
    pub(crate) async fn shares_files(&self) -> Result<bool, EngineError> {
        Ok(self.connection().await?.shares_files)
    }

    /// The folder in which it keeps everything, if it says so and its files are ours.
    pub(crate) async fn root(&self) -> Result<Option<PathBuf>, EngineError> {
        let connection = self.connection().await?;
        if !connection.shares_files {
            return Ok(None);
        }
        let asking = || async {
            let info = self.json(Ask::get("/info")).await?;
            let root = info.get("DockerRootDir").and_then(Value::as_str).map(PathBuf::from);
            Ok(root.filter(|root| root.is_absolute()))
        };
        connection.root.get_or_try_init(asking).await.cloned()
    }

    /// The version of the API that is spoken, like `(1, 41)`.
    pub(crate) async fn api(&self) -> Result<(u32, u32), EngineError> {
        Ok(self.connection().await?.api)
    }

    /// Whether it is Podman, which does some things differently.
    pub(crate) async fn is_podman(&self) -> Result<bool, EngineError> {
        Ok(self.connection().await?.podman)
    }

    fn request(connection: &Connection, ask: Ask<'_>) -> RequestBuilder {
        let mut request = connection.client.request(ask.method, connection.url(&ask.path)).query(&ask.query);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        match ask.body {
            Some(body) => request.body(body),
            None => request,
        }
    }

    /// Sends it, and gives the answer whose body is still to be read. Bounded in time up to the answer's head.
    pub(crate) async fn open(&self, ask: Ask<'_>, limit: Option<Duration>) -> Result<Response, EngineError> {
        let connection = self.connection().await?;
        let sending = Self::request(&connection, ask).send();
        let sent = match limit {
            Some(limit) => tokio::time::timeout(limit, sending).await.map_err(|_| EngineError::Late(limit))?,
            None => sending.await,
        };
        let response = sent.map_err(|error| {
            let error = EngineError::from(error);
            if matches!(error, EngineError::Away(_)) {
                self.forget();
            }
            error
        })?;
        if response.status().is_success() || response.status() == http::StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(EngineError::refusal(response).await)
    }

    /// The answer as JSON; null if there is none.
    pub(crate) async fn json(&self, ask: Ask<'_>) -> Result<Value, EngineError> {
        let limit = self.settings.timeout;
        let reading = async {
            let bytes = self.patient_bytes(ask).await?;
            if bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok(Value::Null);
            }
            serde_json::from_slice(&bytes).map_err(|e| EngineError::Garbled(e.to_string()))
        };
        tokio::time::timeout(limit, reading).await.map_err(|_| EngineError::Late(limit))?
    }

    /// Podman fails to list what there is if something of it goes meanwhile. Then it is asked again.
    async fn patient_bytes(&self, ask: Ask<'_>) -> Result<Vec<u8>, EngineError> {
        for _ in 1..MOST_ASKED {
            let Some(again) = ask.again() else { break };
            match self.bytes(again, LARGEST).await {
                Err(error) if error.is_of_something_gone() && self.is_podman().await? => {}
                done => return done,
            }
        }
        self.bytes(ask, LARGEST).await
    }

    /// A list, of whose entries only these members are read.
    pub(crate) async fn list(&self, ask: Ask<'_>, members: &[&str]) -> Result<Vec<Value>, EngineError> {
        let limit = self.settings.timeout;
        let reading = tokio::time::timeout(limit, self.bytes(ask, LARGEST));
        let bytes = reading.await.map_err(|_| EngineError::Late(limit))??;
        picked::list(&bytes, members).map_err(|e| EngineError::Garbled(e.to_string()))
    }

    /// The answer as bytes, `most` of them.
    pub(crate) async fn bytes(&self, ask: Ask<'_>, most: usize) -> Result<Vec<u8>, EngineError> {
        let mut response = self.open(ask, None).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if bytes.len() + chunk.len() > most {
                return Err(EngineError::TooLarge(most));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The same, and nothing is expected back. True if something was done, false if it was so already.
    pub(crate) async fn act(&self, ask: Ask<'_>) -> Result<bool, EngineError> {
        let limit = self.settings.timeout;
        let acting = async {
            let response = self.open(ask, None).await?;
            Ok(response.status() != http::StatusCode::NOT_MODIFIED)
        };
        tokio::time::timeout(limit, acting).await.map_err(|_| EngineError::Late(limit))?
    }

    /// The address of a path and query that another client of the engine asks for, version and all; `None` if it is
    /// none.
    pub(crate) async fn url_of(&self, target: &str) -> Result<Option<Url>, EngineError> {
        let connection = self.connection().await?;
        Ok(Url::parse(&connection.raw_url(target)).ok())
    }

    /// Passes on what another client of the engine asks for, and gives whatever the engine answers.
    pub(crate) async fn relay(
        &self,
        method: Method,
        url: Url,
        headers: http::HeaderMap,
        body: reqwest::Body,
    ) -> Result<Response, EngineError> {
        let connection = self.connection().await?;
        Ok(connection.client.request(method, url).headers(headers).body(body).send().await?)
    }

    /// Objects as they come. Whoever reads them has a deadline: the first may be late.
    pub(crate) async fn lines(&self, ask: Ask<'_>) -> Result<JsonLines, EngineError> {
        Ok(JsonLines::of(self.open(ask, None).await?))
    }

    /// Output of a container as it comes. A terminal's is one stream. Whoever reads it has a deadline.
    pub(crate) async fn frames(&self, ask: Ask<'_>, terminal: bool) -> Result<Frames, EngineError> {
        Ok(Frames::of(self.open(ask, None).await?, terminal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_leaves_its_place_in_the_path() {
        assert_eq!(path(&["containers", "a/../b?x=1#y", "json"]), "/containers/a%2F..%2Fb%3Fx%3D1%23y/json");
        let image = crate::image::Image::parse("reg.example:5000/team/app:1.0").unwrap();
        assert_eq!(image_path(&image, "/json"), "/images/reg.example:5000/team/app:1.0/json");
    }
}
