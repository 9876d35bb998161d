//! Answers queries over an archive, for comparison with libzim: `answer ARCHIVE once` reads
//! `[{"kind": "fulltext" | "suggest", "q": TEXT, "top": NUMBER}, …]` and writes, for each, what was found
//! and how long it took. With `timings`, the list is gone through twice, and opening is timed too.
//! Several archives, with commas between, are searched together.
//! `answer ARCHIVE entries` writes the MD5 of what each entry has, by its index.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing, reason = "a program for tests")]

use glass::{Cache, Database, Search};
use md5::Digest;
use serde_json::{Value, json};
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("usage: answer ARCHIVE once|timings|entries < QUERIES");
    let what = arguments.next().unwrap_or_default();
    let is_timed = what == "timings";
    if what == "entries" {
        return entries(&path);
    }
    let queries: Vec<Value> = serde_json::from_reader(std::io::stdin()).expect("queries as JSON");
    let places: Vec<_> = path.split(',').map(places).collect();
    let open = || -> Vec<[Option<Database>; 2]> {
        let cache = Arc::new(Cache::new(16 << 20));
        let open = |file: &Arc<File>, range: Option<Range<u64>>| {
            Some(Database::open(file.clone(), range?, &cache).expect("a database"))
        };
        places.iter().map(|(file, ranges)| ranges.clone().map(|range| open(file, range))).collect()
    };
    let mut opening = Vec::new();
    for _ in 0..if is_timed { 100 } else { 0 } {
        let begun = Instant::now();
        std::hint::black_box(open());
        opening.push(begun.elapsed().as_secs_f64());
    }
    let databases = open();
    let full_text: Vec<&Database> = databases.iter().filter_map(|both| both[0].as_ref()).collect();
    let titles: Vec<&Database> = databases.iter().filter_map(|both| both[1].as_ref()).collect();
    let mut answers = Vec::new();
    for _ in 0..if is_timed { 2 } else { 1 } {
        answers = queries.iter().map(|query| answer(query, &full_text, &titles)).collect();
    }
    println!("{}", json!({ "opening": opening, "answers": answers }));
}

/// The file of an archive, and where its indexes lie in it.
fn places(path: &str) -> (Arc<File>, [Option<Range<u64>>; 2]) {
    let archive = zim::Archive::open(path).expect("an archive");
    let range = |name: &str| {
        let entry = archive.find(b'X', name).expect("a directory that can be read")?;
        entry.place().expect("a cluster that can be read")
    };
    (Arc::new(File::open(path).expect("a file")), [range("fulltext/xapian"), range("title/xapian")])
}

fn entries(path: &str) {
    let archive = zim::Archive::open(path).expect("an archive");
    let mut sums = serde_json::Map::new();
    for entry in archive.entries(0..archive.len()) {
        let entry = entry.expect("an entry");
        if !entry.is_redirect() {
            let sum = md5::Md5::digest(entry.read().expect("its content"));
            let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            sums.insert(entry.index().to_string(), sum.into());
        }
    }
    println!("{}", json!({ "entries": sums }));
}

fn answer(query: &Value, full_text: &[&Database], titles: &[&Database]) -> Value {
    let text = query["q"].as_str().expect("a text");
    let top = query["top"].as_u64().unwrap_or(10) as usize;
    let (search, databases) = match query["kind"].as_str() {
        Some("fulltext") => (Search::full_text(text), full_text),
        _ => (Search::suggestions(text), titles),
    };
    let Some(first) = databases.first() else { return json!({ "error": "no such index" }) };
    let begun = Instant::now();
    let found = search.clone().limit(top).run(databases, &|| false);
    let seconds = begun.elapsed().as_secs_f64();
    let understood = search.explain(first).unwrap_or_default();
    match found {
        Ok(matches) => {
            let paths: Vec<&str> =
                matches.hits.iter().map(|hit| hit.path.strip_prefix("C/").unwrap_or(&hit.path)).collect();
            let weights: Vec<f64> = matches.hits.iter().map(|hit| hit.weight).collect();
            json!({ "paths": paths, "weights": weights, "seconds": seconds, "query": understood,
                    "total": matches.total.at_least })
        }
        Err(error) => json!({ "error": error.to_string(), "seconds": seconds }),
    }
}
