//! Points in time: `since` and `until`.

use crate::fault::Fault;
use crate::lenient::Scalar;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 with a fraction, as the engine takes them.
///
/// Takes a Unix time, an RFC 3339 time (with or without a zone, or only its date), or how long ago (`5m`, `1h`, `7d`).
pub(crate) fn moment(name: &str, given: &Scalar) -> Result<String, Fault> {
    moment_at(name, given, SystemTime::now())
}

fn moment_at(name: &str, given: &Scalar, now: SystemTime) -> Result<String, Fault> {
    let text = given.to_string();
    let text = text.trim();
    let wrong = || {
        Fault::new(format!(
            "{name}: {text:?} is no point in time; write a Unix time (1699456800), a time like 2025-11-04T16:30:00Z, or how long ago like 5m, 1h or 7d."
        ))
    };
    if let Ok(seconds) = text.parse::<f64>() {
        return if (0.0..1e11).contains(&seconds) { Ok(text.to_owned()) } else { Err(wrong()) };
    }
    if text == "now" {
        return shown(now).ok_or_else(wrong);
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        return now.checked_sub(ago).and_then(shown).ok_or_else(wrong);
    }
    zoned(text).and_then(shown).ok_or_else(wrong)
}

fn shown(time: SystemTime) -> Option<String> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(format!("{}.{:09}", since.as_secs(), since.subsec_nanos()))
}

/// A time with an offset, which `humantime` does not read, or without one.
fn zoned(text: &str) -> Option<SystemTime> {
    let date_only = text.len() == 10;
    let full = if date_only { format!("{text}T00:00:00Z") } else { text.replacen(' ', "T", 1) };
    let (plain, offset) = match full.get(19..)?.rfind(['+', '-']).map(|at| at + 19) {
        Some(at) => {
            let (hours, minutes) = full.get(at + 1..)?.split_once(':')?;
            let minutes = hours.parse::<u64>().ok().filter(|h| *h < 24)? * 60
                + minutes.parse::<u64>().ok().filter(|m| *m < 60)?;
            (full.get(..at)?, Some((full.get(at..=at)? == "-", Duration::from_secs(minutes * 60))))
        }
        None => (full.as_str(), None),
    };
    let time = humantime::parse_rfc3339_weak(plain.trim_end_matches('Z')).ok()?;
    match offset {
        Some((true, offset)) => time.checked_add(offset),
        Some((false, offset)) => time.checked_sub(offset),
        None => Some(time),
    }
}

/// The moment, as whole seconds.
pub(crate) fn seconds(name: &str, given: &Scalar) -> Result<i64, Fault> {
    let text = moment(name, given)?;
    let whole = text.split('.').next().unwrap_or_default();
    whole.parse().map_err(|_| Fault::new(format!("{name}: {text:?} is no point in time.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_moment_is_read() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let read = |text: &str| moment_at("since", &Scalar::Text(text.into()), now).ok();
        assert_eq!(read("1699456800").unwrap(), "1699456800");
        assert_eq!(read("1h").unwrap(), "996400.000000000");
        assert_eq!(read("7d").unwrap(), "395200.000000000");
        assert_eq!(read("2025-11-04T16:30:00Z").unwrap(), "1762273800.000000000");
        assert_eq!(read("2025-11-04T16:30:00+01:00").unwrap(), "1762270200.000000000");
        assert_eq!(read("2025-11-04 16:30:00.5-00:30").unwrap(), "1762275600.500000000");
        assert_eq!(read("2025-11-04").unwrap(), "1762214400.000000000");
        assert_eq!(moment_at("since", &Scalar::Int(5), now).unwrap(), "5");
        for wrong in ["", "yesterday", "-5", "2025-13-04T00:00:00Z", "1e40", "2025-11-04T16:30:00+99:00"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
