//! `portcullis zim build-link-graph`: which pages of an archive link to which.

use clap::Args;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

#[derive(Args, Clone)]
pub(super) struct Flags {
    /// The archive
    archive: PathBuf,
    /// Where to write it, instead of beside the archive
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Makes it anew if it is there
    #[arg(long)]
    force: bool,
    /// Shows no progress
    #[arg(long)]
    quiet: bool,
}

/// How wide the bar is.
const WIDTH: u64 = 40;

pub(super) fn run(flags: &Flags) -> Result<(), String> {
    let mut error = std::io::stderr();
    let shows = !flags.quiet && error.is_terminal();
    let mut shown = u64::MAX;
    let built = server_zim::build_link_graph(&flags.archive, flags.output.as_deref(), flags.force, |done, total| {
        let part = (done * 1000).checked_div(total).unwrap_or(1000);
        if shows && part != shown {
            shown = part;
            let full = usize::try_from(part * WIDTH / 1000).unwrap_or(0);
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(usize::try_from(WIDTH).unwrap_or(0) - full));
            // Who closed our standard error wants no progress.
            let _ = write!(error, "\r[{bar}] {}.{} % ({done} of {total})", part / 10, part % 10);
        }
    })?;
    if shows {
        let _ = writeln!(std::io::stderr());
    }
    let _ = writeln!(
        std::io::stdout(),
        "{}: {} pages, {} links{}",
        built.path.display(),
        built.nodes,
        built.edges,
        if built.unreadable > 0 { format!(", {} pages could not be read", built.unreadable) } else { String::new() }
    );
    Ok(())
}
