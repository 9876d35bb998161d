//! Amounts of memory, processors and time, as people write them.

use crate::fault::Fault;
use crate::lenient::Scalar;
use std::time::Duration;

/// Bytes: `512m`, `1.5g`, `1t`, `2GiB`, a number.
pub(crate) fn bytes(name: &str, given: &Scalar) -> Result<i64, Fault> {
    let text = given.to_string().trim().to_ascii_lowercase();
    let wrong = || Fault::new(format!("{name}: {text:?} is no amount of memory; write it like 512m, 1.5g or 1t."));
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let power = match unit.trim() {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 1,
        "m" | "mb" | "mi" | "mib" => 2,
        "g" | "gb" | "gi" | "gib" => 3,
        "t" | "tb" | "ti" | "tib" => 4,
        _ => return Err(wrong()),
    };
    let bytes = number * 1024f64.powi(power);
    if !(0.0..9.0e15).contains(&bytes) {
        return Err(wrong());
    }
    #[allow(clippy::cast_possible_truncation, reason = "within 53 bits, as just checked")]
    Ok(bytes as i64)
}

/// Nanoseconds, as health checks have them: a number of seconds, or `1m30s`.
pub(crate) fn nanoseconds(name: &str, given: &Scalar) -> Result<i64, Fault> {
    let span = duration(name, given)?;
    i64::try_from(span.as_nanos()).map_err(|_| Fault::new(format!("{name}: this is too long.")))
}

/// A number of seconds, or `1m30s`.
pub(crate) fn duration(name: &str, given: &Scalar) -> Result<Duration, Fault> {
    let text = given.to_string();
    let wrong = || Fault::new(format!("{name}: {text:?} is no time; write seconds, or it like 30s or 1m30s."));
    match text.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| wrong()),
        Err(_) => humantime::parse_duration(text.trim()).map_err(|_| wrong()),
    }
}

/// Billionths of a processor.
pub(crate) fn nano_cpus(cpus: f64) -> Result<i64, Fault> {
    if cpus > 0.0 && cpus <= 100_000.0 {
        #[allow(clippy::cast_possible_truncation, reason = "within 53 bits, as just checked")]
        return Ok((cpus * 1e9).round() as i64);
    }
    Err(Fault::new("cpus: this is no number of processors; write it like 0.5 or 2."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let read = |text: &str| bytes("mem_limit", &Scalar::Text(text.into())).ok();
        assert_eq!(read("512m"), Some(512 << 20));
        assert_eq!(read("1.5g"), Some(3 << 29));
        assert_eq!(
            (read("1t"), read("10"), read("2GiB"), read("6 KB")),
            (Some(1 << 40), Some(10), Some(2 << 30), Some(6144))
        );
        for wrong in ["", "x", "-1", "1..2g", "1x", "1e9g", "99999999t", "NaN"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let time = |scalar| nanoseconds("interval", &scalar).ok();
        assert_eq!(time(Scalar::Int(30)), Some(30_000_000_000));
        assert_eq!(time(Scalar::Text("1m30s".into())), Some(90_000_000_000));
        assert_eq!((time(Scalar::Text("soon".into())), time(Scalar::Int(-1))), (None, None));
    }
}
