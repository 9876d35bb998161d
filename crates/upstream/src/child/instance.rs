//! A process that was greeted and answers calls.

use super::failure::Failure;
use super::greeting::us;
use super::params;
use super::pending::Hears;
use super::process::Process;
use super::wire::Wire;
use mcp::handshake::Welcome;
use mcp::{Answer, Asks, Call, Era, Level, Method, Raw, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a change of the log level may take before the call goes on without it.
const TUNING: Duration = Duration::from_secs(2);

/// See the module. Dropping the last handle ends the process.
pub(super) struct Instance {
    process: Process,
    pub(super) welcome: Arc<Welcome>,
    personal: bool,
    /// The log level it was told, so far as it was.
    level: tokio::sync::Mutex<Option<Level>>,
}

impl Instance {
    pub(super) fn new(process: Process, welcome: Arc<Welcome>, personal: bool) -> Self {
        process.wire.greeted();
        Self { process, welcome, personal, level: tokio::sync::Mutex::default() }
    }

    pub(super) fn era(&self) -> Era {
        self.welcome.revision.era()
    }

    pub(super) const fn wire(&self) -> &Arc<Wire> {
        &self.process.wire
    }

    /// Numbers what it lists, if that changed since it was started.
    pub(super) fn lists(&self) -> Option<u64> {
        self.process.lists()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.process.is_dead()
    }

    /// Waits until nothing is left of it, and says why.
    pub(super) async fn died(&self) -> Arc<str> {
        self.process.died().await
    }

    /// Ends it in good order, and does not wait for that.
    pub(super) fn quit(&self) {
        self.process.quit();
    }

    /// Has one request answered. Dropping this cancels it.
    pub(super) async fn call(&self, request: &Request, call: &Call) -> Result<Answer, Failure> {
        let era = self.era();
        if !params::is_carried(&request.method, era) {
            return Err(Failure::Unknown);
        }
        let wire = self.wire();
        let id = wire.id();
        let wants_progress = call.wants_progress();
        let token = wants_progress.then_some(id);
        let params = match era {
            Era::Legacy => params::legacy(request, token),
            Era::Modern => params::modern(request, call.caller(), token, &us()),
        };
        // What is only read for a list has nobody who could be asked.
        let hears = if wants_progress || self.personal && !request.method.is_list() {
            Hears::Call(call.clone())
        } else {
            Hears::Nobody
        };
        let mut ticket = wire.expect(id, hears)?;
        ticket.send(&request.method, &params).await?;
        let result = ticket.answer().await?;
        Ok(match era {
            Era::Legacy => Answer::Complete(result),
            Era::Modern => answer(result),
        })
    }

    /// Tells a legacy server from which level on log lines are wanted.
    pub(super) async fn tune(&self, level: Level) {
        if self.era() == Era::Modern || !self.welcome.capabilities.logging {
            return;
        }
        let mut told = self.level.lock().await;
        if *told == Some(level) {
            return;
        }
        let params = Raw::object([("level", &Raw::of(level.as_str()))]);
        // One that refuses or is silent is not asked again: log lines are filtered anyway.
        let _ = timeout(TUNING, self.wire().request(&Method::SetLevel, &params)).await;
        *told = Some(level);
    }
}

/// What a modern server's result is.
fn answer(result: Raw) -> Answer {
    let (mut requests, mut state, mut asks) = (None, None, false);
    for member in result.members() {
        match member.key.as_ref() {
            "resultType" => asks = member.value.text().as_deref() == Some("input_required"),
            "inputRequests" => requests = Some(member.value),
            "requestState" => state = member.value.text().map(Into::into),
            _ => {}
        }
    }
    if asks {
        Answer::NeedsInput { requests: Asks(requests.unwrap_or_else(Raw::empty_object)), state }
    } else {
        Answer::Complete(result)
    }
}
