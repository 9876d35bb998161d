//! Instances of one caller's own.
//!
//! stdio has no link between what a legacy server asks or logs and the call that caused it, and a
//! client's capabilities are told once, at the start. So whoever can be asked, or wants log lines,
//! gets processes that nobody else uses. A session has one, for all its calls: that is also where a
//! server keeps what it knows of a session. Without a session, a principal has a few that carry one
//! call at a time, so that what is said belongs to the call that is there.
//!
//! They are started at the first need and stopped when they are idle for long; if there are too
//! many, the one idle for longest makes room. None is started again by itself: the next call does
//! that.

use super::audience::Audience;
use super::core::Core;
use super::greeting;
use super::instance::Instance;
use super::subscriptions;
use bytes::Bytes;
use mcp::{Caller, Error, Level, Note};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, interval, timeout};

/// How long a failed start is not repeated for the same caller.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the first call waits for subscriptions.
const SUBSCRIBED: Duration = Duration::from_secs(3);

/// All personal instances of one child.
#[derive(Default)]
pub(super) struct Personal {
    seats: Mutex<Vec<Arc<Seat>>>,
    /// Who hears of changes, by whose instances they are of. There before and after the instances.
    audiences: Mutex<Vec<(Owner, Weak<Audience>)>>,
    /// Told when a call leaves its instance.
    freed: Arc<Notify>,
}

/// Whose an instance is.
#[derive(Clone, PartialEq, Eq)]
struct Owner {
    principal: Arc<str>,
    session: Option<Arc<str>>,
    /// As they were declared: the server was told them when it was started.
    capabilities: Bytes,
}

/// One instance and what goes on in it.
struct Seat {
    owner: Owner,
    audience: Arc<Audience>,
    slot: watch::Sender<Slot>,
    taken: Mutex<Taken>,
}

enum Slot {
    Starting,
    Up(Arc<Instance>),
    Failed { reason: String, at: Instant },
}

struct Taken {
    calls: usize,
    /// The log levels that these calls want.
    levels: Vec<Level>,
    /// When the last call ended.
    since: Instant,
}

/// A call's share of an instance.
pub(super) struct Lease {
    seat: Arc<Seat>,
    level: Option<Level>,
    freed: Arc<Notify>,
}

impl Owner {
    fn of(caller: &Caller) -> Self {
        Self {
            principal: Arc::clone(&caller.principal),
            session: caller.session.clone(),
            capabilities: caller.capabilities.raw().bytes().clone(),
        }
    }
}

impl Seat {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> usize {
        self.taken().calls
    }

    /// Whether calls may be put here: it lives, or will, or has just shown that it cannot.
    fn is_good(&self) -> bool {
        match &*self.slot.borrow() {
            Slot::Starting => true,
            Slot::Up(instance) => !instance.is_dead(),
            Slot::Failed { at, .. } => at.elapsed() < PAUSE,
        }
    }

    /// Whether it is up and nobody uses it.
    fn is_idle(&self) -> bool {
        self.calls() == 0 && matches!(&*self.slot.borrow(), Slot::Up(_))
    }

    /// Its instance, if it is up.
    fn up(&self) -> Option<Arc<Instance>> {
        match &*self.slot.borrow() {
            Slot::Up(instance) if !instance.is_dead() => Some(Arc::clone(instance)),
            _ => None,
        }
    }

    fn quit(&self) {
        if let Slot::Up(instance) = &*self.slot.borrow() {
            instance.quit();
        }
    }

    fn lease(self: &Arc<Self>, level: Option<Level>, freed: &Arc<Notify>) -> Lease {
        let mut taken = self.taken();
        taken.calls += 1;
        taken.levels.extend(level);
        Lease { seat: Arc::clone(self), level, freed: Arc::clone(freed) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut taken = self.seat.taken();
        taken.calls = taken.calls.saturating_sub(1);
        if let Some(at) = self.level.and_then(|level| taken.levels.iter().position(|l| *l == level)) {
            taken.levels.swap_remove(at);
        }
        taken.since = Instant::now();
        drop(taken);
        self.freed.notify_waiters();
    }
}

impl Lease {
    /// Its instance, waiting for it if it is on its way.
    pub(super) async fn instance(&self, core: &Core) -> Result<Arc<Instance>, Error> {
        let mut slot = self.seat.slot.subscribe();
        match slot.wait_for(|slot| !matches!(slot, Slot::Starting)).await.as_deref() {
            Ok(Slot::Up(instance)) => Ok(Arc::clone(instance)),
            Ok(Slot::Failed { reason, at }) => Err(core.unavailable(reason, Some(*at + PAUSE))),
            Ok(Slot::Starting) | Err(_) => Err(core.unavailable("it is starting", None)),
        }
    }

