//! What a browser is shown: JSON values by id, such as `slot/mountains/shop/-/Denali`. Pure.
//!
//! A browser gets the whole view once, and then what has changed between the view that it has and the newest one. So a
//! browser that reads slowly skips states, and costs no more memory than one that reads fast.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Values by id.
#[derive(Clone, Debug, Default)]
pub struct View(BTreeMap<String, Arc<RawValue>>);

/// What leads from one view to another.
#[derive(Debug, Default, Serialize)]
pub struct Changes<'v> {
    set: BTreeMap<&'v str, &'v RawValue>,
    drop: Vec<&'v str>,
}

// === impl View ===

impl View {
    /// Adds a value.
    pub fn set(&mut self, id: String, value: &Value) {
        // A value is always printed.
        if let Ok(printed) = RawValue::from_string(value.to_string()) {
            self.0.insert(id, printed.into());
        }
    }

    /// What has changed since another view; everything without one.
    pub fn changes<'v>(&'v self, since: Option<&'v Self>) -> Changes<'v> {
        let mut changes = Changes::default();
        for (id, value) in &self.0 {
            let known = since.and_then(|view| view.0.get(id));
            if known.is_none_or(|known| known.get() != value.get()) {
                changes.set.insert(id, value);
            }
        }
        let gone = since.into_iter().flat_map(|view| view.0.keys());
        changes.drop = gone.filter(|id| !self.0.contains_key(*id)).map(String::as_str).collect();
        changes
    }

    /// The value of an id.
    #[cfg(test)]
    pub(crate) fn get(&self, id: &str) -> Option<Value> {
        serde_json::from_str(self.0.get(id)?.get()).ok()
    }

    /// All ids that begin like this.
    #[cfg(test)]
    pub(crate) fn ids(&self, prefix: &str) -> Vec<&str> {
        self.0.keys().filter(|id| id.starts_with(prefix)).map(String::as_str).collect()
    }
}

// === impl Changes ===

impl Changes<'_> {
    /// Whether both views are the same.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.drop.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(values: &[(&str, i64)]) -> View {
        let mut view = View::default();
        for (id, value) in values {
            view.set((*id).to_owned(), &json!(value));
        }
        view
    }

    #[test]
    fn only_what_differs_is_sent_and_skipped_states_are_not() {
        let (first, third) = (view(&[("a", 1), ("b", 2), ("c", 3)]), view(&[("a", 1), ("b", 7)]));
        let all = serde_json::to_value(first.changes(None)).unwrap();
        assert_eq!(all, json!({"set": {"a": 1, "b": 2, "c": 3}, "drop": []}));
        let later = serde_json::to_value(third.changes(Some(&first))).unwrap();
        assert_eq!(later, json!({"set": {"b": 7}, "drop": ["c"]}));
        assert!(first.changes(Some(&first.clone())).is_empty());
    }
}
