//! Variables and labels: any value is allowed, for no shell reads it; only what cannot be one is refused.

use crate::fault::Fault;
use crate::lenient::Scalar;
use std::collections::BTreeMap;

/// Bytes of the value of a variable.
const LONGEST_VALUE: usize = 32 << 10;
/// Bytes of a label's value.
const LONGEST_LABEL: usize = 4 << 10;
const MOST: usize = 1000;

/// `NAME=value` of each.
pub(crate) fn variables(given: BTreeMap<String, Scalar>) -> Result<Vec<String>, Fault> {
    if given.len() > MOST {
        return Err(Fault::new(format!("environment: at most {MOST} variables can be given.")));
    }
    let one = |(name, value): (String, Scalar)| {
        if name.trim().is_empty() || name.contains(['=', '\0']) {
            return Err(Fault::new(format!(
                "environment: {name:?} is no name of a variable; it cannot be empty or have = in it."
            )));
        }
        let value = value.to_string();
        if value.contains('\0') || value.len() > LONGEST_VALUE {
            return Err(Fault::new(format!(
                "environment: the value of {name:?} has a zero byte or more than {LONGEST_VALUE} bytes."
            )));
        }
        Ok(format!("{name}={value}"))
    };
    given.into_iter().map(one).collect()
}

/// Labels as the engine takes them.
pub(crate) fn labels(given: BTreeMap<String, Scalar>) -> Result<BTreeMap<String, String>, Fault> {
    if given.len() > MOST {
        return Err(Fault::new(format!("labels: at most {MOST} labels can be given.")));
    }
    let one = |(name, value): (String, Scalar)| {
        let value = value.to_string();
        if name.trim().is_empty() || name.contains(['=', '\0']) || name.len() > LONGEST_LABEL {
            return Err(Fault::new(format!(
                "labels: {:?} is no name of a label.",
                name.chars().take(60).collect::<String>()
            )));
        }
        if value.len() > LONGEST_LABEL || value.contains('\0') {
            return Err(Fault::new(format!(
                "labels: the value of {name:?} has more than {LONGEST_LABEL} bytes or a zero byte."
            )));
        }
        Ok((name, value))
    };
    given.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_and_connection_strings_are_values_and_a_name_with_an_equals_sign_is_none() {
        let map = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Scalar::Text(value.to_owned()))]);
        let pem = "-----BEGIN CERTIFICATE-----\nMII\r\n-----END CERTIFICATE-----\n";
        assert_eq!(variables(map("CERT", pem)).unwrap(), [format!("CERT={pem}")]);
        assert!(variables(map("DSN", "Server=a;User=b;$(x)`y`")).is_ok());
        for (name, value) in [("A=B", "x"), ("", "x"), ("A", "x\0"), ("A", &*"x".repeat(LONGEST_VALUE + 1))] {
            assert!(variables(map(name, value)).is_err(), "{name}");
        }
        assert!(labels(map("a", &"x".repeat(LONGEST_LABEL + 1))).is_err() && labels(map("a.b/c", "x")).is_ok());
    }
}
