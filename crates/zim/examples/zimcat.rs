//! Shows what is in a ZIM archive.
//!
//! ```text
//! zimcat FILE                 what it is
//! zimcat FILE ls [PREFIX]     paths of the content that begin with PREFIX
//! zimcat FILE titles [PREFIX] titles that begin with PREFIX
//! zimcat FILE cat PATH        the content at PATH
//! zimcat FILE time            opens it, and reads all items in order and 2,000 at random: how long that takes
//! zimcat FILE check           compares the checksum
//! ```

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;
use zim::{Archive, Error};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = std::io::stdout().lock();
    let done = match words.as_slice() {
        [file] => about(file, &mut out),
        [file, "ls", rest @ ..] => list(file, rest.first().unwrap_or(&""), &mut out),
        [file, "titles", rest @ ..] => titles(file, rest.first().unwrap_or(&""), &mut out),
        [file, "cat", path] => cat(file, path, &mut out),
        [file, "time"] => time(file, &mut out),
        [file, "check"] => check(file, &mut out),
        _ => {
            eprintln!("usage: zimcat FILE [ls [PREFIX] | titles [PREFIX] | cat PATH | time | check]");
            return ExitCode::from(2);
        }
    };
    match done {
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

fn titles(file: &str, prefix: &str, out: &mut impl Write) -> zim::Result<()> {
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
        None => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "there is nothing at this path").into()),
    }
}

fn time(file: &str, out: &mut impl Write) -> zim::Result<()> {
    let start = Instant::now();
    let archive = Archive::open(file)?;
    writeln!(out, "open: {:?}", start.elapsed())?;
    let (start, mut bytes, mut items) = (Instant::now(), 0, 0_u32);
    for entry in archive.entries(0..archive.len()) {
        let entry = entry?;
        if !entry.is_redirect() {
            bytes += entry.read()?.len();
            items += 1;
        }
    }
    writeln!(out, "all in order: {items} items, {bytes} bytes in {:?}", start.elapsed())?;
    drop(archive);
    let archive = Archive::open(file)?;
    let (start, mut place) = (Instant::now(), 1_u64);
    for _ in 0..2000 {
        // A full-period generator is random enough.
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = ((place >> 33) % u64::from(archive.len().max(1))) as u32;
        archive.entry(index)?.resolve()?.read()?;
    }
    writeln!(out, "2,000 at random: {:?} each", start.elapsed() / 2000)?;
    Ok(())
}

fn check(file: &str, out: &mut impl Write) -> zim::Result<()> {
    let intact = Archive::open(file)?.verify(|done, total| {
        eprint!("\r{} %", done * 100 / total.max(1));
        ControlFlow::Continue(())
    })?;
    eprintln!();
    writeln!(out, "{}", if intact { "as it was written" } else { "not as it was written" })?;
    Ok(())
}
