//! Pages that were read, kept over a restart: a file in the cache folder, written when the server ends and from time to
//! time.
//!
//! One JSON value a line: what wrote it, then one page a line with the archive it is of, then how many there were and
//! the SHA-256 of all before. An archive is known by its uuid and by size and date of its file, so a page of one that
//! was replaced is never shown. A file that is not as it was written, or that another version wrote, is not read.

use crate::article::Articles;
use crate::book::Book;
use crate::html::Article;
use crate::side::create_folder;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Another number means pages in another form.
const FORMAT: u32 = 1;
/// How much longer than the pages in memory the file may be: the form of JSON.
const SPACE: u64 = 3;
/// Bytes of a line.
const LONGEST: u64 = 256 << 20;

/// Which content an archive has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) uuid: String,
    pub(crate) bytes: u64,
    /// Since 1970, in nanoseconds.
    pub(crate) modified: u64,
}

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entry: u32,
    pub(crate) read: SystemTime,
    pub(crate) article: Arc<Article>,
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    format: u32,
    version: String,
}

impl Head {
    fn ours() -> Self {
        Self { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// `C` and `A` are owned where they are read, and borrowed where they are written.
#[derive(Serialize, Deserialize)]
struct Line<C, A> {
    archive: C,
    entry: u32,
    read: SystemTime,
    article: A,
}

#[derive(Serialize, Deserialize)]
struct Foot {
    pages: u64,
    sha256: String,
}

/// Where the pages of a server over these archives are kept. Each server has its own file.
pub(crate) fn file(cache: &Path, paths: &[PathBuf]) -> PathBuf {
    let mut hash = Sha256::new();
    for path in paths {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update([0]);
    }
    let name: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    cache.join(format!("answers-{name}.jsonl"))
}

/// Writes the pages that are kept in memory, those that were used last first, while there is room for `most` bytes.
/// The file is there as a whole or not at all, and for its owner only.
pub(crate) fn save(path: &Path, articles: &Articles, books: &[Arc<Book>], most: u64) -> io::Result<u64> {
    let contents: HashMap<u64, Content> = books.iter().filter_map(|book| Some((book.id, book.content()?))).collect();
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    create_folder(folder)?;
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let _ = fs::remove_file(&part);
    let written = write(&part, articles, &contents, most).and_then(|pages| {
        fs::rename(&part, path)?;
        Ok(pages)
    });
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn write(part: &Path, articles: &Articles, contents: &HashMap<u64, Content>, most: u64) -> io::Result<u64> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = Hashing { inner: BufWriter::new(options.open(part)?), hash: Sha256::new(), bytes: 0 };
    line(&mut out, &Head::ours())?;
    let mut pages = 0;
    for (book, page) in articles.snapshot() {
        let Some(archive) = contents.get(&book) else { continue };
        if out.bytes.saturating_add(page.article.cost() as u64) > most.saturating_mul(SPACE) {
            break;
        }
        line(&mut out, &Line { archive, entry: page.entry, read: page.read, article: page.article.as_ref() })?;
        pages += 1;
    }
    let sha256 = hex(out.hash.clone());
    line(&mut out, &Foot { pages, sha256 })?;
    let file = out.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(pages)
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes and counts what goes through.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Pages by the archive they are of.
pub(crate) type Restored = HashMap<Content, Vec<Page>>;

/// Reads what was kept, without what is older than `age`; nothing if there is no such file.
///
/// # Errors
/// In words, if it is not as it was written. Nothing of it is used then.
pub(crate) fn load(path: &Path, age: Duration, most: u64) -> Result<Restored, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Restored::new()),
        Err(error) => return Err(error.to_string()),
    };
    let size = file.metadata().map_err(|error| error.to_string())?.len();
    let limit = most.saturating_mul(SPACE).saturating_add(most).saturating_add(1 << 20);
    if size > limit {
        return Err(format!("it has {size} bytes, more than the {limit} that are kept"));
    }
    let mut lines = Lines { reader: BufReader::new(file), hash: Sha256::new(), line: Vec::new() };
    let damaged = |what: &str| format!("it is damaged: {what}");
    let head: Head = lines.next()?.and_then(read).ok_or_else(|| damaged("its first line"))?;
    if head != Head::ours() {
        return Err("another version wrote it".to_owned());
    }
    let mut restored = Restored::new();
    let mut pages = 0_u64;
    loop {
        let before = lines.hash.clone();
        let line = lines.next()?.ok_or_else(|| damaged("its end is missing"))?;
        if let Some(foot) = read::<Foot>(line) {
            if foot.pages != pages || foot.sha256 != hex(before) {
                return Err(damaged("its sum is another one"));
            }
            return Ok(restored);
        }
        let line: Line<Content, Article> = read(line).ok_or_else(|| damaged("a page cannot be read"))?;
        pages += 1;
        if line.read.elapsed().is_ok_and(|old| old <= age) {
            let page = Page { entry: line.entry, read: line.read, article: Arc::new(line.article) };
            restored.entry(line.archive).or_default().push(page);
        }
    }
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

struct Lines {
    reader: BufReader<File>,
    hash: Sha256,
    line: Vec<u8>,
}

impl Lines {
    /// The next line that is whole.
    fn next(&mut self) -> Result<Option<&[u8]>, String> {
        self.line.clear();
        let mut limited = (&mut self.reader).take(LONGEST);
        limited.read_until(b'\n', &mut self.line).map_err(|error| error.to_string())?;
        self.hash.update(&self.line);
        Ok(self.line.strip_suffix(b"\n"))
    }
}

/// One of the words that articles use, for fields that hold a word of the program.
pub(crate) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    const WORDS: [&str; 10] =
        ["id", "anchor", "section", "slug", "image", "video", "audio", "media", "embed", "object"];
    let text = String::deserialize(deserializer)?;
    WORDS.into_iter().find(|word| *word == text).ok_or_else(|| D::Error::custom("an unknown word"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn a_file_that_is_not_as_it_was_written_is_refused_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/answers.jsonl");
        let settings = Settings::default();
        let articles = Articles::new(&settings);
        save(&path, &articles, &[], 1000).unwrap();
        let load = || load(&path, Duration::from_secs(60), 1000);
        assert!(load().unwrap().is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(load().is_err(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(load().is_err(), "cut at {at}");
        }
        fs::write(&path, vec![b'x'; 2 << 20]).unwrap();
        assert!(load().unwrap_err().contains("bytes"));
        fs::remove_file(&path).unwrap();
        assert!(load().unwrap().is_empty());
    }
}
