//! What callers see of searches, on two small databases that libzim made.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use glass::{Cache, Database, Error, Highlighter, Memory, Place, ReadAt, Search};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const TITLES: &[u8] = include_bytes!("data/titles.glass");
const FULL_TEXT: &[u8] = include_bytes!("data/full-text.glass");
const WHOLE: &[u8] = include_bytes!("data/whole.glass");
const HALVES: [&[u8]; 2] = [include_bytes!("data/half-1.glass"), include_bytes!("data/half-2.glass")];
const FRENCH: &[u8] = include_bytes!("data/french.glass");

fn open(bytes: &'static [u8]) -> Database {
    Database::open(Arc::new(Memory(bytes)), 0..bytes.len() as u64, &Arc::default()).unwrap()
}

fn never() -> bool {
    false
}

#[test]
fn pages_of_results_are_the_whole_cut_into_pieces() {
    let database = open(FULL_TEXT);
    for query in ["water", "number water", "run"] {
        let whole = Search::full_text(query).limit(1000).run(&[&database], &never).unwrap();
        assert!(whole.total.is_exact && whole.is_complete && whole.hits.len() as u64 == whole.total.at_least);
        let mut pages = Vec::new();
        for offset in (0..whole.hits.len()).step_by(3) {
            let page = Search::full_text(query).offset(offset).limit(3).run(&[&database], &never).unwrap();
            assert_eq!(page.total, whole.total);
            pages.extend(page.hits);
        }
        assert_eq!(pages, whole.hits);
        assert!(whole.hits.is_sorted_by(|a, b| a.weight >= b.weight), "the best first");
        assert_eq!(whole.hits.first().map(|hit| hit.percent), Some(100));
    }
}

#[test]
fn hits_say_what_the_index_has() {
    let matches = Search::full_text("water").run(&[&open(FULL_TEXT)], &never).unwrap();
    let hit = &matches.hits[0];
    assert!(hit.path.starts_with("C/page/") && hit.title.as_ref().is_some_and(|title| !title.is_empty()));
    assert!(hit.word_count.is_some_and(|count| count > 3) && hit.target_path.is_none());
    let matches = Search::suggestions("a").limit(100).run(&[&open(TITLES)], &never).unwrap();
    assert!(matches.hits.iter().any(|hit| hit.path.starts_with("C/other/") && hit.target_path.is_some()));
    let mut targets: Vec<_> = matches.hits.iter().map(|hit| hit.target_path.clone()).collect();
    targets.sort();
    assert!(targets.windows(2).all(|pair| pair[0] != pair[1] || pair[0].is_none()), "each page once");
}

#[test]
fn a_total_that_is_not_exact_is_not_too_high() {
    let database = open(TITLES);
    for query in ["a", "s", "to", "wa", "running"] {
        let whole = Search::suggestions(query).limit(1000).run(&[&database], &never).unwrap();
        assert_eq!(whole.total.at_least, whole.hits.len() as u64);
        let few = Search::suggestions(query).limit(2).run(&[&database], &never).unwrap();
        assert!(few.total.at_least <= whole.total.at_least && few.total.at_least >= few.hits.len() as u64);
        assert!(!few.total.is_exact || few.total == whole.total);
        assert_eq!(few.hits, whole.hits[..few.hits.len()]);
    }
}

#[test]
fn the_same_database_twice_gives_every_document_twice() {
    let (first, second) = (open(FULL_TEXT), open(FULL_TEXT));
    let one = Search::full_text("water number").limit(1000).run(&[&first], &never).unwrap();
    let two = Search::full_text("water number").limit(1000).run(&[&first, &second], &never).unwrap();
    assert_eq!(two.total.at_least, 2 * one.total.at_least);
    let places: Vec<(usize, u32)> = two.hits.iter().map(|hit| (hit.database, hit.docid)).collect();
    let expected: Vec<(usize, u32)> = one.hits.iter().flat_map(|hit| [(0, hit.docid), (1, hit.docid)]).collect();
    assert_eq!(places, expected);
}

