//! MCP over HTTP: both eras at the same addresses.
//!
//! What comes in passes, in this order: CORS (the outermost layer, so that a page can read a
//! refusal), Host and Origin, [`gate::Gate::admit`], whether the path leads anywhere, the body within its
//! limits. The
//! version header and `_meta` tell the era.

mod body;
mod guard;
mod legacy;
mod modern;
mod patience;
mod respond;
pub mod rest;
mod ring;
mod server;
mod sessions;
mod speech;
mod sse;

use crate::frame;
use body::BadBody;
use gate::{Destination, Exchange, Front, Gate, Guarded, Principal};
use guard::Refused;
pub use guard::{Guard, HostPattern};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use ipnet::IpNet;
use mcp::{Era, Incoming, Limits, Message, Raw, Revision};
use respond::{Answer, Credentials, Refusal, Shown, Surface};
use rest::What;
pub use server::{Server, serve};
use sessions::Sessions;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Carries the revision.
static VERSION: HeaderName = HeaderName::from_static(mcp::header::PROTOCOL_VERSION);
/// W3C Trace Context.
static TRACE: [HeaderName; 2] = [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// How the HTTP front behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which hosts and origins are let in.
    pub guard: Guard,
    /// Peers whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// The largest body in bytes.
    pub body_limit: usize,
    /// How long a body may take to arrive.
    pub body_deadline: Duration,
    /// How long a legacy session may be idle.
    pub session_idle: Duration,
    /// How many legacy sessions there may be.
    pub most_sessions: usize,
    /// MCP is served at `/`, too.
    pub mcp_at_root: bool,
    /// How many connections there may be.
    pub most_connections: usize,
    /// Whether the legacy HTTP+SSE transport is served.
    pub sse: bool,
    /// How tools are served as REST, if they are.
    pub rest: Option<rest::Settings>,
    /// Who may read the metrics.
    pub metrics: MetricsAccess,
    /// How long running calls may take when the front is shut down.
    pub shutdown_grace: Duration,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MetricsAccess {
    Nobody,
    WithToken,
    Everybody,
}

impl Settings {
    /// Whether this is a proxy that speaks for others.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.contains(&peer.to_canonical()))
    }

    /// The defaults, for an address.
    pub fn new(bound: Option<IpAddr>) -> Self {
        Self {
            guard: Guard::new(bound, Vec::new(), Vec::new()),
            trusted_proxies: Vec::new(),
            body_limit: 4 * 1024 * 1024,
            body_deadline: Duration::from_secs(30),
            session_idle: Duration::from_secs(30 * 60),
            most_sessions: 10_000,
            mcp_at_root: false,
            most_connections: 10_000,
            sse: false,
            rest: None,
            metrics: MetricsAccess::WithToken,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// The HTTP front.
pub struct Http {
    gate: Arc<Gate>,
    settings: arc_swap::ArcSwap<Settings>,
    sessions: Arc<Sessions>,
    connections: sse::Connections,
    rest: rest::Rest,
    closing: watch::Sender<bool>,
}

/// A request that was let in.
pub(crate) struct Arrival {
    guarded: Guarded,
    principal: Arc<Principal>,
    address: IpAddr,
    /// REST, or one of MCP over HTTP.
    front: Front,
    path: String,
    headers: HeaderMap,
    accepts_events: bool,
}

impl Arrival {
    /// Writes down that something was refused although its sender was let in.
    fn note_refused(&self, reason: &'static str) {
        let gate = self.guarded.gate();
        gate.refused(self.front, Some(self.address), Some(&self.principal), &self.path, reason);
    }

    /// The same, with the answer to it.
    fn refused(&self, reason: &'static str, answer: Answer) -> Answer {
        self.note_refused(reason);
        answer
    }

    /// The circumstances of a request that stands alone.
    fn alone(&self, era: Era) -> Exchange {
        let principal = Arc::clone(&self.principal);
        Exchange::alone(self.guarded.gate(), principal, Some(self.address), self.front, era)
    }

    /// All values of a header.
    fn header(&self, name: &str) -> Vec<&[u8]> {
        self.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    /// Trace context from `_meta`, else from the headers (W3C Trace Context).
    fn trace(&self, meta: Option<&Raw>) -> Option<Raw> {
        let from_meta = |key: &str| meta.and_then(|m| m.get(key)).filter(|v| v.text().is_some());
        let from_header = |key: &HeaderName| self.headers.get(key).and_then(|v| v.to_str().ok()).map(Raw::of);
        let find = |key: &HeaderName| from_meta(key.as_str()).or_else(|| from_header(key));
        let [parent, state] = &TRACE;
        let found = find(parent)?;
        let members = [Some((parent.as_str(), found)), find(state).map(|value| (state.as_str(), value))];
        Some(Raw::object(members.iter().flatten().map(|(key, value)| (*key, value))))
    }
}

/// Where a path leads.
enum Place {
    Mcp(Destination),
    Sse(Destination),
    Messages(Destination),
    Rest(rest::Place),
    Admin(crate::admin::Page),
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
        let any_origin = settings.rest.as_ref().is_some_and(|rest| rest.any_origin)
            && matches!(self.place(request.uri().path(), &settings), Some(Place::Rest(_)));
        let mut response = self.answer(request, peer, &settings).await;
        if let Some(origin) = origin {
            settings.guard.cors(&origin, response.headers_mut(), any_origin);
        }
        response
    }

    async fn answer(
        self: &Arc<Self>,
        request: Request<hyper::body::Incoming>,
        peer: IpAddr,
        settings: &Settings,
    ) -> Answer {
        let address = client_address(peer, request.headers(), &settings.trusted_proxies);
        let path = request.uri().path().to_owned();
        let place = self.place(&path, settings);
        // Where REST is served, an address that leads nowhere is a tool that is not there.
        let surface = match place {
            Some(Place::Rest(_)) => Surface::Rest,
            None if settings.rest.is_some() => Surface::Rest,
            _ => Surface::Mcp,
        };
        let is_rest = |allows: fn(&rest::Settings) -> bool| {
            surface == Surface::Rest && settings.rest.as_ref().is_some_and(allows)
        };
        let (any_host, any_origin) = (is_rest(|rest| rest.any_host), is_rest(|rest| rest.any_origin));
        let refuse = |refusal| self.refuse(surface, address, None, &path, refusal);
        if let Some(Place::Admin(page)) = &place
            && !page.is_guarded()
        {
            let named = settings.guard.check_host(request.headers(), None).is_ok();
            let who = if *page == crate::admin::Page::Health && named {
                match self.arrives(address).and_then(|()| self.admit(request.headers(), false)) {
                    Err(refused @ Refusal::Unauthorized { shown: Shown::Token, .. }) => {
                        self.gate.refused(Front::Http, Some(address), None, &path, refused.reason());
                        None
                    }
                    admitted => admitted.ok(),
                }
            } else {
                None
            };
            return self.admin(*page, who.as_ref(), request.method());
        }
        if let Err(limited) = self.arrives(address) {
            return refuse(limited);
        }
        let is_metrics = matches!(place, Some(Place::Admin(crate::admin::Page::Metrics)));
        // Whoever scrapes may come by any name: the token is what counts.
        let is_token_enough = settings.metrics == MetricsAccess::Everybody || self.gate.asks_for_tokens();
        if !(is_metrics && is_token_enough) {
            let authority = request.uri().authority().map(http::uri::Authority::as_str);
            let guard = &settings.guard;
            let host = if any_host { Ok(()) } else { guard.check_host(request.headers(), authority) };
            // Where any host may be named, a page of that very host is no stranger.
            let own_page = any_host && guard::is_same_origin(request.headers());
            let origin = || if any_origin || own_page { Ok(()) } else { guard.check_origin(request.headers()) };
            let checked = host.and_then(|()| origin());
            if let Err(refused) = checked {
                return refuse(match refused {
                    Refused::Host(host) => {
                        tracing::warn!(client = %address, "Invalid Host header: {host}");
                        Refusal::Host
                    }
                    Refused::Origin => Refusal::Origin,
                });
            }
        }
        if let Some((status, headers)) = settings.guard.preflight(request.method(), request.headers(), any_origin) {
            let mut response = respond::empty(status);
            *response.headers_mut() = headers;
            return response;
        }
        if is_metrics && settings.metrics == MetricsAccess::Everybody {
            return self.admin(crate::admin::Page::Metrics, None, request.method());
        }
        let is_public = match (&place, &settings.rest) {
            (Some(Place::Rest(place)), Some(rest)) => place.is_public(rest),
            _ => false,
        };
        // What a browser sends by itself counts only for the gateway's own pages.
        let is_own_page = !request.headers().contains_key(header::ORIGIN) || guard::is_same_origin(request.headers());
        let takes_basic = is_rest(|rest| rest.takes_basic) && is_own_page;
        let principal = match self.admit(request.headers(), takes_basic) {
            Ok(principal) => principal,
            // What is for everybody is for who is not let in, too; limits hold all the same.
            Err(Refusal::Unauthorized { .. }) if is_public => self.gate.anonymous(),
            Err(refusal) => return refuse(refusal),
        };
        let known = Arc::clone(&principal);
        let refuse = |refusal| self.refuse(surface, address, Some(&known), &path, refusal);
        let (destination, place) = match place {
            None => return refuse(Refusal::NotFound),
            Some(Place::Admin(page)) => {
                if page == crate::admin::Page::Metrics && settings.metrics == MetricsAccess::Nobody {
                    return refuse(Refusal::NotFound);
                }
                return self.admin(page, Some(&principal), request.method());
            }
            Some(Place::Mcp(to)) => (to.clone(), Place::Mcp(to)),
            Some(Place::Sse(to)) => (to.clone(), Place::Sse(to)),
            Some(Place::Messages(to)) => (to.clone(), Place::Messages(to)),
            Some(Place::Rest(place)) => (place.to.clone(), Place::Rest(place)),
        };
        // The page that asks for a token says nothing about who is there.
        let says_nothing =
            matches!(&place, Place::Rest(rest::Place { what: What::Docs(_) | What::Asset(_) | What::Moved(_), .. }));
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
            address,
            front: if surface == Surface::Rest { Front::Rest } else { Front::Http },
            path: path.trim_end_matches('/').to_owned(),
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
                    Ok(bytes) => self.rest.post(&arrival, &name, bytes).await,
                    Err(refusal) => refuse(refusal),
                }
            }
            (Place::Rest(rest::Place { what: What::Tool(name), .. }), _) => {
                refuse(if self.rest.has(&arrival, &name).await {
                    Refusal::Method { allow: "POST" }
                } else {
                    Refusal::NotFound
                })
            }
            (Place::Rest(rest::Place { what, .. }), Method::GET | Method::HEAD) => match &settings.rest {
                Some(rest) => self.rest.get(&arrival, &what, rest).await,
                None => refuse(Refusal::NotFound),
            },
            (Place::Rest(_) | Place::Sse(_), _) => refuse(Refusal::Method { allow: "GET" }),
            (Place::Messages(_), _) => refuse(Refusal::Method { allow: "POST" }),
            (Place::Admin(_), _) => refuse(Refusal::NotFound),
        }
    }

    fn place(&self, path: &str, settings: &Settings) -> Option<Place> {
        if let Some(page) = crate::admin::Page::of(path) {
            return Some(Place::Admin(page));
        }
        self.mcp_place(path, settings)
            .or_else(|| settings.rest.as_ref().and_then(|rest| rest::Place::of(path, rest)).map(Place::Rest))
    }

    fn mcp_place(&self, path: &str, settings: &Settings) -> Option<Place> {
        let mut segments = path.trim_matches('/').split('/');
        let (first, second, rest) = (segments.next()?, segments.next(), segments.next());
        if rest.is_some() {
            return None;
        }
        let (to, last) = match second {
            None => (Destination::All, first),
            // No server is called that: these are tools with the names of other addresses.
            Some(_) if first == "tools" => return None,
            Some(last) => (Destination::One(first.into()), last),
        };
        match last {
            "mcp" => Some(Place::Mcp(to)),
            "" if settings.mcp_at_root && second.is_none() => Some(Place::Mcp(to)),
            "sse" if settings.sse => Some(Place::Sse(to)),
            "messages" if settings.sse => Some(Place::Messages(to)),
            _ => None,
        }
    }

    /// Answers what is not let in, or not taken, and writes it down.
    fn refuse(
        &self,
        surface: Surface,
        address: IpAddr,
        who: Option<&Principal>,
        path: &str,
        refusal: Refusal,
    ) -> Answer {
        let front = if surface == Surface::Rest { Front::Rest } else { Front::Http };
        let reason = refusal.reason();
        self.gate.refused(front, Some(address), who, path, reason);
        let response = refusal.into_response(surface);
        tracing::info!(route = ?path, status = response.status().as_u16(), client = %address, reason, "refused");
        response
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

    fn admin(&self, page: crate::admin::Page, who: Option<&Arc<Principal>>, method: &Method) -> Answer {
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

/// Whether the client accepts JSON, and whether it accepts events. Without a header: JSON.
fn accepts(headers: &HeaderMap) -> (bool, bool) {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return (true, false);
    }
    let (mut json, mut events) = (false, false);
    let refused = |kind: &&str| {
        kind.split(';').skip(1).any(|p| p.trim().strip_prefix("q=").and_then(|q| q.parse().ok()) == Some(0.0_f32))
    };
    for kind in values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).filter(|kind| !refused(kind)) {
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            // Who takes anything was not written for events.
            "*/*" | "application/*" | "application/json" => json = true,
            "text/event-stream" | "text/*" => events = true,
            _ => {}
        }
    }
    (json, events)
}

