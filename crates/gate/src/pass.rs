//! The one way from a caller to a server. Its order can be read here from top to bottom.

use crate::catalogue::ToolEntry;
use crate::exchange::{Asking, Exchange};
use crate::gate::{Gate, Snapshot};
use crate::identity::Place;
use crate::policy::Kind;
use crate::record::Record;
use crate::route::{self, Destination, Found};
use futures_util::future::join_all;
use mcp::{Answer, Asks, Call, Error, Method, Raw, Request, Resume, Target};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Everything that a request is answered with.
pub(crate) struct Passing {
    pub(crate) gate: Arc<Gate>,
    /// Settings, registry and policy from entry to end.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) to: Destination,
    pub(crate) request: Request,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) call: Call,
    pub(crate) record: Arc<Record>,
    pub(crate) facts: Arc<Facts>,
    /// The only server that may answer: the one whose question is being answered.
    pub(crate) only: Option<String>,
}

/// What the passing finds out and the [`crate::Run`] needs to know.
#[derive(Default)]
pub(crate) struct Facts(Mutex<Known>);

#[derive(Default)]
pub(crate) struct Known {
    pub(crate) server: Arc<str>,
    /// What policy was asked about, under the server's own name.
    pub(crate) target: Option<Target>,
    pub(crate) tool: Option<Arc<ToolEntry>>,
    pub(crate) replayable: bool,
    /// The concurrency permit, given back while a question is open.
    pub(crate) running: Option<Place>,
}

impl Facts {
    pub(crate) fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most rounds of questions in one call.
const MOST_ROUNDS: usize = 16;

/// The order inside the gate. Limits per address and identity came before: they need no request.
pub(crate) async fn pass(passing: Passing) -> Result<Answer, Error> {
    let Passing { gate, snapshot, to, mut request, exchange, call, record, facts, only } = passing;
    // An audit slot first: what cannot be recorded does not happen.
    record.reserve().await.map_err(|_| Error::Internal("the audit cannot be written".into()))?;
    let begun = Instant::now();
    // Which server and which entry of its catalogue; policy decides what exists for this caller.
    let finding = route::find(&snapshot, &to, &mut request, &exchange);
    let found = match finding.await.and_then(|found| found.only(only.as_deref())) {
        Ok(found) => found,
        // What is only down or late was not denied.
        Err(error @ (Error::Unavailable { .. } | Error::TimedOut(_))) => return Err(error),
        Err(error) => {
            record.deny();
            // Guessing is not free.
            snapshot.charge(&gate, &exchange.principal)?;
            return Err(error);
        }
    };
    let limit = snapshot.deadline(found.server());
    let answering = async {
        record.found(&found.server_name(), found.tool());
        // Limits per principal and tool; a dear call costs more.
        let cost = found.tool().map_or(1, |t| (t.cost)(request.arguments.as_ref()));
        snapshot.take(&gate, &exchange.principal, &found, cost).inspect_err(|_| record.deny())?;
        let permit = snapshot.permit(&exchange.principal).inspect_err(|_| record.deny())?;
        {
            let mut known = facts.known();
            known.server = found.server_name();
            known.target = Some(request.target.clone());
            known.tool = found.tool().cloned();
            known.replayable = found.is_replayable(&request);
            known.running = Some(permit);
        }
        // The server, as often as it asks and the caller can be asked in between.
        match found {
            Found::Here(result) => Ok(Answer::Complete(result)),
            Found::Nearby(listing) => listing.render(&gate, &snapshot, &exchange, &request).await.map(Answer::Complete),
            Found::Server { entry, .. } => {
                let begun = Instant::now();
                let answer = rounds(&entry, request, &exchange, &call).await;
                gate.metrics().upstream(&entry.name, begun.elapsed().as_secs_f64());
                answer
            }
            Found::OneOf(entries) => {
                let alone = entries.len() == 1;
                let mut last = Error::UnknownResource(request.target.name().to_owned());
                for entry in entries {
                    facts.known().server = Arc::clone(&entry.name);
                    match rounds(&entry, request.clone(), &exchange, &call).await {
                        // One server's own words; of several, ours.
                        Err(error) if says_not_found(&error) => {
                            if alone {
                                last = error;
                            }
                        }
                        other => {
                            record.found(&entry.name, None);
                            return other;
                        }
                    }
                }
                Err(last)
            }
        }
    };
    within(limit, begun, &call, answering).await
}

fn says_not_found(error: &Error) -> bool {
    match error {
        Error::UnknownResource(_) => true,
        Error::Upstream(object) => object.says_resource_not_found(),
        _ => false,
    }
}

/// Asks the server; turns the questions of a modern one into requests on a legacy caller's stream.
async fn rounds(
    entry: &crate::registry::Entry,
    mut request: Request,
    exchange: &Exchange,
    call: &Call,
) -> Result<Answer, Error> {
    if exchange.asking != Asking::OnStream {
        let answer = Arc::clone(&entry.server).answer(request, call.clone()).await?;
        return match answer {
            Answer::NeedsInput { requests: Asks(requests), .. } if exchange.asking == Asking::Never => {
                let needed = requests.members().next().and_then(|m| m.value.get_text("method")).unwrap_or_default();
                Err(Error::MissingCapability(mcp::Capabilities::required_for(&Method::parse(&needed))))
            }
            answer => Ok(answer),
        };
    }
    for _ in 0..MOST_ROUNDS {
        let answer = Arc::clone(&entry.server).answer(request.clone(), call.clone()).await?;
        let Answer::NeedsInput { requests: Asks(requests), state } = answer else { return Ok(answer) };
        let asking = requests.members().map(|question| {
            let call = call.clone();
            async move {
                let method = question.value.get_text("method").unwrap_or_default();
                let params = question.value.get("params").unwrap_or_else(Raw::empty_object);
                let answer = call.ask(&question.key, Method::parse(&method), params).await?;
                Ok::<_, Error>((question.key.into_owned(), answer))
            }
        });
        let answers: Vec<_> = join_all(asking).await.into_iter().collect::<Result<_, _>>()?;
        let responses = Raw::object(answers.iter().map(|(key, answer)| (key.as_str(), answer)));
        request.resume = Some(Resume { responses: Some(responses), state: state.map(Into::into) });
    }
    Err(Error::Internal(format!("the server asked more than {MOST_ROUNDS} times")))
}

/// A deadline that stands still while a question is open.
async fn within<T>(
    limit: Duration,
    begun: Instant,
    call: &Call,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut future = pin!(future);
    let mut sleep = pin!(tokio::time::sleep(limit.saturating_sub(begun.elapsed())));
    let mut left: Option<Duration> = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(out) = future.as_mut().poll(cx) {
            return Poll::Ready(out);
        }
        if call.has_open_question() {
            left.get_or_insert_with(|| sleep.deadline().saturating_duration_since(tokio::time::Instant::now()));
            return Poll::Pending;
        }
        if let Some(left) = left.take() {
            sleep.as_mut().reset(tokio::time::Instant::now() + left);
        }
        sleep.as_mut().poll(cx).map(|()| Err(Error::TimedOut(limit)))
    })
    .await
}

/// What a target is in policy.
pub(crate) fn kind_of<'a>(method: &'a Method, target: &'a Target) -> (Kind, &'a str) {
    match target {
        Target::Tool(name) => (Kind::Tool, name),
        Target::Prompt(name) => (Kind::Prompt, name),
        Target::Resource(uri) | Target::Template(uri) => (Kind::Resource, uri),
        Target::Server => (Kind::Method, method.as_str()),
    }
}