#[test]
fn two_halves_of_a_corpus_rank_as_the_whole() {
    let whole = open(WHOLE);
    let halves = HALVES.map(open);
    let halves = [&halves[0], &halves[1]];
    // Equal weights stand in the order of documents, which the halves do not have.
    let ranked = |matches: glass::Matches| {
        let mut hits: Vec<_> = matches.hits.into_iter().map(|hit| (hit.weight.to_bits(), hit.path)).collect();
        hits.sort_by(|a, b| f64::from_bits(b.0).total_cmp(&f64::from_bits(a.0)).then(a.1.cmp(&b.1)));
        hits
    };
    for query in ["river", "bridge water", "lanterns winter forest", "the harbour, market-garden", "nothing"] {
        let search = Search::full_text(query).limit(100);
        let one = search.run(&[&whole], &never).unwrap();
        let two = search.clone().threads(2).run(&halves, &never).unwrap();
        assert_eq!((one.total, two.total.at_least), (two.total, one.hits.len() as u64), "{query}");
        let each: u64 = two.of_each.iter().map(|count| count.unwrap().at_least).sum();
        assert_eq!(each, two.total.at_least);
        assert_eq!(ranked(one), ranked(two), "{query}");
    }
}

#[test]
fn each_database_reads_the_query_in_its_own_language() {
    let (french, english) = (open(FRENCH), open(WHOLE));
    let both = Search::full_text("ancienne rivière").run(&[&english, &french], &never).unwrap();
    let paths: Vec<&str> = both.hits.iter().map(|hit| hit.path.as_str()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(both.hits.iter().all(|hit| hit.database == 1));
    let totals: Vec<u64> = both.of_each.iter().map(|count| count.unwrap().at_least).collect();
    assert_eq!(totals, [0, 2]);
}

#[test]
fn a_large_database_leaves_room_for_others_if_that_is_wanted() {
    let databases = [open(WHOLE), open(HALVES[0])];
    let all: Vec<&Database> = databases.iter().collect();
    for threads in [1, 2] {
        let search = Search::full_text("river water").limit(1000).threads(threads);
        let whole = search.run(&all, &never).unwrap();
        for most in [0, 1, 3, 1000] {
            let few = search.clone().of_each(most).run(&all, &never).unwrap();
            assert_eq!((few.total, &few.of_each), (whole.total, &whole.of_each));
            let mut left = [most; 2];
            let expected: Vec<_> = whole
                .hits
                .iter()
                .filter(|hit| {
                    let left = &mut left[hit.database];
                    *left = left.wrapping_sub(1);
                    *left < most
                })
                .collect();
            assert_eq!(
                few.hits.iter().map(|hit| (hit.database, hit.docid)).collect::<Vec<_>>(),
                expected.iter().map(|hit| (hit.database, hit.docid)).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn what_was_found_when_the_time_is_over_is_the_answer() {
    let databases = [open(WHOLE), open(FULL_TEXT)];
    let all: Vec<&Database> = databases.iter().collect();
    for threads in [1, 2] {
        let search = Search::full_text("water river").threads(threads);
        let over = search.clone().until(Instant::now()).run(&all, &never).unwrap();
        assert!(!over.is_complete && !over.total.is_exact && over.hits.is_empty());
        assert!(over.of_each.iter().all(|count| count.is_none_or(|count| !count.is_exact)));
        let later = search.until(Instant::now() + Duration::from_secs(60)).run(&all, &never).unwrap();
        assert!(later.is_complete && !later.hits.is_empty());
    }
}

#[test]
fn several_threads_find_the_same() {
    let databases: Vec<Database> = (0..7).map(|_| open(FULL_TEXT)).collect();
    let all: Vec<&Database> = databases.iter().collect();
    for query in ["water", "number water", "nothing"] {
        let search = Search::full_text(query).limit(20);
        let one = search.run(&all, &never).unwrap();
        let three = search.clone().threads(3).run(&all, &never).unwrap();
        assert_eq!((one.hits, one.total), (three.hits, three.total));
    }
    let titles: Vec<Database> = (0..3).map(|_| open(TITLES)).collect();
    let all: Vec<&Database> = titles.iter().collect();
    let one = Search::suggestions("a").run(&all, &never).unwrap();
    let many = Search::suggestions("a").threads(8).run(&all, &never).unwrap();
    assert_eq!(one.hits, many.hits);
    let stopped = Search::full_text("water").threads(2).run(&all, &|| true);
    assert!(matches!(stopped, Err(Error::Stopped)));
}

#[test]
fn a_damaged_database_does_not_keep_others_from_answering() {
    let mut broken = FULL_TEXT.to_vec();
    // All but the first block.
    broken[2048..].fill(0xff);
    let range = 0..broken.len() as u64;
    let broken = Database::open(Arc::new(Memory(broken)), range, &Arc::default()).unwrap();
    let sound = open(FULL_TEXT);
    let alone = Search::full_text("water").run(&[&sound], &never).unwrap();
    let both = Search::full_text("water").run(&[&broken, &sound], &never).unwrap();
    assert!(matches!(both.failures[..], [(0, Error::Damaged(_))]), "{:?}", both.failures);
    assert_eq!((both.total, both.hits.len()), (alone.total, alone.hits.len()));
    assert!(both.hits.iter().all(|hit| hit.database == 1));
    let failed = Search::full_text("water").run(&[&broken, &broken], &never);
    assert!(matches!(failed, Err(Error::Damaged(_))));
}

/// Reads well until it is told to panic, for as many more reads.
struct Panicking {
    after: AtomicUsize,
    bytes: &'static [u8],
}

impl ReadAt for Panicking {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        let left = self.after.load(Ordering::Relaxed);
        assert!(left > 0, "this database panics");
        self.after.store(left - 1, Ordering::Relaxed);
        Memory(self.bytes).read_exact_at(buffer, offset)
    }
}

#[test]
fn a_database_whose_search_panics_harms_no_other_wherever_it_does_and_whatever_thread_it_is_on() {
    let sound = open(HALVES[0]);
    let alone = Search::full_text("river bridge").run(&[&sound], &never).unwrap();
    let mut panicked = 0;
    for (reads, threads) in (0..12).flat_map(|reads| [(reads, 1), (reads, 2)]) {
        // Nothing is kept, so that each search reads.
        let source = Arc::new(Panicking { after: AtomicUsize::new(usize::MAX), bytes: HALVES[1] });
        let cache = Arc::new(Cache::new(0));
        let bad = Database::open(source.clone(), 0..HALVES[1].len() as u64, &cache).unwrap();
        source.after.store(reads, Ordering::Relaxed);
        let both = Search::full_text("river bridge").threads(threads).run(&[&sound, &bad], &never).unwrap();
        if both.failures.is_empty() {
            // It needs no more than these.
            continue;
        }
        panicked += 1;
        assert!(matches!(both.failures[..], [(1, Error::Damaged(_))]), "{:?}", both.failures);
        assert_eq!((both.total, both.hits.len()), (alone.total, alone.hits.len()), "{reads} {threads}");
        // It left nothing behind: what can be read is searched again.
        source.after.store(usize::MAX, Ordering::Relaxed);
        let again = Search::full_text("river bridge").threads(threads).run(&[&sound, &bad], &never).unwrap();
        assert!(again.failures.is_empty() && again.hits.iter().any(|hit| hit.database == 1));
    }
    assert!(panicked >= 4, "{panicked}");
}

#[test]
fn a_search_can_be_stopped_and_bounded() {
    let database = open(FULL_TEXT);
    let asked = AtomicUsize::new(0);
    let stopped = Search::full_text("water").run(&[&database], &|| asked.fetch_add(1, Ordering::Relaxed) == 0);
    assert!(matches!(stopped, Err(Error::Stopped)));
    let bounded = Search::suggestions("a").work_limit(0).run(&[&open(TITLES)], &never).unwrap();
    assert!(!bounded.is_complete && !bounded.total.is_exact);
    let long = Search::full_text("x".repeat(5000)).run(&[&database], &never);
    assert!(matches!(long, Err(Error::QueryTooLong { .. })));
    let deep = Search::full_text("x").offset(usize::MAX).run(&[&database], &never);
    assert!(matches!(deep, Err(Error::TooDeep(_))));
}

#[test]
fn many_threads_search_with_one_cache_that_is_too_small() {
    let cache = Arc::new(Cache::new(100_000));
    let open = |bytes: &'static [u8]| Database::open(Arc::new(Memory(bytes)), 0..bytes.len() as u64, &cache).unwrap();
    let (full_text, titles) = (open(FULL_TEXT), open(TITLES));
    let expected = Search::full_text("water number").run(&[&full_text], &never).unwrap().hits;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(Search::full_text("water number").run(&[&full_text], &never).unwrap().hits, expected);
                    assert!(!Search::suggestions("a").run(&[&titles], &never).unwrap().hits.is_empty());
                }
            });
        }
    });
    assert!(cache.usage().bytes <= 100_000);
}

