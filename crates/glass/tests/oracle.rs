//! What libzim 9.8.2 answered to 861 queries, and what Xapian says about how it read them and ranked what
//! it found. Lists and their order must be the same, and weights to 1e-9 where they were recorded.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod common;

use glass::{Cache, Database, Search};
use serde_json::Value;
use std::sync::Arc;

const NAMES: [&str; 2] = ["docs", "stop"];

#[test]
fn full_text_is_found_ranked_and_weighed_as_by_libzim() {
    check("fulltext", 435);
}

#[test]
fn suggestions_are_found_ranked_and_weighed_as_by_libzim() {
    check("suggest", 426);
}

fn check(kind: &str, expected: usize) {
    let (mut asked, mut wrong) = (0, Vec::new());
    for name in NAMES {
        let Some(oracle) = common::shared(&format!("oracle-{name}.json")) else { return };
        let Some(archive) = common::shared(&format!("{name}.zim")) else { return };
        let [full_text, titles] = common::databases(&archive, &Arc::new(Cache::default()));
        let oracle: Value = serde_json::from_slice(&std::fs::read(oracle).unwrap()).unwrap();
        for record in oracle[kind].as_array().unwrap() {
            asked += 1;
            let query = record["q"].as_str().unwrap();
            let (search, database) = match kind {
                "fulltext" => (Search::full_text(query), &full_text),
                _ => (Search::suggestions(query), &titles),
            };
            if let Err(why) = compare(&search.limit(20), database, record) {
                wrong.push(format!("{name} {query:?}: {why}"));
            }
        }
    }
    eprintln!("{kind}: {} of {asked} identical", asked - wrong.len());
    assert_eq!(asked, expected);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn compare(search: &Search, database: &Database, record: &Value) -> Result<(), String> {
    let matches = search.run(&[database], &|| false).map_err(|error| error.to_string())?;
    let ours: Vec<&str> = matches.hits.iter().map(|hit| hit.path.strip_prefix("C/").unwrap_or(&hit.path)).collect();
    let theirs: Vec<&str> = record["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    let understood = search.explain(database).unwrap();
    if record["xapian_same"] == true && flat(&understood) != flat(record["query"].as_str().unwrap()) {
        return Err(format!("understood as {understood}, not as {}", record["query"]));
    }
    if ours != theirs {
        return Err(format!("{understood}\n  ours   {ours:?}\n  theirs {theirs:?}"));
    }
    let Some(weights) = record["weights"].as_array() else { return Ok(()) };
    for (hit, weight) in matches.hits.iter().zip(weights) {
        let weight = weight.as_f64().unwrap();
        if (hit.weight - weight).abs() > 1e-9 {
            return Err(format!("{understood} {} weighs {}, not {weight}", hit.path, hit.weight));
        }
    }
    let docids: Vec<u64> = matches.hits.iter().map(|hit| u64::from(hit.docid)).collect();
    if record["docids"].as_array().is_some_and(|theirs| theirs.iter().map(|id| id.as_u64().unwrap()).ne(docids)) {
        return Err("other docids".into());
    }
    let percents: Vec<u64> = matches.hits.iter().map(|hit| u64::from(hit.percent)).collect();
    match record["percent"].as_array().map(|theirs| theirs.iter().map(|one| one.as_u64().unwrap()).collect::<Vec<_>>())
    {
        Some(theirs) if theirs != percents => Err(format!("percents {percents:?}, not {theirs:?}")),
        _ => Ok(()),
    }
}

/// Without the brackets of ANDs within ANDs, which mean nothing: Xapian groups words of suggestions by
/// what stands between them, and does nothing with the groups.
fn flat(query: &str) -> String {
    let mut parts: Vec<String> = vec![String::new()];
    for char in query.chars() {
        match char {
            '(' => parts.push(String::new()),
            ')' => {
                let inner = parts.pop().unwrap();
                let outer = parts.last_mut().unwrap();
                let is_and = inner.contains(" AND ") && !inner.contains(" OR ") && !inner.contains('(');
                outer.push_str(&if is_and { inner } else { format!("({inner})") });
            }
            char => parts.last_mut().unwrap().push(char),
        }
    }
    parts.concat()
}
