//! The legacy era over HTTP: sessions, streams that can be resumed, requests of the server.

use super::respond::{self, Answer, Refusal, Surface};
use super::sessions::{HttpSession, Sessions};
use super::{Arrival, ring};
use crate::frame;
use crate::session::Running;
use futures_util::future::join_all;
use gate::{Event, Exchange, Run};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use mcp::{BadMessage, Change, Era, Error, Id, Incoming, Message, Method, Raw, Request, Revision, handshake, message};
use std::sync::Arc;

/// Carries the sealed id of a session.
pub(crate) static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// A POST of the legacy era.
pub(crate) async fn post(sessions: &Arc<Sessions>, arrival: &Arrival, incoming: Incoming) -> Answer {
    let session = match find_session(sessions, arrival) {
        Ok(session) => session,
        Err(unknown) => return unknown.into_response(),
    };
    let revision = match revision(arrival, session.as_deref()) {
        Ok(revision) => revision,
        Err(error) => {
            return arrival
                .refused("unsupported_version", respond::failure(StatusCode::BAD_REQUEST, None, &error, Era::Legacy));
        }
    };
    match incoming {
        Incoming::One(Message::Request { id, method, params }) => {
            if method == Method::Initialize.as_str() {
                return initialize(sessions, arrival, &id, params).await;
            }
            let request = match Request::read(&method, params) {
                Ok(request) => request,
                Err(error) => return arrival.refused(error.kind(), failure(&id, &error)),
            };
            match session {
                Some(session) => in_session(&session, arrival, id, request).await,
                None => alone(arrival, &id, request).await,
            }
        }
        Incoming::One(one) => {
            take(session.as_deref(), arrival, one);
            respond::empty(StatusCode::ACCEPTED)
        }
        Incoming::Batch(_) if !revision.has_batches() => {
            let error = Error::InvalidRequest(format!("revision {revision} has no batches"));
            arrival.refused(error.kind(), respond::failure(StatusCode::BAD_REQUEST, None, &error, Era::Legacy))
        }
        Incoming::Batch(entries) => batch(session.as_ref(), arrival, entries).await,
    }
}

fn failure(id: &Id, error: &Error) -> Answer {
    respond::failure(respond::status_of(error, Era::Legacy), Some(id), error, Era::Legacy)
}

/// There is no such session, or it is somebody else's.
struct UnknownSession;

impl UnknownSession {
    fn into_response(self) -> Answer {
        let error = Error::InvalidRequest("Session not found".into());
        respond::failure(StatusCode::NOT_FOUND, None, &error, Era::Legacy)
    }
}

fn find_session(sessions: &Arc<Sessions>, arrival: &Arrival) -> Result<Option<Arc<HttpSession>>, UnknownSession> {
    let Some(sealed) = arrival.headers.get(&SESSION) else { return Ok(None) };
    let sealed = sealed.to_str().unwrap_or_default();
    sessions.find(&arrival.guarded, &arrival.path, &arrival.principal, sealed).map(Some).ok_or_else(|| {
        arrival.note_refused("unknown_session");
        UnknownSession
    })
}

fn revision(arrival: &Arrival, session: Option<&HttpSession>) -> Result<Revision, Error> {
    match arrival.headers.get(&super::VERSION) {
        None => Ok(session.map_or(Revision::WITHOUT_HEADER, |s| s.core.revision)),
        Some(header) => {
            let text = header.to_str().unwrap_or_default();
            Revision::parse(text)
                .ok_or_else(|| Error::UnsupportedVersion { requested: text.chars().take(64).collect() })
        }
    }
}