#[test]
fn a_database_is_read_in_place_within_a_file() {
    let file = [&[7; 777], FULL_TEXT, &[7; 99]].concat();
    let range = 777..777 + FULL_TEXT.len() as u64;
    let database = Database::open(Arc::new(Memory(file)), range, &Arc::default()).unwrap();
    let alone = Search::full_text("water").run(&[&open(FULL_TEXT)], &never).unwrap();
    assert_eq!(Search::full_text("water").run(&[&database], &never).unwrap().hits, alone.hits);
    let cut = Database::open(Arc::new(Memory(FULL_TEXT)), 0..40, &Arc::default());
    assert!(matches!(cut, Err(Error::Damaged(_))));
    let other = Database::open(Arc::new(Memory(b"ZIM archive".repeat(400))), 0..4400, &Arc::default());
    assert!(matches!(other, Err(Error::NotGlass)));
}

#[test]
fn words_of_the_query_are_marked_in_all_forms() {
    let database = open(FULL_TEXT);
    let search = Search::full_text("running generously");
    let highlighter = Highlighter::new(&search, &database).unwrap();
    let snippet = highlighter.snippet("It runs. He was generous; a Run, RUNNING.", 100);
    assert_eq!(snippet.marked("[", "]"), "It [runs]. He was [generous]; a [Run], [RUNNING].");
}

