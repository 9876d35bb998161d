//! Shows what is in a ZIM archive.
//!
//! ```text
//! zimcat FILE                   what it is
//! zimcat FILE ls [PREFIX]       paths of the content that begin with PREFIX
//! zimcat FILE suggest [PREFIX]  titles that begin with PREFIX
//! zimcat FILE cat PATH          the content at PATH
//! zimcat FILE metadata [NAME]   the names of the metadata, or that piece of it
//! zimcat FILE verify            compares the checksum
//! zimcat FILE dump [PREFIX...]  everything that can be compared with another reader (e2e/zim/entries.py)
//! ```

use sha2::{Digest, Sha256};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use zim::{Archive, Entry, Error};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let done = match words.as_slice() {
        [file] => about(file, &mut out),
        [file, "ls", rest @ ..] => list(file, rest.first().unwrap_or(&""), &mut out),
        [file, "suggest", rest @ ..] => suggest(file, rest.first().unwrap_or(&""), &mut out),
        [file, "cat", path] => cat(file, path, &mut out),
        [file, "metadata", rest @ ..] => metadata(file, rest.first().copied(), &mut out),
        [file, "verify"] => verify(file, &mut out),
        [file, "dump", prefixes @ ..] => dump(file, prefixes, &mut out),
        _ => {
            eprintln!(
                "usage: zimcat FILE [ls [PREFIX] | suggest [PREFIX] | cat PATH | metadata [NAME] | verify | dump]"
            );
            return ExitCode::from(2);
        }
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zimcat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn about(file: &str, out: &mut impl Write) -> zim::Result<()> {
    let archive = Archive::open(file)?;
    let (major, minor) = archive.version();
    writeln!(
        out,
        "version {major}.{minor}, {} entries, {} bytes, {} parts",
        archive.len(),
        archive.size(),
        archive.parts()
    )?;
    for (namespace, range) in archive.namespaces()? {
        writeln!(out, "{}: {} entries", char::from(namespace), range.len())?;
    }
    for name in archive.metadata_names()?.iter().filter(|name| !name.starts_with("Illustration_")) {
        writeln!(out, "{name}: {}", archive.metadata_text(name)?.unwrap_or_default())?;
    }
    if let Some(page) = archive.main_page()? {
        writeln!(out, "main page: {}", page.resolve()?.path())?;
    }
    Ok(())
}

fn list(file: &str, prefix: &str, out: &mut impl Write) -> zim::Result<()> {
    let archive = Archive::open(file)?;
    for entry in archive.entries(archive.path_range(archive.content_namespace(), prefix)?) {
        let entry = entry?;
        writeln!(out, "{}\t{}", entry.path(), entry.mime_type().unwrap_or("redirect"))?;
    }
    Ok(())
}

fn suggest(file: &str, prefix: &str, out: &mut impl Write) -> zim::Result<()> {
    let archive = Archive::open(file)?;
    let titles = archive.titles()?;
    for entry in titles.entries(titles.prefixed(archive.content_namespace(), prefix)?) {
        let entry = entry?;
        writeln!(out, "{}\t{}", entry.title(), entry.path())?;
    }
    Ok(())
}

fn cat(file: &str, path: &str, out: &mut impl Write) -> zim::Result<()> {
    let archive = Archive::open(file)?;
    match archive.entry_by_path(path)? {
        Some(entry) => Ok(out.write_all(&entry.resolve()?.read()?)?),
        None => Err(missing("there is nothing at this path")),
    }
}

fn metadata(file: &str, name: Option<&str>, out: &mut impl Write) -> zim::Result<()> {
    let archive = Archive::open(file)?;
    match name {
        None => archive.metadata_names()?.iter().try_for_each(|name| Ok(writeln!(out, "{name}")?)),
        Some(name) => match archive.metadata(name)? {
            Some(bytes) => Ok(out.write_all(&bytes)?),
            None => Err(missing("there is no metadata of this name")),
        },
    }
}

fn missing(what: &str) -> Error {
    std::io::Error::new(std::io::ErrorKind::NotFound, what).into()
}

fn verify(file: &str, out: &mut impl Write) -> zim::Result<()> {
    let intact = Archive::open(file)?.verify(|done, total| {
        eprint!("\r{} %", done * 100 / total.max(1));
        ControlFlow::Continue(())
    })?;
    eprintln!();
    writeln!(out, "{}", if intact { "as it was written" } else { "not as it was written" })?;
    Ok(())
}

/// One line for each thing that the archive has.
fn dump(file: &str, prefixes: &[&str], out: &mut impl Write) -> zim::Result<()> {
    let archive = Archive::open(file)?;
    writeln!(out, "uuid\t{}", hex(&archive.uuid()))?;
    let content = archive.content_count()?;
    let (articles, media) = (archive.article_count()?, archive.media_count()?);
    writeln!(out, "counts\t{}\t{content}\t{articles}\t{media}", archive.len())?;
    let indexes = (archive.has_fulltext_index()?, archive.has_title_index()?, archive.parts() > 1);
    writeln!(out, "indexes\t{}\t{}\t{}", indexes.0, indexes.1, indexes.2)?;
    let intact = archive.verify(|_, _| ControlFlow::Continue(()))?;
    writeln!(out, "checksum\t{}\t{intact}", hex(&archive.checksum()?.unwrap_or_default()))?;
    if let Some(page) = archive.main_page()? {
        writeln!(out, "main\t{}", page.resolve()?.index())?;
    }
    for name in archive.metadata_names()? {
        writeln!(out, "metadata\t{}\t{}", escaped(&name), sha(&archive.metadata(&name)?.unwrap_or_default()))?;
    }
    let mut illustrations = archive.illustrations()?;
    illustrations.sort_by_key(|(size, _)| size.width);
    for (size, entry) in illustrations {
        if size.width == size.height && size.scale == 1 {
            writeln!(out, "illustration\t{}\t{}", size.width, sha(&entry.resolve()?.read()?))?;
        }
    }
    for entry in archive.entries(0..archive.len()) {
        dump_entry(&archive, &entry?, out)?;
    }
    for prefix in prefixes {
        let titles = archive.titles()?;
        let found = titles.prefixed(archive.content_namespace(), prefix)?;
        write!(out, "listing\t{}\t", escaped(prefix))?;
        for (n, entry) in titles.entries(found).take(1000).enumerate() {
            write!(out, "{}{}", if n > 0 { " " } else { "" }, entry?.index())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn dump_entry(archive: &Archive, entry: &Entry<'_>, out: &mut impl Write) -> zim::Result<()> {
    write!(out, "entry\t{}\t{}\t{}\t", entry.index(), escaped(&path(archive, entry)), escaped(&entry.title()))?;
    match entry.target()? {
        Some(target) => writeln!(out, "redirect\t{}", target.index())?,
        None => {
            let content = entry.read()?;
            writeln!(out, "{}\t{}\t{}", entry.mime_type().unwrap_or_default(), content.len(), sha(&content))?;
        }
    }
    if archive.has_new_namespaces() && entry.index() % 7 == 0 && !entry.title().is_empty() {
        match archive.titles()?.find(archive.content_namespace(), &entry.title())? {
            Some(found) => writeln!(out, "title\t{}\t{}", entry.index(), found.index())?,
            None => writeln!(out, "title\t{}\tnone", entry.index())?,
        }
    }
    Ok(())
}

/// As readers write it: with the namespace in the old scheme only.
fn path(archive: &Archive, entry: &Entry<'_>) -> String {
    if archive.has_new_namespaces() { entry.path().into_owned() } else { entry.full_path() }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn sha(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