/// The caller's address: the peer's, or, if the peer is a trusted proxy, the last address in
/// `X-Forwarded-For` that is none.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let all: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .collect();
    let mut last = peer;
    for text in all.into_iter().rev() {
        let Some(address) = parse_address(text) else { return last };
        last = address;
        if !is_trusted(&address) {
            return address;
        }
    }
    last
}

fn parse_address(text: &str) -> Option<IpAddr> {
    let parsed = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()))
        .or_else(|| text.trim_matches(['[', ']']).parse().ok())?;
    Some(parsed.to_canonical())
}

fn refused(refusal: gate::Refusal, shown: &Credentials<'_>, takes_basic: bool) -> Refusal {
    match refusal {
        gate::Refusal::Unauthorized { .. } => Refusal::Unauthorized { shown: shown.kind(), takes_basic },
        gate::Refusal::Limited { retry_after } => Refusal::Limited { retry_after },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|v| (HeaderName::from_static(name), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_trusted_proxies_say_who_calls() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        let address = |peer: &str, forwarded: &[&'static str]| {
            client_address(peer.parse().unwrap(), &headers("x-forwarded-for", forwarded), &trusted).to_string()
        };
        assert_eq!(address("1.2.3.4", &["9.9.9.9"]), "1.2.3.4");
        assert_eq!(address("127.0.0.1", &["9.9.9.9"]), "9.9.9.9");
        assert_eq!(address("127.0.0.1", &["6.6.6.6, 9.9.9.9, 10.1.1.1"]), "9.9.9.9");
        assert_eq!(address("127.0.0.1", &["6.6.6.6", "10.2.2.2"]), "6.6.6.6");
        assert_eq!(address("127.0.0.1", &["nonsense"]), "127.0.0.1");
        assert_eq!(address("127.0.0.1", &["9.9.9.9, nonsense"]), "127.0.0.1");
        assert_eq!(address("::ffff:127.0.0.1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(address("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn events_are_sent_only_to_who_asks_for_them() {
        for (values, expected) in [
            (vec![], (true, false)),
            (vec!["*/*"], (true, false)),
            (vec!["application/json"], (true, false)),
            (vec!["application/json, text/event-stream"], (true, true)),
            (vec!["application/json", "text/event-stream;q=0.5"], (true, true)),
            (vec!["text/event-stream"], (false, true)),
            (vec!["text/html"], (false, false)),
        ] {
            assert_eq!(accepts(&headers("accept", &values)), expected, "{values:?}");
        }
    }
}
