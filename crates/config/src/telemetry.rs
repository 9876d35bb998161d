//! `telemetry`: metrics, traces and logs.

use crate::read::Item;
use crate::secret::Text;
use crate::url::read_url;

/// The section `telemetry`.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// `metrics`: who gets `/metrics`. Default: who has a token.
    pub metrics: Metrics,
    /// `otlp`: the `http` or `https` address of a collector that gets traces. Default: none.
    pub otlp: Option<Text>,
    /// `log`.
    pub log: Log,
}

/// Who gets `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metrics {
    /// `"off"` or `false`: there is no such address.
    Off,
    /// `"token"` or `true`: callers with a token, or everybody if there are no tokens.
    #[default]
    Token,
    /// `"public"`: everybody.
    Public,
}

/// The section `telemetry.log`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `level`: the least important lines that are written. Default: info.
    pub level: LogLevel,
    /// `format`. Default: pretty.
    pub format: LogFormat,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// What failed and needs somebody.
    Error,
    /// What is wrong, but was coped with.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// `"pretty"`: for people.
    #[default]
    Pretty,
    /// `"json"`: one object a line.
    Json,
}

impl Telemetry {
    pub(crate) fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let metrics = section.get("metrics").and_then(|item| {
            let words = [("off", Metrics::Off), ("token", Metrics::Token), ("public", Metrics::Public)];
            item.bool_or_word(Metrics::Token, Metrics::Off, &words)
        });
        let otlp = section.get("otlp").and_then(|item| read_url(&item));
        let log = section.get("log").and_then(|item| Log::read(&item));
        section.finish();
        Some(Self { metrics: metrics.unwrap_or_default(), otlp, log: log.unwrap_or_default() })
    }
}

impl Log {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let level = section.get("level").and_then(|item| item.word(&LogLevel::WORDS));
        let format = section.get("format").and_then(|item| item.word(&LogFormat::WORDS));
        section.finish();
        Some(Self { level: level.unwrap_or_default(), format: format.unwrap_or_default() })
    }
}

impl Metrics {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Token => "token",
            Self::Public => "public",
        }
    }
}

impl LogLevel {
    const WORDS: [(&str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The word in the settings.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl LogFormat {
    const WORDS: [(&str, Self); 2] = [("pretty", Self::Pretty), ("json", Self::Json)];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
}
