//! What an archive gives, over all the ways in which one can be written.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::ops::ControlFlow;
use std::sync::Arc;
use zim::writer::{Compression, Writer, packed};
use zim::{Archive, Caches, Error, Limits, Memory, Options, Section, TitleKind};

fn open(bytes: Vec<u8>) -> Archive {
    Options::new().open_source(Memory(bytes)).unwrap()
}

fn body(i: usize) -> String {
    format!("<h1>Page {i}</h1>{}", "words and more words. ".repeat(i % 50))
}

fn filled(mut writer: Writer, pages: usize) -> Writer {
    for i in 0..pages {
        writer = writer.page(&format!("page/{i:05}"), &format!("Title {:05}", pages - i), &body(i));
    }
    writer.metadata("Title", "Test").metadata("Counter", "text/html=5").main_page("page/00000")
}

#[test]
fn every_entry_reads_back_whatever_the_compression_and_the_width_of_offsets() {
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        for extended in [false, true] {
            for cluster_bytes in [1, 5000, 1 << 20] {
                let writer = Writer::new().compression(compression).extended(extended).cluster_bytes(cluster_bytes);
                let archive = open(filled(writer, 200).build());
                // Backwards too: what was decoded up to one blob goes on to a later one.
                for i in (0..200).rev().chain(0..200) {
                    let entry = archive.entry_by_path(&format!("page/{i:05}")).unwrap().unwrap();
                    assert_eq!(String::from_utf8(entry.read().unwrap()).unwrap(), body(i));
                    assert_eq!(entry.size().unwrap(), body(i).len() as u64);
                    assert_eq!(entry.mime_type(), Some("text/html"));
                    assert_eq!(entry.place().unwrap().is_some(), compression == Compression::None);
                }
                assert!(archive.verify(|_, _| ControlFlow::Continue(())).unwrap());
            }
        }
    }
}

#[test]
fn paths_mean_what_the_scheme_says() {
    let new = open(filled(Writer::new(), 3).build());
    assert!(new.has_new_namespaces());
    assert_eq!(new.entry_by_path("A/page/00001").unwrap().unwrap().path(), "page/00001");
    assert!(new.entry_by_path("page/00003").unwrap().is_none());
    assert!(new.entry_by_path("M/Title").unwrap().is_none());
    assert_eq!(new.find(b'M', "Title").unwrap().unwrap().read().unwrap(), b"Test");
    let old = open(filled(Writer::old(), 3).item((b'I', "pic.png"), "", "image/png", "x").build());
    assert!(!old.has_new_namespaces());
    assert_eq!(old.entry_by_path("A/page/00001").unwrap().unwrap().full_path(), "A/page/00001");
    assert_eq!(old.entry_by_path("page/00001").unwrap().unwrap().full_path(), "A/page/00001");
    assert_eq!(old.entry_by_path("pic.png").unwrap().unwrap().full_path(), "I/pic.png");
    assert!(old.entry_by_path("I/page/00001").unwrap().is_none());
    for archive in [&new, &old] {
        let main = archive.main_page().unwrap().unwrap().resolve().unwrap();
        assert_eq!(main.path(), "page/00000");
        assert!(archive.entry_by_path("").unwrap().is_none());
        let names: Vec<u8> = archive.namespaces().unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(names, if archive.has_new_namespaces() { b"CMWX".to_vec() } else { b"AIM".to_vec() });
    }
}

#[test]
fn titles_are_found_by_prefix_in_each_kind_of_listing() {
    let listings = [(false, true), (true, false), (true, true)];
    for (table, listing) in listings {
        let archive = open(filled(Writer::new().titles(table, listing), 120).build());
        let titles = archive.titles().unwrap();
        assert_eq!(titles.kind() == TitleKind::FrontArticles, listing);
        assert_eq!(titles.len() == 120, listing);
        let found = titles.prefixed(b'C', "Title 0000").unwrap();
        let found: Vec<String> = titles.entries(found).map(|e| e.unwrap().title().into_owned()).collect();
        assert_eq!(found, (1..10).map(|i| format!("Title {i:05}")).collect::<Vec<_>>());
        assert_eq!(titles.find(b'C', "Title 00120").unwrap().unwrap().path(), "page/00000");
        assert!(titles.find(b'C', "Title").unwrap().is_none());
        assert_eq!(titles.prefixed(b'C', "").unwrap().len(), 120);
        assert!(titles.prefixed(b'C', "Zebra").unwrap().is_empty());
    }
    let none = open(filled(Writer::new().titles(false, false), 3).build());
    assert!(matches!(none.titles(), Err(Error::NoTitles)));
}

