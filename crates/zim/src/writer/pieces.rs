//! The pieces of an archive, put together as they are: sound or not.

use lzma_rust2::{XzOptions, XzWriter};
use md5::{Digest, Md5};
use std::io::Write;

/// What an archive is made of. Nothing is checked, so that damage can be made on purpose.
#[derive(Clone, Debug)]
pub struct Pieces {
    /// Major and minor version.
    pub version: (u16, u16),
    /// The list of MIME types.
    pub mimes: Vec<String>,
    /// The directory entries in the order of paths.
    pub dirents: Vec<Vec<u8>>,
    /// The clusters, each with its byte of information: see [`cluster`].
    pub clusters: Vec<Vec<u8>>,
    /// The table of titles that the header names, if there is to be one.
    pub titles: Option<Vec<u8>>,
    /// Index of the main page.
    pub main: u32,
}

impl Pieces {
    /// The bytes of the archive.
    pub fn build(&self) -> Vec<u8> {
        let mut mime_list = Vec::new();
        for mime in &self.mimes {
            mime_list.extend(mime.bytes().chain([0]));
        }
        mime_list.push(0);
        let (dirents, clusters) = (self.dirents.concat(), self.clusters.concat());
        let titles = self.titles.as_deref().unwrap_or_default();
        let paths_at = 80 + mime_list.len() as u64;
        let titles_at = paths_at + 8 * self.dirents.len() as u64;
        let clusters_at = titles_at + titles.len() as u64;
        let dirents_at = clusters_at + 8 * self.clusters.len() as u64;
        let content_at = dirents_at + dirents.len() as u64;
        let checksum_at = content_at + clusters.len() as u64;

        let mut out = Vec::new();
        out.extend(0x044d_495a_u32.to_le_bytes());
        out.extend(self.version.0.to_le_bytes());
        out.extend(self.version.1.to_le_bytes());
        out.extend(Md5::digest(&dirents).as_slice());
        out.extend(small(self.dirents.len()).to_le_bytes());
        out.extend(small(self.clusters.len()).to_le_bytes());
        out.extend(paths_at.to_le_bytes());
        out.extend(self.titles.as_ref().map_or(u64::MAX, |_| titles_at).to_le_bytes());
        out.extend(clusters_at.to_le_bytes());
        out.extend(80_u64.to_le_bytes());
        out.extend(self.main.to_le_bytes());
        out.extend(u32::MAX.to_le_bytes());
        out.extend(checksum_at.to_le_bytes());
        out.extend(mime_list);
        out.extend(pointers(dirents_at, &self.dirents));
        out.extend(titles);
        out.extend(pointers(content_at, &self.clusters));
        out.extend(dirents);
        out.extend(clusters);
        let sum = Md5::digest(&out);
        out.extend(sum.as_slice());
        out
    }
}

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compression {
    None,
    Xz,
    Zstd,
}

/// The bytes of a cluster with these blobs.
pub fn cluster(compression: Compression, extended: bool, blobs: &[&[u8]]) -> Vec<u8> {
    let width = if extended { 8 } else { 4 };
    let mut at = (blobs.len() as u64 + 1) * width;
    let mut payload = Vec::new();
    for size in blobs.iter().map(|b| b.len() as u64).chain([0]) {
        let offset = at.to_le_bytes();
        payload.extend(offset.iter().take(if extended { 8 } else { 4 }));
        at += size;
    }
    payload.extend(blobs.concat());
    packed(compression, extended, &payload)
}

/// The bytes of a cluster with this payload, which may be nonsense.
pub fn packed(compression: Compression, extended: bool, payload: &[u8]) -> Vec<u8> {
    let flag = if extended { 0x10 } else { 0 };
    match compression {
        Compression::None => [&[1 | flag], payload].concat(),
        Compression::Xz => {
            // Writing to memory does not fail.
            let written = XzWriter::new(vec![4 | flag], XzOptions::with_preset(1)).and_then(|mut writer| {
                writer.write_all(payload)?;
                writer.finish()
            });
            written.unwrap_or_default()
        }
        Compression::Zstd => {
            let mut bytes = Vec::with_capacity(zstd_safe::compress_bound(payload.len()));
            let _ = zstd_safe::compress(&mut bytes, payload, 3);
            [&[5 | flag], bytes.as_slice()].concat()
        }
    }
}

fn pointers(mut at: u64, things: &[Vec<u8>]) -> Vec<u8> {
    let mut table = Vec::new();
    for thing in things {
        table.extend(at.to_le_bytes());
        at += thing.len() as u64;
    }
    table
}

/// Counts of what is small: test archives.
pub(super) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
