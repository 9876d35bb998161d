//! MCP and REST over HTTP: both eras at the same addresses.
//!
//! What comes in passes, in this order: CORS (the outermost layer, so that a page can read a refusal), limits per
//! address, Host and Origin, the answer to a preflight, [`gate::Gate::admit`], whether the path leads anywhere, the
//! body within its limits. The version header and `_meta` tell the era.

mod address;
mod arrival;
mod body;
mod guard;
mod legacy;
mod modern;
mod patience;
mod place;
mod respond;
pub mod rest;
mod ring;
mod server;
mod sessions;
mod settings;
mod speech;
mod sse;
mod visit;

use crate::admin::Page;
use crate::frame;
use arrival::{Arrival, accepts};
use body::BadBody;
use gate::{Destination, Front, Gate, Principal};
pub use guard::{Guard, HostPattern};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use mcp::{Era, Incoming, Limits, Message, Revision};
use place::Place;
use respond::{Answer, Credentials, Refusal, Shown, Surface};
use rest::What;
pub use server::{Server, serve};
use sessions::Sessions;
pub use settings::{MetricsAccess, Settings};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;
use visit::Visit;

/// Carries the revision.
static VERSION: HeaderName = HeaderName::from_static(mcp::header::PROTOCOL_VERSION);

/// The HTTP front.
pub struct Http {
    gate: Arc<Gate>,
    settings: arc_swap::ArcSwap<Settings>,
    sessions: Arc<Sessions>,
    connections: sse::Connections,
    rest: rest::Rest,
    closing: watch::Sender<bool>,
}

impl Http {
    /// A front of this gate. Must be called within a Tokio runtime.
    pub fn new(gate: Arc<Gate>, settings: Settings) -> Arc<Self> {
        let sessions = Sessions::new(settings.session_idle, settings.most_sessions);
        Arc::new(Self {
            gate,
            settings: arc_swap::ArcSwap::from_pointee(settings),
            sessions,
            connections: sse::Connections::default(),
            rest: rest::Rest::default(),
            closing: watch::Sender::new(false),
        })
    }

