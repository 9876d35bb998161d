//! The header: 80 bytes at the start (openZIM, "ZIM file format", section "Header").

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::error::{Error, Result, damaged};

/// `ZIM\x04`.
const MAGIC: u32 = 0x044d_495a;
/// Bytes of the header of today. Very old files have 72: they end before the position of the checksum.
pub(crate) const SIZE: u64 = 80;
const SIZE_WITHOUT_CHECKSUM: u64 = 72;
/// Bytes of the MD5 at the end.
pub(crate) const CHECKSUM_SIZE: u64 = 16;

/// What the header says, checked against the size of the file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) major: u16,
    pub(crate) minor: u16,
    pub(crate) uuid: [u8; 16],
    pub(crate) entries: u32,
    pub(crate) clusters: u32,
    pub(crate) paths_at: u64,
    /// The deprecated listing of all entries by title. It is left out by writers of today and stale in
    /// some files, so one that cannot be right is as good as none.
    pub(crate) titles_at: Option<u64>,
    pub(crate) clusters_at: u64,
    pub(crate) mimes_at: u64,
    pub(crate) main_page: Option<u32>,
    pub(crate) checksum_at: Option<u64>,
    /// Where the content ends and the checksum begins.
    pub(crate) end: u64,
}

impl Header {
    /// Reads the first [`SIZE`] bytes of a file of `size` bytes.
    pub(crate) fn read(bytes: &[u8], size: u64) -> Result<Self> {
        let short = || Error::Damaged("it is smaller than a header".to_owned());
        let u16_at = |at| u16_at(bytes, at).ok_or_else(short);
        let u32_at = |at| u32_at(bytes, at).ok_or_else(short);
        let u64_at = |at| u64_at(bytes, at).ok_or_else(short);
        if u32_at(0).map_err(|_| Error::NotZim)? != MAGIC {
            return Err(Error::NotZim);
        }
        let major = u16_at(4)?;
        if !(5..=6).contains(&major) {
            return Err(Error::Version(major));
        }
        let uuid = *bytes.get(8..).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
        let mimes_at = u64_at(56)?;
        let checksum_at = match mimes_at {
            SIZE => Some(u64_at(72)?),
            SIZE_WITHOUT_CHECKSUM => None,
            _ => return damaged("its list of MIME types is not where it has to be"),
        };
        let end = match checksum_at {
            Some(at) if at.checked_add(CHECKSUM_SIZE) == Some(size) => at,
            Some(_) => return damaged("its size is not the one it was written with; it may be incomplete"),
            None => size,
        };
        let (entries, clusters) = (u32_at(24)?, u32_at(28)?);
        if clusters > entries || (clusters == 0) != (entries == 0) {
            return damaged("its numbers of entries and of clusters contradict each other");
        }
        let fits = |at: u64, count: u32, width: u64| {
            at >= mimes_at && at.checked_add(u64::from(count) * width).is_some_and(|after| after <= end)
        };
        let header = Self {
            major,
            minor: u16_at(6)?,
            uuid,
            entries,
            clusters,
            paths_at: u64_at(32)?,
            titles_at: Some(u64_at(40)?).filter(|at| fits(*at, entries, 4)),
            clusters_at: u64_at(48)?,
            mimes_at,
            main_page: Some(u32_at(64)?).filter(|index| *index < entries),
            checksum_at,
            end,
        };
        if !fits(header.paths_at, entries, 8) {
            return damaged("its table of paths lies outside of the file");
        }
        if !fits(header.clusters_at, clusters, 8) {
            return damaged("its table of clusters lies outside of the file");
        }
        Ok(header)
    }

    /// Whether namespaces are those of today: `C` for all content, paths without namespace. The
    /// reference reader looks at the minor version alone.
    pub(crate) const fn new_namespaces(&self) -> bool {
        self.minor >= 1
    }
}
