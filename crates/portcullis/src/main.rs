//! The binary.

fn main() -> std::process::ExitCode {
    portcullis::run(portcullis::Builtins::default())
}
