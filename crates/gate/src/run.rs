//! A request on its way: what it says meanwhile, and how it ends.

use crate::audit::beginning;
use crate::exchange::{Asking, Exchange};
use crate::gate::{Gate, Guarded};
use crate::held::{Ticket, TicketKind, Waiting, answers, digest};
use crate::identity::Place;
use crate::pass::{Facts, Passing, pass};
use crate::record::Record;
use mcp::{Answer, Asks, Call, Caller, Ears, Error, Question, Raw, Request, Said};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;
use tracing::Instrument as _;

/// What happens in the course of a request.
#[derive(Debug)]
pub enum Event {
    /// Parameters of a progress notification, still without token.
    Progress(Raw),
    /// Parameters of a log notification.
    Log(Raw),
    /// A question for the caller's stream; only if the exchange asks [`Asking::OnStream`].
    Question(Question),
    /// The end. Nothing comes after it.
    Done(Result<Reply, Error>),
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Its result.
    Complete(Raw),
    /// Questions, and the state to come back with; only if the exchange asks [`Asking::ByRetry`].
    #[allow(missing_docs)]
    NeedsInput { requests: Raw, state: String },
}

/// See the module. Dropping it cancels the request.
pub struct Run {
    gate: Arc<Gate>,
    record: Arc<Record>,
    core: Option<Core>,
    /// Refused before it began.
    refused: Option<Error>,
    /// The answer has come; what was said before it goes out first.
    ended: Option<Result<Answer, Error>>,
    gathered: Vec<(String, Waiting)>,
    /// When no more questions are expected beside those that were gathered.
    settle: Option<Pin<Box<Sleep>>>,
    /// A place among the open questions, while one is open on the stream.
    asking: Option<Place>,
    /// Answers for a call that was held, until this exchange has its place in the audit.
    answered: Option<Vec<(mcp::Reply, Raw)>>,
    /// How it ended, until that was told.
    closing: Option<Closing>,
}

struct Closing {
    reply: Result<Reply, Error>,
    /// Told when the audit line is on disk, if that is to be waited for.
    written: Option<tokio::sync::oneshot::Receiver<()>>,
}

/// What of a request outlives an exchange.
pub(crate) struct Core {
    future: Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>,
    call: Call,
    ears: Ears,
    facts: Arc<Facts>,
    pub(crate) exchange: Arc<Exchange>,
    request: Request,
    call_id: u64,
    /// Answers that came with retries so far, for a request that is run again.
    so_far: HashMap<String, Raw>,
    /// The place among the held calls, while it is held.
    place: Option<Place>,
}

/// How long questions that belong together may be apart.
const SETTLE: Duration = Duration::from_millis(10);

enum Step {
    Said(Said),
    Ended(Result<Answer, Error>),
    /// Nothing goes on until what was gathered is answered.
    Waits,
}

pub(crate) fn call_of(exchange: &Exchange, wants_progress: bool, answers: HashMap<String, Raw>) -> (Call, Ears) {
    Call::new(Caller { wants_progress, ..caller_of(exchange) }, answers)
}

/// Who calls, as servers know them.
pub(crate) fn caller_of(exchange: &Exchange) -> Caller {
    Caller {
        principal: Arc::clone(&exchange.principal.name),
        session: exchange.session.clone(),
        era: exchange.era,
        capabilities: exchange.capabilities.clone(),
        log_level: exchange.log_level,
        wants_progress: false,
        trace: exchange.trace.clone(),
    }
}

