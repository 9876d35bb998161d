//! Metadata: entries of namespace `M` (openZIM, "Metadata" and "Illustrations").

use crate::archive::Archive;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::titles::TitleKind;

/// Bytes of a piece of metadata that are read. The longest real one is a description.
const MAX_BYTES: u64 = 1 << 20;

/// A picture that stands for the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Illustration {
    /// Pixels at scale 1.
    pub width: u32,
    /// Pixels at scale 1.
    pub height: u32,
    /// Device pixels for each pixel.
    pub scale: u32,
}

impl Archive {
    /// The names of its metadata, illustrations among them.
    pub fn metadata_names(&self) -> Result<Vec<String>> {
        let range = self.path_range(b'M', "")?;
        self.entries(range).map(|entry| Ok(entry?.path().into_owned())).collect()
    }

    /// A piece of metadata, such as `Title`; `None` if there is none of that name.
    pub fn metadata(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some(entry) = self.find(b'M', name)? else { return Ok(None) };
        let entry = entry.resolve()?;
        let bytes = entry.size()?;
        if bytes > MAX_BYTES {
            return Err(Error::TooLarge { what: "a piece of metadata", bytes, limit: MAX_BYTES });
        }
        entry.read().map(Some)
    }

    /// A piece of metadata that is text. Bytes that are not UTF-8 are replaced.
    pub fn metadata_text(&self, name: &str) -> Result<Option<String>> {
        Ok(self.metadata(name)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The pictures that stand for it, by the names of their entries:
    /// `Illustration_{width}x{height}@{scale}`, with parameters after a semicolon that are passed over.
    /// The favicon of an old archive counts as the one of 48x48 at scale 1, which it is to be.
    pub fn illustrations(&self) -> Result<Vec<(Illustration, Entry<'_>)>> {
        let range = self.path_range(b'M', "Illustration_")?;
        let mut found = Vec::new();
        for entry in self.entries(range) {
            let entry = entry?;
            if let Some(illustration) = Illustration::parse(&entry.path()) {
                found.push((illustration, entry));
            }
        }
        if found.iter().all(|(illustration, _)| *illustration != Illustration::ICON)
            && let Some(icon) = self.icon()?
        {
            found.push((Illustration::ICON, icon));
        }
        Ok(found)
    }

    /// The icon: the illustration of 48x48 at scale 1, or the favicon of old archives.
    pub fn icon(&self) -> Result<Option<Entry<'_>>> {
        let places = [(b'M', "Illustration_48x48@1"), (b'-', "favicon"), (b'I', "favicon.png"), (b'-', "favicon.png")];
        self.first_of(&places)
    }

    /// How many entries of each MIME type there are, as the writer counted them. Empty if it did not.
    pub fn counter(&self) -> Result<Vec<(String, u64)>> {
        Ok(self.metadata_text("Counter")?.map(|text| parse_counter(&text)).unwrap_or_default())
    }

    /// How many entries users see: those of namespace `C`, in the old scheme all.
    pub fn content_count(&self) -> Result<u32> {
        if !self.has_new_namespaces() {
            return Ok(self.len());
        }
        let range = self.path_range(b'C', "")?;
        Ok(range.end - range.start)
    }

    /// How many articles there are: those of the listing of front articles, without one the HTML pages
    /// that the writer counted.
    pub fn article_count(&self) -> Result<u64> {
        match self.titles() {
            Ok(titles) if titles.kind() == TitleKind::FrontArticles => Ok(titles.len().into()),
            Ok(_) | Err(Error::NoTitles) => self.counted(|mime| mime == "text/html"),
            Err(error) => Err(error),
        }
    }

    /// How many pictures, sounds and films the writer counted.
    pub fn media_count(&self) -> Result<u64> {
        let kinds = ["image/", "audio/", "video/"];
        self.counted(|mime| kinds.iter().any(|kind| mime.starts_with(kind)))
    }

    /// By the type without its parameters.
    fn counted(&self, which: impl Fn(&str) -> bool) -> Result<u64> {
        let counts = self.counter()?.into_iter();
        let counts = counts.filter(|(mime, _)| which(mime.split(';').next().unwrap_or_default().trim()));
        Ok(counts.map(|(_, count)| count).fold(0, u64::saturating_add))
    }

    /// The database for full-text search: `X/fulltext/xapian`, in very old archives
    /// `Z//fulltextIndex/xapian`. Searching in it is not part of this crate; [`Entry::content`] reads it.
    pub fn fulltext_index(&self) -> Result<Option<Entry<'_>>> {
        self.first_of(&[(b'X', "fulltext/xapian"), (b'Z', "/fulltextIndex/xapian")])
    }