#[test]
fn redirects_are_followed_up_to_a_limit() {
    let mut writer = Writer::new().page("end", "End", "here").redirect(b'C', "r00", "", (b'C', "end"));
    for i in 1..30 {
        writer = writer.redirect(b'C', &format!("r{i:02}"), "", (b'C', &format!("r{:02}", i - 1)));
    }
    let writer = writer.redirect(b'C', "loop", "", (b'C', "loop"));
    let limited = Options::new().limits(Limits::default().redirects(10));
    let archive = limited.open_source(Memory(writer.build())).unwrap();
    let resolve = |path: &str| archive.entry_by_path(path).unwrap().unwrap().resolve().map(|e| e.path().into_owned());
    assert_eq!(resolve("r09").unwrap(), "end");
    assert!(matches!(resolve("r10"), Err(Error::Redirects(10))));
    assert!(matches!(resolve("loop"), Err(Error::Redirects(10))));
    let redirect = archive.entry_by_path("r00").unwrap().unwrap();
    assert!(matches!(redirect.read(), Err(Error::NoContent)));
    assert_eq!(redirect.mime_type(), None);
}

#[test]
fn a_decompression_bomb_is_an_error_and_reading_stops_at_the_wanted_blob() {
    let zeros = "0".repeat(8 << 20);
    for compression in [Compression::Xz, Compression::Zstd] {
        let writer = Writer::new().compression(compression).cluster_bytes(usize::MAX);
        let bytes = writer.page("a", "A", "small").page("b", "B", &zeros).build();
        assert!(bytes.len() < 1 << 20);
        let caches = Arc::new(Caches::new(64 << 20, 1 << 20));
        let archive = Options::new().caches(&caches).open_source(Memory(bytes.clone())).unwrap();
        assert_eq!(archive.entry_by_path("a").unwrap().unwrap().read().unwrap(), b"small");
        assert!(caches.clusters().bytes < 1 << 20, "{:?}", caches.clusters());
        assert_eq!(archive.entry_by_path("b").unwrap().unwrap().read().unwrap().len(), zeros.len());
        assert!(caches.clusters().bytes > 8 << 20);
        drop(archive);
        assert_eq!(caches.clusters().bytes, 0);
        let limits = Limits::default().bytes(64 << 20, 1 << 20);
        let archive = Options::new().limits(limits).open_source(Memory(bytes.clone())).unwrap();
        assert_eq!(archive.entry_by_path("a").unwrap().unwrap().read().unwrap(), b"small");
        let large = archive.entry_by_path("b").unwrap().unwrap();
        assert!(matches!(large.read(), Err(Error::TooLarge { .. })));
        let limits = Limits::default().bytes(1 << 20, 64 << 20);
        let archive = Options::new().limits(limits).open_source(Memory(bytes)).unwrap();
        let large = archive.entry_by_path("b").unwrap().unwrap();
        assert!(matches!(large.read(), Err(Error::TooLarge { .. })));
        assert_eq!(large.read_part(10..20).unwrap(), b"0000000000");
    }
}

#[test]
fn old_compressions_are_named_in_the_error() {
    let mut bytes = Writer::new().compression(Compression::None).titles(false, false).page("a", "A", "x").build();
    let cluster = bytes.len() - 16 - 1 - 4 * 2 - 1;
    assert_eq!(bytes[cluster], 1);
    for (kind, name) in [(2, "zlib"), (3, "bzip2")] {
        bytes[cluster] = kind;
        let archive = open(bytes.clone());
        let error = archive.entry_by_path("a").unwrap().unwrap().read().unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    bytes[cluster] = 9;
    assert!(matches!(open(bytes).entry_by_path("a").unwrap().unwrap().read(), Err(Error::Damaged(_))));
}

#[test]
fn hostile_tables_of_offsets_are_errors() {
    let offsets = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    let hostile = [
        offsets(&[]),
        offsets(&[0]),
        offsets(&[4]),
        offsets(&[6, 7]),
        offsets(&[8, 4]),
        offsets(&[8, u32::MAX]),
        offsets(&[u32::MAX, u32::MAX]),
        offsets(&[u32::MAX - 3, u32::MAX]),
        offsets(&[8, 9]),
    ];
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        for payload in &hostile {
            // The archive's only cluster, and its last bytes before the checksum.
            let good = Writer::new().compression(compression).titles(false, false).page("a", "A", "x").build();
            let length = zim::writer::cluster(compression, false, &[b"x"]).len();
            let end = good.len() - 16;
            let mut bytes = good[..end - length].to_vec();
            bytes.extend(packed(compression, false, payload));
            let checksum_at = bytes.len() as u64;
            bytes[72..80].copy_from_slice(&checksum_at.to_le_bytes());
            bytes.extend([0; 16]);
            let archive = open(bytes);
            let entry = archive.entry_by_path("a").unwrap().unwrap();
            assert!(entry.read().is_err(), "{compression:?} {payload:?}");
            assert!(!archive.verify(|_, _| ControlFlow::Continue(())).unwrap());
        }
    }
}

