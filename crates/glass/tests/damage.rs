//! Two thousand damaged copies of two small databases, made as `damage_libzim.py` makes them: 1 to 256
//! bytes are other ones, a third of them near the beginning. Every search ends, soon, with an answer or an
//! error.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use glass::{Cache, Database, Highlighter, Search};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TITLES: &[u8] = include_bytes!("data/titles.glass");
const FULL_TEXT: &[u8] = include_bytes!("data/full-text.glass");
const COPIES: usize = 2000;
/// No search may take longer, on a slow machine and unoptimised.
const BOUND: Duration = Duration::from_secs(3);

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn damaged_databases_give_answers_or_errors_and_soon() {
    let mut dice = Dice(1);
    let (mut answers, mut errors) = (0, 0);
    for copy in 0..COPIES {
        let (sound, is_titles) = if copy % 2 == 0 { (FULL_TEXT, false) } else { (TITLES, true) };
        let mut bytes = sound.to_vec();
        for _ in 0..[1, 4, 32, 256][dice.below(4)] {
            let within = if dice.below(10) < 7 { bytes.len() } else { bytes.len().min(16384) };
            let at = dice.below(within);
            bytes[at] = dice.below(256) as u8;
        }
        let range = 0..bytes.len() as u64;
        let cache = Arc::new(Cache::new(1 << 20));
        let Ok(database) = Database::open(Arc::new(glass::Memory(bytes)), range, &cache) else {
            errors += 1;
            continue;
        };
        let queries: [&str; 5] = if is_titles {
            ["a", "mem", "sel", "running wa", "the"]
        } else {
            ["file system", "water", "the", "run add", "of to"]
        };
        for query in queries {
            let search = if is_titles { Search::suggestions(query) } else { Search::full_text(query) };
            let begun = Instant::now();
            let found = search.run(&[&database], &|| false);
            let _ = Highlighter::new(&search, &database).map(|it| it.snippet("The file system runs on water.", 20));
            assert!(begun.elapsed() < BOUND, "copy {copy}: {query} took {:?}", begun.elapsed());
            match found {
                Ok(matches) => {
                    assert!(matches.hits.len() <= 10);
                    answers += 1;
                }
                Err(_) => errors += 1,
            }
        }
    }
    eprintln!("{answers} answers, {errors} errors");
    assert!(answers > COPIES && errors > COPIES / 10, "{answers} answers, {errors} errors");
}

#[test]
fn every_truncated_copy_gives_answers_or_errors() {
    for sound in [TITLES, FULL_TEXT] {
        for len in (0..sound.len()).step_by(509) {
            let bytes = sound[..len].to_vec();
            let database = Database::open(Arc::new(glass::Memory(bytes)), 0..sound.len() as u64, &Arc::default());
            if let Ok(database) = database {
                let _ = Search::suggestions("a").run(&[&database], &|| false);
                let _ = Search::full_text("the water").run(&[&database], &|| false);
            }
        }
    }
}
