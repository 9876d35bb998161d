//! Positions and sizes beyond 32 bits, in real files that are mostly holes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use zim::writer::{Compression, Pieces, Writer, cluster};
use zim::{Archive, Media, Options, ReadAt};

const FAR: u64 = 5 << 30;

/// Writes an archive of which all that comes after the tables begins at [`FAR`].
fn spread(file: &Path, writer: Writer) {
    let pieces = writer.pieces();
    let near = pieces.build();
    let tables = u64::from_le_bytes(near[48..56].try_into().unwrap()) as usize + 8 * pieces.clusters.len();
    let (mut head, rest) = (near[..tables].to_vec(), &near[tables..]);
    let shift = FAR - tables as u64;
    let paths_at = u64::from_le_bytes(head[32..40].try_into().unwrap()) as usize;
    let pointers = (0..pieces.dirents.len()).map(|n| paths_at + n * 8);
    let pointers = pointers.chain((0..pieces.clusters.len()).map(|n| tables - (n + 1) * 8)).chain([72]);
    for at in pointers {
        let place = u64::from_le_bytes(head[at..at + 8].try_into().unwrap()) + shift;
        head[at..at + 8].copy_from_slice(&place.to_le_bytes());
    }
    let out = File::create(file).unwrap();
    out.write_all_at(&head, 0).unwrap();
    out.write_all_at(rest, FAR).unwrap();
}

fn opened(file: &PathBuf) -> [Archive; 2] {
    [Media::Read, Media::Mapped].map(|media| Options::new().media(media).open(file).unwrap())
}

#[test]
fn entries_and_clusters_beyond_four_gibibytes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("far.zim");
    for compression in [Compression::None, Compression::Xz, Compression::Zstd] {
        let mut writer = Writer::new().compression(compression).cluster_bytes(500);
        for i in 0..50 {
            writer = writer.page(&format!("p{i:02}"), &format!("T{i:02}"), &"far away ".repeat(i));
        }
        spread(&file, writer);
        for archive in opened(&file) {
            assert!(archive.size() > FAR);
            for i in 0..50 {
                let entry = archive.titles().unwrap().find(b'C', &format!("T{i:02}")).unwrap().unwrap();
                assert_eq!(entry.read().unwrap(), "far away ".repeat(i).as_bytes());
                assert!(entry.place().unwrap().is_none_or(|place| place.start > FAR));
            }
        }
    }
}

#[test]
fn a_blob_of_an_extended_cluster_may_be_larger_than_four_gibibytes() {
    // One blob of 5 GiB, and one after it.
    let mut info = vec![0x11];
    info.extend([24, 24 + FAR, 24 + FAR + 5].iter().flat_map(|n: &u64| n.to_le_bytes()));
    let item = |blob: u32, path: &str| {
        let mut entry = vec![0, 0, 0, b'C', 0, 0, 0, 0, 0, 0, 0, 0];
        entry.extend(blob.to_le_bytes());
        entry.extend(path.bytes().chain([0, 0]));
        entry
    };
    let pieces = Pieces {
        version: (6, 3),
        mimes: vec!["video/webm".to_owned()],
        dirents: vec![item(0, "large"), item(1, "small")],
        clusters: vec![info],
        titles: None,
        main: u32::MAX,
    };
    let mut head = pieces.build();
    head.truncate(head.len() - 16);
    let end = head.len() as u64 + FAR + 5;
    head[72..80].copy_from_slice(&end.to_le_bytes());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blob.zim");
    let out = File::create(&file).unwrap();
    out.write_all_at(&head, 0).unwrap();
    out.write_all_at(b"middle", head.len() as u64 + FAR / 2).unwrap();
    out.write_all_at(b"after", end - 5).unwrap();
    out.set_len(end + 16).unwrap();
    for archive in opened(&file) {
        let large = archive.entry_by_path("large").unwrap().unwrap();
        assert_eq!(large.size().unwrap(), FAR);
        assert!(matches!(large.read(), Err(zim::Error::TooLarge { bytes: FAR, .. })));
        assert_eq!(large.read_part(FAR / 2..FAR / 2 + 6).unwrap(), b"middle");
        let content = large.content().unwrap();
        let mut bytes = [0; 6];
        content.read_exact_at(&mut bytes, FAR / 2).unwrap();
        assert_eq!((content.size(), &bytes), (FAR, b"middle"));
        assert_eq!(archive.entry_by_path("small").unwrap().unwrap().read().unwrap(), b"after");
    }
}

#[test]
fn a_large_archive_in_parts_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("far.zim");
    spread(&file, Writer::new().cluster_bytes(10).page("a", "A", "first").page("b", "B", "second"));
    let whole = File::open(&file).unwrap();
    let size = whole.metadata().unwrap().len();
    // A border in the hole, and one within a cluster.
    let cuts = [0, 3 << 30, size - 16 - cluster(Compression::Zstd, false, &[b"second"]).len() as u64 / 2, size];
    for (n, cut) in cuts.windows(2).enumerate() {
        let part = folder.path().join(format!("parts.zima{}", char::from(b'a' + n as u8)));
        let out = OpenOptions::new().create(true).truncate(true).write(true).open(part).unwrap();
        out.set_len(cut[1] - cut[0]).unwrap();
        let copied = (cut[1] - cut[0]).min(10_000);
        for (from, to) in [(cut[0], 0), (cut[1] - copied, cut[1] - cut[0] - copied)] {
            let mut bytes = vec![0; copied as usize];
            whole.read_exact_at(&mut bytes, from).unwrap();
            out.write_all_at(&bytes, to).unwrap();
        }
    }
    let archive = Archive::open(folder.path().join("parts.zim")).unwrap();
    assert_eq!((archive.parts(), archive.size()), (3, size));
    for (path, text) in [("a", "first"), ("b", "second")] {
        assert_eq!(archive.entry_by_path(path).unwrap().unwrap().read().unwrap(), text.as_bytes());
    }
}
