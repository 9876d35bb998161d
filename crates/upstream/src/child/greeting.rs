//! From a new process to an instance that answers: finding out its era, and the handshake.
//!
//! An unknown server is asked `server/discover` first. Only a modern one answers that; what a legacy
//! one does instead is up to its author: any error, silence, or the end of the process. So whatever
//! is not a sound answer means legacy, and `initialize` follows, in a new process if need be. An
//! answer to the probe that comes late still counts if `initialize` is refused: a modern server may
//! just have been slow to start.
//!
//! What was found out is remembered, so the price is paid once.

use super::audience::Audience;
use super::core::Core;
use super::failure::Failure;
use super::instance::Instance;
use super::pending::{Hears, Outcome};
use super::process::Process;
use super::wire::Ticket;
use mcp::handshake::{Software, Welcome, initialize_params, modern_meta, refuses_us};
use mcp::{Capabilities, Era, ErrorObject, Method, Raw, Revision};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Who we are to a server.
pub(super) fn us() -> Software {
    Software { name: "portcullis".into(), version: env!("CARGO_PKG_VERSION").into() }
}

/// Why a process did not become an instance.
enum NoStart {
    /// It ended. Another one might not, if it is greeted differently.
    Died(String),
    /// It refused `initialize`. It might be modern after all.
    Refused(String),
    /// It is no use trying differently.
    Hopeless(String),
}

impl NoStart {
    fn reason(self) -> String {
        match self {
            Self::Died(reason) | Self::Refused(reason) | Self::Hopeless(reason) => reason,
        }
    }
}

/// Starts the instance that all callers share.
pub(super) async fn plain(core: &Arc<Core>) -> Result<Instance, String> {
    let deadline = Instant::now() + core.settings.start_timeout;
    let forced = core.settings.era.is_some();
    let mut probe = core.era() != Some(Era::Legacy);
    // Twice at most: the other way round if the first way was wrong.
    match greet(core, probe, deadline).await {
        Ok(instance) => return Ok(instance),
        Err(NoStart::Died(_)) if probe && !forced => probe = false,
        Err(NoStart::Refused(_)) if !probe && !forced => probe = true,
        Err(why) => return Err(why.reason()),
    }
    greet(core, probe, deadline).await.map_err(NoStart::reason)
}

/// Starts an instance for one caller of a server that is known already.
pub(super) async fn personal(
    core: &Arc<Core>,
    capabilities: &Capabilities,
    audience: &Arc<Audience>,
    welcome: &Arc<Welcome>,
) -> Result<Instance, String> {
    let process = Process::start(core, Some(audience))?;
    let deadline = Instant::now() + core.settings.start_timeout;
    match welcome.revision.era() {
        // Every request stands alone, so there is nothing to say first.
        Era::Modern => Ok(Instance::new(process, Arc::clone(welcome), true)),
        Era::Legacy => {
            let welcome = initialize(core, &process, capabilities, deadline).await.map_err(|e| e.reason(&process))?;
            Ok(Instance::new(process, Arc::new(welcome), true))
        }
    }
}

async fn greet(core: &Arc<Core>, probe: bool, deadline: Instant) -> Result<Instance, NoStart> {
    let process = Process::start(core, None).map_err(NoStart::Hopeless)?;
    let mut late = None;
    if probe {
        match discover(core, &process, deadline).await? {
            Probed::Modern(welcome) => return Ok(Instance::new(process, Arc::new(welcome), false)),
            Probed::Silent(ticket) => late = Some(ticket),
            Probed::Legacy => {}
        }
        if core.settings.era == Some(Era::Modern) {
            let reason = format!("it does not answer `server/discover` as a modern server{}", process.epilogue());
            return Err(NoStart::Hopeless(reason));
        }
    }
    let refused = match initialize(core, &process, &Capabilities::none(), deadline).await {
        Ok(welcome) => return Ok(Instance::new(process, Arc::new(welcome), false)),
        Err(refused) => refused,
    };
    if let Some(Ok(result)) = late.as_mut().and_then(Ticket::answer_now)
        && let Some(welcome) = Welcome::from_discover(&result)
    {
        return Ok(Instance::new(process, Arc::new(welcome), false));
    }
    let why: fn(String) -> NoStart = match refused {
        Refused::Failure(Failure::Answered(_)) => NoStart::Refused,
        Refused::Failure(Failure::Died { .. }) => NoStart::Died,
        _ => NoStart::Hopeless,
    };
    Err(why(refused.reason(&process)))
}

