//! Work on the disk, away from the async threads.
//!
//! A call takes one of a few places and runs on a blocking thread until it is done, its deadline has come or
//! its caller has gone: loops ask [`Work::check`]. The place is given back when the thread is done, not when
//! the caller is, so a medium that hangs takes no more threads than there are places. Who makes many calls at once
//! leaves places to others.

use crate::book::Book;
use crate::fault::Fault;
use crate::html::Article;
use crate::library::{Library, Shelf};
use crate::telemetry::Telemetry;
use mcp::Call;
use mcp::Places;
use mcp::builtin::Fail;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;
use zim::{Archive, Entry};

/// What the tools work on.
pub(crate) struct Desk {
    pub(crate) holdings: Arc<Library>,
    pub(crate) telemetry: Arc<Telemetry>,
    places: Places,
    helpers: Arc<Semaphore>,
}

/// Threads that help one call at most: there are as many in all as there are cores beside one.
const HELPERS: usize = 3;

/// One call at work.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) holdings: Arc<Library>,
    pub(crate) telemetry: Arc<Telemetry>,
    helpers: Arc<Semaphore>,
    begun: Instant,
    pub(crate) until: Instant,
    gone: Arc<AtomicBool>,
}

impl Work {
    /// Fails if nobody waits any more.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.is_over() {
            return Err(timed_out());
        }
        Ok(())
    }

    /// Nobody waits any more.
    pub(crate) fn is_over(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Tells whether it is over, to what runs elsewhere on behalf of this work.
    pub(crate) fn bell(&self) -> impl Fn() -> bool + Send + 'static {
        let (gone, until) = (Arc::clone(&self.gone), self.until);
        move || gone.load(Ordering::Relaxed) || Instant::now() >= until
    }

    /// Half of the time that was there is over: for work that can give a part of its result.
    pub(crate) fn is_late(&self) -> bool {
        let now = Instant::now();
        let all = self.until.saturating_duration_since(self.begun);
        self.gone.load(Ordering::Relaxed) || self.until.saturating_duration_since(now) < all / 2
    }

    /// The same work with less time.
    pub(crate) fn within(&self, time: std::time::Duration) -> Self {
        let now = Instant::now();
        Self { begun: now, until: self.until.min(now + time), ..self.clone() }
    }

    /// Does it for each of these, in any order, with threads that help if some are free; gives the results in the
    /// order of the items.
    pub(crate) fn each<T: Sync, R: Send>(&self, items: &[T], act: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let others = items.len().saturating_sub(1).min(HELPERS);
        let helpers: Vec<_> = (0..others).map_while(|_| self.helpers.try_acquire().ok()).collect();
        if helpers.is_empty() {
            return items.iter().map(act).collect();
        }
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
        let take = || {
            while let Some((place, item)) =
                Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, items.get(n)?)))
            {
                let result = act(item);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((place, result));
            }
        };
        std::thread::scope(|scope| {
            for helper in helpers {
                scope.spawn(move || {
                    take();
                    drop(helper);
                });
            }
            take();
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// The entry, which is no redirect, as an article; nothing if it is no text.
    pub(crate) fn article(
        &self,
        book: &Book,
        archive: &Archive,
        entry: &Entry<'_>,
    ) -> Result<Option<Arc<Article>>, Fault> {
        let article = self.holdings.articles.read(book, archive, entry)?;
        self.check()?;
        Ok(article)
    }
}

fn timed_out() -> Fault {
    Fault::new("timeout", "This took too long and was given up. Ask for less, or try again.")
}

impl Desk {
    pub(crate) fn new(library: &Arc<Library>) -> Self {
        let places = Places::new(library.settings.threads);
        // One core is that of the call itself.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let helpers = Arc::new(Semaphore::new(cores - 1));
        Self { holdings: Arc::clone(library), telemetry: Arc::default(), places, helpers }
    }

    /// Does it on a blocking thread. If an archive turns out to have been replaced meanwhile, it is done once more
    /// with what is there then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: &Call,
        act: impl Fn(&Work) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fail> {
        let deadline = self.holdings.settings.deadline;
        let begun = Instant::now();
        let until = begun + deadline;
        let gone = Arc::new(AtomicBool::new(false));
        let _leaving = Leaving(Arc::clone(&gone));
        let holdings = Arc::clone(&self.holdings);
        let telemetry = Arc::clone(&self.telemetry);
        let helpers = Arc::clone(&self.helpers);
        let working = async {
            let Some(place) = self.places.take(&call.caller().principal).await else { return Err(timed_out()) };
            let running = tokio::task::spawn_blocking(move || {
                let _place = place;
                let shelf = holdings.shelf();
                let mut work = Work { shelf, holdings, telemetry, helpers, begun, until, gone };
                work.check()?;
                match act(&work) {
                    Err(fault) if fault.is_replaced() => {
                        work.shelf = work.holdings.fresh();
                        act(&work)
                    }
                    done => done,
                }
            });
            match running.await {
                Ok(result) => result,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => Err(timed_out()),
            }
        };
        match tokio::time::timeout(deadline, working).await {
            Ok(result) => result.map_err(Fail::from),
            Err(_) => Err(timed_out().into()),
        }
    }
}

/// Tells the thread when the caller goes.
struct Leaving(Arc<AtomicBool>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::tools::{browse, get, get_section, links, search};
    use std::time::Duration;

    /// A call over the sample archive, twice.
    fn work(time: Duration, gone: bool) -> Work {
        let mut settings = Settings::demo();
        settings.memory.push(("again.zim".to_owned(), crate::demo_archive()));
        let desk = Desk::new(&Arc::new(Library::new(settings)));
        let begun = Instant::now();
        Work {
            shelf: desk.holdings.shelf(),
            holdings: desk.holdings,
            telemetry: desk.telemetry,
            helpers: Arc::new(Semaphore::new(2)),
            begun,
            until: begun + time,
            gone: Arc::new(AtomicBool::new(gone)),
        }
    }

    #[test]
    fn no_tool_goes_on_when_its_caller_has_gone_or_its_time_is_over() {
        let file = || Some("again.zim".to_owned());
        let words = |mode, cross_file| search::Search {
            query: "portcullis".to_owned(),
            mode,
            zim_file_path: if cross_file { None } else { file() },
            cross_file,
            content_type: (mode == search::Mode::Filtered).then(|| "text/html".to_owned()),
            ..search::Search::default()
        };
        let searches = [
            words(search::Mode::Fulltext, false),
            words(search::Mode::Fulltext, true),
            words(search::Mode::Filtered, false),
            words(search::Mode::Title, true),
        ];
        let page = browse::Browse { zim_file_path: file(), namespace: "C".to_owned(), ..Default::default() };
        let long = Duration::from_secs(60);
        let path = browse::browse(&work(long, false), &page).unwrap().results.remove(0).path;
        for ended in [work(long, true), work(Duration::ZERO, false)] {
            let stopped = |fault: Option<Fault>, what: &str| {
                assert_eq!(fault.as_ref().map(Fault::operation), Some("timeout"), "{what}: {fault:?}");
            };
            for given in &searches {
                let found = search::search(&work(long, false), given);
                assert!(found.as_ref().is_ok_and(|found| found.total > 0), "{:?}: {:?}", given.mode, found.err());
                stopped(search::search(&ended, given).err(), "search");
            }
            stopped(browse::browse(&ended, &page).err(), "browse");
            let links = links::Links { zim_file_path: file(), entry_path: path.clone(), ..Default::default() };
            stopped(links::links(&ended, &links).err(), "links");
            let got = get::Get { zim_file_path: file(), entry_path: Some(path.clone()), ..Default::default() };
            stopped(get::get(&ended, &got).err(), "get");
            let section = get_section::GetSection {
                zim_file_path: file(),
                entry_path: path.clone(),
                section_id: "1".to_owned(),
                ..Default::default()
            };
            stopped(get_section::get(&ended, &section).err(), "section");
            let archive = ended.shelf.find(Some("again.zim")).unwrap().archive().unwrap();
            stopped(crate::retrieve::find(&ended, &archive, &format!("{path}x")).err(), "find");
        }
    }

    #[test]
    fn helpers_do_each_item_once_and_give_the_results_in_order() {
        let work = work(Duration::from_secs(60), false);
        for count in [0, 1, 2, 100] {
            let items: Vec<usize> = (0..count).collect();
            let done = work.each(&items, |item| item * 2);
            assert_eq!(done, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
        assert_eq!(work.helpers.available_permits(), 2, "they are given back");
    }
}
