//! The binary.

/// The system's allocator on Linux keeps what each thread freed for that thread. Pages of archives are read by many
/// threads, with buffers of all sizes, and after a while half of the memory was such remains; jemalloc gives them back
/// within half a second (`.cargo/config.toml`), and is no slower.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    portcullis::run(portcullis::Builtins::default())
}