    /// The most verbose log level that is wanted there now.
    pub(super) fn level(&self) -> Option<Level> {
        self.seat.taken().levels.iter().min().copied()
    }
}

impl Personal {
    fn seats(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<'a>(&'a self, owner: &'a Owner) -> impl Iterator<Item = Arc<Seat>> + use<> {
        let seats: Vec<_> = self.seats().iter().filter(|seat| seat.owner == *owner).cloned().collect();
        seats.into_iter()
    }

    /// Who hears of changes in the instances of this caller.
    pub(super) fn audience(&self, caller: &Caller) -> Arc<Audience> {
        self.audience_of(&Owner::of(caller))
    }

    fn audience_of(&self, owner: &Owner) -> Arc<Audience> {
        let mut audiences = self.audiences.lock().unwrap_or_else(PoisonError::into_inner);
        audiences.retain(|(_, audience)| audience.strong_count() > 0);
        let known = audiences.iter().find(|(own, _)| own == owner).and_then(|(_, audience)| audience.upgrade());
        known.unwrap_or_else(|| {
            let audience = Arc::<Audience>::default();
            audiences.push((owner.clone(), Arc::downgrade(&audience)));
            audience
        })
    }

    /// Whether an instance of its own answers this caller.
    pub(super) fn answers(&self, caller: &Caller) -> bool {
        self.of(&Owner::of(caller)).any(|seat| seat.up().is_some())
    }

    /// Numbers what this caller's own instances list, if that changed since they were started.
    pub(super) fn lists(&self, caller: &Caller) -> Option<u64> {
        self.of(&Owner::of(caller)).filter_map(|seat| seat.up()?.lists()).max()
    }

    /// The instance whose lists these are. It may be busy: a list asks nobody anything.
    pub(super) fn changed(&self, caller: &Caller) -> Option<Lease> {
        let owner = Owner::of(caller);
        let changed = self.of(&owner).filter_map(|seat| Some((seat.up()?.lists()?, seat)));
        let (_, seat) = changed.max_by_key(|(number, _)| *number)?;
        Some(seat.lease(None, &self.freed))
    }

    /// Finds the caller an instance, or starts one.
    pub(super) async fn enter(&self, core: &Arc<Core>, caller: &Caller) -> Result<Lease, Error> {
        let owner = Owner::of(caller);
        let level = caller.log_level;
        if let Some(seat) = free(&self.seats(), &owner) {
            return Ok(seat.lease(level, &self.freed));
        }
        // The shared instance shows whether the server can be started at all, and what it is.
        core.plain().await?;
        loop {
            let freed = self.freed.notified();
            match self.try_enter(core, caller, &owner) {
                // Within the deadline of the call, which is not ours.
                Err(Error::Limited { .. }) => freed.await,
                entered => return entered,
            }
        }
    }

    fn try_enter(&self, core: &Arc<Core>, caller: &Caller, owner: &Owner) -> Result<Lease, Error> {
        let level = caller.log_level;
        let mut seats = self.seats();
        if let Some(seat) = free(&seats, owner) {
            return Ok(seat.lease(level, &self.freed));
        }
        // A lease is taken while the list is locked, so nobody stops the instance in between.
        room(&mut seats, core, owner)?;
        let taken = Taken { calls: 0, levels: Vec::new(), since: Instant::now() };
        let slot = watch::Sender::new(Slot::Starting);
        let audience = self.audience_of(owner);
        let seat = Arc::new(Seat { owner: owner.clone(), audience, slot, taken: Mutex::new(taken) });
        seats.push(Arc::clone(&seat));
        let lease = seat.lease(level, &self.freed);
        // In a task of its own: whoever gives up the call does not give up the start.
        tokio::spawn(start(Arc::clone(core), seat, caller.clone()));
        Ok(lease)
    }

