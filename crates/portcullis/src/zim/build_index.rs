//! `portcullis zim build-index`: full text of archives that bring no index of it along.

use super::progress::Bar;
use clap::Args;
use server_zim::NotBuilt;
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Args, Clone)]
pub(super) struct Flags {
    /// Archives, and folders of archives
    #[arg(required = true, value_name = "ARCHIVE|DIR")]
    paths: Vec<PathBuf>,
    /// Where indexes are kept: the cache_folder of the server that is to use them
    #[arg(long, value_name = "DIR", env = "OPENZIM_MCP_CACHE__PERSISTENCE_PATH")]
    cache_folder: Option<PathBuf>,
    /// Makes those anew that are there
    #[arg(long)]
    force: bool,
    /// Shows no progress
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(flags: &Flags) -> Result<(), String> {
    let cache = match &flags.cache_folder {
        Some(folder) => super::expanded(folder),
        None => server_zim::cache_folder().ok_or("no folder for caches is known; name one with --cache-folder")?,
    };
    if let Some(path) = flags.paths.iter().find(|path| !path.exists()) {
        return Err(format!("there is no {}", path.display()));
    }
    let archives = server_zim::archives(&flags.paths);
    if archives.is_empty() {
        return Err("there is no archive (.zim) at these paths".to_owned());
    }
    let mut failed = 0;
    for archive in &archives {
        let place = archive.display();
        let mut bar = Bar::new(flags.quiet);
        let built = server_zim::build_index(archive, &cache, flags.force, &mut |done, total| bar.show(done, total));
        bar.end();
        let line = match built {
            Ok(built) => {
                let unreadable = match built.unreadable {
                    0 => String::new(),
                    count => format!(", {count} could not be read"),
                };
                format!(
                    "{place}: {} pages{unreadable}, {} bytes in {}",
                    built.documents,
                    built.bytes,
                    built.folder.display()
                )
            }
            // Nothing has to be done.
            Err(why @ (NotBuilt::HasOwn | NotBuilt::Present)) => format!("{place}: {why}"),
            Err(why) => {
                failed += 1;
                let _ = writeln!(std::io::stderr(), "{place}: {why}");
                continue;
            }
        };
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} archives have no index now", archives.len())) }
}
