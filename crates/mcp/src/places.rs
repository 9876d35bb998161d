//! The places for calls at work, shared fairly: among those who wait, the next free one goes to who holds fewer or
//! has waited longer.
//!
//! Principals take turns, however many calls each has waiting. A turn counts from the principal's last grant, or from
//! when it began to wait, and each place it holds puts it back by as many grants as there are places. So whoever
//! holds no more than a fair share waits for a bounded number of grants, whatever others do: as many as its places
//! put it back, and one for each principal that waits. Who holds more than that comes after all others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// As many calls are at work at once as there are places.
#[derive(Clone)]
pub struct Places(Arc<Mutex<State>>);

struct State {
    count: usize,
    free: usize,
    /// How many one principal may hold: where there are several, one is left for others.
    most: usize,
    /// Places that were given so far.
    grants: u64,
    /// Calls that came so far.
    arrivals: u64,
    /// Those who hold a place or wait for one.
    principals: HashMap<Arc<str>, Principal>,
}

#[derive(Default)]
struct Principal {
    held: usize,
    /// The grants there had been when it got its last place, or began to wait.
    since: u64,
    /// In the order in which they came, with their numbers.
    waiting: VecDeque<(u64, oneshot::Sender<Place>)>,
}

/// A place that is taken; dropping it gives it back.
pub struct Place {
    places: Places,
    who: Arc<str>,
}

impl Places {
    /// At least one. Of four or more, one principal may hold all but one.
    pub fn new(count: usize) -> Self {
        let count = count.max(1);
        let most = if count >= 4 { count - 1 } else { count };
        let principals = HashMap::new();
        Self(Arc::new(Mutex::new(State { count, free: count, most, grants: 0, arrivals: 0, principals })))
    }

    /// Waits for a place. Who stops waiting takes none.
    pub async fn take(&self, who: &Arc<str>) -> Option<Place> {
        let waiting = {
            let (sender, receiver) = oneshot::channel();
            self.lock().waits(who, sender);
            self.hand_out();
            receiver
        };
        waiting.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the free places to those who wait.
    fn hand_out(&self) {
        loop {
            let Some((who, sender)) = self.lock().next() else { return };
            // One for whom nobody waits any more is given back by being dropped.
            let _ = sender.send(Place { places: self.clone(), who });
        }
    }
}

impl State {
    fn waits(&mut self, who: &Arc<str>, sender: oneshot::Sender<Place>) {
        self.leave();
        let principal = self.principals.entry(Arc::clone(who)).or_default();
        if principal.waiting.is_empty() {
            principal.since = self.grants;
        }
        principal.waiting.push_back((self.arrivals, sender));
        self.arrivals += 1;
    }

    /// Forgets the calls that wait no more, and who has none left.
    fn leave(&mut self) {
        self.principals.retain(|_, principal| {
            principal.waiting.retain(|(_, sender)| !sender.is_closed());
            principal.held > 0 || !principal.waiting.is_empty()
        });
    }

