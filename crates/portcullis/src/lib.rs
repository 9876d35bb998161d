//! The binary's inside: the command line, `assemble` (from settings to rooms), reload, signals.
//!
//! It is a library so that the test fixture can be the same binary with one more built-in server.

mod assemble;
mod command;
mod demo;
mod docker;
mod follow;
mod health;
mod house;
mod logging;
mod openapi;
mod plan;
mod serve;
mod token;
mod visit;
mod zim;

pub use assemble::Builtins;
use clap::Parser as _;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Runs the command line of this process to its end.
pub fn run(builtins: Builtins) -> ExitCode {
    let command = command::Command::parse_from(arguments(std::env::args_os().collect()));
    match command.run(builtins) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed our standard error does not want to know.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// The command line, where a link to this program with another's name stands for the command that
/// does what that one does.
fn arguments(mut given: Vec<OsString>) -> Vec<OsString> {
    let name = given.first().and_then(|path| Path::new(path).file_stem()).and_then(|name| name.to_str());
    let command = match name {
        Some("mcpo") => "openapi",
        Some("openzim-mcp") => "zim",
        Some("mcp-docker") => "docker",
        _ => return given,
    };
    given.insert(1, command.into());
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_another_programs_name_is_its_command() {
        let read = |line: &[&str]| arguments(line.iter().map(OsString::from).collect());
        assert_eq!(read(&["/usr/bin/mcpo", "--port", "1"]), ["/usr/bin/mcpo", "openapi", "--port", "1"]);
        assert_eq!(read(&["portcullis", "check"]), ["portcullis", "check"]);
        assert!(read(&[]).is_empty());
    }
}
