//! The way of a Compose process to the engine: a socket of ours through which everything passes as it is, but for
//! what decides: no container is created or started that our own tools would not create or start.
//!
//! Compose decides by itself when it starts which container, perhaps minutes after it has created it. Here it is
//! decided at that moment, by what the engine itself says of the container, whatever Compose made of its file. And
//! what Compose made is known, so that it can be taken away again.

mod asked;
mod decide;
mod folder;
mod made;
mod peer;
mod tunnel;

use crate::dock::Dock;
use crate::fault::{self, Fault};
use crate::start;
use crate::tools::text;
use asked::{Asked, Kind};
use bytes::Bytes;
use folder::Private;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
pub(super) use made::Made;
use reqwest::{Body, Url};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tunnel::Tunnel;

/// Connections at a time. Compose has a few for each service that it works on.
const MOST_CONNECTIONS: usize = 256;
/// Bytes of a request that creates something, and of the answer to it.
const MOST_READ: usize = 4 << 20;

/// See the module. Dropping it ends it and all connections through it.
pub(super) struct Relay {
    place: Private,
    watch: Arc<Watch>,
    serving: JoinHandle<()>,
}

/// What was seen on the way.
struct Watch {
    dock: Arc<Dock>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Why something was not let through: the first reason.
    refused: Option<Fault>,
    made: Made,
}

impl Relay {
    pub(super) async fn open(dock: &Arc<Dock>) -> Result<Self, Fault> {
        let failed = |e: io::Error| Fault::new(format!("Compose cannot be given a way to the engine: {e}."));
        let safety = dock.safety().clone();
        let making = tokio::task::spawn_blocking(move || {
            let place = Private::new(&safety)?;
            let listener = std::os::unix::net::UnixListener::bind(place.socket())?;
            listener.set_nonblocking(true)?;
            Ok((place, listener))
        });
        let (place, listener) = making.await.map_err(|e| Fault::new(e.to_string()))?.map_err(failed)?;
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        let watch = Arc::new(Watch { dock: Arc::clone(dock), seen: Mutex::default() });
        let serving = tokio::spawn(serve(listener, Arc::clone(&watch)));
        Ok(Self { place, watch, serving })
    }

    /// What Compose is told of where the engine is.
    pub(super) fn host(&self) -> String {
        format!("unix://{}", self.place.socket().display())
    }

