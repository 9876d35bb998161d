//! Archives that are split into parts: `name.zimaa`, `name.zimab`, … `name.zimzz`, one plain
//! concatenation (openZIM, "ZIM file format", section "Split ZIM archives in chunks"). A structure may
//! lie across a border; the specification says that clusters should not, files in the wild do.

use crate::archive::Media;
use crate::error::{Error, Result};
use crate::map::MappedFile;
use crate::read_at::{FileSource, ReadAt};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Several sources, one after the other.
pub struct Parts {
    /// Each with the position of its first byte in the whole.
    parts: Vec<(u64, Box<dyn ReadAt>)>,
    size: u64,
}

impl Parts {
    /// Puts sources one after the other.
    pub fn new(sources: impl IntoIterator<Item = Box<dyn ReadAt>>) -> Result<Self> {
        let mut parts = Vec::new();
        let mut size = 0_u64;
        for source in sources {
            let part = source.size();
            parts.push((size, source));
            size = size.checked_add(part).ok_or_else(|| Error::Damaged("the parts are too large".to_owned()))?;
        }
        Ok(Self { parts, size })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.parts.len()
    }
}

impl ReadAt for Parts {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        let first = self.parts.partition_point(|(start, _)| *start <= offset).saturating_sub(1);
        for (start, part) in self.parts.iter().skip(first) {
            if buffer.is_empty() {
                break;
            }
            let within = offset - start;
            let there = part.size().saturating_sub(within);
            let take = buffer.len().min(crate::bytes::len(there));
            let (now, rest) = buffer.split_at_mut(take);
            part.read_exact_at(now, within)?;
            offset += take as u64;
            buffer = rest;
        }
        if buffer.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let part = self.parts.partition_point(|(start, _)| *start <= offset).checked_sub(1)?;
        let (start, part) = self.parts.get(part)?;
        part.slice(offset - start, length)
    }
}

/// Whether the name is that of the first part of a split archive.
pub fn is_first_part(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "zimaa")
}

/// The files that make up the archive at this path: the file itself, or its parts if it is the first of
/// them (`x.zimaa`) or stands for them (`x.zim`, which does not exist while `x.zimaa` does).
pub fn parts_of(path: &Path) -> Vec<PathBuf> {
    let split = is_first_part(path) || (!path.exists() && path.with_extension("zimaa").exists());
    if !split {
        return vec![path.to_owned()];
    }
    let letters = || 'a'..='z';
    let parts: Vec<_> = letters()
        .flat_map(|a| letters().map(move |b| path.with_extension(format!("zim{a}{b}"))))
        .take_while(|part| part.is_file())
        .collect();
    // One that is not there has to fail by its name.
    if parts.is_empty() { vec![path.to_owned()] } else { parts }
}

/// A file and how many bytes it has.
pub(crate) type PartFile = (PathBuf, u64);

/// Opens all parts of a split archive, or the one file.
pub(crate) fn open(path: &Path, media: Media) -> Result<(Arc<dyn ReadAt>, Vec<PartFile>)> {
    let files = parts_of(path).into_iter().map(|path| Ok((File::open(&path)?, path)));
    let files = files.collect::<io::Result<Vec<_>>>()?;
    sources(files.into_iter().map(|(file, path)| (path, file)), media)
}

/// Open files, one after the other.
pub(crate) fn sources(
    files: impl IntoIterator<Item = (PathBuf, File)>,
    media: Media,
) -> Result<(Arc<dyn ReadAt>, Vec<PartFile>)> {
    let mut parts = Vec::new();
    let mut sources: Vec<Box<dyn ReadAt>> = Vec::new();
    for (path, file) in files {
        let source: Box<dyn ReadAt> = match media {
            Media::Read => Box::new(FileSource::new(file)?),
            Media::Mapped => Box::new(MappedFile::new(&file)?),
        };
        parts.push((path, source.size()));
        sources.push(source);
    }
    let source: Arc<dyn ReadAt> = match <[_; 1]>::try_from(sources) {
        Ok([whole]) => Arc::new(whole),
        Err(sources) => Arc::new(Parts::new(sources)?),
    };
    Ok((source, parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_at::Memory;

    #[test]
    fn a_read_crosses_any_number_of_borders() {
        let all: Vec<u8> = (0..100).collect();
        for cuts in [vec![100], vec![1, 2, 3, 94], vec![50, 0, 50], vec![33, 33, 34]] {
            let mut rest = all.as_slice();
            let parts = Parts::new(cuts.iter().map(|cut| {
                let (part, after) = rest.split_at(*cut);
                rest = after;
                Box::new(Memory(part.to_vec())) as Box<dyn ReadAt>
            }))
            .unwrap();
            for start in 0..100 {
                for end in start..=100 {
                    let mut buffer = vec![0; end - start];
                    parts.read_exact_at(&mut buffer, start as u64).unwrap();
                    assert_eq!(buffer, all[start..end]);
                }
            }
            assert!(parts.read_exact_at(&mut [0; 2], 99).is_err());
            assert!(parts.read_exact_at(&mut [0; 1], 1000).is_err());
        }
    }
}