    /// Who gets a place now, which is counted as held from here on.
    fn next(&mut self) -> Option<(Arc<str>, oneshot::Sender<Place>)> {
        self.leave();
        if self.free == 0 {
            return None;
        }
        let share = (self.count / self.principals.len().max(1)).max(1);
        let turn = |principal: &Principal| {
            let (arrival, _) = principal.waiting.front()?;
            let beyond = if principal.held > share { principal.held } else { 0 };
            Some((beyond, principal.since + (principal.held * self.count) as u64, *arrival))
        };
        let may = self.principals.iter().filter(|(_, principal)| principal.held < self.most);
        let (_, who) =
            may.filter_map(|(who, principal)| Some((turn(principal)?, who))).min_by_key(|(turn, _)| *turn)?;
        let who = Arc::clone(who);
        let principal = self.principals.get_mut(&who)?;
        let (_, sender) = principal.waiting.pop_front()?;
        self.free -= 1;
        self.grants += 1;
        principal.held += 1;
        principal.since = self.grants;
        Some((who, sender))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.free += 1;
        if let Some(principal) = state.principals.get_mut(&self.who) {
            principal.held -= 1;
        }
        drop(state);
        self.places.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use proptest::prelude::*;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Waiting<'a> = Pin<Box<dyn Future<Output = Option<Place>> + 'a>>;

    /// Principals whose calls come and end as a test says.
    struct House<'a> {
        places: &'a Places,
        waiting: Vec<(usize, Waiting<'a>)>,
        held: Vec<(usize, Place)>,
        grants: usize,
    }

    impl<'a> House<'a> {
        fn of(places: &'a Places) -> Self {
            Self { places, waiting: Vec::new(), held: Vec::new(), grants: 0 }
        }

        fn call(&mut self, who: usize, names: &'a [Arc<str>]) {
            self.waiting.push((who, Box::pin(self.places.take(&names[who]))));
            self.settle();
        }

        /// Ends the call at work that came at this place, and says whose it was.
        fn end(&mut self, at: usize) -> Option<usize> {
            let ended = (self.held.len() > at).then(|| self.held.remove(at).0);
            self.settle();
            ended
        }

        /// Sees who got a place.
        fn settle(&mut self) {
            for (who, mut wait) in std::mem::take(&mut self.waiting) {
                match (&mut wait).now_or_never() {
                    Some(place) => {
                        self.held.push((who, place.unwrap()));
                        self.grants += 1;
                    }
                    None => self.waiting.push((who, wait)),
                }
            }
        }

        fn held_by(&self, who: usize) -> usize {
            self.held.iter().filter(|(holder, _)| *holder == who).count()
        }
    }

    fn names(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|at| format!("p{at}").into()).collect()
    }

    #[test]
    fn who_holds_a_place_gets_another_although_others_keep_coming() {
        let (places, names) = (Places::new(4), names(13));
        let mut house = House::of(&places);
        // The first one's long call stays; the others have two calls each and call again as soon as one ends.
        house.call(0, &names);
        for who in (1..13).chain(1..13) {
            house.call(who, &names);
        }
        house.call(0, &names);
        let before = house.grants;
        while house.held_by(0) < 2 {
            let ended = house.end(1).unwrap();
            house.call(ended, &names);
            assert!(house.grants - before <= 4 + names.len(), "it waits for ever");
        }
    }

    #[test]
    fn a_flood_of_one_keeps_nobody_out_who_comes_later() {
        let (places, names) = (Places::new(4), names(6));
        let mut house = House::of(&places);
        (0..500).for_each(|_| house.call(0, &names));
        for who in 1..6 {
            house.call(who, &names);
        }
        let before = house.grants;
        while (1..6).any(|who| house.waiting.iter().any(|(waits, _)| *waits == who)) {
            house.end(0).unwrap();
            assert!(house.grants - before <= names.len(), "the flood goes first");
        }
        // And who keeps calling has no less than the flood.
        let mut served = [0; 2];
        (0..3).for_each(|_| house.call(1, &names));
        for _ in 0..100 {
            let ended = house.end(0).unwrap();
            served[usize::from(ended == 1)] += 1;
            if ended == 1 {
                house.call(1, &names);
            }
        }
        assert!(served[1] >= 45, "{served:?}");
    }

    #[test]
    fn long_calls_of_one_do_not_take_the_shares_of_those_who_keep_coming() {
        let (places, names) = (Places::new(10), names(3));
        let mut house = House::of(&places);
        for _ in 0..20 {
            (0..3).for_each(|who| house.call(who, &names));
        }
        // The calls of the first one never end.
        for _ in 0..500 {
            let at = house.held.iter().position(|(who, _)| *who != 0).unwrap();
            let ended = house.end(at).unwrap();
            house.call(ended, &names);
            assert!(house.held_by(0) <= 10 / 3 + 1);
        }
    }

