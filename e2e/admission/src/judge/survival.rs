//! Whether what the author of a pod wrote is still there.

use serde_json::{Map, Value};

/// What Cairn may replace in a container: the probes of apps that it stops. Quantities are spelled anew by the API server.
const REPLACED: [&str; 4] = ["livenessProbe", "startupProbe", "resources", "lifecycle"];
/// Fields whose owner is the API server, or which it spells anew.
const OF_API_SERVER: [&str; 4] = ["creationTimestamp", "managedFields", "resources", "overhead"];

/// Everything but what Cairn may replace: probes, exclusions of a mesh, and results of an earlier life.
pub(super) fn of_author(before: &Value, after: &Value) -> Result<(), String> {
    let mut before = before.clone();
    let spec = before.get_mut("spec").and_then(Value::as_object_mut);
    for (key, list) in spec.into_iter().flatten() {
        if !key.to_lowercase().ends_with("containers") {
            continue;
        }
        for container in list.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut)
        {
            for field in REPLACED {
                container.remove(field);
            }
            if container.get("name").is_some_and(|name| name == "cairn") {
                container.clear();
            }
        }
    }
    if let Some(annotations) = before["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|key, _| !super::is_result(key) && !is_exclusion(key));
    }
    covers(after, &before, "")
}

fn is_exclusion(key: &str) -> bool {
    ["/excludeInboundPorts", "/excludeOutboundPorts", "/skip-inbound-ports", "/skip-outbound-ports"]
        .iter()
        .any(|end| key.ends_with(end))
}

/// Whether `found` has everything of `wanted`, in any order. The error says where it has not.
pub fn covers(found: &Value, wanted: &Value, at: &str) -> Result<(), String> {
    match (found, wanted) {
        (_, Value::Null) => Ok(()),
        (Value::Object(found), Value::Object(wanted)) => of_maps(found, wanted, at),
        (Value::Null, Value::Object(wanted)) if wanted.values().all(is_nothing) => Ok(()),
        (Value::Null, wanted) if is_nothing(wanted) => Ok(()),
        (Value::Array(found), Value::Array(wanted)) => {
            for item in wanted {
                let fits = |other: &Value| covers(other, item, at).is_ok();
                if !found.iter().any(fits) {
                    return Err(format!("{at} lacks {item}"));
                }
            }
            Ok(())
        }
        (found, wanted) if found == wanted => Ok(()),
        (Value::String(found), Value::Number(wanted)) if *found == wanted.to_string() => Ok(()),
        (found, wanted) => Err(format!("{at} is {found} and not {wanted}")),
    }
}

fn of_maps(
    found: &Map<String, Value>,
    wanted: &Map<String, Value>,
    at: &str,
) -> Result<(), String> {
    for (key, wanted) in wanted {
        if OF_API_SERVER.contains(&key.as_str()) {
            continue;
        }
        let at = format!("{at}/{key}");
        covers(found.get(key).unwrap_or(&Value::Null), wanted, &at)?;
    }
    Ok(())
}

/// What Kubernetes leaves out when it writes an object.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_nothing),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Bool(true) => false,
    }
}
