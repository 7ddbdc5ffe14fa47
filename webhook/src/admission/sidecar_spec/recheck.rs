//! A pod that carries our container already: what another webhook, or a copied manifest, made of it.
//!
//! Additions of others are kept (OpenShift sets users, a `LimitRange` resources, a registry mirror the
//! image); what the sidecar's work and safety rest on is set right, field by field.

use serde_json::{Map, Value};

use super::super::patch::Patch;
use super::Sidecar;

/// The fields that must say at least what we say. `image`, `resources` and the like may differ.
const OURS: [&str; 7] =
    ["args", "command", "env", "restartPolicy", "securityContext", "startupProbe", "volumeMounts"];

/// May be another one: a mesh leads it to its own agent, because the kubelet does not reach the port any more.
const LIVENESS: &str = "livenessProbe";

/// Sets right what differs in the container `raw`, which stands at `place`.
pub fn correct(raw: &str, sidecar: &Sidecar<'_>, place: &str, patch: &mut Patch) {
    let present: Map<String, Value> = serde_json::from_str(raw).unwrap_or_default();
    let expected = sidecar.container();
    if let (None, Some(wanted)) = (present.get(LIVENESS), expected.get(LIVENESS)) {
        patch.add(format!("{place}/{LIVENESS}"), wanted.clone());
    }
    for field in OURS {
        match (present.get(field), expected.get(field)) {
            (Some(_), None) => patch.remove(format!("{place}/{field}")),
            (None, Some(wanted)) => patch.add(format!("{place}/{field}"), wanted.clone()),
            (Some(found), Some(wanted)) if !covers(found, wanted) => {
                patch.add(format!("{place}/{field}"), merged(found, wanted));
            }
            _ => {}
        }
    }
}

/// Whether `found` says everything that `wanted` says. Lists of named things are sets; other lists
/// must be equal.
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

/// `wanted`, and of a list of named things also what others added to it.
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

/// What identifies an item of a list of mounts or variables.
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
    fn what_is_set_right_keeps_the_additions_of_others() {
        assert_eq!(
            merged(
                &json!([{"name": "B"}, {"name": "A", "value": "2"}]),
                &json!([{"name": "A", "value": "1"}])
            ),
            json!([{"name": "A", "value": "1"}, {"name": "B"}])
        );
    }
}