async fn initialize(sessions: &Arc<Sessions>, arrival: &Arrival, id: &Id, params: Option<Raw>) -> Answer {
    let hello = match handshake::Hello::read(&params.unwrap_or_else(Raw::empty_object)) {
        Ok(hello) => hello,
        Err(error) => return arrival.refused(error.kind(), failure(id, &error)),
    };
    // Through the gate like any other request: audit and limits.
    let asked = Request::ours(Method::Initialize, Raw::empty_object());
    if let Err(error) = arrival.guarded.pass(asked, &stateless(arrival)).finish().await {
        return failure(id, &error);
    }
    let Some(about) = arrival.guarded.about(&arrival.principal).await else {
        return Refusal::NotFound.into_response(Surface::Mcp);
    };
    let opened =
        sessions.open(&arrival.guarded, &arrival.path, &arrival.principal, hello.revision, &hello.capabilities);
    let Some(sealed) = opened else {
        return arrival.refused("sessions", Refusal::Unavailable.into_response(Surface::Mcp));
    };
    tracing::debug!(client = ?hello.client.name, version = ?hello.client.version, revision = %hello.revision, "a session was opened");
    let result = handshake::initialize_result(hello.revision, &about);
    let mut response = respond::json(StatusCode::OK, &message::response(id, &result));
    if let Ok(value) = HeaderValue::try_from(sealed) {
        response.headers_mut().insert(&SESSION, value);
    }
    response
}

/// The circumstances of a request without a session: nobody can be asked or told anything.
fn stateless(arrival: &Arrival) -> Arc<Exchange> {
    Arc::new(Exchange { trace: arrival.trace(None), ..arrival.alone(Era::Legacy) })
}

/// A request without a session. With nobody to come back for the answer, a disconnect ends it.
async fn alone(arrival: &Arrival, id: &Id, request: Request) -> Answer {
    let method = request.method.clone();
    let mut run = arrival.guarded.pass(request, &stateless(arrival));
    json(id, method.as_str(), run.finish().await)
}

fn json(id: &Id, method: &str, reply: Result<gate::Reply, Error>) -> Answer {
    match &reply {
        Err(error) => failure(id, error),
        Ok(_) => respond::json(StatusCode::OK, &frame::legacy_response(id, method, &reply)),
    }
}

async fn in_session(session: &Arc<HttpSession>, arrival: &Arrival, id: Id, request: Request) -> Answer {
    let core = &session.core;
    let Some(running) = core.begin(&id) else {
        let error = Error::InvalidRequest("a request with this id is under way, or there are too many".into());
        return arrival.refused(error.kind(), failure(&id, &error));
    };
    let trace = arrival.trace(request.meta.raw.as_ref());
    let exchange = core.exchange(Arc::clone(&arrival.principal), Some(arrival.address), trace, arrival.accepts_events);
    let run = arrival.guarded.pass(request.clone(), &exchange);
    let mut conduct =
        Conduct { session: Arc::clone(session), running: Some(running), run: Some(run), id, request, exchange };
    let first = tokio::select! {
        event = conduct.next() => event,
        () = tokio::time::sleep(ring::KEEP_ALIVE), if arrival.accepts_events => Step::Silence,
    };
    let mut step = match first {
        Step::Event(event) if arrival.accepts_events => return conduct.stream(Some(event)),
        Step::Silence => return conduct.stream(None),
        step => step,
    };
    loop {
        match step {
            Step::Done(reply) => return conduct.respond(reply).await,
            Step::Event(_) | Step::Silence => step = conduct.next().await,
        }
    }
}

/// A request of a session under way. If the connection breaks, it goes on: in this era only the
/// notification cancels.
struct Conduct {
    session: Arc<HttpSession>,
    running: Option<Running>,
    run: Option<Run>,
    id: Id,
    request: Request,
    exchange: Arc<Exchange>,
}

enum Step {
    Event(Event),
    Done(Result<gate::Reply, Error>),
    Silence,
}

impl Conduct {
    async fn next(&mut self) -> Step {
        let (Some(run), Some(running)) = (&mut self.run, &self.running) else { return Step::Silence };
        let event = tokio::select! {
            biased;
            () = running.cancelled() => Event::Done(Err(Error::Cancelled)),
            event = run.next() => event,
        };
        match event {
            Event::Done(reply) => {
                self.run = None;
                self.running = None;
                Step::Done(reply)
            }
            event => Step::Event(event),
        }
    }