    /// Puts other settings in force; those of sessions and of the address stay as they are.
    pub fn reload(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Answers one request.
    async fn handle(self: Arc<Self>, request: Request<hyper::body::Incoming>, peer: IpAddr) -> Answer {
        let settings = self.settings.load_full();
        let origin = request.headers().get(header::ORIGIN).cloned();
        let visit = Visit::of(&request, peer, &settings);
        let mut response = match self.let_in(&visit, &request) {
            Ok(principal) => self.serve(&visit, principal, request).await,
            Err(answer) => *answer,
        };
        if let Some(origin) = origin {
            settings.guard.cors(&origin, response.headers_mut(), visit.any_origin());
        }
        response
    }

    /// Who is let in, or the answer to who is not, and to what needs nobody to be.
    fn let_in(
        &self,
        visit: &Visit<'_>,
        request: &Request<hyper::body::Incoming>,
    ) -> Result<Arc<Principal>, Box<Answer>> {
        let (guard, headers, method) = (&visit.settings.guard, request.headers(), request.method());
        let refuse = |refusal| Box::new(self.refuse(visit, None, refusal));
        if let Some(Place::Admin(page)) = visit.place
            && !page.is_guarded()
        {
            return Err(Box::new(self.probe(visit, page, headers, method)));
        }
        self.arrives(visit.address).map_err(refuse)?;
        let is_metrics = matches!(visit.place, Some(Place::Admin(Page::Metrics)));
        let is_for_everybody = is_metrics && visit.settings.metrics == MetricsAccess::Everybody;
        // Whoever scrapes may come by any name: the token is what counts.
        if !(is_for_everybody || is_metrics && self.gate.asks_for_tokens()) {
            visit.check_names(request).map_err(refuse)?;
        }
        if let Some((status, headers)) = guard.preflight(method, headers, visit.any_origin()) {
            let mut response = respond::empty(status);
            *response.headers_mut() = headers;
            return Err(Box::new(response));
        }
        if is_for_everybody {
            return Err(Box::new(self.admin(Page::Metrics, None, method)));
        }
        // What a browser sends by itself counts only for the gateway's own pages.
        let is_own_page = !headers.contains_key(header::ORIGIN) || guard::is_same_origin(headers);
        match self.admit(headers, visit.allows(|rest| rest.takes_basic) && is_own_page) {
            // What is for everybody is for who is not let in, too; limits hold all the same.
            Err(Refusal::Unauthorized { .. }) if visit.is_public() => Ok(self.gate.anonymous()),
            admitted => admitted.map_err(refuse),
        }
    }

    /// Brings who was let in to what is asked for.
    async fn serve(
        self: &Arc<Self>,
        visit: &Visit<'_>,
        principal: Arc<Principal>,
        request: Request<hyper::body::Incoming>,
    ) -> Answer {
        let known = Arc::clone(&principal);
        let settings = visit.settings;
        let refuse = |refusal| self.refuse(visit, Some(&known), refusal);
        let Some(place) = &visit.place else { return refuse(Refusal::NotFound) };
        let destination = match place {
            Place::Admin(Page::Metrics) if settings.metrics == MetricsAccess::Nobody => {
                return refuse(Refusal::NotFound);
            }
            Place::Admin(page) => return self.admin(*page, Some(&principal), request.method()),
            Place::Mcp(to) | Place::Sse(to) | Place::Messages(to) | Place::Rest(rest::Place { to, .. }) => to.clone(),
        };
        // The page that asks for a token says nothing about who is there.
        let says_nothing = matches!(place, Place::Rest(place) if place.says_nothing());
        if let Destination::One(name) = &destination
            && !says_nothing
            && !self.gate.has(name, &principal)
        {
            return refuse(Refusal::NotFound);
        }
        let (parts, body) = request.into_parts();
        let (accepts_json, accepts_events) = accepts(&parts.headers);
        let arrival = Arrival {
            guarded: self.gate.guarded(destination),
            principal,
            address: visit.address,
            front: visit.front(),
            path: visit.path.trim_end_matches('/').to_owned(),
            headers: parts.headers,
            accepts_events,
        };
        match (place, parts.method) {
            (Place::Mcp(_), Method::POST) => {
                if !accepts_json && !accepts_events {
                    return refuse(Refusal::NotAcceptable);
                }
                match self.read(&arrival, body, settings).await {
                    Ok(bytes) => self.post(&arrival, bytes).await,
                    Err(refusal) => refuse(refusal),
                }
            }
            (Place::Mcp(_), method @ (Method::GET | Method::DELETE)) => {
                let version = arrival.headers.get(&VERSION).and_then(|v| v.to_str().ok());
                let modern = version.and_then(Revision::parse).is_some_and(|r| r.era() == Era::Modern);
                if modern && !legacy::names_session(&arrival.headers) {
                    return refuse(Refusal::Method { allow: "POST" });
                }
                if method == Method::GET {
                    legacy::get(&self.sessions, &arrival)
                } else {
                    legacy::delete(&self.sessions, &arrival)
                }
            }
            (Place::Mcp(_), _) => refuse(Refusal::Method { allow: "POST, GET, DELETE" }),
            (Place::Sse(_), Method::GET) => {
                self.connections.open(&arrival, settings.most_sessions, self.closing.subscribe())
            }
            (Place::Messages(_), Method::POST) => match self.read(&arrival, body, settings).await {
                Ok(bytes) => self.connections.post(&arrival, parts.uri.query(), bytes),
                Err(refusal) => refuse(refusal),
            },
            (Place::Rest(rest::Place { what: What::Tool(name), .. }), Method::POST) => {
                match self.read(&arrival, body, settings).await {
                    Ok(bytes) => self.rest.post(&arrival, name, bytes).await,
                    Err(refusal) => refuse(refusal),
                }
            }
            (Place::Rest(rest::Place { what: What::Tool(name), .. }), _) => {
                refuse(if self.rest.has(&arrival, name).await {
                    Refusal::Method { allow: "POST" }
                } else {
                    Refusal::NotFound
                })
            }
            (Place::Rest(rest::Place { what, .. }), Method::GET | Method::HEAD) => match &settings.rest {
                Some(rest) => self.rest.get(&arrival, what, rest).await,
                None => refuse(Refusal::NotFound),
            },
            (Place::Rest(_) | Place::Sse(_), _) => refuse(Refusal::Method { allow: "GET" }),
            (Place::Messages(_), _) => refuse(Refusal::Method { allow: "POST" }),
            (Place::Admin(_), _) => refuse(Refusal::NotFound),
        }
    }

    /// Answers what is not let in, or not taken, and writes it down.
    fn refuse(&self, visit: &Visit<'_>, who: Option<&Principal>, refusal: Refusal) -> Answer {
        let (address, path, reason) = (visit.address, &visit.path, refusal.reason());
        self.gate.refused(visit.front(), Some(address), who, path, reason);
        let response = refusal.into_response(visit.surface);
        tracing::info!(route = ?path, status = response.status().as_u16(), client = %address, reason, "refused");
        response
    }

    /// A page for probes: under any name and without a token. Who has one is told more.
    fn probe(&self, visit: &Visit<'_>, page: Page, headers: &HeaderMap, method: &Method) -> Answer {
        let named = visit.settings.guard.check_host(headers, None).is_ok();
        let who = if page == Page::Health && named {
            match self.arrives(visit.address).and_then(|()| self.admit(headers, false)) {
                Err(refused @ Refusal::Unauthorized { shown: Shown::Token, .. }) => {
                    self.gate.refused(Front::Http, Some(visit.address), None, &visit.path, refused.reason());
                    None
                }
                admitted => admitted.ok(),
            }
        } else {
            None
        };
        self.admin(page, who.as_ref(), method)
    }

    fn arrives(&self, address: IpAddr) -> Result<(), Refusal> {
        self.gate.arrives(address).map_err(|refusal| refused(refusal, &Credentials::of(None, false), false))
    }

    fn admit(&self, headers: &HeaderMap, takes_basic: bool) -> Result<Arc<Principal>, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let header = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        };
        let shown = Credentials::of(header, takes_basic);
        self.gate.admit(Front::Http, shown.token()).map_err(|refusal| refused(refusal, &shown, takes_basic))
    }

    async fn read(
        &self,
        arrival: &Arrival,
        body: hyper::body::Incoming,
        settings: &Settings,
    ) -> Result<bytes::Bytes, Refusal> {
        let kind = arrival.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        // Without a type, FastAPI reads JSON. A page in a browser could send that without a preflight,
        // but not without an Origin.
        let is_rest = arrival.front == Front::Rest && !arrival.headers.contains_key(header::ORIGIN);
        let (untyped, nothing) = (is_rest && kind.is_empty(), is_rest && http_body::Body::is_end_stream(&body));
        if arrival.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Refusal::MediaType);
        }
        let kind = kind.to_ascii_lowercase();
        let related = arrival.front == Front::Rest && kind.starts_with("application/") && kind.ends_with("+json");
        if !(kind == "application/json" || related || untyped || nothing) {
            return Err(Refusal::MediaType);
        }
        body::read(body, settings.body_limit, settings.body_deadline).await.map_err(|bad| match bad {
            BadBody::TooLarge => Refusal::TooLarge { limit: settings.body_limit },
            BadBody::TooSlow => Refusal::TooSlow,
            BadBody::Broken => Refusal::BrokenBody,
        })
    }

    async fn post(self: &Arc<Self>, arrival: &Arrival, bytes: bytes::Bytes) -> Answer {
        let version = arrival.headers.get(&VERSION).map(|v| v.to_str().unwrap_or_default());
        let named = version.map(Revision::parse);
        let incoming = match Incoming::parse(bytes, &Limits::INBOUND) {
            Ok(incoming) => incoming,
            Err(bad) => {
                return arrival.refused("invalid", respond::json(StatusCode::BAD_REQUEST, &frame::bad_message(&bad)));
            }
        };
        let enveloped = matches!(&incoming, Incoming::One(Message::Request { params, .. }) if crate::modern::has_envelope(params.as_ref()));
        let modern = match named {
            Some(Some(revision)) => revision.era() == Era::Modern || enveloped,
            // A version that nobody knows is one of a later day, unless it comes with a session.
            Some(None) => !legacy::names_session(&arrival.headers),
            None => enveloped,
        };
        if modern {
            modern::post(&self.sessions, arrival, incoming, self.closing.subscribe()).await
        } else {
            legacy::post(&self.sessions, arrival, incoming).await
        }
    }

    fn admin(&self, page: Page, who: Option<&Arc<Principal>>, method: &Method) -> Answer {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Refusal::Method { allow: "GET" }.into_response(Surface::Mcp);
        }
        let (status, kind, text) = page.render(&self.gate, who);
        let mut response = respond::empty(status);
        *response.body_mut() = text.into();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }

    /// Ends streams and sessions; running calls go on.
    fn close(&self) {
        self.closing.send_replace(true);
        self.connections.end_all();
        self.sessions.end_streams();
    }
}

/// Waits until a switch is on.
async fn told(switch: &mut watch::Receiver<bool>) {
    // Whoever held it is gone: that is as good as on.
    let _ = switch.wait_for(|on| *on).await;
}

fn refused(refusal: gate::Refusal, shown: &Credentials<'_>, takes_basic: bool) -> Refusal {
    match refusal {
        gate::Refusal::Unauthorized { .. } => Refusal::Unauthorized { shown: shown.kind(), takes_basic },
        gate::Refusal::Limited { retry_after } => Refusal::Limited { retry_after },
    }
}
