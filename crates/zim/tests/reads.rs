//! How often and how far the medium is read, and what its failures are.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs::{self, OpenOptions};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use zim::writer::{Compression, Writer};
use zim::{Archive, Caches, Error, Media, Memory, Options, ReadAt};

/// Counts reads and bytes; fails while it is told to. Shows no slices, as a file does not.
#[derive(Default)]
struct Medium {
    bytes: Vec<u8>,
    reads: AtomicU64,
    read: AtomicU64,
    fails: AtomicBool,
}

impl ReadAt for Medium {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Memory(&self.bytes).read_exact_at(buffer, offset)
    }
}

impl Medium {
    fn take_counts(&self) -> (u64, u64) {
        (self.reads.swap(0, Ordering::Relaxed), self.read.swap(0, Ordering::Relaxed))
    }
}

fn on_medium(writer: Writer, caches: &Arc<Caches>) -> (Arc<Medium>, Archive) {
    let medium = Arc::new(Medium { bytes: writer.build(), ..Medium::default() });
    let archive = Options::new().caches(caches).open_source(Arc::clone(&medium)).unwrap();
    medium.take_counts();
    (medium, archive)
}

fn words(count: usize) -> String {
    let mut state = 1_u64;
    (0..count).fold(String::new(), |mut text, _| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("w{} ", state >> 40));
        text
    })
}

#[test]
fn a_lookup_costs_few_reads() {
    let mut writer = Writer::new().compression(Compression::None).cluster_bytes(1 << 20);
    for i in 0..30_000 {
        writer = writer.page(&format!("article/{i:05}"), &format!("The article with the number {i:05}"), "x");
    }
    let (medium, archive) = on_medium(writer, &Arc::new(Caches::default()));
    let lookup = |i: usize| archive.entry_by_path(&format!("article/{i:05}")).unwrap().unwrap();
    lookup(12_345);
    let (first, _) = medium.take_counts();
    assert!(first <= 24, "the first lookup took {first} reads");
    for i in 0..500 {
        lookup(i * 7919 % 30_000);
    }
    medium.take_counts();
    for i in 0..500 {
        lookup((i * 7919 + 13) % 30_000);
    }
    let (reads, bytes) = medium.take_counts();
    println!("a lookup among 30,000 entries: {first} reads for the first one, then {:.2}", reads as f64 / 500.0);
    assert!(reads <= 500 * 3, "{reads} reads of {bytes} bytes for 500 lookups");
}

#[test]
fn a_cluster_is_read_only_as_far_as_the_wanted_blob_and_goes_on_from_there() {
    for compression in [Compression::Xz, Compression::Zstd] {
        let mut writer = Writer::new().compression(compression).cluster_bytes(1 << 30);
        let text = words(400_000);
        for (i, part) in text.as_bytes().chunks(text.len() / 20 + 1).enumerate() {
            writer = writer.page(&format!("p{i:02}"), "", std::str::from_utf8(part).unwrap());
        }
        let (medium, archive) = on_medium(writer, &Arc::new(Caches::default()));
        let read = |path: &str| archive.entry_by_path(path).unwrap().unwrap().read().unwrap();
        read("p00");
        let (_, first) = medium.take_counts();
        read("p19");
        let (_, last) = medium.take_counts();
        read("p00");
        let (_, again) = medium.take_counts();
        assert!(first < medium.size() / 2, "{compression:?}: {first} of {}", medium.size());
        assert!(last < medium.size() + 200_000, "{compression:?}: {last} of {}", medium.size());
        assert_eq!(again, 0);
    }
}

#[test]
fn many_who_want_the_same_cluster_decode_it_once() {
    let text = words(60_000);
    for compression in [Compression::Xz, Compression::Zstd] {
        let writer = Writer::new().compression(compression).cluster_bytes(1 << 30).page("a", "", &text);
        let (medium, archive) = on_medium(writer.page("b", "", &text), &Arc::new(Caches::default()));
        let entry = archive.entry_by_path("b").unwrap().unwrap();
        medium.take_counts();
        let all_there = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    all_there.wait();
                    assert_eq!(entry.read().unwrap(), text.as_bytes());
                });
            }
        });
        let (_, read) = medium.take_counts();
        assert!(read < medium.size() + 150_000, "{compression:?}: {read} of {}", medium.size());
    }
}

