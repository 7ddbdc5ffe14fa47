//! RFC 6902 operations, in the order in which they apply.
//!
//! Only `add` and `remove`: `add` replaces an existing key, so it does not fail after a change by another webhook.
//! Helpers create a missing parent, because `add` below a missing parent is an error.
//!
//! An operation becomes JSON as soon as it is added. A tree of values in between would be most of what a review
//! allocates.

use serde::{Serialize, Serializer};

/// A list of operations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// The operations, with commas between them.
    json: Vec<u8>,
}

/// What an injection into a pod with one container takes, so that it is not moved while it grows.
const USUAL_BYTES: usize = 4096;

#[derive(Serialize)]
struct Operation<'a, T> {
    op: &'static str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<T>,
}

/// A map of these pairs.
struct Pairs<'a, K, V>(&'a [(K, V)]);

// === impl Patch ===

impl Patch {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.json.is_empty()
    }

    /// The operations as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        [b"[", self.json.as_slice(), b"]"].concat()
    }

    /// Adds or replaces one value.
    pub fn add(&mut self, path: impl AsRef<str>, value: impl Serialize) {
        self.push(&Operation { op: "add", path: path.as_ref(), value: Some(value) });
    }

    /// Removes one value that is there.
    pub fn remove(&mut self, path: impl AsRef<str>) {
        self.push(&Operation { op: "remove", path: path.as_ref(), value: None::<()> });
    }

    /// Sets keys of the map at `path`, which is missing when `exists` is false.
    pub fn set_keys<K, V>(&mut self, path: &str, exists: bool, keys: &[(K, V)])
    where
        K: AsRef<str>,
        V: Serialize,
    {
        if keys.is_empty() {
            return;
        }
        if exists {
            for (key, value) in keys {
                self.add(format!("{path}/{}", escape(key.as_ref())), value);
            }
        } else {
            self.add(path, Pairs(keys));
        }
    }

    /// Puts items before the first one of the list at `path`, which is missing or empty when
    /// `exists` is false.
    pub fn prepend(&mut self, path: &str, exists: bool, items: &[impl Serialize]) {
        self.insert(path, exists, Some(0), items);
    }

    /// Puts items after the last one of the list at `path`.
    pub fn append(&mut self, path: &str, exists: bool, items: &[impl Serialize]) {
        self.insert(path, exists, None, items);
    }

    /// Puts items at an index of the list, or at its end.
    pub fn insert(
        &mut self,
        path: &str,
        exists: bool,
        index: Option<usize>,
        items: &[impl Serialize],
    ) {
        if items.is_empty() {
            return;
        }
        if !exists {
            self.add(path, items);
            return;
        }
        for (offset, item) in items.iter().enumerate() {
            let pointer = match index {
                Some(index) => format!("{path}/{}", index + offset),
                None => format!("{path}/-"),
            };
            self.add(pointer, item);
        }
    }

    fn push(&mut self, operation: &impl Serialize) {
        let before = self.json.len();
        if before > 0 {
            self.json.push(b',');
        } else {
            self.json.reserve(USUAL_BYTES);
        }
        // A value of this program's own that cannot be written does not exist; half of one must not stay.
        if serde_json::to_writer(&mut self.json, operation).is_err() {
            self.json.truncate(before);
        }
    }
}

// === impl Pairs ===

impl<K: AsRef<str>, V: Serialize> Serialize for Pairs<'_, K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key.as_ref(), value)))
    }
}

/// One key as a segment of a JSON pointer (RFC 6901).
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn applied(mut to: Value, patch: &Patch) -> Value {
        let patch: json_patch::Patch = serde_json::from_slice(&patch.to_json()).unwrap();
        json_patch::patch(&mut to, &patch).unwrap();
        to
    }

    #[test]
    fn missing_parents_are_made_and_present_ones_are_kept() {
        let keys = || [("a/b~c", 1), ("d", 2)];
        for (exists, before) in [(false, json!({})), (true, json!({"m": {"x": 0}}))] {
            let mut patch = Patch::default();
            patch.set_keys("/m", exists, &keys());
            let after = applied(before, &patch);
            assert_eq!(after["m"]["a/b~c"], 1);
            assert_eq!(after["m"]["d"], 2);
            assert_eq!(after["m"].get("x").is_some(), exists);
        }
    }

    #[test]
    fn items_keep_their_order_at_either_end() {
        let mut patch = Patch::default();
        patch.prepend("/l", true, &[1, 2]);
        patch.append("/l", true, &[4, 5]);
        patch.append("/new", false, &[6]);
        patch.append("/none", false, &[0; 0]);
        assert_eq!(applied(json!({"l": [3]}), &patch), json!({"l": [1, 2, 3, 4, 5], "new": [6]}));
    }
}
