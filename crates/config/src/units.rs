//! Durations, sizes and rates as people write them.
//!
//! The errors of this module continue a sentence that the value begins.

use crate::error::Invalid;
use std::time::Duration;

/// Longer than anything that is waited for here, and short enough to be added to any clock.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Above this, a rate is no limit.
const FASTEST: f64 = 1e9;

/// A duration above zero and up to a year: `30s`, `500ms`, `2m`, `1h`, `7d`, or a number of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, Invalid> {
    duration(text).map_err(|problem| Invalid::of(text, &problem))
}

/// A size above zero: a number of bytes, or `64KiB`, `4MiB`, `1GiB`, `100KB`, `10MB`, `1GB`.
pub fn parse_size(text: &str) -> Result<u64, Invalid> {
    size(text).map_err(|problem| Invalid::of(text, &problem))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const ADVICE: &str = "is no duration; write 30s, 500ms, 2m, 1h, 7d, or a number of seconds";
    let (number, unit) = split(text);
    let unit: u32 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(ADVICE.to_owned()),
    };
    let duration = match number.parse::<u64>() {
        Ok(whole) => Duration::from_millis(whole.saturating_mul(unit.into())),
        Err(_) => {
            let number: f64 = number.parse().map_err(|_| ADVICE.to_owned())?;
            Duration::try_from_secs_f64(number * f64::from(unit) / 1000.0).map_err(|_| ADVICE.to_owned())?
        }
    };
    if duration.is_zero() {
        return Err("is no time at all; write a duration above zero, or take the key out".to_owned());
    }
    if duration > LONGEST {
        return Err("is longer than a year; write a shorter duration".to_owned());
    }
    Ok(duration)
}

pub(crate) fn size(text: &str) -> Result<u64, String> {
    const ADVICE: &str = "is no size; write a number of bytes, or 64KiB, 4MiB, 1GiB, 100KB, 10MB, 1GB";
    let (number, unit) = split(text);
    let bytes: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(ADVICE.to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| ADVICE.to_owned())?;
    match number.checked_mul(bytes) {
        Some(0) => Err("is nothing at all; write a size above zero, or take the key out".to_owned()),
        Some(size) if i64::try_from(size).is_ok() => Ok(size),
        _ => Err("is too large; write a smaller size".to_owned()),
    }
}

/// A rate in units a second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    const ADVICE: &str = "is no rate; write 10/s, 600/m, 1000/h, or a number a second";
    let (number, per) = match text.split_once('/') {
        Some((number, per)) => (number.trim(), per.trim()),
        None => (text.trim(), "s"),
    };
    let seconds = match per {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(ADVICE.to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| ADVICE.to_owned())?;
    let rate = number / seconds;
    if !rate.is_finite() || rate < 0.0 {
        return Err(ADVICE.to_owned());
    }
    if rate <= 0.0 {
        return Err("would let nothing pass; write a rate above zero, or take the key out".to_owned());
    }
    if rate > FASTEST {
        return Err("is more than can be counted; take the key out for no limit".to_owned());
    }
    Ok(rate)
}

/// A duration as [`duration`] reads it.
pub(crate) fn show_duration(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 {
        format!("{}s", duration.as_secs())
    } else if duration.subsec_nanos().is_multiple_of(1_000_000) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{}s", duration.as_secs_f64())
    }
}

/// The number, and the unit behind it. `1e3` is a number.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let unit = match unit.strip_prefix(['e', 'E']) {
        Some(exponent) => exponent.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+')),
        None => unit,
    };
    let number = text.strip_suffix(unit).unwrap_or(text);
    (number.trim(), unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_numbers_of_seconds_or_have_a_unit() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("2min", 120_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("30", 30_000),
            ("1.5", 1_500),
            ("1.5s", 1_500),
            ("1e1", 10_000),
            (" 3 s ", 3_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "1y", "1 parsec", "0", "0s", "NaN", "inf", "400d", "1e300", "1s2", "--1", "é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in
            [("4MiB", 4 << 20), ("4 mib", 4 << 20), ("1024", 1024), ("100KB", 100_000), ("1GiB", 1 << 30), ("7B", 7)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "-1", "1.5MiB", "4M", "99999999999999999999", "99999999999GiB", "MiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_per_second_minute_or_hour() {
        for (text, per_second) in
            [("10/s", 10.0), ("600/m", 10.0), ("3600/h", 1.0), ("0.5/s", 0.5), ("7", 7.0), ("10 / s", 10.0)]
        {
            assert_eq!(rate(text), Ok(per_second), "{text}");
        }
        for text in ["", "0/s", "-1/s", "10/", "10/d", "10/s/s", "NaN/s", "inf/s", "/s", "1e308/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_of_flags_show_the_value_and_what_to_write() {
        assert_eq!(
            parse_duration("soon").unwrap_err().to_string(),
            "\"soon\" is no duration; write 30s, 500ms, 2m, 1h, 7d, or a number of seconds"
        );
    }

    proptest! {
        #[test]
        fn a_duration_that_is_shown_reads_as_itself(ms in 1_u64..10_000_000_000) {
            let given = Duration::from_millis(ms);
            prop_assert_eq!(duration(&show_duration(given)), Ok(given));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (duration(&text), size(&text), rate(&text));
        }
    }
}
