//! The binary's inside: the command line, `assemble` (from settings to rooms), reload, signals.
//!
//! It is a library so that the test fixture can be the same binary with one more built-in server.

mod assemble;
mod command;
mod logging;
mod serve;

pub use assemble::Builtins;
use clap::Parser as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Runs the command line of this process to its end.
pub fn run(builtins: Builtins) -> ExitCode {
    let command = command::Command::parse();
    match command.run(builtins) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed our standard error does not want to know.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
