//! The HTTP+SSE transport of 2024-11-05: messages come in by POST, everything goes out on one
//! stream.
//!
//! It has no session id in a header, only in an address. So it serves loopback callers, and others
//! only with a token, which every POST must show again.

use super::respond::{self, Answer, Refusal, Surface};
use super::{Arrival, ring};
use crate::duplex::{Duplex, Outgoing, Room};
use bytes::Bytes;
use futures_core::Stream;
use gate::{Front, Place};
use http::StatusCode;
use mcp::{Era, sse};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep};

/// All clients of this transport.
#[derive(Clone, Default)]
pub(crate) struct Connections(Arc<Mutex<HashMap<String, Connection>>>);

struct Connection {
    duplex: Arc<Duplex>,
    inbox: mpsc::Sender<(Bytes, Room)>,
    /// Among the sessions of its principal.
    _place: Place,
}

/// How many messages of one client may wait to be read.
const WAITING: usize = 64;

impl Connections {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A GET: opens the stream, whose first event says where to post.
    pub(crate) fn open(&self, arrival: &Arrival, most: usize, closing: watch::Receiver<bool>) -> Answer {
        if !arrival.accepts_events {
            return arrival.refused("not_acceptable", Refusal::NotAcceptable.into_response(Surface::Mcp));
        }
        let anonymous = arrival.principal.name.as_ref() == "anonymous";
        if anonymous && !arrival.address.is_loopback() {
            return arrival.refused("not_found", Refusal::NotFound.into_response(Surface::Mcp));
        }
        let Ok(id) = mcp::seal::random::<16>().map(|id| id.map(|b| format!("{b:02x}")).concat()) else {
            return Refusal::Unavailable.into_response(Surface::Mcp);
        };
        let (duplex, messages) = Duplex::new(
            arrival.guarded.clone(),
            Arc::clone(&arrival.principal),
            Some(arrival.address),
            Front::Sse,
            Some(Era::Legacy),
        );
        let (inbox, mut arriving) = mpsc::channel::<(Bytes, Room)>(WAITING);
        {
            let mut table = self.table();
            let place = arrival.guarded.gate().session_place(&arrival.principal).filter(|_| table.len() < most);
            let Some(place) = place else {
                return arrival.refused("sessions", Refusal::Unavailable.into_response(Surface::Mcp));
            };
            table.insert(id.clone(), Connection { duplex: Arc::clone(&duplex), inbox, _place: place });
        }
        let reading = tokio::spawn({
            let duplex = Arc::clone(&duplex);
            async move {
                while let Some((message, room)) = arriving.recv().await {
                    duplex.take(message, Some(room)).await;
                }
            }
        });
        let address = arrival.path.strip_suffix("/sse").unwrap_or_default();
        let endpoint = sse::event("endpoint", &format!("{address}/messages?session_id={id}"));
        respond::events(Out {
            endpoint: Some(endpoint),
            messages,
            keep_alive: Box::pin(tokio::time::sleep(ring::KEEP_ALIVE)),
            closing: Box::pin(ended(Arc::clone(&duplex), closing)),
            _owner: Owner { id, table: Arc::downgrade(&self.0), duplex, reading },
        })
    }

    /// A POST: a message of the client; its answer goes out on the stream.
    pub(crate) fn post(&self, arrival: &Arrival, query: Option<&str>, message: Bytes) -> Answer {
        let id = query.unwrap_or_default().split('&').find_map(|p| p.strip_prefix("session_id="));
        let table = self.table();
        let connection = id
            .and_then(|id| table.get(id))
            // Knowing the address is no right.
            .filter(|c| c.duplex.principal().name == arrival.principal.name)
            .filter(|c| c.duplex.destination() == arrival.guarded.destination());
        let Some(connection) = connection else {
            return arrival.refused("unknown_session", Refusal::NotFound.into_response(Surface::Mcp));
        };
        let room = connection.duplex.room_for(&message);
        match room.map(|room| connection.inbox.try_send((message, room))) {
            Some(Ok(())) => respond::empty(StatusCode::ACCEPTED),
            _ => arrival.refused(
                "limited",
                Refusal::Limited { retry_after: std::time::Duration::from_secs(1) }.into_response(Surface::Mcp),
            ),
        }
    }

    pub(crate) fn end_all(&self) {
        let all = std::mem::take(&mut *self.table());
        for connection in all.values() {
            connection.duplex.close();
        }
    }
}

/// Waits until the front is shut down, or the principal is not let in any more.
async fn ended(duplex: Arc<Duplex>, mut closing: watch::Receiver<bool>) {
    let mut reloads = duplex.gate().reloads();
    loop {
        tokio::select! {
            () = super::told(&mut closing) => return,
            reload = reloads.changed() => {
                if reload.is_err() || duplex.gate().still_admits(duplex.principal()).is_none() {
                    return;
                }
            }
        }
    }
}

/// Ends a connection when its stream is dropped.
struct Owner {
    id: String,
    table: Weak<Mutex<HashMap<String, Connection>>>,
    duplex: Arc<Duplex>,
    reading: tokio::task::JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.reading.abort();
        if let Some(table) = self.table.upgrade() {
            table.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        }
        self.duplex.close();
    }
}

struct Out {
    endpoint: Option<Bytes>,
    messages: mpsc::Receiver<Outgoing>,
    keep_alive: Pin<Box<Sleep>>,
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
    _owner: Owner,
}

impl Stream for Out {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(endpoint) = self.endpoint.take() {
            return Poll::Ready(Some(endpoint));
        }
        if let Poll::Ready(message) = self.messages.poll_recv(cx) {
            self.keep_alive.as_mut().reset(Instant::now() + ring::KEEP_ALIVE);
            let event = message.map(|m| [&b"event: message\ndata: "[..], &m.text, b"\n\n"].concat().into());
            return Poll::Ready(event);
        }
        if self.closing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if self.keep_alive.as_mut().poll(cx).is_ready() {
            self.keep_alive.as_mut().reset(Instant::now() + ring::KEEP_ALIVE);
            return Poll::Ready(Some(sse::KEEP_ALIVE));
        }
        Poll::Pending
    }
}
