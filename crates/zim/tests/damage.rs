//! No damage makes the reader panic, hang, or take memory without bound.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use proptest::prelude::*;
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use zim::writer::{Compression, Writer};
use zim::{Archive, Caches, Limits, Memory, Options};

/// Everything a reader can ask of an archive. Errors are fine.
fn read_everything(bytes: Vec<u8>) {
    let caches = Arc::new(Caches::new(1 << 20, 100_000));
    let options = Options::new().caches(&caches).limits(Limits::default().bytes(4 << 20, 4 << 20));
    let Ok(archive) = options.open_source(Memory(bytes)) else { return };
    touch(&archive);
}

fn touch(archive: &Archive) {
    for entry in archive.entries(0..archive.len().min(500)).flatten() {
        let _ = (entry.title(), entry.path(), entry.mime_type(), entry.place());
        if let Ok(content) = entry.resolve() {
            let _ = content.read();
        }
    }
    let _ = archive.main_page().map(|page| page.map(|page| page.resolve().and_then(|page| page.read())));
    for path in ["main.html", "A/main.html", "", "page/3", "\u{10ffff}"] {
        let _ = archive.entry_by_path(path);
    }
    if let Ok(titles) = archive.titles() {
        let _ = titles.prefixed(archive.content_namespace(), "T");
        let _ = titles.entries(0..100).count();
    }
    let _ =
        (archive.namespaces(), archive.metadata_names(), archive.counter(), archive.icon(), archive.illustrations());
    let _ = (archive.has_fulltext_index(), archive.has_title_index());
    let _ = archive.verify(|_, _| ControlFlow::Continue(()));
}

fn samples() -> &'static [Vec<u8>] {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(make_samples)
}

fn make_samples() -> Vec<Vec<u8>> {
    let mut samples = Vec::new();
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        for (writer, extended) in [(Writer::new(), true), (Writer::old(), false)] {
            let mut writer = writer.compression(compression).extended(extended).cluster_bytes(2000);
            for i in 0..30 {
                writer = writer.page(&format!("page/{i}"), &format!("T{i}"), &"text ".repeat(i * 3));
            }
            let writer = writer.redirect(b'C', "r", "", (b'C', "page/3")).metadata("Counter", "text/html=30");
            samples.push(writer.main_page("page/3").build());
        }
    }
    samples
}

/// Sets bytes at places relative to the length: some near the start, where structure is.
fn damage(mut bytes: Vec<u8>, flips: &[(f64, u8)], cut: Option<f64>) -> Vec<u8> {
    for (at, value) in flips {
        let at = (bytes.len() as f64 * at) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte = *value;
        }
    }
    if let Some(cut) = cut {
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        // As if it had been written so: otherwise its size alone gives it away.
        if let (Some(end), Some(place)) = ((bytes.len() as u64).checked_sub(16), bytes.get_mut(72..80)) {
            place.copy_from_slice(&end.to_le_bytes());
        }
    }
    bytes
}

fn place() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..1.0, 0.0..0.02, 0.02..0.3]
}

fn value() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(0xff), Just(0x7f), Just(1), any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_archives_give_errors_at_worst(
        which in 0_usize..6,
        flips in prop::collection::vec((place(), value()), 0..8),
        cut in prop::option::weighted(0.3, 0.0..1.0),
    ) {
        read_everything(damage(samples()[which].clone(), &flips, cut));
    }

    #[test]
    fn damaged_files_of_the_test_suite_give_errors_at_worst(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((place(), value()), 1..8),
        cut in prop::option::weighted(0.3, 0.0..1.0),
    ) {
        let files = common::small_files();
        if !files.is_empty() {
            read_everything(damage(which.get(files).clone(), &flips, cut));
        }
    }

    #[test]
    fn noise_is_no_archive(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything([b"ZIM\x04\x06\0\x03\0".as_slice(), &bytes].concat());
        read_everything(bytes);
    }
}

#[test]
fn every_single_byte_of_the_tables_can_be_wrong() {
    for sample in samples() {
        for at in 0..sample.len().min(300) {
            for value in [0, 0xff] {
                let mut bytes = sample.clone();
                bytes[at] = value;
                read_everything(bytes);
            }
        }
    }
}
