//! Kubernetes label selectors, with which pools select namespaces.

use std::collections::BTreeMap;

use cairn_core::pool::{Requirement, Selector};

/// A label that every namespace has, also one that the watch has not brought yet.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether a namespace with these labels is selected.
pub fn matches(selector: &Selector, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    let label = |key: &str| match labels.get(key) {
        Some(value) => Some(value.as_str()),
        None if key == NAME_LABEL => Some(namespace),
        None => None,
    };
    selector.match_labels.iter().all(|(key, value)| label(key) == Some(value))
        && selector
            .match_expressions
            .iter()
            .all(|requirement| meets(requirement, label(&requirement.key)))
}

/// Checks a selector. The error is a message for the pool's author.
pub fn check(selector: &Selector) -> Result<(), String> {
    for requirement in &selector.match_expressions {
        let Requirement { key, operator, values } = requirement;
        match operator.as_str() {
            "In" | "NotIn" if values.is_empty() => {
                return Err(format!(
                    "allowedNamespaces: operator {operator} on '{key}' needs at least one value"
                ));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                return Err(format!(
                    "allowedNamespaces: operator {operator} on '{key}' takes no values; remove them"
                ));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                return Err(format!(
                    "allowedNamespaces: operator '{other}' is not known; use In, NotIn, Exists or DoesNotExist"
                ));
            }
        }
    }
    Ok(())
}

fn meets(requirement: &Requirement, value: Option<&str>) -> bool {
    let listed = |value: &str| requirement.values.iter().any(|known| known == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // `check` refuses other operators. An unknown operator selects no namespace.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(json: &str) -> Selector {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn selectors_select_as_kubernetes_does() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        for (json, expected) in [
            ("{}", true),
            (r#"{"matchLabels":{"team":"a"}}"#, true),
            (r#"{"matchLabels":{"team":"b"}}"#, false),
            (r#"{"matchLabels":{"kubernetes.io/metadata.name":"shop"}}"#, true),
            (r#"{"matchExpressions":[{"key":"team","operator":"In","values":["a","b"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"team","operator":"NotIn","values":["a"]}]}"#, false),
            (r#"{"matchExpressions":[{"key":"other","operator":"NotIn","values":["a"]}]}"#, true),
            (r#"{"matchExpressions":[{"key":"other","operator":"Exists"}]}"#, false),
            (r#"{"matchExpressions":[{"key":"other","operator":"DoesNotExist"}]}"#, true),
        ] {
            assert_eq!(matches(&selector(json), "shop", &labels), expected, "{json}");
        }
    }

    #[test]
    fn an_unknown_operator_is_refused_and_selects_no_namespace() {
        let odd = selector(r#"{"matchExpressions":[{"key":"a","operator":"Near"}]}"#);
        assert!(!matches(&odd, "shop", &BTreeMap::new()));
        assert_eq!(
            check(&odd).unwrap_err(),
            "allowedNamespaces: operator 'Near' is not known; use In, NotIn, Exists or DoesNotExist"
        );
        let empty = selector(r#"{"matchExpressions":[{"key":"a","operator":"In"}]}"#);
        assert!(check(&empty).unwrap_err().contains("needs at least one value"));
    }
}
