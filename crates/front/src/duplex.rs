//! One client on a pair of message streams: stdio, and the legacy HTTP+SSE transport. Both eras
//! where the transport has both.

use crate::frame;
use crate::modern::{self, Listening};
use crate::session::{Running, Session};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use gate::{Asking, Event, Exchange, Front, Guarded, Principal};
use mcp::{
    BadMessage, Capabilities, Era, Error, ErrorObject, Id, Incoming, Limits, Message, Method, Raw, Request, Revision,
    error::code, handshake, message,
};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

/// How many messages wait for a client that reads slowly, before the calls wait as well.
pub(crate) const WAITING: usize = 256;
/// How many KiB of messages of one client are under way, and how many wait for it to read them. One
/// message may be larger than all of it.
const MOST_KIB: u32 = 16 * 1024;

/// A message that waits to be written. What it takes of the room is given back when it is dropped.
pub(crate) struct Outgoing {
    pub(crate) text: Bytes,
    _room: Room,
}

/// A part of the room for messages.
pub(crate) struct Room(#[allow(dead_code, reason = "dropping it is what it is for")] OwnedSemaphorePermit);

fn kib(text: &Bytes) -> u32 {
    u32::try_from(text.len() / 1024 + 1).unwrap_or(MOST_KIB).min(MOST_KIB)
}

/// The way to the client.
#[derive(Clone)]
struct Out {
    queue: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
}

impl Out {
    /// False if the client is gone.
    async fn send(&self, text: Bytes) -> bool {
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(kib(&text)).await else { return false };
        self.queue.send(Outgoing { text, _room: Room(room) }).await.is_ok()
    }
}

pub(crate) struct Duplex {
    guarded: Guarded,
    principal: Arc<Principal>,
    address: Option<IpAddr>,
    front: Front,
    /// The only era that is spoken, if it is one only.
    only: Option<Era>,
    out: Out,
    /// For what came in, until it is answered.
    taken: Arc<Semaphore>,
    /// What `initialize` made; before it, a session that can be asked nothing.
    session: Mutex<Arc<Session>>,
    calls: Mutex<JoinSet<()>>,
}

impl Duplex {
    pub(crate) fn new(
        guarded: Guarded,
        principal: Arc<Principal>,
        address: Option<IpAddr>,
        front: Front,
        only: Option<Era>,
    ) -> (Arc<Self>, mpsc::Receiver<Outgoing>) {
        let (queue, messages) = mpsc::channel(WAITING);
        let room = || Arc::new(Semaphore::new(MOST_KIB as usize));
        let session = Session::new(
            name(&guarded),
            Arc::clone(&principal),
            Revision::WITHOUT_HEADER,
            Capabilities::none(),
            front,
            guarded.clone(),
        );
        let duplex = Self {
            guarded,
            principal,
            address,
            front,
            only,
            out: Out { queue, room: room() },
            taken: room(),
            session: Mutex::new(session),
            calls: Mutex::default(),
        };
        (Arc::new(duplex), messages)
    }

    fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The gate it leads through.
    pub(crate) fn gate(&self) -> &gate::Gate {
        self.guarded.gate()
    }

    /// Where it leads.
    pub(crate) fn destination(&self) -> &gate::Destination {
        self.guarded.destination()
    }

    /// The principal that opened it.
    pub(crate) const fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    async fn send(&self, message: &Raw) {
        // A client that is gone reads nothing.
        self.out.send(message.single_line()).await;
    }

    /// Sends a message that answers nothing.
    pub(crate) async fn tell(&self, message: &Raw) {
        self.send(message).await;
    }

    /// Writes down that something was refused before it came to the gate.
    fn note_refused(&self, reason: &'static str) {
        self.gate().refused(self.front, self.address, Some(&self.principal), "", reason);
    }

    /// Runs a call of this client.
    fn spawn(&self, call: impl Future<Output = ()> + Send + 'static) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while calls.try_join_next().is_some() {}
        calls.spawn(call);
    }

    /// Room for a message of the client, if there is some.
    pub(crate) fn room_for(&self, text: &Bytes) -> Option<Room> {
        Arc::clone(&self.taken).try_acquire_many_owned(kib(text)).ok().map(Room)
    }

    /// Takes one message, or several where the revision allows that. `room` is given back when it is
    /// answered.
    pub(crate) async fn take(self: &Arc<Self>, text: Bytes, room: Option<Room>) {
        match Incoming::parse(text, &Limits::INBOUND) {
            Err(bad) => {
                self.note_refused("invalid");
                self.send(&frame::bad_message(&bad)).await;
            }
            Ok(Incoming::One(message)) => self.one(message, room).await,
            Ok(Incoming::Batch(entries)) => {
                let revision = self.session().revision;
                if revision.has_batches() && self.only != Some(Era::Modern) {
                    let this = Arc::clone(self);
                    self.spawn(async move {
                        this.batch(entries).await;
                        drop(room);
                    });
                } else {
                    self.note_refused("invalid_request");
                    let error = ErrorObject::new(code::INVALID_REQUEST, &format!("revision {revision} has no batches"));
                    self.send(&message::failure(None, &error)).await;
                }
            }
        }
    }

    async fn one(self: &Arc<Self>, message: Message, room: Option<Room>) {
        match message {
            Message::Request { id, method, params } => self.request(id, &method, params, room).await,
            Message::Notification { method, params } => {
                if method == Method::Initialized.as_str() {
                    self.watch_lists();
                }
                let session = self.session();
                session.note(&method, params, &self.legacy_exchange(&session, true));
            }
            Message::Response { id, outcome } => {
                self.session().answer(&id, outcome);
            }
            Message::Failure { error } => {
                tracing::debug!(message = error.message(), "the client could not read a message of ours");
            }
        }
    }

    async fn request(self: &Arc<Self>, id: Id, method: &str, params: Option<Raw>, room: Option<Room>) {
        let enveloped = modern::has_envelope(params.as_ref()) && method != Method::Initialize.as_str();
        let era = match self.only {
            Some(era) => era,
            None if enveloped => Era::Modern,
            None => Era::Legacy,
        };
        let failed = async |error: Error| {
            self.note_refused(error.kind());
            self.send(&message::failure(Some(&id), &error.to_jsonrpc(era))).await;
        };
        if era == Era::Legacy && method == Method::Initialize.as_str() {
            return self.initialize(&id, params).await;
        }
        if era == Era::Modern && method == Method::Initialize.as_str() {
            let requested = params.and_then(|p| p.get_text("protocolVersion")).unwrap_or_default();
            return failed(Error::UnsupportedVersion { requested }).await;
        }
        let read = if era == Era::Modern { modern::read(method, params) } else { Request::read(method, params) };
        let request = match read {
            Ok(request) => request,
            Err(error) => return failed(error).await,
        };
        let Some(running) = self.session().begin(&id) else {
            let text = "a request with this id is under way, or there are too many";
            return failed(Error::InvalidRequest(text.into())).await;
        };
        let this = Arc::clone(self);
        self.spawn(async move {
            match era {
                Era::Legacy => this.legacy(&running, &id, request).await,
                Era::Modern => this.modern(&running, &id, request).await,
            }
            drop(room);
        });
    }

    async fn initialize(self: &Arc<Self>, id: &Id, params: Option<Raw>) {
        let result = async {
            let hello = handshake::Hello::read(&params.unwrap_or_else(Raw::empty_object))?;
            let exchange = self.legacy_exchange(&self.session(), false);
            // Like any other request: audit and limits.
            let asked = Request::ours(Method::Initialize, Raw::empty_object());
            self.guarded.pass(asked, &exchange).finish().await?;
            let about = self.guarded.about(&self.principal).await;
            let about = about.ok_or_else(|| Error::UnknownMethod(Method::Initialize.to_string()))?;
            let session = Session::new(
                name(&self.guarded),
                Arc::clone(&self.principal),
                hello.revision,
                hello.capabilities,
                self.front,
                self.guarded.clone(),
            );
            let before = std::mem::replace(&mut *self.session.lock().unwrap_or_else(PoisonError::into_inner), session);
            before.close();
            Ok::<_, Error>(handshake::initialize_result(hello.revision, &about))
        };
        let response = match result.await {
            Ok(result) => message::response(id, &result),
            Err(error) => message::failure(Some(id), &error.to_jsonrpc(Era::Legacy)),
        };
        self.send(&response).await;
    }

    fn legacy_exchange(&self, session: &Session, can_ask: bool) -> Arc<Exchange> {
        let current = self.guarded.gate().still_admits(&self.principal).unwrap_or_else(|| Arc::clone(&self.principal));
        session.exchange(current, self.address, None, can_ask)
    }

    async fn legacy(self: Arc<Self>, running: &Running, id: &Id, request: Request) {
        let session = running.session();
        let exchange = self.legacy_exchange(session, true);
        let mut run = self.guarded.pass(request.clone(), &exchange);
        let token = request.meta.progress_token.clone();
        loop {
            let event = tokio::select! {
                biased;
                // Who cancelled does not want an answer.
                () = running.cancelled() => return,
                event = run.next() => event,
            };
            match event {
                Event::Done(reply) => {
                    let reply = session.settled(&request, &exchange, self.teller(), reply).await;
                    return self.send(&frame::legacy_response(id, request.method.as_str(), &reply)).await;
                }
                event => {
                    if let Some(message) = frame::legacy(session, event, token.as_ref()) {
                        self.send(&message).await;
                    }
                }
            }
        }
    }

    async fn modern(self: Arc<Self>, running: &Running, id: &Id, request: Request) {
        let method = request.method.to_string();
        let info = self.guarded.info(&self.principal);
        let answering = async {
            let capabilities = modern::check(&request, None)?;
            let principal = Arc::clone(&self.principal);
            let exchange = Arc::new(Exchange {
                capabilities,
                log_level: request.meta.log_level,
                asking: Asking::ByRetry,
                ..Exchange::alone(self.guarded.gate(), principal, self.address, self.front, Era::Modern)
            });
            if request.method == Method::Discover {
                self.guarded.pass(request, &exchange).finish().await?;
                let about = self.guarded.about(&self.principal).await;
                let about = about.ok_or_else(|| Error::UnknownMethod(method.clone()))?;
                return Ok(message::response(id, &handshake::discover_result(&about)));
            }
            let listening = match request.method {
                Method::Listen => Some(Listening::read(id, &request.params)?),
                _ => None,
            };
            let token = request.meta.progress_token.clone();
            let mut run = self.guarded.pass(request, &exchange);
            let reply = loop {
                match run.next().await {
                    Event::Done(reply) => break reply,
                    Event::Progress(params) => {
                        if let Some(message) = frame::progress(&params, token.as_ref()) {
                            self.send(&message).await;
                        }
                    }
                    Event::Log(params) => self.send(&frame::log(&params)).await,
                    Event::Question(_) => {}
                }
            };
            if let (Some(listening), Ok(_)) = (listening, &reply) {
                return self.listen(id, listening, &exchange).await;
            }
            Ok(frame::modern_response(id, &method, &reply, &info))
        };
        let response = tokio::select! {
            biased;
            () = running.cancelled() => return,
            response = answering => response,
        };
        match response {
            Ok(response) => self.send(&response).await,
            Err(error) => {
                let error: Error = error;
                self.send(&message::failure(Some(id), &error.to_jsonrpc(Era::Modern))).await;
            }
        }
    }

    async fn listen(&self, id: &Id, mut listening: Listening, exchange: &Arc<Exchange>) -> Result<Raw, Error> {
        let about = self.guarded.about(&self.principal).await;
        let about = about.ok_or_else(|| Error::UnknownMethod(Method::Listen.to_string()))?;
        listening.grant(&about.capabilities);
        listening.interest.uris = self.guarded.readable(&listening.interest.uris, exchange);
        let mut changes = self.guarded.watch(listening.interest.clone(), exchange, false)?;
        self.guarded.settled(exchange).await;
        self.send(&listening.acknowledged()).await;
        while let Some(change) = changes.next().await {
            if let Some(message) = listening.tell(&change) {
                self.send(&message).await;
            }
        }
        Ok(listening.ended(id, &about.info))
    }

    fn watch_lists(self: &Arc<Self>) {
        let session = self.session();
        session.watch_lists(&self.legacy_exchange(&session, false), self.teller());
    }

    /// Takes messages to the client.
    fn teller(&self) -> impl crate::session::Tell + use<> {
        let out = self.out.clone();
        move |message: Raw| {
            let out = out.clone();
            Box::pin(async move { out.send(message.single_line()).await })
                as std::pin::Pin<Box<dyn Future<Output = bool> + Send>>
        }
    }

    /// Several messages at once (2025-03-26). Each passes the gate by itself.
    async fn batch(self: Arc<Self>, entries: Vec<Result<Message, BadMessage>>) {
        let session = self.session();
        let answering = entries.into_iter().map(|entry| async {
            match entry {
                Ok(Message::Request { id, method, params }) => {
                    let reply = match Request::read(&method, params) {
                        Ok(request) if request.method == Method::Initialize => {
                            Err(Error::InvalidRequest("`initialize` must not be part of a batch".into()))
                        }
                        Ok(request) => match session.begin(&id) {
                            None => Err(Error::InvalidRequest(
                                "a request with this id is under way, or there are too many".into(),
                            )),
                            Some(running) => {
                                let exchange = self.legacy_exchange(&session, false);
                                let mut run = self.guarded.pass(request.clone(), &exchange);
                                let reply = tokio::select! {
                                    biased;
                                    () = running.cancelled() => Err(Error::Cancelled),
                                    reply = run.finish() => reply,
                                };
                                session.settled(&request, &exchange, self.teller(), reply).await
                            }
                        },
                        Err(error) => Err(error),
                    };
                    Some(frame::legacy_response(&id, &method, &reply))
                }
                Ok(other) => {
                    Box::pin(self.one(other, None)).await;
                    None
                }
                Err(bad) => Some(frame::bad_message(&bad)),
            }
        });
        let answers: Vec<Raw> = join_all(answering).await.into_iter().flatten().collect();
        if !answers.is_empty() {
            self.send(&Raw::array(&answers)).await;
        }
    }

    /// Ends everything under way.
    pub(crate) fn close(&self) {
        self.session().close();
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Waits for the calls under way, but not longer than `grace`.
    pub(crate) async fn drain(&self, grace: Duration) {
        let mut calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        let all = async { while calls.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(grace, all).await;
    }
}

/// Names a session that lives and ends with its connection.
fn name(guarded: &Guarded) -> Arc<str> {
    format!("connection-{}", guarded.gate().next_id()).into()
}