    /// Why something was not let through, and what was made until then.
    pub(super) fn seen(&self) -> (Option<Fault>, Made) {
        let seen = std::mem::take(&mut *self.watch.seen());
        (seen.refused, seen.made)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, watch: Arc<Watch>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = connection(stream, Arc::clone(&watch));
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection of Compose could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: UnixStream, watch: Arc<Watch>) {
    if !peer::is_ours(&stream).await {
        tracing::warn!("a process that is none of Compose's spoke to the socket that is for Compose alone");
        return;
    }
    let tunnel = Tunnel::default();
    let service = service_fn(|request| {
        let (watch, tunnel) = (Arc::clone(&watch), tunnel.clone());
        async move { Ok::<_, Infallible>(watch.answer(request, &tunnel).await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    if serving.await.is_ok() {
        tunnel.carry().await;
    }
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>, tunnel: &Tunnel) -> Response<Body> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        // Read as it is sent, so that what is decided is what the engine gets.
        let url = match self.dock.engine.url_of(target).await {
            Ok(Some(url)) => url,
            Ok(None) => return refusal(StatusCode::BAD_REQUEST, "this path cannot be read."),
            Err(error) => return refusal(StatusCode::BAD_GATEWAY, &error.to_string()),
        };
        let done = match Asked::read(request.method(), url.path()) {
            Asked::Create(kind) => self.create(kind, request, url).await,
            Asked::Start { container, verb } => self.start(&container, &verb, request, url).await,
            Asked::Connect { network } => match decide::joins(&self.dock, &network).await {
                Ok(()) => self.pass(request, url, tunnel).await,
                Err(fault) => Err(fault),
            },
            Asked::Build => match decide::build(&self.dock, &url).await {
                Ok(()) => self.pass(request, url, tunnel).await,
                Err(fault) => Err(fault),
            },
            Asked::Harmless => self.pass(request, url, tunnel).await,
            Asked::Other => {
                let what = format!("{} {}", request.method(), url.path());
                let shown: String = what.chars().take(200).collect();
                Err(Fault::refused(format!("Compose asked the engine for what it is not known to need ({shown}).")))
            }
        };
        done.unwrap_or_else(|fault| {
            let (status, why) = match &fault {
                Fault::Engine(error) => (error.status().unwrap_or(502), fault::sentence(error)),
                Fault::Said(why) | Fault::Refused(why) => (403, why.clone()),
                Fault::Protocol(error) => (500, error.to_string()),
            };
            if !matches!(fault, Fault::Engine(_)) {
                self.seen().refused.get_or_insert(fault);
            }
            refusal(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), &why)
        })
    }

    /// Starts it, if our own tools would start it.
    async fn start(
        &self,
        given: &str,
        verb: &str,
        request: Request<Incoming>,
        mut url: Url,
    ) -> Result<Response<Body>, Fault> {
        let found = self.dock.container(given).await?;
        let label = found.pointer("/Config/Labels/com.docker.compose.service").and_then(Value::as_str);
        let name = text(&found, "Name").trim_start_matches('/');
        let what = format!("the service {:?} is not started ({name})", label.unwrap_or("?"));
        start::check(&self.dock, &found).await.map_err(|fault| fault.about(&what))?;
        // By id: a name could belong to another one by now.
        let by_id = format!("/containers/{}/{verb}", text(&found, "Id"));
        let version = url.path().split("/containers/").next().unwrap_or_default().to_owned();
        url.set_path(&format!("{version}{by_id}"));
        self.pass(request, url, &Tunnel::default()).await
    }

    /// Creates it, if our own tools would create it, and remembers it.
    async fn create(&self, kind: Kind, request: Request<Incoming>, url: Url) -> Result<Response<Body>, Fault> {
        let (parts, body) = request.into_parts();
        let asked = read(Body::wrap(body)).await?;
        let value: Value = serde_json::from_slice(&asked)
            .map_err(|e| Fault::new(format!("what Compose asks for cannot be read: {e}.")))?;
        decide::created(&self.dock, kind, &value).await?;
        let is_new = match kind {
            Kind::Container | Kind::Network => true,
            Kind::Volume => decide::is_missing(&self.dock, text(&value, "Name")).await?,
        };
        let mut headers = end_to_end(parts.headers, false);
        headers.remove(CONTENT_LENGTH);
        // As it was read: of a member that is there twice, the engine might take the other one.
        let answer = self.dock.engine.relay(parts.method, url, headers, value.to_string().into()).await?;
        let (status, headers) = (answer.status(), end_to_end(answer.headers().clone(), false));
        let body = read(answer.into()).await?;
        if status.is_success() && is_new {
            self.seen().made.remember(kind, &value, &body);
        }
        Ok(response(status, headers, body.into()))
    }

    /// Passes it on, and what the engine says back.
    async fn pass(&self, mut request: Request<Incoming>, url: Url, tunnel: &Tunnel) -> Result<Response<Body>, Fault> {
        let wants_tunnel = request.headers().contains_key(UPGRADE);
        let ours = wants_tunnel.then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let headers = end_to_end(parts.headers, wants_tunnel);
        let body = if wants_tunnel { Body::default() } else { Body::wrap(body) };
        let answer = self.dock.engine.relay(parts.method, url, headers, body).await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(ours)) = (status, ours) {
            let theirs = answer.upgrade().await.map_err(crate::engine::EngineError::from)?;
            tunnel.set(ours, theirs);
            return Ok(response(status, end_to_end(headers, true), Body::default()));
        }
        Ok(response(status, end_to_end(headers, false), answer.into()))
    }
}

/// Headers that are not about one connection; with those that ask for another protocol on it, if it is to have one.
fn end_to_end(mut headers: HeaderMap, with_upgrade: bool) -> HeaderMap {
    headers.remove(HOST);
    headers.remove(TRANSFER_ENCODING);
    headers.remove(HeaderName::from_static("keep-alive"));
    if !with_upgrade {
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
    }
    headers
}

fn response(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// As the engine refuses.
fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let body = Bytes::from(json!({ "message": why }).to_string());
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, body.len().into());
    response(status, headers, body.into())
}

/// All of it, within bounds.
async fn read(body: Body) -> Result<Bytes, Fault> {
    use http_body_util::{BodyExt as _, Limited};
    let read = Limited::new(body, MOST_READ).collect().await;
    read.map(http_body_util::Collected::to_bytes)
        .map_err(|e| Fault::new(format!("what Compose and the engine say to each other cannot be read: {e}.")))
}

#[cfg(test)]
mod tests;
