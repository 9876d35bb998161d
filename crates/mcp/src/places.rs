//! The places for calls at work, shared fairly: the next free one goes to the principal that holds the fewest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// As many calls are at work at once as there are places.
#[derive(Clone)]
pub struct Places(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// How many one principal may hold: where there are several, one is left for others.
    most: usize,
    held: HashMap<Arc<str>, usize>,
    /// In the order in which they came.
    waiting: VecDeque<(Arc<str>, oneshot::Sender<Place>)>,
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
        Self(Arc::new(Mutex::new(State { free: count, most, held: HashMap::new(), waiting: VecDeque::new() })))
    }

    /// Waits for a place. Who stops waiting takes none.
    pub async fn take(&self, who: &Arc<str>) -> Option<Place> {
        let waiting = {
            let (sender, receiver) = oneshot::channel();
            self.lock().waiting.push_back((Arc::clone(who), sender));
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
    /// Who gets a place now, which is counted as held from here on.
    fn next(&mut self) -> Option<(Arc<str>, oneshot::Sender<Place>)> {
        self.waiting.retain(|(_, sender)| !sender.is_closed());
        if self.free == 0 {
            return None;
        }
        let held = |who: &Arc<str>| self.held.get(who).copied().unwrap_or(0);
        let waiting = self.waiting.iter().enumerate().map(|(at, (who, _))| (held(who), at));
        let (_, at) = waiting.filter(|(held, _)| *held < self.most).min()?;
        let next = self.waiting.remove(at)?;
        self.free -= 1;
        *self.held.entry(Arc::clone(&next.0)).or_default() += 1;
        Some(next)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.lock();
        state.free += 1;
        if let Some(held) = state.held.get_mut(&self.who) {
            *held -= 1;
            if *held == 0 {
                state.held.remove(&self.who);
            }
        }
        drop(state);
        self.places.hand_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        assert_eq!((served.into_inner(), state.free, state.held.len()), (12 * CALLS, PLACES, 0));
    }
}
