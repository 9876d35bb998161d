//! Title listings that are missing, stale, damaged or where they should not be; headers and redirects of
//! which the same can be said.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use zim::writer::{Compression, Writer};
use zim::{Archive, Error, Memory, Options, TitleKind};

fn open(bytes: Vec<u8>) -> Archive {
    Options::new().open_source(Memory(bytes)).unwrap()
}

fn pages(writer: Writer) -> Writer {
    (0..30).fold(writer, |writer, i| writer.page(&format!("p{i:02}"), &format!("Title {:02}", i * 7 % 30), "x"))
}

fn assert_finds_all(archive: &Archive) {
    let titles = archive.titles().unwrap();
    let found = titles.prefixed(b'C', "Title ").unwrap();
    let found: Vec<_> = titles.entries(found).map(|entry| entry.unwrap().title().into_owned()).collect();
    assert_eq!(found, (0..30).map(|i| format!("Title {i:02}")).collect::<Vec<_>>());
    assert_eq!(titles.find(b'C', "Title 07").unwrap().unwrap().path(), "p01");
}

#[test]
fn the_best_listing_that_there_is_is_used() {
    for packs in [false, true] {
        let both = Writer::new().all_titles(true).titles(true, true).packs_listings(packs);
        let both = open(pages(both).build());
        assert_eq!(both.titles().unwrap().kind(), TitleKind::FrontArticles);
        assert_eq!((both.titles().unwrap().len(), both.article_count().unwrap()), (30, 30));
        assert_finds_all(&both);
        let all = open(pages(Writer::new().all_titles(true).titles(false, false).packs_listings(packs)).build());
        assert_eq!(all.titles().unwrap().kind(), TitleKind::AllEntries);
        assert_eq!(all.titles().unwrap().len(), all.len());
        assert_finds_all(&all);
    }
    let table = open(pages(Writer::new().titles(true, false)).build());
    assert_eq!(table.titles().unwrap().kind(), TitleKind::AllEntries);
    assert_finds_all(&table);
    let none = open(pages(Writer::new().titles(false, false)).metadata("Counter", "text/html=30;a/b=2").build());
    assert!(matches!(none.titles(), Err(Error::NoTitles)));
    // Then the writer's count has to do.
    assert_eq!((none.article_count().unwrap(), none.media_count().unwrap()), (30, 0));
}

#[test]
fn a_listing_that_cannot_be_right_gives_way_to_the_next_one() {
    // Not a number of whole indexes.
    let broken = Writer::new().titles(true, false).item((b'X', "listing/titleOrdered/v1"), "", "a/b", vec![0; 5]);
    assert_finds_all(&open(pages(broken).build()));
    // In a cluster with a compression that is gone.
    let writer = Writer::new().compression(Compression::None).titles(true, true);
    let mut pieces = pages(writer).pieces();
    pieces.clusters.last_mut().unwrap()[0] = 2;
    let titles = pieces.build();
    assert_eq!(open(titles).titles().unwrap().kind(), TitleKind::AllEntries);
}

#[test]
fn a_stale_table_of_titles_harms_lookups_by_title_and_nothing_else() {
    let good = pages(Writer::new().titles(true, false)).pieces();
    let entries = good.dirents.len() as u32;
    let stale = [
        // Of another archive: indexes that are not there, the same one again and again, the wrong order.
        (0..entries).map(|i| i + 1000).collect::<Vec<u32>>(),
        vec![3; entries as usize],
        (0..entries).rev().collect(),
    ];
    for table in stale {
        let mut pieces = good.clone();
        pieces.titles = Some(table.iter().flat_map(|index| index.to_le_bytes()).collect());
        let archive = open(pieces.build());
        let titles = archive.titles().unwrap();
        let _ = (titles.prefixed(b'C', "Title"), titles.find(b'C', "Title 03"));
        titles.entries(0..entries).for_each(drop);
        for i in 0..30 {
            assert_eq!(archive.entry_by_path(&format!("p{i:02}")).unwrap().unwrap().read().unwrap(), b"x");
        }
    }
    // One that lies outside of the file is none.
    let mut bytes = good.build();
    bytes[40..48].copy_from_slice(&(u64::MAX - 7).to_le_bytes());
    assert!(matches!(open(bytes).titles(), Err(Error::NoTitles)));
}