#[test]
fn documents_near_a_place_are_found_the_nearest_first() {
    let Some(archive) = common::shared("stop.zim") else { return };
    let [full_text, _] = common::databases(&archive, &Arc::default());
    let paths = |search: Search| -> Vec<String> {
        let matches = search.run(&[&full_text], &never).unwrap();
        assert_eq!(matches.total.at_least, matches.hits.len() as u64);
        matches.hits.into_iter().map(|hit| hit.path).collect()
    };
    // Each of the twelve pages with a place is a degree farther north and east than the one before.
    let centre = Place { latitude: 10.0, longitude: 20.0 };
    let near = paths(Search::full_text("").near(centre, 500_000.0));
    assert_eq!(near, ["C/ja/tokyo", "C/zh/beijing", "C/ko/seoul", "C/ru/moscow"]);
    assert_eq!(paths(Search::full_text("tokyo").near(centre, 500_000.0)), ["C/ja/tokyo"]);
    assert_eq!(paths(Search::full_text("tokyo").near(Place { latitude: -40.0, ..centre }, 500_000.0)), [""; 0]);
    assert_eq!(paths(Search::full_text("").near(centre, 0.0)).len(), 1);
    // The title index has no places.
    assert_eq!(paths(Search::full_text("").near(centre, f64::NAN)), [""; 0]);
}