impl Guarded {
    /// Sends a request through the gate. Nothing happens until the run is polled.
    pub fn pass(&self, mut request: Request, exchange: &Arc<Exchange>) -> Run {
        // With the roles that the caller has now: since it was let in, its body may have taken a while.
        let Some(principal) = self.gate.snapshot().identity().current(&exchange.principal) else {
            return self.refuse(&request, exchange, Error::InvalidRequest("the token was taken away".into()));
        };
        let exchange = &if Arc::ptr_eq(&principal, &exchange.principal) {
            Arc::clone(exchange)
        } else {
            Arc::new(Exchange { principal, ..Exchange::clone(exchange) })
        };
        let resume = request.resume.take().filter(|_| exchange.asking == Asking::ByRetry);
        let Some(resume) = resume else {
            return self.begin(request, exchange, HashMap::new(), None);
        };
        let given = answers(resume.responses.as_ref());
        let Some(sealed) = resume.state else {
            // Answers before any question: they count when the question comes.
            request.resume = Some(mcp::Resume { responses: resume.responses, state: None });
            return self.begin(request, exchange, given, None);
        };
        let opened = Ticket::open(&self.gate, &sealed, &exchange.principal.name, &request).and_then(|ticket| {
            // A held call is there once anyway.
            let is_first = || self.gate.held.spend(&exchange.principal, &ticket.nonce, ticket.left());
            if matches!(ticket.kind, TicketKind::Held) || is_first() {
                Ok(ticket)
            } else {
                Err(Error::NotResumable("it was continued before"))
            }
        });
        match opened.map(|ticket| (ticket.kind, ticket.nonce, ticket.server)) {
            Err(error) => self.refuse(&request, exchange, error),
            Ok((TicketKind::Held, nonce, _)) => match self.charge(exchange).map(|()| self.gate.held.take(&nonce)) {
                // It is still held.
                Err(limited) => self.refuse(&request, exchange, limited),
                Ok(Some(held)) => self.go_on(held, given, request, exchange),
                Ok(None) => self.refuse(&request, exchange, Error::NotResumable("the call is no longer held")),
            },
            Ok((TicketKind::Replay(before), _, server)) => {
                let mut all: HashMap<_, _> = before.into_iter().map(|(key, raw)| (key, Raw::of(&raw))).collect();
                all.extend(given);
                self.begin(request, exchange, all, Some(server))
            }
            Ok((TicketKind::Passed(state), _, server)) => {
                request.resume = Some(mcp::Resume { responses: resume.responses, state });
                self.begin(request, exchange, HashMap::new(), Some(server))
            }
        }
    }

    fn record(&self, request: &Request, exchange: &Exchange, call_id: u64) -> Arc<Record> {
        Record::open(self.gate.audit(), self.gate.metrics(), exchange, request, call_id)
    }

    fn begin(
        &self,
        request: Request,
        exchange: &Arc<Exchange>,
        given: HashMap<String, Raw>,
        only: Option<String>,
    ) -> Run {
        let call_id = self.gate.next_id();
        let record = self.record(&request, exchange, call_id);
        let (call, ears) = call_of(exchange, request.meta.progress_token.is_some(), given.clone());
        record.listens_to(&call);
        let facts = Arc::<Facts>::default();
        // Whatever is logged on the way says which call it is about.
        let span = tracing::info_span!(
            "call",
            id = call_id,
            front = exchange.front.as_str(),
            principal = %exchange.principal.name,
            method = request.method.as_str(),
            target = beginning(request.target.name(), 128),
        );
        let future = pass(Passing {
            gate: Arc::clone(&self.gate),
            snapshot: self.gate.snapshot(),
            to: self.to.clone(),
            request: request.clone(),
            exchange: Arc::clone(exchange),
            call: call.clone(),
            record: Arc::clone(&record),
            facts: Arc::clone(&facts),
            only,
        });
        let core = Core {
            future: Box::pin(future.instrument(span)),
            call,
            ears,
            facts,
            exchange: Arc::clone(exchange),
            request,
            call_id,
            so_far: given,
            place: None,
        };
        Run::new(&self.gate, record, Some(core), None, Vec::new())
    }

    /// A held call goes on in a new exchange. Policy is asked again.
    fn go_on(
        &self,
        held: crate::held::HeldCall,
        mut given: HashMap<String, Raw>,
        request: Request,
        exchange: &Arc<Exchange>,
    ) -> Run {
        let crate::held::HeldCall { mut core, questions, .. } = held;
        if let Err(error) = self.still_allowed(&core, exchange) {
            return self.refuse(&request, exchange, error);
        }
        let record = self.record(&request, exchange, core.call_id);
        {
            let known = core.facts.known();
            record.found(&known.server, known.tool.as_ref());
        }
        record.listens_to(&core.call);
        core.place = None;
        core.facts.known().running = exchange.principal.usage.running.take(None);
        core.ears.resume(request.meta.progress_token.is_some(), exchange.log_level);
        let mut unanswered = Vec::new();
        let mut answered = Vec::new();
        for (key, question) in questions {
            match given.remove(&key) {
                Some(answer) => answered.push((question.reply, answer)),
                None => unanswered.push((key, question)),
            }
        }
        let mut run = Run::new(&self.gate, record, Some(core), None, unanswered);
        run.answered = Some(answered);
        run
    }

    fn still_allowed(&self, core: &Core, exchange: &Exchange) -> Result<(), Error> {
        let snapshot = self.gate.snapshot();
        let server = core.facts.known().server.clone();
        let Some(entry) = snapshot.servers_for(&self.to, &exchange.principal).into_iter().find(|e| e.name == server)
        else {
            return Err(Error::NotResumable("its server is not there any more"));
        };
        let target = core.facts.known().target.clone().unwrap_or_else(|| core.request.target.clone());
        let (kind, name) = crate::pass::kind_of(&core.request.method, &target);
        let tier = match kind {
            crate::policy::Kind::Tool => {
                let catalogue = entry.catalogue(exchange);
                let tool = catalogue.tool(name).ok_or(Error::NotResumable("its tool is not there any more"))?;
                Some(tool.tier)
            }
            _ => None,
        };
        if snapshot.policy().allows(&exchange.principal, &entry.name, kind, name, tier) {
            Ok(())
        } else {
            Err(Error::NotResumable("it is not allowed any more"))
        }
    }