#[test]
fn a_medium_that_fails_is_an_error_of_that_read_and_no_damage() {
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        let text = words(50_000);
        let writer = Writer::new().compression(compression).page("a", "A", &text).page("b", "B", "short");
        let (medium, archive) = on_medium(writer, &Arc::new(Caches::default()));
        let entry = archive.entry_by_path("a").unwrap().unwrap();
        medium.fails.store(true, Ordering::Relaxed);
        assert!(matches!(entry.read(), Err(Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset));
        assert!(archive.titles().is_err() && archive.verify(|_, _| std::ops::ControlFlow::Continue(())).is_err());
        medium.fails.store(false, Ordering::Relaxed);
        assert_eq!(entry.read().unwrap(), text.as_bytes());
        assert_eq!(archive.titles().unwrap().len(), 2);
        // In the middle of a cluster that is half decoded.
        let (medium, archive) =
            on_medium(Writer::new().compression(compression).page("a", "", "x").page("b", "", &text), &Arc::default());
        archive.entry_by_path("a").unwrap().unwrap().read().unwrap();
        let entry = archive.entry_by_path("b").unwrap().unwrap();
        medium.fails.store(true, Ordering::Relaxed);
        assert!(matches!(entry.read(), Err(Error::Io(_))));
        medium.fails.store(false, Ordering::Relaxed);
        assert_eq!(entry.read().unwrap(), text.as_bytes());
    }
}

#[test]
fn a_file_that_is_truncated_while_it_is_read_gives_errors_until_it_is_whole_again() {
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.zim");
        let text = words(50_000);
        let bytes = Writer::new().compression(compression).cluster_bytes(1).page("a", "", &text).page("b", "", &text);
        let bytes = bytes.build();
        fs::write(&file, &bytes).unwrap();
        let archive = Archive::open(&file).unwrap();
        let entries = ["a", "b"].map(|path| archive.entry_by_path(path).unwrap().unwrap());
        assert_eq!(entries[0].read().unwrap(), text.as_bytes());
        OpenOptions::new().write(true).open(&file).unwrap().set_len(bytes.len() as u64 / 2).unwrap();
        assert!(matches!(entries[1].read(), Err(Error::Io(_))), "{compression:?}");
        fs::write(&file, &bytes).unwrap();
        assert_eq!(entries[1].read().unwrap(), text.as_bytes());
    }
}

#[test]
fn a_mapped_archive_reads_as_one_that_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.zim");
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        let mut writer = Writer::new().compression(compression).cluster_bytes(10_000);
        for i in 0..300 {
            writer = writer.page(&format!("p{i}"), &format!("T{i}"), &words(i));
        }
        let bytes = writer.main_page("p7").build();
        fs::write(&file, &bytes).unwrap();
        let read = Archive::open(&file).unwrap();
        let mapped = Options::new().media(Media::Mapped).open(&file).unwrap();
        // Others are renamed to the name; what is open stays what it was.
        fs::write(folder.path().join("new"), "something else").unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
        for (a, b) in read.entries(0..read.len()).zip(mapped.entries(0..mapped.len())) {
            let (a, b) = (a.unwrap().resolve().unwrap(), b.unwrap().resolve().unwrap());
            assert_eq!((a.full_path(), a.read().unwrap()), (b.full_path(), b.read().unwrap()));
        }
        assert_eq!(mapped.size(), bytes.len() as u64);
        // In parts, too.
        fs::write(folder.path().join("s.zimaa"), &bytes[..bytes.len() / 2]).unwrap();
        fs::write(folder.path().join("s.zimab"), &bytes[bytes.len() / 2..]).unwrap();
        let split = Options::new().media(Media::Mapped).open(folder.path().join("s.zim")).unwrap();
        assert!(split.verify(|_, _| std::ops::ControlFlow::Continue(())).unwrap());
    }
    fs::write(&file, "").unwrap();
    assert!(Options::new().media(Media::Mapped).open(&file).is_err());
}
