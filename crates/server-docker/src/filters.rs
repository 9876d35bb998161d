//! `filters`, as the engine's lists take them.

use crate::fault::Fault;
use crate::lenient::{Lenient, Scalar, maybe};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One value or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(Scalar),
    Many(Vec<Scalar>),
}

/// As an argument.
pub(crate) type Given = Option<Lenient<BTreeMap<String, OneOrMany>>>;

/// Names with their values.
#[derive(Debug, Default, Clone)]
pub(crate) struct Filters(pub(crate) BTreeMap<String, Vec<String>>);

const MOST: usize = 200;

impl Filters {
    pub(crate) fn read(given: Given) -> Result<Self, Fault> {
        let given = maybe(given, "filters")?;
        let all: BTreeMap<_, Vec<String>> = given
            .into_iter()
            .map(|(name, values)| match values {
                OneOrMany::One(value) => (name, vec![value.to_string()]),
                OneOrMany::Many(values) => (name, values.iter().map(ToString::to_string).collect()),
            })
            .collect();
        if all.values().map(Vec::len).sum::<usize>() > MOST {
            return Err(Fault::new(format!("filters: at most {MOST} values can be given.")));
        }
        Ok(Self(all))
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), vec![value.into()]);
    }

    /// As a parameter of a query; nothing if there are none.
    pub(crate) fn query(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| serde_json::to_string(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_a_list_of_one() {
        let given: Given =
            serde_json::from_str(r#"{"driver": "local", "dangling": true, "label": ["a", "b=c"]}"#).unwrap();
        let query = Filters::read(given).unwrap().query().unwrap();
        assert_eq!(query, r#"{"dangling":["true"],"driver":["local"],"label":["a","b=c"]}"#);
        assert_eq!(Filters::read(None).unwrap().query(), None);
    }
}
