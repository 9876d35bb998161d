//! ZIM archives of which one part is any bytes.

use std::sync::Arc;
use zim::writer::{Compression, Pieces, Writer, cluster, packed};
use zim::{Archive, Caches, Limits, Memory, Options, Titles};

/// Decoded bytes of a cluster, and of a blob: more has to be an error.
const LIMIT: u64 = 1 << 20;
/// Bytes the caches hold at most.
const CACHED: usize = 4 << 20;

fn open(bytes: Vec<u8>) -> Option<(Arc<Caches>, Archive)> {
    let caches = Arc::new(Caches::new(CACHED, CACHED));
    let options = Options::new().caches(&caches).limits(Limits::default().bytes(LIMIT, LIMIT));
    let archive = options.open_source(Memory(bytes)).ok()?;
    Some((caches, archive))
}

/// Reads all there is, and checks what is promised of any archive.
fn read(caches: &Caches, archive: &Archive) {
    for entry in archive.entries(0..archive.len()).flatten() {
        let (path, title) = (entry.full_path(), entry.title());
        assert!(path.len() < 200_000 && title.len() < 200_000);
        let Ok(content) = entry.resolve() else { continue };
        assert!(!content.is_redirect());
        let (Ok(size), Ok(bytes)) = (content.size(), content.read()) else { continue };
        assert_eq!(bytes.len() as u64, size);
        assert!(size <= LIMIT);
        let half = size / 2;
        assert_eq!(content.read_part(half..size).expect("it was read"), bytes[half as usize..]);
        if let Ok(Some(place)) = content.place() {
            assert!(place.end <= archive.size() && place.end - place.start == size);
        }
        if content.mime_type().is_some() {
            assert!(archive.mime_types().any(|mime| Some(mime) == content.mime_type()));
        }
    }
    for held in [caches.clusters(), caches.dirents(), caches.blocks()] {
        assert!(held.bytes <= held.limit);
    }
}

/// Whatever titles and prefixes are looked up, places lie within the listing.
fn look_up(titles: &Titles<'_>) {
    for prefix in ["", "A", "\u{10ffff}", "title 2"] {
        for namespace in *b"CAM\xff\0" {
            let Ok(found) = titles.prefixed(namespace, prefix) else { continue };
            assert!(found.start <= found.end && found.end <= titles.len());
            if let Some(Ok(entry)) = titles.entries(found).next() {
                let _ = titles.find(namespace, &entry.title());
            }
        }
    }
    assert!(titles.entries(0..u32::MAX).take(5000).count() as u32 <= titles.len());
    assert!(titles.entry(titles.len()).is_err());
}

/// Directory entries: the first byte says how many there are, the next ones where each begins.
pub fn dirent(data: &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return };
    let count = usize::from(count % 16) + 1;
    let Some((starts, entries)) = rest.split_at_checked(count * 2) else { return };
    let pieces = Pieces {
        version: (6, u16::from(data[0] >> 6)),
        mimes: vec!["text/html".to_owned(), "image/png".to_owned()],
        // All in one: the pointers are set below.
        dirents: [vec![entries.to_vec()], vec![Vec::new(); count - 1]].concat(),
        clusters: vec![cluster(Compression::None, false, &[b"one", b"two"])],
        titles: Some((0..count as u32).flat_map(u32::to_le_bytes).collect()),
        main: 0,
    };
    let mut bytes = pieces.build();
    let paths_at = 80 + "text/html\0image/png\0\0".len();
    let first = u64::from_le_bytes(bytes[paths_at..paths_at + 8].try_into().expect("8 bytes"));
    for (n, start) in starts.chunks_exact(2).enumerate() {
        let at = first + u64::from(u16::from_le_bytes([start[0], start[1]])) % (entries.len() as u64 + 1);
        bytes[paths_at + n * 8..paths_at + n * 8 + 8].copy_from_slice(&at.to_le_bytes());
    }
    let Some((caches, archive)) = open(bytes) else { return };
    read(&caches, &archive);
    for path in ["", "A/x", "C/x", "x"] {
        if let Ok(Some(entry)) = archive.entry_by_path(path) {
            assert!(path.as_bytes().ends_with(entry.path_bytes()));
        }
    }
    let _ = (archive.namespaces(), archive.main_page(), archive.metadata_names(), archive.illustrations());
    let _ = (archive.counter(), archive.icon(), archive.article_count(), archive.media_count());
    if let Ok(titles) = archive.titles() {
        look_up(&titles);
    }
}

/// A cluster: the first byte says whether the rest is the cluster as it is in the file, or what is in it
/// once it is decoded.
pub fn cluster_bytes(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let wide = how & 4 != 0;
    let flag = if wide { 0x10 } else { 0 };
    let bytes = match how % 4 {
        0 => rest.to_vec(),
        1 => packed(Compression::None, wide, rest),
        2 if how & 8 != 0 => packed(Compression::Xz, wide, rest),
        2 => [&[4 | flag], rest].concat(),
        _ if how & 8 != 0 => packed(Compression::Zstd, wide, rest),
        _ => [&[5 | flag], rest].concat(),
    };
    let entries = (0..8_u32).map(|blob| {
        // From the last blob to the first for some, so that decoding begins anew and goes on.
        let blob = if how & 16 == 0 { blob } else { 7 - blob };
        let mut entry = vec![0, 0, 0, b'C', 0, 0, 0, 0, 0, 0, 0, 0];
        entry.extend(blob.to_le_bytes());
        entry.extend([b'a' + blob as u8, 0, 0]);
        entry
    });
    let mut dirents: Vec<Vec<u8>> = entries.collect();
    dirents.sort_by_key(|entry| entry[16]);
    let pieces = Pieces {
        version: (6, 3),
        mimes: vec!["text/html".to_owned()],
        dirents,
        clusters: vec![bytes],
        titles: None,
        main: u32::MAX,
    };
    let (caches, archive) = open(pieces.build()).expect("only the cluster is not sound");
    let first: Vec<_> = archive.entries(0..8).map(|entry| entry.and_then(|entry| entry.read()).ok()).collect();
    read(&caches, &archive);
    let again: Vec<_> = archive.entries(0..8).map(|entry| entry.and_then(|entry| entry.read()).ok()).collect();
    assert_eq!(first, again, "what was read once is read again");
}

/// A title listing: the first byte says which of the three it is.
pub fn listing(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let path = ["listing/titleOrdered/v1", "listing/titleOrdered/v0", "elsewhere"][usize::from(how % 3)];
    let compression = if how & 4 == 0 { Compression::None } else { Compression::Zstd };
    let mut writer = Writer::new().titles(true, false).compression(compression);
    for n in 0..20 {
        writer = writer.page(&format!("p{n}"), &format!("title {}", n * 7 % 20), "x");
    }
    writer = writer.item((b'X', path), "", "application/octet-stream+zimlisting", rest);
    let mut pieces = writer.pieces();
    if how & 8 != 0 {
        pieces.titles = Some(rest.iter().copied().cycle().take(pieces.dirents.len() * 4).collect());
    }
    let Some((caches, archive)) = open(pieces.build()) else { return };
    if let Ok(titles) = archive.titles() {
        look_up(&titles);
    }
    let _ = archive.article_count();
    read(&caches, &archive);
    // A listing harms what is looked up in it, and nothing else.
    assert_eq!(
        archive.entry_by_path("p7").expect("the entries are sound").map(|e| e.read().ok()),
        Some(Some(b"x".to_vec()))
    );
}
