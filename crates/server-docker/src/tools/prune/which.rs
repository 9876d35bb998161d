//! Which things a prune means: its filters.

use crate::fault::Fault;
use crate::filters::{Filters, Given};
use crate::lenient::Scalar;
use crate::when;
use serde_json::Value;

/// Which things are meant.
pub(super) struct Which {
    pub(super) until: Option<i64>,
    pub(super) labels: Vec<(bool, String, Option<String>)>,
    pub(super) dangling: Option<bool>,
}

impl Which {
    pub(super) fn read(given: Given, known: &[&str]) -> Result<Self, Fault> {
        let Filters(all) = Filters::read(given)?;
        let mut which = Self { until: None, labels: Vec::new(), dangling: None };
        for (name, values) in all {
            if !known.contains(&name.as_str()) {
                return Err(Fault::new(format!("filters: {name:?} is none of {}.", known.join(", "))));
            }
            for value in values {
                match name.as_str() {
                    "until" => which.until = Some(when::seconds("filters.until", &Scalar::Text(value))?),
                    "dangling" => which.dangling = Some(matches!(value.to_ascii_lowercase().as_str(), "true" | "1")),
                    _ => {
                        let (key, wanted) =
                            value.split_once('=').map_or((value.as_str(), None), |(k, v)| (k, Some(v.to_owned())));
                        which.labels.push((name == "label", key.to_owned(), wanted));
                    }
                }
            }
        }
        Ok(which)
    }

    pub(super) fn covers(&self, labels: &Value, created: Option<i64>) -> bool {
        let has = |key: &str, wanted: &Option<String>| {
            let found = labels.get(key).and_then(Value::as_str);
            found.is_some_and(|found| wanted.as_ref().is_none_or(|wanted| wanted == found))
        };
        // What has no known age is not old.
        self.until.is_none_or(|until| created.is_some_and(|created| created < until))
            && self.labels.iter().all(|(is_wanted, key, value)| has(key, value) == *is_wanted)
    }
}

/// Filters that all prunes have.
pub(super) const USUAL: [&str; 3] = ["until", "label", "label!"];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn which(filters: Value) -> Result<Which, Fault> {
        Which::read(serde_json::from_value(json!(filters)).unwrap(), &USUAL)
    }

    #[test]
    fn filters_decide_by_age_and_label_and_unknown_ones_are_refused() {
        let old = which(json!({"until": "24h", "label": ["env=test"], "label!": "keep"})).unwrap();
        assert!(old.covers(&json!({"env": "test"}), Some(1000)));
        assert!(!old.covers(&json!({"env": "test"}), Some(4_000_000_000)));
        assert!(!old.covers(&json!({"env": "test"}), None));
        assert!(!old.covers(&json!({"env": "prod"}), Some(1000)));
        assert!(!old.covers(&json!({"env": "test", "keep": ""}), Some(1000)));
        assert!(which(json!({"name": "x"})).is_err());
        assert!(which(json!({})).unwrap().covers(&Value::Null, None));
    }
}
