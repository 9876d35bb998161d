//! `portcullis zim build-link-graph`: which pages of an archive link to which.

use super::progress::Bar;
use clap::Args;
use std::io::Write as _;
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

pub(super) fn run(flags: &Flags) -> Result<(), String> {
    let mut bar = Bar::new(flags.quiet);
    let progress = |done, total| bar.show(done, total);
    let built = server_zim::build_link_graph(&flags.archive, flags.output.as_deref(), flags.force, progress);
    bar.end();
    let built = built?;
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
