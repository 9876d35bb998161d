//! Answers queries over an archive, for comparison with libzim: `answer ARCHIVE once` reads
//! `[{"kind": "fulltext" | "suggest", "q": TEXT, "top": NUMBER}, …]` and writes, for each, what was found
//! and how long it took. With `timings`, the list is gone through twice, and opening is timed too.
//! `answer ARCHIVE entries` writes the MD5 of what each entry has, by its index.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing, reason = "a program for tests")]

use glass::{Cache, Database, Search};
use md5::Digest;
use serde_json::{Value, json};
use std::fs::File;
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
    let archive = zim::Archive::open(&path).expect("an archive");
    let range = |name: &str| {
        let entry = archive.find(b'X', name).expect("a directory that can be read")?;
        entry.place().expect("a cluster that can be read")
    };
    let ranges = [range("fulltext/xapian"), range("title/xapian")];
    let file = Arc::new(File::open(&path).expect("a file"));
    let open = || {
        let cache = Arc::new(Cache::new(16 << 20));
        ranges.clone().map(|range| Some(Database::open(file.clone(), range?, &cache).expect("a database")))
    };
    let mut opening = Vec::new();
    for _ in 0..if is_timed { 100 } else { 0 } {
        let begun = Instant::now();
        std::hint::black_box(open());
        opening.push(begun.elapsed().as_secs_f64());
    }
    let [full_text, titles] = open();
    let mut answers = Vec::new();
    for _ in 0..if is_timed { 2 } else { 1 } {
        answers = queries.iter().map(|query| answer(query, full_text.as_ref(), titles.as_ref())).collect();
    }
    println!("{}", json!({ "opening": opening, "answers": answers }));
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

fn answer(query: &Value, full_text: Option<&Database>, titles: Option<&Database>) -> Value {
    let text = query["q"].as_str().expect("a text");
    let top = query["top"].as_u64().unwrap_or(10) as usize;
    let (search, database) = match query["kind"].as_str() {
        Some("fulltext") => (Search::full_text(text), full_text),
        _ => (Search::suggestions(text), titles),
    };
    let Some(database) = database else { return json!({ "error": "no such index" }) };
    let begun = Instant::now();
    let found = search.clone().limit(top).run(&[database], &|| false);
    let seconds = begun.elapsed().as_secs_f64();
    let understood = search.explain(database).unwrap_or_default();
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