enum Probed {
    Modern(Welcome),
    Legacy,
    /// Not answered, or not yet.
    Silent(Ticket),
}

async fn discover(core: &Core, process: &Process, deadline: Instant) -> Result<Probed, NoStart> {
    let meta = modern_meta(None, &Capabilities::none(), None, &us());
    let params = Raw::object([("_meta", &meta)]);
    // One that is known to be modern, or must be, is waited for.
    let patience = match core.era() {
        Some(Era::Modern) => deadline,
        _ => deadline.min(Instant::now() + core.settings.discover_timeout),
    };
    let failed = |failure: &Failure| NoStart::Died(failure.to_string());
    let ticket = process.wire.expect(process.wire.id(), Hears::Nobody).map_err(|e| failed(&e))?;
    // A legacy server must not be told anything before `initialize`.
    let mut ticket = ticket.never_cancelled();
    let outcome: Result<Outcome, _> = timeout_at(patience, async {
        ticket.send(&Method::Discover, &params).await?;
        ticket.answer().await
    })
    .await;
    match outcome {
        Ok(Ok(result)) => Ok(Welcome::from_discover(&result).map_or(Probed::Legacy, Probed::Modern)),
        Ok(Err(Failure::Answered(error))) if refuses_us(&error) => {
            let versions = error.data().and_then(|d| d.get("supported")).unwrap_or_else(Raw::null);
            let versions: String = String::from_utf8_lossy(versions.bytes()).chars().take(100).collect();
            let reason = format!("it speaks only revisions of the protocol that are unknown here: {versions}");
            Err(NoStart::Hopeless(reason))
        }
        Ok(Err(died @ Failure::Died { .. })) => Err(failed(&died)),
        Ok(Err(_)) => Ok(Probed::Legacy),
        Err(_) => Ok(Probed::Silent(ticket)),
    }
}

/// Why there is no [`Welcome`].
enum Refused {
    Failure(Failure),
    Late(f32),
    Nonsense(String),
}

impl Refused {
    fn reason(self, process: &Process) -> String {
        match self {
            // Has its epilogue already.
            Self::Failure(Failure::Died { reason, .. }) => reason.to_string(),
            Self::Failure(Failure::Answered(error)) => {
                let message: String = error.message().chars().filter(|c| !c.is_control()).take(200).collect();
                format!("it answered `initialize` with the error {}: {message}{}", error.code(), process.epilogue())
            }
            Self::Failure(failure) => format!("it does not answer `initialize`: {failure}{}", process.epilogue()),
            Self::Late(within) => format!("it was not ready within {within} s{}", process.epilogue()),
            Self::Nonsense(why) => format!("{why}{}", process.epilogue()),
        }
    }
}

async fn initialize(
    core: &Core,
    process: &Process,
    capabilities: &Capabilities,
    deadline: Instant,
) -> Result<Welcome, Refused> {
    let shaking = async {
        let mut result = initialize_as(process, Revision::LATEST_LEGACY, capabilities).await;
        if let Err(Failure::Answered(error)) = &result
            && let Some(revision) = offered(error)
        {
            result = initialize_as(process, revision, capabilities).await;
        }
        let welcome = Welcome::from_initialize(&result.map_err(Refused::Failure)?).map_err(Refused::Nonsense)?;
        process.wire.notify(&Method::Initialized, None).await.map_err(Refused::Failure)?;
        Ok(welcome)
    };
    let late = Refused::Late(core.settings.start_timeout.as_secs_f32());
    timeout_at(deadline, shaking).await.unwrap_or(Err(late))
}

async fn initialize_as(process: &Process, revision: Revision, capabilities: &Capabilities) -> Outcome {
    let params = initialize_params(revision, capabilities, &us());
    let mut ticket = process.wire.expect(process.wire.id(), Hears::Nobody)?.never_cancelled();
    ticket.send(&Method::Initialize, &params).await?;
    ticket.answer().await
}

/// A legacy revision that a server names instead of the one we asked for. It should have answered
/// with it, but some answer with an error.
fn offered(error: &ErrorObject) -> Option<Revision> {
    let supported = error.data()?.get("supported")?;
    let revisions = supported.items().filter_map(|v| Revision::parse(&v.text()?));
    revisions.filter(|r| r.era() == Era::Legacy).max()
}