    /// The response that is no stream.
    async fn respond(&mut self, reply: Result<gate::Reply, Error>) -> Answer {
        let reply = settled(&self.session, &self.request, &self.exchange, reply).await;
        json(&self.id, self.request.method.as_str(), reply)
    }

    /// Turns the answer into a stream that a task of the session feeds.
    fn stream(mut self, first: Option<Event>) -> Answer {
        let ring = self.session.open_stream();
        let primed = self.session.core.revision >= Revision::V2025_11_25;
        let reader = ring.read(None, primed);
        let (Some(mut run), Some(running)) = (self.run.take(), self.running.take()) else {
            ring.end();
            return respond::events(reader);
        };
        let session = Arc::clone(&self.session);
        let (id, request, exchange) = (self.id.clone(), self.request.clone(), Arc::clone(&self.exchange));
        self.session.core.spawn(async move {
            let token = request.meta.progress_token.clone();
            let mut next = first;
            loop {
                let event = match next.take() {
                    Some(event) => event,
                    None => tokio::select! {
                        biased;
                        () = running.cancelled() => Event::Done(Err(Error::Cancelled)),
                        event = run.next() => event,
                    },
                };
                if let Event::Done(reply) = event {
                    let reply = settled(&session, &request, &exchange, reply).await;
                    ring.push(&frame::legacy_response(&id, request.method.as_str(), &reply));
                    ring.end();
                    return;
                }
                if let Some(message) = frame::legacy(running.session(), event, token.as_ref()) {
                    ring.push(&message);
                }
            }
        });
        respond::events(reader)
    }
}

impl Drop for Conduct {
    fn drop(&mut self) {
        let (Some(mut run), Some(running)) = (self.run.take(), self.running.take()) else { return };
        // The client is gone before it had anything to come back with.
        self.session.core.spawn(async move {
            tokio::select! {
                () = running.cancelled() => {}
                _ = run.finish() => {}
            }
        });
    }
}

/// The reply, once what it changes about the session is in force.
async fn settled(
    session: &Arc<HttpSession>,
    request: &Request,
    exchange: &Exchange,
    reply: Result<gate::Reply, Error>,
) -> Result<gate::Reply, Error> {
    session.core.settled(request, exchange, general(session), reply).await
}

/// Takes messages to the session's own stream. Whoever holds the stream counts as a reader of it.
fn general(session: &HttpSession) -> impl crate::session::Tell {
    let general = Arc::downgrade(&session.general);
    move |message: Raw| {
        let told = general.upgrade().map(|general| general.push(&message)).is_some();
        Box::pin(std::future::ready(told)) as std::pin::Pin<Box<dyn Future<Output = bool> + Send>>
    }
}

/// A message that is no request.
fn take(session: Option<&HttpSession>, arrival: &Arrival, message: Message) {
    let Some(session) = session else { return };
    match message {
        Message::Response { id, outcome } => {
            session.core.answer(&id, outcome);
        }
        Message::Notification { method, params } => {
            let exchange = session.core.exchange(Arc::clone(&arrival.principal), Some(arrival.address), None, true);
            session.core.note(&method, params, &exchange);
        }
        Message::Request { .. } | Message::Failure { .. } => {}
    }
}

/// Several messages at once (2025-03-26). Each passes the gate by itself, and goes on if the
/// connection breaks.
async fn batch(
    session: Option<&Arc<HttpSession>>,
    arrival: &Arrival,
    entries: Vec<Result<Message, BadMessage>>,
) -> Answer {
    let answering = entries.into_iter().map(|entry| async {
        match entry {
            Ok(Message::Request { id, method, params }) => {
                let request = match Request::read(&method, params) {
                    Ok(request) if request.method == Method::Initialize => {
                        Err(Error::InvalidRequest("`initialize` must not be part of a batch".into()))
                    }
                    other => other,
                };
                let reply = match (request, session) {
                    (Ok(request), Some(session)) => entry_of_session(session, arrival, &id, request).await,
                    (Ok(request), None) => arrival.guarded.pass(request, &stateless(arrival)).finish().await,
                    (Err(error), _) => Err(error),
                };
                Some(frame::legacy_response(&id, &method, &reply))
            }
            Ok(other) => {
                take(session.map(AsRef::as_ref), arrival, other);
                None
            }
            Err(bad) => Some(frame::bad_message(&bad)),
        }
    });
    let answers: Vec<Raw> = join_all(answering).await.into_iter().flatten().collect();
    if answers.is_empty() {
        return respond::empty(StatusCode::ACCEPTED);
    }
    respond::json(StatusCode::OK, &Raw::array(&answers))
}

