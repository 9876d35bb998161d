//! What the volumes and networks of a completed compose file are called on the engine.

use crate::tools::text;
use serde_json::Value;

/// A name that something of the file has, or may have, on the engine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Real {
    pub(super) name: String,
    /// It is not the project's: it is used, and stays when the project goes.
    pub(super) external: bool,
}

/// The names of what stands under `volumes` or `networks`.
pub(super) fn names(model: &Value, kind: &str, project: &str) -> Vec<Real> {
    let mut all = Vec::new();
    for (key, one) in model.get(kind).and_then(Value::as_object).into_iter().flatten() {
        let external = one.get("external").unwrap_or(&Value::Null);
        let is_external = !matches!(external, Value::Null | Value::Bool(false));
        let own = [text(one, "name"), text(external, "name")].into_iter().find(|name| !name.is_empty());
        let mut push = |name: String| all.push(Real { name, external: is_external });
        match own {
            Some(name) => push(name.to_owned()),
            None if is_external => push(key.clone()),
            None => with_project(key, project).into_iter().for_each(push),
        }
    }
    // Services that name no network are in this one.
    if kind == "networks" && model.pointer("/networks/default").is_none() {
        all.extend(with_project("default", project).into_iter().map(|name| Real { name, external: false }));
    }
    all
}

/// Compose puts the project before a name. Before 1.21 it left `-` and `_` out of that, and what has such a name is
/// still used.
fn with_project(key: &str, project: &str) -> Vec<String> {
    let mut names = vec![format!("{project}_{key}")];
    let old = project.replace(['-', '_'], "");
    if old != project {
        names.push(format!("{old}_{key}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_those_of_the_file_or_have_the_project_before_them() {
        let model = json!({"volumes": {
            "a": {"name": "prod-data"}, "b": null, "c": {"external": true}, "d": {"external": {"name": "x"}},
            "e": {"external": true, "name": "y"}, "f": {"external": false},
        }});
        let found = names(&model, "volumes", "my-app");
        let found: Vec<_> = found.iter().map(|real| (real.name.as_str(), real.external)).collect();
        let expected = [
            ("prod-data", false),
            ("my-app_b", false),
            ("myapp_b", false),
            ("c", true),
            ("x", true),
            ("y", true),
            ("my-app_f", false),
            ("myapp_f", false),
        ];
        assert_eq!(found, expected);
        assert_eq!(names(&json!({}), "networks", "p"), [Real { name: "p_default".into(), external: false }]);
    }
}
