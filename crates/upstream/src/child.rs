//! A server that runs as a process and speaks over its standard input and output.
//!
//! A child has instances. The `plain` one is shared by all callers that cannot be asked anything,
//! is told that nothing can be asked, and is started at once and kept running. Personal ones belong
//! to one caller; `personal` says why they are needed. Requests are multiplexed in each.
//!
//! From the outside in: [`Child`] chooses an instance for a call; `supervisor` keeps the plain one
//! running and `personal` the others; `greeting` makes an `instance` out of a `process`, whose `wire`
//! (a `queue` towards the child, a table of `pending` requests, `lines` back) carries requests and
//! whose `hearing` takes what the child says by itself. `group` and `reaper` see to it that nothing
//! is left behind.
//!
//! What holds throughout: a call is sent once or not at all. When a process dies, everything it
//! owed fails at once, and nothing is sent again, because nobody knows what was done already.

mod audience;
mod core;
mod failure;
mod greeting;
mod group;
mod hearing;
mod instance;
mod lines;
mod noise;
mod params;
mod pending;
mod personal;
mod process;
mod queue;
mod reaper;
mod settings;
mod stderr;
mod subscriptions;
mod supervisor;
mod wire;

pub use reaper::{Reaper, reaper_main};
pub use settings::{Backoff, Settings};

use self::core::{Core, Plain};
use failure::Failure;
use futures_util::StreamExt as _;
use instance::Instance;
use mcp::{
    About, Answer, Answering, Call, Caller, Era, Error, Interest, Method, Note, Raw, Request, Server, Settling,
    Watching,
};
use personal::Personal;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// For the fuzz target: cuts what a child wrote into lines of at most `most` bytes and reads each
/// as the instances do; gives how many messages there were.
#[doc(hidden)]
pub async fn read_output(output: &[u8], most: usize) -> usize {
    let mut lines = lines::Lines::new(output, most);
    let mut messages = 0;
    while let Ok(Some(line)) = lines.next().await {
        match line {
            lines::Line::Text(text) => {
                messages += usize::from(mcp::Incoming::parse(text, &mcp::Limits::OUTBOUND).is_ok());
            }
            lines::Line::TooLong { head, tail, .. } => {
                lines::id_of(&head, &tail);
            }
        }
    }
    messages
}

/// A server that runs as a process. Dropping it ends the process as [`Child::stop`] does, without
/// waiting for that.
pub struct Child {
    core: Arc<Core>,
    personal: Arc<Personal>,
}

impl Child {
    /// Starts it and keeps it running. Must be called on a Tokio runtime. Never fails: a child that
    /// cannot be started is down, and is tried again.
    pub fn start(settings: Settings, reaper: Reaper) -> Arc<Self> {
        let core = Arc::new(Core::new(settings, reaper));
        let personal = Arc::new(Personal::default());
        tokio::spawn(supervisor::supervise(Arc::clone(&core)));
        tokio::spawn(subscriptions::follow(Arc::clone(&core)));
        tokio::spawn({
            let (core, personal) = (Arc::clone(&core), Arc::clone(&personal));
            async move {
                tokio::select! {
                    () = core.stopped() => {}
                    () = personal.tidy(&core) => core.stopped().await,
                }
                personal.clear();
            }
        });
        Arc::new(Self { core, personal })
    }

    /// Stops it: asks all processes to end, kills those that do not within the grace, and waits
    /// until none is left. Calls fail from now on.
    pub async fn stop(&self) {
        self.core.stopping.send_replace(true);
        // The sender is ours, so there is no error.
        let _ = self.core.present.subscribe().wait_for(|present| *present == 0).await;
    }

    /// How many answers came after nobody waited for them any more.
    pub fn late_answers(&self) -> u64 {
        self.core.late.load(Ordering::Relaxed)
    }

