//! The command line.

use crate::assemble::Builtins;
use crate::serve;
use clap::{Args, Parser, Subcommand};
use config::SystemEnv;
use std::io::Write as _;
use std::path::PathBuf;

/// Puts MCP servers into production: one door with identity, policy, limits and audit.
#[derive(Parser)]
#[command(
    name = "portcullis",
    version,
    after_help = "Examples:\n  \
        portcullis serve --config portcullis.jsonc     offer the servers of a file on http://127.0.0.1:8000/mcp\n  \
        portcullis serve --config portcullis.jsonc --stdio     the same servers for one desktop client\n  \
        portcullis check --config portcullis.jsonc     is the file right, and what does it come to?\n  \
        portcullis audit verify audit.jsonl            was the audit changed?\n\n\
        Exit codes: 0 success, 1 a wrong setting or a failure, 2 a wrong command line."
)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Offers the servers of a settings file over HTTP, or on stdio
    Serve(Serve),
    /// Checks a settings file and prints what it comes to, secrets hidden
    Check {
        /// The settings file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Works with audit files
    #[command(subcommand)]
    Audit(Audit),
    /// Ends the process groups it was told of when its input ends
    #[command(hide = true, name = serve::REAPER)]
    Reaper,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The settings file; a file written for Claude Desktop or mcpo works unchanged
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Where to listen instead of the file's `listen`
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "stdio")]
    pub(crate) listen: Option<String>,
    /// Serve one client on standard input and output instead of HTTP
    #[arg(long)]
    pub(crate) stdio: bool,
}

#[derive(Subcommand)]
enum Audit {
    /// Checks that no line of an audit file was changed, added or taken out
    Verify {
        /// Audit files, oldest first
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

impl Command {
    pub(crate) fn run(self, builtins: Builtins) -> Result<(), String> {
        match self.action {
            Action::Serve(options) => serve::run(&options, builtins),
            Action::Check { config } => check(&config),
            Action::Audit(Audit::Verify { files }) => verify(&files),
            Action::Reaper => {
                upstream::child::reaper_main();
                Ok(())
            }
        }
    }
}

fn check(file: &std::path::Path) -> Result<(), String> {
    let settings = config::load(file, &SystemEnv).map_err(|e| e.to_string())?;
    let mut warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    let safe = settings.check_safe_start().map_err(|e| e.to_string())?;
    warnings.extend(safe.iter().map(ToString::to_string));
    for warning in warnings {
        eprintln!("{warning}");
    }
    print(&settings.effective_json());
    Ok(())
}

fn verify(files: &[PathBuf]) -> Result<(), String> {
    let mut head: Option<String> = None;
    for file in files {
        let name = file.display();
        let found = gate::verify(file).map_err(|e| format!("{name}: {e}"))?;
        if let (Some(head), continues) = (&head, &found.continues)
            && continues.as_ref() != Some(head)
        {
            return Err(format!("{name}: does not go on where the file before it ends"));
        }
        print(&format!("{name}: {} lines in order, numbers {} to {}", found.lines, found.first_seq, found.last_seq));
        if let Some(before) = found.continues.filter(|_| head.is_none()) {
            print(&format!("{name}: goes on from a file whose last line has the hash {before}"));
        }
        if found.torn_bytes > 0 {
            let torn = found.torn_bytes;
            print(&format!(
                "{name}: ends in {torn} bytes of a line that was being written when the process was killed"
            ));
        }
        head = Some(found.head);
    }
    Ok(())
}

/// Prints a line. Whoever reads may stop reading: that is no failure of ours.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
