//! Content that is read where it lies: what a search engine does with its database.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs;
use std::path::Path;
use zim::writer::{Compression, Writer};
use zim::{Archive, Error, Limits, Memory, Options, ReadAt};

fn database() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn archive(compression: Compression) -> Vec<u8> {
    Writer::new()
        .compression(compression)
        .item((b'X', "fulltext/xapian"), "", "application/octet-stream+xapian", database())
        .item((b'X', "title/xapian"), "", "application/octet-stream+xapian", "a small one")
        .page("a", "A", "x")
        .build()
}

/// Reads pieces of many sizes.
fn assert_reads_as(content: &dyn ReadAt, expected: &[u8]) {
    assert_eq!(content.size(), expected.len() as u64);
    for (at, length) in [(0, 8), (0, 0), (8191, 8192), (expected.len() - 1, 1), (expected.len(), 0), (100, 300_000)] {
        let mut bytes = vec![0; length];
        content.read_exact_at(&mut bytes, at as u64).unwrap();
        assert_eq!(bytes, &expected[at..at + length]);
        if let Some(slice) = content.slice(at as u64, length) {
            assert_eq!(slice, bytes);
        }
    }
    for (at, length) in [(expected.len(), 1), (expected.len() + 1, 0), (usize::MAX, 2), (0, expected.len() + 1)] {
        assert!(content.read_exact_at(&mut vec![0; length], at as u64).is_err(), "{at} {length}");
        assert!(content.slice(at as u64, length).is_none());
    }
}

#[test]
fn an_index_is_read_in_place_if_it_is_not_compressed_and_from_memory_if_it_is() {
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        let opened = Options::new().open_source(Memory(archive(compression))).unwrap();
        let content = opened.fulltext_index().unwrap().unwrap().content().unwrap();
        let small = opened.title_index().unwrap().unwrap().content().unwrap();
        // It outlives the archive.
        drop(opened);
        assert_eq!(content.is_in_place(), compression == Compression::None);
        assert_reads_as(&content, &database());
        let mut bytes = [0; 5];
        small.read_exact_at(&mut bytes, 2).unwrap();
        assert_eq!(&bytes, b"small");
    }
}

#[test]
fn a_compressed_index_beyond_the_limit_is_an_error_and_one_in_place_has_no_limit() {
    for compression in [Compression::None, Compression::Zstd] {
        let limits = Limits::default().bytes(1000, 1 << 20);
        let opened = Options::new().limits(limits).open_source(Memory(archive(compression))).unwrap();
        let content = opened.fulltext_index().unwrap().unwrap().content();
        assert_eq!(content.is_ok(), compression == Compression::None);
        assert!(matches!(content, Ok(_) | Err(Error::TooLarge { limit: 1000, .. })));
    }
}

fn read(file: &Path, offset: u64, length: u64) -> Vec<u8> {
    fs::read(file).unwrap()[offset as usize..(offset + length) as usize].to_vec()
}

#[test]
fn direct_access_names_a_file_and_a_place_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.zim");
    fs::write(&whole, archive(Compression::None)).unwrap();
    let opened = Archive::open(&whole).unwrap();
    let there = opened.fulltext_index().unwrap().unwrap().direct_access().unwrap().unwrap();
    assert_eq!(there.file, whole);
    assert_eq!(read(&there.file, there.offset, there.length), database());
    let in_whole = there.offset as usize;

    // One border within the large index, the small one whole in the second part.
    let bytes = archive(Compression::None);
    fs::write(folder.path().join("split.zimaa"), &bytes[..in_whole + 5000]).unwrap();
    fs::write(folder.path().join("split.zimab"), &bytes[in_whole + 5000..]).unwrap();
    let split = Archive::open(folder.path().join("split.zim")).unwrap();
    let large = split.fulltext_index().unwrap().unwrap();
    assert_eq!(large.direct_access().unwrap(), None);
    assert!(large.content().unwrap().is_in_place());
    assert_reads_as(&large.content().unwrap(), &database());
    let small = split.title_index().unwrap().unwrap().direct_access().unwrap().unwrap();
    assert_eq!(small.file, folder.path().join("split.zimab"));
    assert_eq!(read(&small.file, small.offset, small.length), b"a small one");

    let packed = folder.path().join("packed.zim");
    fs::write(&packed, archive(Compression::Zstd)).unwrap();
    let packed = Archive::open(&packed).unwrap();
    assert_eq!(packed.fulltext_index().unwrap().unwrap().direct_access().unwrap(), None);
    let memory = Options::new().open_source(Memory(archive(Compression::None))).unwrap();
    assert_eq!(memory.fulltext_index().unwrap().unwrap().direct_access().unwrap(), None);
}

#[test]
fn an_archive_without_indexes_says_so() {
    let opened = Options::new().open_source(Memory(Writer::new().page("a", "A", "x").build())).unwrap();
    assert!(opened.fulltext_index().unwrap().is_none() && opened.title_index().unwrap().is_none());
    let old = Writer::old().item((b'Z', "/fulltextIndex/xapian"), "", "application/octet-stream+xapian", "old");
    let old = Options::new().open_source(Memory(old.page("a", "A", "x").build())).unwrap();
    let index = old.fulltext_index().unwrap().unwrap();
    assert_eq!(index.read().unwrap(), b"old");
}