    fn refuse(&self, request: &Request, exchange: &Arc<Exchange>, error: Error) -> Run {
        let record = self.record(request, exchange, self.gate.next_id());
        record.deny();
        Run::new(&self.gate, record, None, Some(error), Vec::new())
    }
}

impl Run {
    fn new(
        gate: &Arc<Gate>,
        record: Arc<Record>,
        core: Option<Core>,
        refused: Option<Error>,
        gathered: Vec<(String, Waiting)>,
    ) -> Self {
        Self {
            gate: Arc::clone(gate),
            record,
            core,
            refused,
            ended: None,
            gathered,
            settle: None,
            asking: None,
            answered: None,
            closing: None,
        }
    }

    /// The next event. May be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Event {
        if self.closing.is_none() {
            match self.advance().await {
                Ok(event) => return event,
                Err(reply) => self.close(reply),
            }
        }
        if let Some(written) = self.closing.as_mut().and_then(|c| c.written.as_mut()) {
            // The line is on disk before the answer leaves.
            if tokio::time::timeout(crate::record::PATIENCE, written).await.is_err() {
                return Event::Done(Err(Error::Internal("the audit cannot be written".into())));
            }
        }
        let reply = self.closing.take().map(|c| c.reply);
        Event::Done(reply.unwrap_or_else(|| Err(Error::Internal("a run was polled after its end".into()))))
    }

    /// Goes on to the next event, or to the end.
    async fn advance(&mut self) -> Result<Event, Result<Reply, Error>> {
        if self.refused.is_some() {
            if self.record.reserve().await.is_err() {
                tracing::error!("the audit cannot be written");
            }
            let refused = self.refused.take();
            return Err(Err(refused.unwrap_or_else(|| Error::Internal("nothing was refused".into()))));
        }
        if self.answered.is_some() {
            if self.record.reserve().await.is_err() {
                return Err(Err(Error::Internal("the audit cannot be written".into())));
            }
            for (reply, answer) in self.answered.take().unwrap_or_default() {
                reply.send(Ok(answer));
            }
        }
        loop {
            match std::future::poll_fn(|cx| self.poll_step(cx)).await {
                Step::Said(Said::Progress(params)) => return Ok(Event::Progress(params)),
                Step::Said(Said::Log(_, params)) => return Ok(Event::Log(params)),
                Step::Said(Said::Question(question)) => {
                    if let Some(event) = self.question(question) {
                        return Ok(event);
                    }
                }
                Step::Ended(Ok(Answer::Complete(result))) => return Err(Ok(Reply::Complete(result))),
                Step::Ended(Ok(Answer::NeedsInput { requests: Asks(requests), state })) => {
                    return Err(self.pass_question_on(requests, state.map(Into::into)));
                }
                Step::Ended(Err(error)) => return Err(Err(error)),
                Step::Waits => return Err(self.hold()),
            }
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Some(core) = &mut self.core else {
            return Poll::Ready(Step::Ended(Err(Error::Internal("a run was polled after its end".into()))));
        };
        if self.ended.is_none() {
            if let Poll::Ready(said) = core.ears.poll_said(cx) {
                return Poll::Ready(Step::Said(said));
            }
            // A panic fails this call only; what it left behind is dropped with the call.
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| core.future.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Ready(answer)) => self.ended = Some(answer),
                Ok(Poll::Pending) => {}
                Err(panic) => {
                    let what = panic
                        .downcast_ref::<&str>()
                        .map(|s| (*s).to_owned())
                        .or_else(|| panic.downcast_ref::<String>().cloned())
                        .unwrap_or_default();
                    self.ended = Some(Err(Error::Internal(format!("a panic: {what}"))));
                }
            }
        }
        if self.ended.is_some() {
            while let Some(said) = core.ears.try_said() {
                // A question that nobody waits for any more is not asked.
                if !matches!(said, Said::Question(_)) {
                    return Poll::Ready(Step::Said(said));
                }
            }
            return self.ended.take().map_or(Poll::Pending, |end| Poll::Ready(Step::Ended(end)));
        }
        if self.asking.is_some() && !core.ears.has_open_question() {
            // The question on the stream was answered: from held back to running.
            self.asking = None;
            core.facts.known().running = core.exchange.principal.usage.running.take(None);
        }
        match core.ears.poll_said(cx) {
            Poll::Ready(said) => Poll::Ready(Step::Said(said)),
            Poll::Pending if self.gathered.is_empty() => Poll::Pending,
            Poll::Pending => {
                // A server elsewhere that asks two things at once says so in two messages.
                let settle = self.settle.get_or_insert_with(|| Box::pin(tokio::time::sleep(SETTLE)));
                settle.as_mut().poll(cx).map(|()| Step::Waits)
            }
        }
    }

    fn question(&mut self, question: Question) -> Option<Event> {
        let core = self.core.as_mut()?;
        match core.exchange.asking {
            // Dropping the question tells who asked.
            Asking::Never => None,
            Asking::OnStream => {
                if self.asking.is_none() {
                    let most = self.gate.snapshot().limits().held;
                    let Some(place) = core.exchange.principal.usage.held.take(Some(most)) else {
                        tracing::info!(principal = %core.exchange.principal.name, "too many open questions");
                        let error = mcp::ErrorObject::new(mcp::error::code::LIMITED, "too many open questions");
                        question.reply.send(Err(error));
                        return None;
                    };
                    self.asking = Some(place);
                    core.facts.known().running = None;
                }
                Some(Event::Question(question))
            }
            Asking::ByRetry => {
                let Question { key, method, params, reply } = question;
                let asked = Raw::object([("method", &Raw::of(method.as_str())), ("params", &params)]);
                self.gathered.push((key, Waiting { asked, reply }));
                self.settle = core.facts.known().replayable.then(|| Box::pin(tokio::time::sleep(Duration::ZERO)));
                None
            }
        }
    }

    /// Ends the exchange with the questions that were gathered.
    fn hold(&mut self) -> Result<Reply, Error> {
        let questions = std::mem::take(&mut self.gathered);
        let mut core = self.core.take().ok_or_else(|| Error::Internal("no call to hold".into()))?;
        let limits = self.gate.snapshot().limits().clone();
        let requests = Raw::object(questions.iter().map(|(key, q)| (key.as_str(), &q.asked)));
        let (server, replayable) = {
            let mut known = core.facts.known();
            known.running = None;
            (Arc::clone(&known.server), known.replayable)
        };
        let kind = if replayable {
            let raw = |raw: &Raw| raw.read::<Box<RawValue>>().ok();
            let used = core.ears.used_answers();
            let kept = core.so_far.iter().filter(|(key, _)| used.contains(*key));
            TicketKind::Replay(kept.filter_map(|(k, v)| Some((k.clone(), raw(v)?))).collect())
        } else {
            TicketKind::Held
        };
        let who = Arc::clone(&core.exchange.principal);
        let bound = digest(&core.request);
        let (state, nonce) = Ticket::seal(&self.gate, kind, &server, &who.name, &bound, limits.question)?;
        if !replayable {
            let retry_after = Duration::from_secs(10);
            let place = who.usage.held.take(Some(limits.held));
            core.place = Some(place.ok_or(Error::Limited { what: "too many open questions", retry_after })?);
            self.gate.held.put(nonce, core, questions, limits.question);
        }
        Ok(Reply::NeedsInput { requests, state })
    }

    /// The server asked by ending the call: its state travels inside ours.
    fn pass_question_on(&self, requests: Raw, state: Option<String>) -> Result<Reply, Error> {
        let core = self.core.as_ref().ok_or_else(|| Error::Internal("no call to pass on".into()))?;
        let limit = self.gate.snapshot().limits().question;
        let server = core.facts.known().server.clone();
        let bound = digest(&core.request);
        let who = &core.exchange.principal.name;
        let (state, _) = Ticket::seal(&self.gate, TicketKind::Passed(state), &server, who, &bound, limit)?;
        Ok(Reply::NeedsInput { requests, state })
    }

    fn close(&mut self, reply: Result<Reply, Error>) {
        let written = match &reply {
            Ok(Reply::Complete(result)) => self.record.finish(&Ok(result)),
            Ok(Reply::NeedsInput { .. }) => self.record.finish_with_question(),
            Err(error) => {
                if let Error::Internal(detail) = error {
                    tracing::error!(?detail, "a request failed by a fault of ours");
                }
                self.record.finish(&Err(error.clone()))
            }
        };
        self.core = None;
        self.closing = Some(Closing { reply, written });
    }

    /// Goes on to the end without anybody who listens. Like [`Run::next`], it may be dropped and
    /// called again.
    pub async fn finish(&mut self) -> Result<Reply, Error> {
        loop {
            match self.next().await {
                Event::Done(reply) => return reply,
                // Dropping a question tells who asked that there is no answer.
                Event::Question(_) | Event::Progress(_) | Event::Log(_) => {}
            }
        }
    }
}