#[test]
fn redirects_in_a_circle_or_to_nowhere_are_errors_of_that_redirect() {
    let writer = Writer::new().page("end", "", "x").redirect(b'C', "a", "", (b'C', "b"));
    let writer = writer.redirect(b'C', "b", "", (b'C', "c")).redirect(b'C', "c", "", (b'C', "a"));
    let mut pieces = writer.redirect(b'C', "good", "", (b'C', "end")).redirect(b'C', "out", "", (b'C', "end")).pieces();
    let out = pieces.dirents.iter().position(|entry| entry.ends_with(b"out\0\0")).unwrap();
    pieces.dirents[out][8..12].copy_from_slice(&5000_u32.to_le_bytes());
    let archive = open(pieces.build());
    let resolve = |path: &str| archive.entry_by_path(path).unwrap().unwrap().resolve().map(|entry| entry.index());
    for path in ["a", "b", "c"] {
        assert!(matches!(resolve(path), Err(Error::Redirects(50))));
    }
    assert!(matches!(resolve("out"), Err(Error::Damaged(_))));
    assert!(resolve("good").is_ok());
    // A picture that is a redirect in a circle is no picture, and the rest of the metadata is there.
    let writer = Writer::new().redirect(b'M', "Illustration_48x48@1", "", (b'M', "Illustration_48x48@1"));
    let archive = open(writer.metadata("Title", "T").page("a", "", "").build());
    assert!(archive.icon().is_err());
    assert_eq!(archive.metadata_text("Title").unwrap().unwrap(), "T");
}

#[test]
fn very_old_headers_end_before_the_checksum() {
    let pieces = pages(Writer::old()).pieces();
    let new = pieces.build();
    // The same without the position of the checksum, and without the checksum: all else moves by 8 bytes.
    let mut old = [&new[..72], &new[80..new.len() - 16]].concat();
    let mut move_back = |at: usize| {
        let place = u64::from_le_bytes(old[at..at + 8].try_into().unwrap()) - 8;
        old[at..at + 8].copy_from_slice(&place.to_le_bytes());
        place as usize
    };
    let tables = [32, 40, 48, 56].map(&mut move_back);
    for (table, count) in [(tables[0], pieces.dirents.len()), (tables[2], pieces.clusters.len())] {
        (0..count).for_each(|n| {
            move_back(table + n * 8);
        });
    }
    let archive = open(old);
    assert!(!archive.has_checksum() && archive.checksum().unwrap().is_none());
    assert!(matches!(archive.verify(|_, _| std::ops::ControlFlow::Continue(())), Err(Error::NoChecksum)));
    for i in 0..30 {
        assert_eq!(archive.entry_by_path(&format!("A/p{i:02}")).unwrap().unwrap().read().unwrap(), b"x");
    }
}

#[test]
fn illustrations_have_sizes_and_scales_and_old_archives_a_favicon() {
    let picture = |name: &str| Writer::new().item((b'M', name), "", "image/png", "p");
    let sizes = |writer: Writer| {
        let archive = open(writer.page("a", "", "").build());
        let found = archive.illustrations().unwrap();
        let mut sizes: Vec<_> = found.iter().map(|(size, _)| (size.width, size.height, size.scale)).collect();
        assert_eq!(archive.icon().unwrap().is_some(), sizes.contains(&(48, 48, 1)));
        sizes.sort_unstable();
        sizes
    };
    let writer = picture("Illustration_48x48@1").item((b'M', "Illustration_96x96@2"), "", "image/png", "p");
    let writer = writer.item((b'M', "Illustration_300x200@1;lang=fr"), "", "image/png", "p");
    assert_eq!(sizes(writer), [(48, 48, 1), (96, 96, 2), (300, 200, 1)]);
    assert_eq!(sizes(picture("Illustration_96x96@1")), [(96, 96, 1)]);
    assert_eq!(sizes(picture("Illustration_4x@1")), []);
    assert_eq!(sizes(Writer::old()), []);
    for (namespace, path) in [(b'-', "favicon"), (b'I', "favicon.png"), (b'-', "favicon.png")] {
        assert_eq!(sizes(Writer::old().item((namespace, path), "", "image/png", "p")), [(48, 48, 1)]);
    }
}
