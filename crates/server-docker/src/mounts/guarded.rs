//! Files and folders that decide what this process does.

use super::lexical;
use std::path::{Path, PathBuf};

/// Links that are followed one after the other, as the kernel does.
const MOST_LINKS: usize = 40;

/// Whether this path has something of the process's own inside, or is inside that. `own` is a file or a folder,
/// which need not be there yet.
pub(super) fn holds(path: &Path, own: &Path) -> bool {
    places(own).iter().any(|own| own.starts_with(path) || path.starts_with(own) || beside(path, own))
}

/// Files that belong to it: what an audit was rotated to, and what editors leave.
fn beside(path: &Path, own: &Path) -> bool {
    let (Some(name), Some(theirs)) = (own.file_name(), path.file_name()) else { return false };
    own.parent() == path.parent()
        && theirs
            .as_encoded_bytes()
            .strip_prefix(name.as_encoded_bytes())
            .is_some_and(|rest| matches!(rest.first(), Some(b'.' | b'-' | b'~')))
}

/// The path itself, and every place that it leads over: whoever can write at one of them decides what it is.
fn places(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    let mut now = path.to_owned();
    for _ in 0..MOST_LINKS {
        let link = now.ancestors().collect::<Vec<_>>().into_iter().rev().find_map(|part| {
            let to = part.read_link().ok()?;
            Some((part.to_owned(), to))
        });
        let Some((part, to)) = link else { break };
        let rest = now.strip_prefix(&part).unwrap_or(Path::new("")).to_owned();
        let there = part.parent().unwrap_or(Path::new("/")).join(to).join(rest);
        let Some(plain) = there.to_str().and_then(lexical) else { break };
        now = plain;
        all.push(now.clone());
    }
    all
}
