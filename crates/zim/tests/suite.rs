//! The outcome of every file of openZIM's test suite, beside what the reference reader makes of it.
//!
//! The suite is not part of the repository: without it beside the checkout, this test says so and passes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use zim::{Archive, FileSource, Memory, Options, Parts, ReadAt, Section};

/// Where the outcome is another one than the reference reader's, and why it is better.
const DIFFERENT: [(&str, Outcome, &str); 4] = [
    ("withns/invalid.offset_in_cluster.zim", but(17, 2), ONE_CLUSTER),
    ("nons/invalid.offset_in_cluster.zim", but(16, 2), ONE_CLUSTER),
    ("noTitleListingV0/invalid.offset_in_cluster.zim", but(16, 2), ONE_CLUSTER),
    ("withns/invalid.outofbounds_titleptrpos.zim", but(17, 0), TITLE_TABLE),
];
const ONE_CLUSTER: &str = "the reference reader refuses the whole archive because one damaged cluster has a title \
                           listing; here what lies in that cluster is lost and the rest is read";
const TITLE_TABLE: &str = "the table of titles is deprecated and only for titles: here lookups by title fail and the \
                           rest is read, as the reference reader does too where it finds another listing";

const fn but(entries: u32, unreadable: usize) -> Outcome {
    Outcome::Opens { entries, unreadable, intact: false, parts: 1 }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Fails,
    Opens { entries: u32, unreadable: usize, intact: bool, parts: usize },
}

fn outcome(archive: &Archive) -> Outcome {
    // As the reference reader was asked: redirects have to lead somewhere, items to be read.
    let readable = |entry: zim::Result<zim::Entry<'_>>| {
        let entry = entry?;
        if entry.is_redirect() { entry.resolve().map(drop) } else { entry.read().map(drop) }
    };
    Outcome::Opens {
        entries: archive.len(),
        unreadable: archive.entries(0..archive.len()).map(readable).filter(Result::is_err).count(),
        intact: archive.verify(|_, _| ControlFlow::Continue(())).unwrap_or(false),
        parts: archive.parts(),
    }
}

/// Reads `testing-suite-expected.txt`: `name: open fails: …`, or
/// `name: opens; entries N unreadable N check() True multipart False`; other lines go on from the one before.
fn expected(text: &str) -> Vec<(&str, Outcome, bool)> {
    let mut all = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        let (name, rest) = line.split_once(": ").unwrap();
        if rest.starts_with("open fails") {
            all.push((name, Outcome::Fails, false));
            continue;
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        let after = |word: &str| words[words.iter().position(|w| *w == word).unwrap() + 1];
        let (entries, unreadable) = (after("entries").parse().unwrap(), after("unreadable").parse().unwrap());
        let multipart = after("multipart") == "True";
        all.push((
            name,
            Outcome::Opens { entries, unreadable, intact: after("check()") == "True", parts: 1 },
            multipart,
        ));
    }
    all
}

#[test]
fn every_file_of_the_suite_has_its_outcome() {
    let Some(folder) = common::suite() else { return };
    let text = std::fs::read_to_string(folder.join("testing-suite-expected.txt")).unwrap();
    let mut different: HashMap<_, _> = DIFFERENT.iter().map(|(name, outcome, why)| (*name, (*outcome, *why))).collect();
    let mut wrong = Vec::new();
    let (mut opened, mut failed) = (0, 0);
    let all = expected(&text);
    assert!(all.len() > 50);
    for (name, mut expected, multipart) in all {
        if let (Outcome::Opens { parts, .. }, true) = (&mut expected, multipart) {
            *parts = 3;
        }
        let archive = Archive::open(folder.join("testing-suite").join(name));
        let found = archive.as_ref().map_or(Outcome::Fails, outcome);
        *(if archive.is_ok() { &mut opened } else { &mut failed }) += 1;
        if let Some((ours, why)) = different.remove(name) {
            assert_ne!(ours, expected, "{name} is no difference");
            println!("{name}: the reference reader's outcome is {expected:?}, here it is {ours:?}: {why}");
            expected = ours;
        }
        if found != expected {
            wrong.push(format!("{name}: {expected:?} was expected, and it is {found:?} {:?}", archive.err()));
        }
    }
    println!(
        "{opened} files open, {failed} do not, {} of them otherwise than in the reference reader",
        DIFFERENT.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(different.is_empty(), "not in the suite: {different:?}");
}

#[test]
fn embedded_archives_are_read_where_they_lie() {
    let Some(folder) = common::suite() else { return };
    for kind in ["withns", "nons", "noTitleListingV0"] {
        let folder = folder.join("testing-suite").join(kind);
        let small = std::fs::read(folder.join("small.zim")).unwrap();
        for name in ["small.zim.embedded", "small.zim.embedded.multi"] {
            // In the second one it is cut into pieces, with something else between them.
            let whole = std::fs::read(folder.join(name)).unwrap();
            let mut pieces = Vec::new();
            let (mut from, mut done) = (0, 0);
            while done < small.len() {
                let next = &small[done..small.len().min(done + 16)];
                from += whole[from..].windows(next.len()).position(|window| window == next).unwrap();
                let same = whole[from..].iter().zip(&small[done..]).take_while(|(a, b)| a == b).count();
                let file = FileSource::open(folder.join(name)).unwrap();
                pieces.push(Box::new(Section::new(file, from as u64, same as u64).unwrap()) as Box<dyn ReadAt>);
                (from, done) = (from + same, done + same);
            }
            assert_eq!(pieces.len() > 1, name.ends_with("multi"));
            let archive = Options::new().open_source(Parts::new(pieces).unwrap()).unwrap();
            assert_eq!(outcome(&archive), outcome(&Options::new().open_source(Memory(small.clone())).unwrap()));
        }
    }
}

#[test]
fn a_split_archive_has_the_contents_of_the_whole_one() {
    let Some(folder) = common::suite() else { return };
    for kind in ["withns", "nons", "noTitleListingV0"] {
        let open = |name: &str| Archive::open(Path::new(folder).join("testing-suite").join(kind).join(name)).unwrap();
        let whole = open("wikibooks_be_all_nopic_2017-02.zim");
        let split = open("wikibooks_be_all_nopic_2017-02_splitted.zimaa");
        assert_eq!((whole.uuid(), whole.len()), (split.uuid(), split.len()));
        for (a, b) in whole.entries(0..whole.len()).zip(split.entries(0..split.len())) {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!(a.full_path(), b.full_path());
            assert_eq!(a.resolve().unwrap().read().unwrap(), b.resolve().unwrap().read().unwrap());
        }
    }
}

#[test]
fn titles_and_pages_of_the_suite_are_found() {
    let Some(folder) = common::suite() else { return };
    for kind in ["withns", "nons", "noTitleListingV0"] {
        let archive = Archive::open(folder.join("testing-suite").join(kind).join("small.zim")).unwrap();
        assert!(archive.main_page().unwrap().unwrap().resolve().unwrap().path().contains("main.html"));
        let titles = archive.titles().unwrap();
        let namespace = archive.content_namespace();
        let found = titles.prefixed(namespace, "").unwrap();
        assert!(!found.is_empty(), "{kind}");
        for entry in titles.entries(found) {
            let entry = entry.unwrap();
            assert_eq!(archive.find(entry.namespace(), entry.path_bytes()).unwrap().unwrap().index(), entry.index());
            assert_eq!(titles.find(namespace, &entry.title()).unwrap().unwrap().title(), entry.title());
        }
    }
}