    async fn respond(&self, request: &Request, call: &Call) -> Result<Answer, Error> {
        // What these change is the caller's session, which is the gate's; watching does the rest.
        let ours = matches!(
            request.method,
            Method::Ping | Method::SetLevel | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
        );
        if ours {
            return Ok(Answer::Complete(Raw::empty_object()));
        }
        let caller = call.caller();
        if !(caller.capabilities.any() || caller.log_level.is_some()) {
            return self.pass(&*self.core.plain().await?, request, call).await;
        }
        let era = match self.core.era() {
            Some(era) => era,
            None => self.core.plain().await?.era(),
        };
        if !is_personal(era, caller) {
            return self.pass(&*self.core.plain().await?, request, call).await;
        }
        let changed = if request.method.is_list() { self.personal.changed(caller) } else { None };
        let lease = match changed {
            Some(lease) => lease,
            None => self.personal.enter(&self.core, caller).await?,
        };
        let instance = lease.instance(&self.core).await?;
        if let Some(level) = lease.level() {
            instance.tune(level).await;
        }
        self.pass(&instance, request, call).await
    }

    async fn pass(&self, instance: &Instance, request: &Request, call: &Call) -> Result<Answer, Error> {
        instance.call(request, call).await.map_err(|failure| match failure {
            Failure::Answered(error) => Error::Upstream(error),
            Failure::Died { reason, written: true } => {
                Error::Lost { server: self.core.settings.name.clone(), reason: reason.to_string() }
            }
            Failure::Died { reason, written: false } => self.core.unavailable(&reason, None),
            Failure::TooLong(_) => Error::TooLarge(format!("the answer of the server: {failure}")),
            Failure::Unknown => Error::UnknownMethod(request.method.to_string()),
        })
    }
}

/// Whether such a server answers this caller in an instance of the caller's own. A modern request
/// says itself what its client can be asked; only for log lines does the pipe have no link to a
/// request.
fn is_personal(era: Era, caller: &Caller) -> bool {
    caller.log_level.is_some() || era == Era::Legacy && caller.capabilities.any()
}

impl Server for Child {
    fn about(&self) -> Arc<About> {
        self.core.about.load_full()
    }

    fn answer(self: Arc<Self>, request: Request, call: Call) -> Answering {
        Box::pin(async move { self.respond(&request, &call).await })
    }

    fn tell(&self, note: Note, call: &Call) {
        if note.method == Method::RootsChanged && self.core.era() == Some(Era::Legacy) {
            self.personal.tell(&note, call.caller());
        }
    }

    fn watch(self: Arc<Self>, interest: Interest, call: Call) -> Watching {
        let caller = call.caller();
        if !(caller.capabilities.any() || caller.log_level.is_some()) {
            return Box::pin(self.core.audience.watch(interest));
        }
        let shared = self.core.audience.watch(interest.clone());
        let own = self.personal.audience(caller).watch(interest);
        let (core, whose) = (Arc::clone(&self.core), caller.clone());
        let is_own = move || is_personal(core.era().unwrap_or(Era::Legacy), &whose);
        // Of what an own instance answers for, only that one knows when it changes.
        let (personal, caller) = (Arc::clone(&self.personal), caller.clone());
        let shared = shared.filter({
            let is_own = is_own.clone();
            move |_| std::future::ready(!(is_own() && personal.answers(&caller)))
        });
        let own = own.filter(move |_| std::future::ready(is_own()));
        Box::pin(futures_util::stream::select(shared, own))
    }

    fn settled(self: Arc<Self>, caller: &Caller) -> Settling {
        // One that is not up is subscribed before anything else when it is.
        let is_up = matches!(&*self.core.plain.borrow(), Plain::Up(instance) if !instance.is_dead());
        let own = self.personal.audience(caller);
        Box::pin(async move {
            if is_up {
                self.core.audience.settled().await;
            }
            own.settled().await;
        })
    }

    fn own_lists(&self, caller: &Caller) -> Option<u64> {
        if is_personal(self.core.era()?, caller) { self.personal.lists(caller) } else { None }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.core.stopping.send_replace(true);
    }
}
