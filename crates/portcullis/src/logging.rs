//! Logs: to standard error, for people or as JSON.
//!
//! A thread of its own writes them. Whoever does not read our standard error, or has closed it, loses
//! lines; no call ever waits for one.

use config::{LogFormat, LogLevel};
use std::io::{self, IsTerminal as _};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// How many lines wait for the writer before further ones are lost.
const WAITING: usize = 4096;

/// Starts logging. `RUST_LOG` wins over the settings. What waits is written when the guard is dropped.
pub(crate) fn start(log: &config::Log) -> WorkerGuard {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).finish(io::stderr());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false).with_writer(writer);
    // Whoever set one up before us keeps it.
    let _ = match log.format {
        LogFormat::Pretty => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    guard
}
