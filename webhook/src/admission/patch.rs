//! RFC 6902 operations, in the order in which they apply.
//!
//! Only `add` and `remove`: `add` replaces an existing key, so it does not fail after a change by another webhook.
//! Helpers create a missing parent, because `add` below a missing parent is an error.

use serde::Serialize;
use serde_json::{Map, Value};

/// A list of operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patch {
    operations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Operation {
    op: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

// === impl Patch ===

impl Patch {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The operations as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Adds or replaces one value.
    pub fn add(&mut self, path: impl Into<String>, value: Value) {
        self.push("add", path.into(), Some(value));
    }

    /// Removes one value that is there.
    pub fn remove(&mut self, path: impl Into<String>) {
        self.push("remove", path.into(), None);
    }

    /// Sets keys of the map at `path`, which is missing when `exists` is false.
    pub fn set_keys(&mut self, path: &str, exists: bool, keys: Vec<(String, Value)>) {
        if keys.is_empty() {
            return;
        }
        if exists {
            for (key, value) in keys {
                self.add(format!("{path}/{}", escape(&key)), value);
            }
        } else {
            self.add(path, Value::Object(Map::from_iter(keys)));
        }
    }

    /// Puts items before the first one of the list at `path`, which is missing or empty when
    /// `exists` is false.
    pub fn prepend(&mut self, path: &str, exists: bool, items: Vec<Value>) {
        self.insert(path, exists, Some(0), items);
    }

    /// Puts items after the last one of the list at `path`.
    pub fn append(&mut self, path: &str, exists: bool, items: Vec<Value>) {
        self.insert(path, exists, None, items);
    }

    /// Puts items at an index of the list, or at its end.
    pub fn insert(&mut self, path: &str, exists: bool, index: Option<usize>, items: Vec<Value>) {
        if items.is_empty() {
            return;
        }
        if !exists {
            self.add(path, Value::Array(items));
            return;
        }
        for (offset, item) in items.into_iter().enumerate() {
            let pointer = match index {
                Some(index) => format!("{path}/{}", index + offset),
                None => format!("{path}/-"),
            };
            self.add(pointer, item);
        }
    }

    fn push(&mut self, op: &'static str, path: String, value: Option<Value>) {
        self.operations.push(Operation { op, path, value });
    }
}

/// One key as a segment of a JSON pointer (RFC 6901).
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(mut to: Value, patch: &Patch) -> Value {
        let patch: json_patch::Patch = serde_json::from_slice(&patch.to_json()).unwrap();
        json_patch::patch(&mut to, &patch).unwrap();
        to
    }

    #[test]
    fn missing_parents_are_made_and_present_ones_are_kept() {
        let keys = || vec![("a/b~c".to_owned(), json!(1)), ("d".to_owned(), json!(2))];
        for (exists, before) in [(false, json!({})), (true, json!({"m": {"x": 0}}))] {
            let mut patch = Patch::default();
            patch.set_keys("/m", exists, keys());
            let after = applied(before, &patch);
            assert_eq!(after["m"]["a/b~c"], 1);
            assert_eq!(after["m"]["d"], 2);
            assert_eq!(after["m"].get("x").is_some(), exists);
        }
    }

    #[test]
    fn items_keep_their_order_at_either_end() {
        let mut patch = Patch::default();
        patch.prepend("/l", true, vec![json!(1), json!(2)]);
        patch.append("/l", true, vec![json!(4), json!(5)]);
        patch.append("/new", false, vec![json!(6)]);
        patch.append("/none", false, Vec::new());
        assert_eq!(applied(json!({"l": [3]}), &patch), json!({"l": [1, 2, 3, 4, 5], "new": [6]}));
    }
}