#[test]
fn an_archive_can_lie_within_another_file_and_in_parts() {
    let bytes = filled(Writer::new(), 50).build();
    let mut whole = vec![7; 1234];
    whole.extend(&bytes);
    whole.extend([9; 77]);
    let section = Section::new(Memory(whole), 1234, bytes.len() as u64).unwrap();
    let embedded = Options::new().open_source(section).unwrap();
    assert_eq!(embedded.metadata_text("Title").unwrap().unwrap(), "Test");
    assert!(embedded.verify(|_, _| ControlFlow::Continue(())).unwrap());

    let folder = tempfile::tempdir().unwrap();
    for (i, part) in bytes.chunks(bytes.len() / 30 + 1).enumerate() {
        let suffix = format!("zim{}{}", (b'a' + (i / 26) as u8) as char, (b'a' + (i % 26) as u8) as char);
        std::fs::write(folder.path().join("x").with_extension(suffix), part).unwrap();
    }
    for name in ["x.zimaa", "x.zim"] {
        let archive = Archive::open(folder.path().join(name)).unwrap();
        assert_eq!((archive.parts(), archive.size()), (30, bytes.len() as u64));
        assert!(archive.verify(|_, _| ControlFlow::Continue(())).unwrap());
        assert_eq!(archive.entry_by_path("page/00007").unwrap().unwrap().read().unwrap(), body(7).as_bytes());
    }
    for name in ["y.zim", "y.zimaa"] {
        assert!(matches!(Archive::open(folder.path().join(name)), Err(Error::Io(_))));
    }
}

#[test]
fn verification_tells_its_progress_and_can_be_stopped() {
    let archive = open(filled(Writer::new().compression(Compression::None), 5000).build());
    let mut told = Vec::new();
    archive
        .verify(|done, total| {
            told.push((done, total));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(told.len() > 1 && told.is_sorted());
    assert_eq!(told.last().unwrap().0, archive.size() - 16);
    assert!(matches!(archive.verify(|_, _| ControlFlow::Break(())), Err(Error::Stopped)));
}

#[test]
fn many_threads_read_one_archive() {
    let caches = Arc::new(Caches::new(100_000, 10_000));
    let bytes = filled(Writer::new().cluster_bytes(20_000), 500).build();
    let archive = Options::new().caches(&caches).open_source(Memory(bytes)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let archive = &archive;
            scope.spawn(move || {
                for i in (0..500).map(|i| (i * 7 + thread * 61) % 500) {
                    let entry = archive.entry_by_path(&format!("page/{i:05}")).unwrap().unwrap();
                    assert_eq!(entry.read().unwrap(), body(i).as_bytes());
                }
            });
        }
    });
    assert!(caches.clusters().bytes <= 100_000 && caches.dirents().bytes <= 10_000);
}

/// 5 GiB of which only a few pieces are there.
struct Sparse(Vec<(u64, Vec<u8>)>, u64);

impl zim::ReadAt for Sparse {
    fn size(&self) -> u64 {
        self.1
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        buffer.fill(0);
        for (start, bytes) in &self.0 {
            for (i, byte) in bytes.iter().enumerate() {
                if let Some(to) = (start + i as u64).checked_sub(offset).and_then(|at| buffer.get_mut(at as usize)) {
                    *to = *byte;
                }
            }
        }
        Ok(())
    }
}

#[test]
fn content_beyond_four_gibibytes_is_read() {
    let small = Writer::new().compression(Compression::None).titles(false, false).page("a", "A", "far away").build();
    let far = 5_u64 << 30;
    let length = zim::writer::cluster(Compression::None, false, &[b"far away"]).len();
    let cluster_at = small.len() - 16 - length;
    let mut head = small[..cluster_at].to_vec();
    let pointer = u64::from_le_bytes(head[48..56].try_into().unwrap()) as usize;
    head[pointer..pointer + 8].copy_from_slice(&far.to_le_bytes());
    head[72..80].copy_from_slice(&(far + length as u64).to_le_bytes());
    let pieces = vec![(0, head), (far, small[cluster_at..].to_vec())];
    let archive = Options::new().open_source(Sparse(pieces, far + length as u64 + 16)).unwrap();
    let entry = archive.entry_by_path("a").unwrap().unwrap();
    assert_eq!(entry.read().unwrap(), b"far away");
    assert!(entry.place().unwrap().unwrap().start > far);
}

#[test]
fn metadata_is_listed_and_read() {
    let icon = [1, 2, 3];
    let writer = Writer::new().item((b'M', "Illustration_48x48@1"), "", "image/png", icon).metadata("Language", "eng");
    let archive = open(filled(writer, 2).build());
    assert_eq!(archive.metadata_names().unwrap(), ["Counter", "Illustration_48x48@1", "Language", "Title"]);
    assert_eq!(archive.icon().unwrap().unwrap().read().unwrap(), icon);
    assert_eq!(archive.illustrations().unwrap()[0].0.width, 48);
    assert_eq!(archive.counter().unwrap(), [("text/html".to_owned(), 5)]);
    assert_eq!(archive.metadata("Nothing").unwrap(), None);
    assert!(!archive.has_fulltext_index().unwrap() && !archive.has_title_index().unwrap());
}

#[test]
fn an_archive_without_entries_is_one() {
    let archive = open(Writer::new().titles(false, false).build());
    assert!(archive.is_empty() && archive.main_page().unwrap().is_none());
    assert!(archive.namespaces().unwrap().is_empty());
    assert!(archive.path_range(b'C', "").unwrap().is_empty());
}
