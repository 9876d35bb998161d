//! What all tools work on: the engine, the settings, a place among the calls at work, and what is kept in
//! memory between calls.

use crate::confirm::Tickets;
use crate::engine::{Ask, Engine, path};
use crate::fault::Fault;
use crate::fence;
use crate::names;
use crate::redact;
use crate::settings::{Safety, Settings};
use mcp::builtin::Fail;
use mcp::{Call, Places};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// See the module.
pub(crate) struct Dock {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
    pub(crate) tickets: Tickets,
    places: Places,
    waiting: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    logins: Mutex<HashMap<(Arc<str>, String), Login>>,
    kept: Mutex<Kept>,
}

/// One that waits for a command, until it is dropped.
pub(crate) struct Waiting {
    all: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    who: Arc<str>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = all.get_mut(&self.who) {
            *mine -= 1;
            if *mine == 0 {
                all.remove(&self.who);
            }
        }
    }
}

/// Who somebody is at a registry. Only in memory.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: Arc<secrecy::SecretString>,
}

/// How long a tool may take, in parts of the settings' time.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// Asks or tells the engine something.
    Quick,
    /// Reads logs, runs commands, prunes: twice as long.
    Patient,
    /// Moves images: ten times as long.
    Slow,
}

/// Logins that are remembered, and those of one caller.
const MOST_LOGINS: usize = 10_000;
const MOST_LOGINS_OF_ONE: usize = 50;

impl Dock {
    pub(crate) fn new(settings: Settings) -> Self {
        let settings = Arc::new(settings);
        Self {
            engine: Engine::new(Arc::clone(&settings)),
            places: Places::new(settings.limits.concurrent),
            waiting: Arc::default(),
            tickets: Tickets::default(),
            logins: Mutex::default(),
            kept: Mutex::default(),
            settings,
        }
    }

    pub(crate) fn safety(&self) -> &Safety {
        &self.settings.safety
    }

    pub(crate) fn limit(&self, pace: Pace) -> Option<Duration> {
        let times = match pace {
            Pace::Quick => 1,
            Pace::Patient => 2,
            Pace::Slow => 10,
        };
        self.settings.limits.tool_timeout.map(|limit| limit * times)
    }

    /// Does it in a place, within the time that tools of this pace have. Callers take turns, so that nobody's pulls and
    /// builds keep others waiting.
    pub(crate) async fn run<T>(
        &self,
        call: &Call,
        pace: Pace,
        act: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fail> {
        self.within(call, self.limit(pace), act).await
    }

    /// Does it in a place, within this time.
    pub(crate) async fn within<T>(
        &self,
        call: &Call,
        limit: Option<Duration>,
        act: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fail> {
        let working = async {
            let place = self.places.take(&call.caller().principal).await;
            let _place = place.ok_or_else(|| Fault::new("the server is stopping."))?;
            act.await
        };
        Self::timed(limit, working).await
    }

    /// Leave to wait for a command, which needs no place meanwhile. Each caller may wait for as many as there are
    /// places.
    pub(crate) fn waiting(&self, call: &Call) -> Result<Waiting, Fault> {
        let who = Arc::clone(&call.caller().principal);
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = all.entry(Arc::clone(&who)).or_default();
        if *mine >= self.settings.limits.concurrent.max(1) {
            return Err(Fault::new(format!(
                "you are waiting for {mine} commands already; let one end, or do not wait for it (detach)."
            )));
        }
        *mine += 1;
        drop(all);
        Ok(Waiting { all: Arc::clone(&self.waiting), who })
    }

    async fn timed<T>(limit: Option<Duration>, act: impl Future<Output = Result<T, Fault>>) -> Result<T, Fail> {
        let done = match limit {
            None => act.await,
            Some(limit) => tokio::time::timeout(limit, act).await.unwrap_or_else(|_| {
                Err(Fault::new(format!(
                    "this took longer than {} s and was given up; ask for less, or let the operator raise \
                     SAFETY_DEFAULT_TOOL_TIMEOUT.",
                    limit.as_secs()
                )))
            }),
        };
        done.map_err(Fail::from)
    }

    /// What the engine says of a container.
    pub(crate) async fn container(&self, given: &str) -> Result<Value, Fault> {
        let name = names::container(given)?;
        Ok(self.engine.json(Ask::get(path(&["containers", name, "json"]))).await?)
    }

    /// Attributes for who called: cleaned, and without secrets.
    pub(crate) fn shown(&self, mut value: Value) -> Value {
        redact::clean_value(&mut value);
        if self.safety().redact {
            redact::attributes("", &mut value);
        }
        value
    }

    /// What a program wrote, without what looks like a secret.
    pub(crate) fn without_secrets(&self, text: String) -> String {
        if self.safety().redact { redact::secrets(&text) } else { text }
    }

    /// Text of a stranger for who called.
    pub(crate) fn fenced(&self, from: &str, text: &str) -> String {
        fence::fenced(self.safety(), from, text)
    }

    pub(crate) fn log_in(&self, call: &Call, registry: &str, login: Login) -> Result<(), Fault> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::clone(&call.caller().principal), registry.to_owned());
        let mine = logins.keys().filter(|(who, _)| *who == key.0).count();
        if !logins.contains_key(&key) && (mine >= MOST_LOGINS_OF_ONE || logins.len() >= MOST_LOGINS) {
            return Err(Fault::new("too many logins are remembered; log out of one first with docker_logout."));
        }
        logins.insert(key, login);
        Ok(())
    }