/// One request of a batch, as a task of the session.
async fn entry_of_session(
    session: &Arc<HttpSession>,
    arrival: &Arrival,
    id: &Id,
    request: Request,
) -> Result<gate::Reply, Error> {
    let in_use = || Error::InvalidRequest("a request with this id is under way, or there are too many".into());
    let running = session.core.begin(id).ok_or_else(in_use)?;
    let exchange = session.core.exchange(Arc::clone(&arrival.principal), Some(arrival.address), None, false);
    let mut run = arrival.guarded.pass(request.clone(), &exchange);
    let (done, ended) = tokio::sync::oneshot::channel();
    let owner = Arc::clone(session);
    session.core.spawn(async move {
        let reply = tokio::select! {
            biased;
            () = running.cancelled() => Err(Error::Cancelled),
            reply = run.finish() => reply,
        };
        drop(running);
        let reply = settled(&owner, &request, &exchange, reply).await;
        // The client may be gone.
        let _ = done.send(reply);
    });
    ended.await.unwrap_or(Err(Error::Cancelled))
}

/// A GET: the session's own stream, or a stream to go on with.
pub(crate) fn get(sessions: &Arc<Sessions>, arrival: &Arrival) -> Answer {
    if !arrival.accepts_events {
        return arrival.refused("not_acceptable", Refusal::NotAcceptable.into_response(Surface::Mcp));
    }
    let session = match find_session(sessions, arrival) {
        Ok(Some(session)) => session,
        Ok(None) => {
            let error = Error::InvalidRequest("Missing session ID".into());
            return arrival.refused("no_session", respond::failure(StatusCode::BAD_REQUEST, None, &error, Era::Legacy));
        }
        Err(unknown) => return unknown.into_response(),
    };
    let primed = session.core.revision >= Revision::V2025_11_25;
    let last = arrival.headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(ring::parse_event_id);
    if let Some((number, seq)) = last
        && number != ring::GENERAL
        && let Some(stream) = session.stream(number)
    {
        return respond::events(stream.read(Some(seq), false));
    }
    let exchange = session.core.exchange(Arc::clone(&arrival.principal), Some(arrival.address), None, false);
    sessions.make_room_to_watch(&arrival.principal);
    session.core.watch_lists(&exchange, general(&session));
    // Before what was missed is told, so that it is read.
    let reader = match last {
        Some((ring::GENERAL, seq)) => session.general.read(Some(seq), false),
        _ => session.general.read_on(primed),
    };
    if session.has_missed() {
        let updated = session.core.interest().uris.into_iter().map(Change::Updated);
        for change in [Change::Tools, Change::Prompts, Change::Resources].into_iter().chain(updated) {
            if let Some((method, params)) = gate::notification(&change) {
                session.general.push(&message::notification(method, params.as_ref()));
            }
        }
    }
    respond::events(reader)
}

/// A DELETE: the client ends its session.
pub(crate) fn delete(sessions: &Arc<Sessions>, arrival: &Arrival) -> Answer {
    match find_session(sessions, arrival) {
        Ok(Some(session)) => {
            sessions.remove(&session);
            respond::empty(StatusCode::NO_CONTENT)
        }
        Ok(None) => {
            let error = Error::InvalidRequest("Missing session ID".into());
            arrival.refused("no_session", respond::failure(StatusCode::BAD_REQUEST, None, &error, Era::Legacy))
        }
        Err(unknown) => unknown.into_response(),
    }
}

/// Whether the headers name a session.
pub(crate) fn names_session(headers: &HeaderMap) -> bool {
    headers.contains_key(&SESSION)
}