    /// The database for suggestions: `X/title/xapian`. Searching in it is not part of this crate;
    /// [`Entry::content`] reads it.
    pub fn title_index(&self) -> Result<Option<Entry<'_>>> {
        self.first_of(&[(b'X', "title/xapian")])
    }

    /// Whether there is a [database for full-text search](Self::fulltext_index).
    pub fn has_fulltext_index(&self) -> Result<bool> {
        Ok(self.fulltext_index()?.is_some())
    }

    /// Whether there is a [database for suggestions](Self::title_index).
    pub fn has_title_index(&self) -> Result<bool> {
        Ok(self.title_index()?.is_some())
    }

    /// The first of these that there is, resolved.
    fn first_of(&self, places: &[(u8, &str)]) -> Result<Option<Entry<'_>>> {
        for (namespace, path) in places {
            if let Some(entry) = self.find(*namespace, path)? {
                return entry.resolve().map(Some);
            }
        }
        Ok(None)
    }
}

impl Illustration {
    /// What every archive has to have.
    pub const ICON: Self = Self { width: 48, height: 48, scale: 1 };

    fn parse(name: &str) -> Option<Self> {
        let size = name.strip_prefix("Illustration_")?;
        let size = size.split_once(';').map_or(size, |(size, _)| size);
        let (pixels, scale) = size.split_once('@')?;
        let (width, height) = pixels.split_once('x')?;
        let number = |text: &str| text.parse().ok();
        Some(Self { width: number(width)?, height: number(height)?, scale: number(scale)? })
    }
}

/// `mime=count;mime=count`, where a MIME type may have parameters: `text/html;raw=true=3`. A new type
/// begins where a slash stands before the first `=`.
fn parse_counter(text: &str) -> Vec<(String, u64)> {
    let mut pieces: Vec<String> = Vec::new();
    for piece in text.split(';') {
        let is_type = piece.split('=').next().is_some_and(|name| name.contains('/'));
        match pieces.last_mut() {
            Some(last) if !is_type => {
                last.push(';');
                last.push_str(piece);
            }
            _ => pieces.push(piece.to_owned()),
        }
    }
    let counts = pieces.iter().filter_map(|piece| {
        let (mime, count) = piece.trim_end_matches(';').rsplit_once('=')?;
        Some((mime.trim().to_owned(), count.trim().parse().ok()?))
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_may_have_parameters_inside_of_types() {
        let count = |text| parse_counter(text);
        let of = |pairs: &[(&str, u64)]| pairs.iter().map(|(m, n)| ((*m).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(count("text/html=3;image/png=10"), of(&[("text/html", 3), ("image/png", 10)]));
        assert_eq!(count("text/html;raw=true=3;a/b=1"), of(&[("text/html;raw=true", 3), ("a/b", 1)]));
        assert_eq!(count("text/html;v=1;x=2=7"), of(&[("text/html;v=1;x=2", 7)]));
        assert_eq!(count("text/html=3;"), of(&[("text/html", 3)]));
        assert_eq!(count(""), of(&[]));
        assert_eq!(count("nonsense;=;a/b=x"), of(&[]));
    }

    #[test]
    fn the_name_of_an_illustration_has_its_size() {
        let parsed = Illustration::parse("Illustration_48x96@2;lang=fr");
        assert_eq!(parsed, Some(Illustration { width: 48, height: 96, scale: 2 }));
        for name in ["Illustration_48x48", "Illustration_x48@1", "Illustration_48@1", "Title"] {
            assert_eq!(Illustration::parse(name), None);
        }
    }
}