    /// Whether there was one.
    pub(crate) fn log_out(&self, call: &Call, registry: &str) -> bool {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.remove(&(Arc::clone(&call.caller().principal), registry.to_owned())).is_some()
    }

    pub(crate) fn login(&self, call: &Call, registry: &str) -> Option<Login> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.get(&(Arc::clone(&call.caller().principal), registry.to_owned())).cloned()
    }

    /// All logins of who calls.
    pub(crate) fn logins(&self, call: &Call) -> Vec<(String, Login)> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = logins.iter().filter(|((who, _), _)| *who == call.caller().principal);
        mine.map(|((_, registry), login)| (registry.clone(), login.clone())).collect()
    }

    /// Keeps what did not fit into an answer, for who called, of which so many bytes were shown. Gives the id to fetch
    /// it with.
    pub(crate) fn keep(&self, call: &Call, text: String, shown: usize) -> Option<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(&call.caller().principal, text, shown)
    }

    /// What was kept under this id, and how much of it was shown.
    pub(crate) fn kept(&self, call: &Call, id: &str) -> Option<(Arc<str>, usize)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&call.caller().principal, id)
    }
}

/// Outputs whose rest may still be fetched. The oldest go first, of who has the most.
#[derive(Default)]
struct Kept {
    all: Vec<KeptText>,
    bytes: usize,
}

struct KeptText {
    id: String,
    owner: Arc<str>,
    text: Arc<str>,
    shown: usize,
    since: Instant,
}

const MOST_KEPT: usize = 32 << 20;
const KEPT_FOR: Duration = Duration::from_secs(600);

impl Kept {
    fn put(&mut self, owner: &Arc<str>, text: String, shown: usize) -> Option<String> {
        if text.len() > MOST_KEPT {
            return None;
        }
        let mut bytes = [0; 12];
        getrandom::fill(&mut bytes).ok()?;
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.bytes += text.len();
        let (owner, since) = (Arc::clone(owner), Instant::now());
        self.all.push(KeptText { id: id.clone(), owner, text: text.into(), shown, since });
        self.all.retain(|kept| kept.since.elapsed() <= KEPT_FOR);
        self.bytes = self.all.iter().map(|kept| kept.text.len()).sum();
        while self.bytes > MOST_KEPT {
            let Some(gone) = self.next_to_go().map(|at| self.all.remove(at)) else { break };
            self.bytes -= gone.text.len();
        }
        Some(id)
    }

    fn next_to_go(&self) -> Option<usize> {
        let mut shares: HashMap<&Arc<str>, usize> = HashMap::new();
        for kept in &self.all {
            *shares.entry(&kept.owner).or_default() += kept.text.len();
        }
        let (greediest, _) = shares.into_iter().max_by_key(|(_, bytes)| *bytes)?;
        self.all.iter().position(|kept| kept.owner == *greediest)
    }

    fn get(&self, owner: &Arc<str>, id: &str) -> Option<(Arc<str>, usize)> {
        let found = self.all.iter().find(|kept| kept.id == id && kept.owner == *owner)?;
        (found.since.elapsed() <= KEPT_FOR).then(|| (Arc::clone(&found.text), found.shown))
    }
}

/// A text within a limit of bytes, at the edge of a character.
pub(crate) fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_belongs_to_one() {
        let (me, you): (Arc<str>, Arc<str>) = ("me".into(), "you".into());
        let mut kept = Kept::default();
        let first = kept.put(&me, "a".repeat(MOST_KEPT / 2), 7).unwrap();
        assert!(kept.get(&me, &first).is_some_and(|(_, shown)| shown == 7) && kept.get(&you, &first).is_none());
        let second = kept.put(&me, "b".repeat(MOST_KEPT / 2 + 1), 0).unwrap();
        assert!(kept.get(&me, &first).is_none() && kept.get(&me, &second).is_some());
        assert!(kept.bytes <= MOST_KEPT && kept.put(&me, "c".repeat(MOST_KEPT + 1), 0).is_none());
        let mine = kept.put(&you, "d".repeat(100), 0).unwrap();
        for _ in 0..4 {
            kept.put(&me, "e".repeat(MOST_KEPT / 2), 0).unwrap();
        }
        assert!(kept.get(&you, &mine).is_some(), "who keeps much displaces their own");
        assert_eq!(head("aäb", 2), "a");
    }
}