    /// Passes on a notification of this caller's client.
    pub(super) fn tell(&self, note: &Note, caller: &Caller) {
        let owner = Owner::of(caller);
        for instance in self.of(&owner).filter_map(|seat| seat.up()) {
            instance.wire().notify_aside(&note.method, &note.params);
        }
    }

    /// Stops what is idle for too long and forgets what is dead, until the child is to be stopped.
    pub(super) async fn tidy(&self, core: &Core) {
        let Some(idle) = (!core.settings.idle_stop.is_zero()).then_some(core.settings.idle_stop) else { return };
        let mut ticks = interval((idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(30)));
        loop {
            ticks.tick().await;
            self.seats().retain(|seat| {
                let old = seat.is_idle() && seat.taken().since.elapsed() >= idle;
                if old {
                    seat.quit();
                }
                !old && seat.is_good()
            });
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&self) {
        self.seats().clear();
    }
}

async fn start(core: Arc<Core>, seat: Arc<Seat>, caller: Caller) {
    let welcome = core.welcome.load_full();
    let started = match welcome {
        Some(welcome) => greeting::personal(&core, &caller.capabilities, &seat.audience, &welcome).await,
        None => Err("it is starting".into()),
    };
    let slot = match started {
        Ok(instance) => {
            let instance = Arc::new(instance);
            let (ready, is_ready) = oneshot::channel();
            let follow = subscriptions::follow_own(core, Arc::clone(&seat.audience), Arc::clone(&instance), ready);
            tokio::spawn(follow);
            // What the first call changes is to be told already.
            let _ = timeout(SUBSCRIBED, is_ready).await;
            Slot::Up(instance)
        }
        Err(reason) => {
            tracing::warn!(server = %core.server, "an instance for one caller does not start: {reason}");
            Slot::Failed { reason, at: Instant::now() }
        }
    };
    seat.slot.send_replace(slot);
}

/// A seat of this owner that can be had without further thought.
fn free(seats: &[Arc<Seat>], owner: &Owner) -> Option<Arc<Seat>> {
    let mut own = seats.iter().filter(|seat| seat.owner == *owner && seat.is_good());
    own.find(|seat| owner.session.is_some() || seat.calls() == 0).cloned()
}

/// Makes room for one more instance of this owner. Two calls without a session never share one: a
/// question would go to the wrong one.
fn room(seats: &mut Vec<Arc<Seat>>, core: &Core, owner: &Owner) -> Result<(), Error> {
    seats.retain(|seat| seat.is_good());
    if owner.session.is_none() {
        let same = |seat: &Arc<Seat>| seat.owner.principal == owner.principal && seat.owner.session.is_none();
        if seats.iter().filter(|seat| same(seat)).count() >= core.settings.asking_per_principal.max(1) {
            make_room(seats, same)?;
        }
    }
    // Whoever has many sessions leaves some for others.
    let most = core.settings.max_asking.max(1);
    let share = most - most / 4;
    let own = |seat: &Arc<Seat>| seat.owner.principal == owner.principal;
    if seats.iter().filter(|seat| own(seat)).count() >= share {
        make_room(seats, own)?;
    }
    if seats.len() >= most {
        make_room(seats, |_| true)?;
    }
    Ok(())
}

/// Stops the one of these that is idle for longest.
fn make_room(seats: &mut Vec<Arc<Seat>>, of: impl Fn(&Arc<Seat>) -> bool) -> Result<(), Error> {
    let idle = seats.iter().enumerate().filter(|(_, seat)| of(seat) && seat.is_idle());
    let oldest = idle.min_by_key(|(_, seat)| seat.taken().since).map(|(at, _)| at);
    let Some(oldest) = oldest else {
        return Err(Error::Limited {
            what: "too many instances of this server are in use",
            retry_after: Duration::from_secs(5),
        });
    };
    seats.swap_remove(oldest).quit();
    Ok(())
}
