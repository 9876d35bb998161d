//! The modern era over HTTP: every POST stands alone, and closing it cancels.

use super::respond::{self, Answer, Refusal, Surface};
use super::sessions::Sessions;
use super::speech::Speech;
use super::{Arrival, ring};
use crate::frame;
use crate::modern::{self, Listening};
use futures_util::StreamExt as _;
use gate::{Asking, Event, Exchange};
use http::StatusCode;
use mcp::{Era, Error, Id, Incoming, Message, Method, Raw, Request, Revision, handshake, message, sse};
use std::sync::Arc;
use tokio::sync::watch;

/// A POST of the modern era.
pub(crate) async fn post(
    sessions: &Sessions,
    arrival: &Arrival,
    incoming: Incoming,
    closing: watch::Receiver<bool>,
) -> Answer {
    let (id, method, params) = match incoming {
        Incoming::One(Message::Request { id, method, params }) => (id, method, params),
        Incoming::One(Message::Notification { .. }) => return notification(arrival),
        _ => {
            let error = Error::InvalidRequest("the body must be one JSON-RPC request or notification".into());
            let answer = respond::failure(StatusCode::BAD_REQUEST, None, &error, Era::Modern);
            return arrival.refused(error.kind(), answer);
        }
    };
    match answer(sessions, arrival, &id, &method, params, closing).await {
        Ok(answer) => answer,
        // What the gate refused has its line.
        Err(Fault::Gate(error)) => failure(&id, &error),
        Err(Fault::Front(error)) => arrival.refused(error.kind(), failure(&id, &error)),
    }
}

fn failure(id: &Id, error: &Error) -> Answer {
    respond::failure(respond::status_of(error, Era::Modern), Some(id), error, Era::Modern)
}

/// Over HTTP this era has no notification that says anything; clients send some all the same.
fn notification(arrival: &Arrival) -> Answer {
    let version = arrival.header(mcp::header::PROTOCOL_VERSION);
    match version.first().and_then(|v| std::str::from_utf8(v).ok()) {
        Some(version) if Revision::parse(version).is_none() => {
            let error = Error::UnsupportedVersion { requested: version.chars().take(64).collect() };
            arrival.refused(error.kind(), respond::failure(StatusCode::BAD_REQUEST, None, &error, Era::Modern))
        }
        _ => respond::empty(StatusCode::ACCEPTED),
    }
}

/// Who refused a request.
enum Fault {
    /// The front, before the gate knew of it.
    Front(Error),
    Gate(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Front(error)
    }
}

async fn answer(
    sessions: &Sessions,
    arrival: &Arrival,
    id: &Id,
    method: &str,
    params: Option<Raw>,
    closing: watch::Receiver<bool>,
) -> Result<Answer, Fault> {
    let request = modern::read(method, params)?;
    let header = |name: &str| arrival.header(name);
    let capabilities = modern::check(&request, Some(&header))?;
    let exchange = Arc::new(Exchange {
        capabilities,
        log_level: request.meta.log_level,
        asking: Asking::ByRetry,
        trace: arrival.trace(request.meta.raw.as_ref()),
        ..arrival.alone(Era::Modern)
    });
    match request.method {
        Method::Discover => {
            // What the front answers itself goes through the gate like any other request: audit and limits.
            arrival.guarded.pass(request, &exchange).finish().await.map_err(Fault::Gate)?;
            let about = arrival.guarded.about(&arrival.principal).await.ok_or(Error::UnknownMethod(method.into()))?;
            Ok(respond::json(StatusCode::OK, &message::response(id, &handshake::discover_result(&about))))
        }
        Method::Listen => listen(sessions, arrival, id, request, &exchange, closing).await,
        _ => {
            arrival.guarded.check_mirrored(&exchange, &request, header)?;
            Ok(call(arrival, id, request, &exchange).await)
        }
    }
}

async fn call(arrival: &Arrival, id: &Id, request: Request, exchange: &Arc<Exchange>) -> Answer {
    let info = arrival.guarded.info(&arrival.principal);
    let method = request.method.to_string();
    let token = request.meta.progress_token.clone();
    let mut run = arrival.guarded.pass(request, exchange);
    let first = tokio::select! {
        event = run.next() => Some(event),
        () = tokio::time::sleep(ring::KEEP_ALIVE), if arrival.accepts_events => None,
    };
    let frame = {
        let (id, method, info) = (id.clone(), method.clone(), info.clone());
        move |event| {
            let message = match event {
                Event::Progress(params) => frame::progress(&params, token.as_ref()),
                Event::Log(params) => Some(frame::log(&params)),
                Event::Question(_) => None,
                Event::Done(reply) => Some(frame::modern_response(&id, &method, &reply, &info)),
            };
            message.map(|message| sse::message(None, &message))
        }
    };
    let Some(mut event) = first else {
        return respond::events(Speech { run, frame: Box::new(frame) }.stream(None));
    };
    loop {
        match event {
            Event::Done(Err(error)) => return failure(id, &error),
            Event::Done(reply) => {
                let body = frame::modern_response(id, &method, &reply, &info);
                return respond::json(StatusCode::OK, &body);
            }
            event if arrival.accepts_events => {
                return respond::events(Speech { run, frame: Box::new(frame) }.stream(Some(event)));
            }
            _ => {}
        }
        event = run.next().await;
    }
}

async fn listen(
    sessions: &Sessions,
    arrival: &Arrival,
    id: &Id,
    request: Request,
    exchange: &Arc<Exchange>,
    closing: watch::Receiver<bool>,
) -> Result<Answer, Fault> {
    if !arrival.accepts_events {
        return Ok(arrival.refused("not_acceptable", Refusal::NotAcceptable.into_response(Surface::Mcp)));
    }
    let mut listening = Listening::read(id, &request.params)?;
    arrival.guarded.pass(request, exchange).finish().await.map_err(Fault::Gate)?;
    let about = arrival
        .guarded
        .about(&arrival.principal)
        .await
        .ok_or_else(|| Error::UnknownMethod("subscriptions/listen".into()))?;
    listening.grant(&about.capabilities);
    listening.interest.uris = arrival.guarded.readable(&listening.interest.uris, exchange);
    sessions.make_room_to_watch(&arrival.principal);
    let changes = arrival.guarded.watch(listening.interest.clone(), exchange, false)?;
    arrival.guarded.settled(exchange).await;
    let first = sse::message(None, &listening.acknowledged());
    let (id, info) = (id.clone(), about.info.clone());
    let rest = futures_util::stream::unfold(Some((changes, listening, id, info, closing)), |state| async move {
        let (mut changes, listening, id, info, mut closing) = state?;
        loop {
            let change = tokio::select! {
                change = changes.next() => change,
                // The front is being shut down.
                () = super::told(&mut closing) => None,
                () = tokio::time::sleep(ring::KEEP_ALIVE) => {
                    return Some((sse::KEEP_ALIVE, Some((changes, listening, id, info, closing))));
                }
            };
            match change {
                Some(change) => {
                    if let Some(message) = listening.tell(&change) {
                        let event = sse::message(None, &message);
                        return Some((event, Some((changes, listening, id, info, closing))));
                    }
                }
                None => return Some((sse::message(None, &listening.ended(&id, &info)), None)),
            }
        }
    });
    let stream = futures_util::stream::once(std::future::ready(first)).chain(rest);
    Ok(respond::events(stream))
}
