//! Times opening and reading, for `./bench 0 zim`: the other side is `e2e/zim/libzim_times.py`.
//!
//! ```text
//! zimtime read|map warm FILE PATHS   opens it 30 times; looks up and reads all PATHS (one a line), then one of them 500 times
//! zimtime read|map cold FILE PATHS   opens it once and reads the first 300 PATHS
//! ```
//!
//! Prints one JSON object: nanoseconds of each step, and KiB that are resident without the file's pages.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::process::ExitCode;
use std::time::Instant;
use zim::{Archive, Error, Media, Options};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let media = |word| if word == "map" { Media::Mapped } else { Media::Read };
    let done = match words.as_slice() {
        [how, "warm", file, paths] => read_lines(paths).and_then(|paths| warm(media(*how), file, &paths)),
        [how, "cold", file, paths] => read_lines(paths).and_then(|paths| cold(media(*how), file, &paths)),
        _ => {
            eprintln!("usage: zimtime read|map warm|cold FILE PATHS");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("zimtime: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read_lines(file: &str) -> zim::Result<Vec<String>> {
    Ok(std::fs::read_to_string(file)?.lines().map(str::to_owned).collect())
}

/// How long that took.
fn timed<T>(times: &mut Vec<u128>, act: impl FnOnce() -> zim::Result<T>) -> zim::Result<T> {
    let begun = Instant::now();
    let result = act()?;
    times.push(begun.elapsed().as_nanos());
    Ok(result)
}

fn read(archive: &Archive, path: &str) -> zim::Result<Vec<u8>> {
    let missing = || Error::Io(std::io::Error::new(std::io::ErrorKind::NotFound, "nothing is at this path"));
    archive.entry_by_path(path)?.ok_or_else(missing)?.resolve()?.read()
}

fn warm(media: Media, file: &str, paths: &[String]) -> zim::Result<String> {
    let open = || Options::new().media(media).open(file);
    let [mut opens, mut lookups, mut first, mut again, mut one] = [const { Vec::new() }; 5];
    for _ in 0..30 {
        timed(&mut opens, open)?;
    }
    let archive = open()?;
    for path in paths {
        timed(&mut lookups, || archive.entry_by_path(path))?;
    }
    let archive = open()?;
    let mut bytes = 0;
    for path in paths {
        bytes += timed(&mut first, || read(&archive, path))?.len();
    }
    for path in paths {
        timed(&mut again, || read(&archive, path))?;
    }
    if let Some(path) = paths.first() {
        for _ in 0..500 {
            timed(&mut one, || read(&archive, path))?;
        }
    }
    let resident = resident();
    Ok(format!(
        r#"{{"open":{opens:?},"lookup":{lookups:?},"random":{first:?},"again":{again:?},"repeated":{one:?},"bytes":{bytes},"resident":{resident}}}"#
    ))
}

fn cold(media: Media, file: &str, paths: &[String]) -> zim::Result<String> {
    let (mut opens, mut reads) = (Vec::new(), Vec::new());
    let archive = timed(&mut opens, || Options::new().media(media).open(file))?;
    for path in paths.iter().take(300) {
        timed(&mut reads, || read(&archive, path))?;
    }
    Ok(format!(r#"{{"open":{opens:?},"random":{reads:?}}}"#))
}

/// KiB of memory of its own, as Linux says; 0 elsewhere.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