    proptest! {
        #[test]
        fn nobody_with_a_share_or_less_waits_for_more_than_a_bounded_number_of_grants(
            count in 1_usize..8,
            holds: bool,
            steps in prop::collection::vec((1_usize..10, any::<bool>(), 0_usize..8), 1..400),
        ) {
            let (places, names) = (Places::new(count), names(10));
            let mut house = House::of(&places);
            let holds = usize::from(holds && count > 1);
            (0..holds).for_each(|_| house.call(0, &names));
            (1..10).for_each(|who| house.call(who, &names));
            house.call(0, &names);
            let before = house.grants;
            for (who, calls, at) in steps {
                if house.held_by(0) > holds {
                    break;
                }
                if calls {
                    house.call(who, &names);
                } else {
                    house.end(holds + at % count.saturating_sub(holds).max(1));
                }
                prop_assert!(house.grants - before <= holds * count + names.len());
            }
        }
    }

    #[test]
    fn a_caller_of_many_calls_does_not_keep_others_waiting() {
        let (many, few): (Arc<str>, Arc<str>) = ("many".into(), "few".into());
        let places = Places::new(4);
        let mut held: Vec<_> = (0..3).map(|_| places.take(&many).now_or_never().flatten().unwrap()).collect();
        let mut waiting: Vec<_> = (0..40).map(|_| Box::pin(places.take(&many))).collect();
        assert!(waiting.iter_mut().all(|wait| wait.now_or_never().is_none()));
        // One place is left, and the next that is free goes to who holds fewer, whoever came first.
        let first = places.take(&few).now_or_never().flatten().unwrap();
        let mut second = Box::pin(places.take(&few));
        assert!((&mut second).now_or_never().is_none());
        held.pop();
        assert!((&mut second).now_or_never().flatten().is_some());
        drop((first, held));
        let served: Vec<_> = waiting.iter_mut().filter_map(|wait| wait.now_or_never().flatten()).collect();
        assert_eq!(served.len(), 3);
    }

    #[test]
    fn who_stops_waiting_takes_no_place() {
        let who: Arc<str> = "p".into();
        let places = Places::new(1);
        let held = places.take(&who).now_or_never().flatten();
        let mut gone = Box::pin(places.take(&who));
        assert!((&mut gone).now_or_never().is_none());
        drop(held);
        // It was handed out and never fetched.
        drop(gone);
        assert!(places.take(&who).now_or_never().flatten().is_some());
    }

    #[test]
    fn under_load_no_more_are_at_work_than_there_are_places_and_everybody_gets_one() {
        const PLACES: usize = 5;
        const CALLS: usize = 300;
        let places = Places::new(PLACES);
        let held: [AtomicUsize; 4] = Default::default();
        let served = AtomicUsize::new(0);
        let count = || held.iter().map(|held| held.load(Ordering::SeqCst)).sum::<usize>();
        std::thread::scope(|scope| {
            for thread in 0..12 {
                let (places, held, served, count) = (&places, &held, &served, &count);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    for call in 0..CALLS {
                        let who = (thread + call) % held.len();
                        let name: Arc<str> = who.to_string().into();
                        if call % 3 == 0 {
                            // One that leaves, before or after it was given a place.
                            drop(Box::pin(places.take(&name)).now_or_never());
                        }
                        let place = runtime.block_on(places.take(&name)).unwrap();
                        let own = held[who].fetch_add(1, Ordering::SeqCst) + 1;
                        assert!(own < PLACES && count() <= PLACES);
                        std::thread::yield_now();
                        held[who].fetch_sub(1, Ordering::SeqCst);
                        served.fetch_add(1, Ordering::SeqCst);
                        drop(place);
                    }
                });
            }
        });
        let state = places.lock();
        let held: usize = state.principals.values().map(|principal| principal.held).sum();
        assert_eq!((served.into_inner(), state.free, held), (12 * CALLS, PLACES, 0));
    }
}
