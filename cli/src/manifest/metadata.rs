//! The `metadata` of an object: its name, and the annotations and labels of Cairn.

use cairn_core::contract::annotation;
use serde_json::{Map, Value};

/// The annotations and labels that start with `cairn.dev/`.
#[derive(Debug, Default)]
pub struct Ours<'v> {
    /// Annotations, without the one that Cairn writes itself.
    pub annotations: Vec<(&'v str, &'v str)>,
    /// Labels.
    pub labels: Vec<(&'v str, &'v str)>,
}

/// Kind, namespace and name, such as `Deployment shop/checkout`.
pub fn subject(kind: &str, object: &Value) -> String {
    let text = |field: &str| {
        let value = object.get("metadata").and_then(|metadata| metadata.get(field));
        value.and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let name = match (text("name"), text("generateName")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(begin)) => format!("{begin}*"),
        (None, None) => return format!("{kind} without a name"),
    };
    match text("namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The annotations and labels of Cairn on an object or pod template.
pub fn ours(object: &Value) -> Result<Ours<'_>, String> {
    let metadata = object.get("metadata");
    let pairs = |field: &str, one: &str| match metadata.and_then(|metadata| metadata.get(field)) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(map)) => texts(map, one),
        Some(_) => Err(format!("metadata.{field} is not a mapping; write it like key: value")),
    };
    Ok(Ours { annotations: pairs("annotations", "annotation")?, labels: pairs("labels", "label")? })
}

fn texts<'v>(map: &'v Map<String, Value>, one: &str) -> Result<Vec<(&'v str, &'v str)>, String> {
    map.iter()
        .filter(|(key, _)| key.starts_with(annotation::PREFIX) && *key != annotation::STATUS)
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key.as_str(), text.as_str())),
            // Kubernetes reads a missing value as an empty string.
            Value::Null => Ok((key.as_str(), "")),
            _ => Err(format!("{one} '{key}' is not a text; put its value into quotes")),
        })
        .collect()
}
