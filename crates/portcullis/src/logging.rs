//! Logs: to standard error, for people or as JSON.

use config::{LogFormat, LogLevel};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG` wins over the settings.
pub(crate) fn start(log: &config::Log) {
    let level = match log.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Whoever set one up before us keeps it.
    let _ = match log.format {
        LogFormat::Pretty => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
