//! Corrects our container in a pod that has it already, after another webhook or from a copied manifest.
//!
//! Additions by others are kept (OpenShift sets users, a `LimitRange` resources, a registry mirror the image). Fields
//! that the sidecar needs are corrected.

use serde_json::{Map, Value};

use super::super::patch::Patch;
use super::Sidecar;

/// The fields that must contain our values. `image`, `resources` and others may differ.
const OURS: [&str; 8] = [
    "args",
    "command",
    "env",
    LIFECYCLE,
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "volumeMounts",
];

/// Our hooks, where we have any. Others may add hooks where we have none.
const LIFECYCLE: &str = "lifecycle";

/// This probe may differ: a mesh redirects it to its agent, because the kubelet cannot reach the port.
const LIVENESS: &str = "livenessProbe";

/// Corrects the container `raw`, whose JSON pointer is `pointer`.
pub fn correct(raw: &str, sidecar: &Sidecar<'_>, pointer: &str, patch: &mut Patch) {
    let present: Map<String, Value> = serde_json::from_str(raw).unwrap_or_default();
    let expected = serde_json::to_value(sidecar.container()).unwrap_or_default();
    if let (None, Some(wanted)) = (present.get(LIVENESS), expected.get(LIVENESS)) {
        patch.add(format!("{pointer}/{LIVENESS}"), wanted.clone());
    }
    for field in OURS {
        match (present.get(field), expected.get(field)) {
            (Some(_), None) if field == LIFECYCLE => {}
            (Some(_), None) => patch.remove(format!("{pointer}/{field}")),
            (None, Some(wanted)) => patch.add(format!("{pointer}/{field}"), wanted.clone()),
            (Some(found), Some(wanted)) if !covers(found, wanted) => {
                patch.add(format!("{pointer}/{field}"), merged(found, wanted));
            }
            _ => {}
        }
    }
}

/// Whether `found` contains `wanted`. Lists of named items are sets; other lists must be equal.
pub fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|other| covers(other, value))),
        (Value::Array(found), Value::Array(wanted))
            if wanted.iter().all(|w| key_of(w).is_some()) =>
        {
            wanted.iter().all(|w| found.iter().any(|f| key_of(f) == key_of(w) && covers(f, w)))
        }
        (found, wanted) => found == wanted,
    }
}

/// `wanted`, with the items that others added to a list of named items.
fn merged(found: &Value, wanted: &Value) -> Value {
    match (found, wanted) {
        (Value::Array(found), Value::Array(wanted))
            if wanted.iter().all(|w| key_of(w).is_some()) =>
        {
            let foreign = |f: &&Value| !wanted.iter().any(|w| key_of(w) == key_of(f));
            let others = found.iter().filter(foreign);
            Value::Array(wanted.iter().chain(others).cloned().collect())
        }
        (Value::Object(found), Value::Object(wanted)) => {
            let mut both = found.clone();
            both.extend(wanted.clone());
            Value::Object(both)
        }
        _ => wanted.clone(),
    }
}

/// The key of an item in a list of mounts or variables.
fn key_of(item: &Value) -> Option<&str> {
    let field = |name| item.get(name).and_then(Value::as_str);
    field("mountPath").or_else(|| field("name"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn additions_of_others_are_covered_and_changes_are_not() {
        let wanted = json!({"drop": ["ALL"], "env": [{"name": "A", "value": "1"}]});
        let added = json!({"drop": ["ALL"], "x": 1, "env": [{"name": "B"}, {"name": "A", "value": "1", "y": 2}]});
        assert!(covers(&added, &wanted));
        assert!(!covers(&json!({"drop": [], "env": []}), &wanted));
        assert!(!covers(&json!({"drop": ["ALL"], "env": [{"name": "A", "value": "2"}]}), &wanted));
    }

    #[test]
    fn a_correction_keeps_the_additions_of_others() {
        assert_eq!(
            merged(
                &json!([{"name": "B"}, {"name": "A", "value": "2"}]),
                &json!([{"name": "A", "value": "1"}])
            ),
            json!([{"name": "A", "value": "1"}, {"name": "B"}])
        );
    }
}
