//! Two thousand damaged copies: each is opened, all of it is read, and nothing takes longer, or more
//! memory, than its bound. A process of its own, because the bound on memory is one of the process.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};
use zim::writer::{Compression, Writer};
use zim::{Archive, Caches, Error, Limits, Memory, Options};

const COPIES: usize = 2000;
/// How long reading all of one copy may take. In fact milliseconds.
const TIME: Duration = Duration::from_secs(10);
/// Bytes of address space beyond what there was before: two decoders with the largest windows, and a
/// little. Taking more fails, and ends the test.
#[cfg(target_os = "linux")]
const MEMORY: u64 = 300 << 20;

/// A seeded generator: the same copies each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }
}

fn originals() -> Vec<Vec<u8>> {
    let mut originals = Vec::new();
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        for (writer, extended) in [(Writer::new(), true), (Writer::old(), false), (Writer::new(), false)] {
            let mut writer = writer.compression(compression).extended(extended).cluster_bytes(4000);
            for i in 0..60 {
                let text = format!("<p>{i}</p>{}", "text and more text ".repeat(i * 3 % 40));
                writer = writer.page(&format!("page/{i}"), &format!("Title {i}"), &text);
            }
            writer = writer.redirect(b'C', "r", "", (b'C', "page/3")).metadata("Counter", "text/html=60");
            writer = writer.item((b'X', "fulltext/xapian"), "", "application/octet-stream+xapian", vec![7; 9000]);
            originals.push(writer.all_titles(true).packs_listings(extended).main_page("page/3").build());
        }
    }
    originals.extend(common::small_files().iter().cloned());
    originals
}

/// 1, 4, 32 or 256 bytes get another value; anywhere, near to each other, or only where content lies, so
/// that the archive opens.
fn damaged(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let paths_at = u64::from_le_bytes(original[32..40].try_into().unwrap()) as usize;
    let first = u64::from_le_bytes(original[paths_at..paths_at + 8].try_into().unwrap()) as usize;
    let start = [0, 80, paths_at, first][random.below(4)];
    for _ in 0..[1, 4, 32, 256][random.below(4)] {
        let end = bytes.len() - 16;
        let at = if random.below(10) < 7 { start + random.below(end - start) } else { start + random.below(400) };
        if let Some(byte) = bytes.get_mut(at) {
            *byte = [0, 1, 0x7f, 0xff, random.below(256) as u8][random.below(5)];
        }
    }
    bytes
}

/// How many entries could be read, and how many could not.
fn read_all(bytes: Vec<u8>) -> Option<(usize, usize)> {
    let caches = Arc::new(Caches::new(1 << 20, 100_000));
    let options = Options::new().caches(&caches).limits(Limits::default().bytes(4 << 20, 4 << 20));
    let archive = options.open_source(Memory(bytes)).ok()?;
    let read = |entry: zim::Result<zim::Entry<'_>>| entry?.resolve()?.read().map(drop);
    let results: Vec<_> = archive.entries(0..archive.len().min(1000)).map(read).collect();
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert!(!matches!(error, Error::Io(_) | Error::NotZim | Error::Stopped), "{error}");
    }
    list(&archive);
    Some((results.iter().filter(|r| r.is_ok()).count(), results.iter().filter(|r| r.is_err()).count()))
}

fn list(archive: &Archive) {
    if let Ok(titles) = archive.titles() {
        let _ = titles.prefixed(archive.content_namespace(), "Title 1").map(|found| titles.entries(found).count());
        titles.entries(0..1000).for_each(drop);
    }
    let _ = (archive.namespaces(), archive.metadata_names(), archive.counter(), archive.illustrations());
    let _ = archive.fulltext_index().map(|index| index.map(|index| index.content().is_ok()));
    let _ = (archive.main_page(), archive.entry_by_path("page/7"), archive.article_count());
}

#[test]
fn two_thousand_damaged_copies_are_read_within_their_bounds() {
    let originals = originals();
    #[cfg(target_os = "linux")]
    limit_memory();
    let mut random = Random(20_261_125);
    let (mut opened, mut good, mut bad, mut slowest) = (0, 0, 0, Duration::ZERO);
    for copy in 0..COPIES {
        let bytes = damaged(&originals[copy % originals.len()], &mut random);
        let begun = Instant::now();
        if let Some((read, failed)) = read_all(bytes) {
            (opened, good, bad) = (opened + 1, good + read, bad + failed);
        }
        slowest = slowest.max(begun.elapsed());
        assert!(begun.elapsed() < TIME, "copy {copy} took {:?}", begun.elapsed());
    }
    println!("{COPIES} damaged copies: {opened} opened, {good} entries read, {bad} not; the slowest took {slowest:?}");
    assert!(opened > COPIES / 4 && opened < COPIES && bad > COPIES && good > bad, "the damage is of the wrong kind");
}

#[cfg(target_os = "linux")]
fn limit_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kib: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
    let maximum = getrlimit(Resource::As).maximum;
    setrlimit(Resource::As, Rlimit { current: Some((kib << 10) + MEMORY), maximum }).unwrap();
}
