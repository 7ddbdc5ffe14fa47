//! Reading fields of Kubernetes objects that may be missing.

use serde_json::Value;

/// The text at a JSON pointer.
pub fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// The list at a JSON pointer; empty when it is missing.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a pod's condition `Ready` is true.
pub fn is_ready(pod: &Value) -> bool {
    list(pod, "/status/conditions").iter().any(|condition| {
        text(condition, "/type").as_deref() == Some("Ready")
            && text(condition, "/status").as_deref() == Some("True")
    })
}

/// Escapes a key, such as an annotation's, for use in a JSON pointer.
pub fn key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
