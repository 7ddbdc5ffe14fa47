//! What a browser is shown: JSON values by id, such as `slot/mountains/shop/-/Denali`. Pure.
//!
//! Views are numbered, and each value has the number of the view in which it became what it is. So what leads from an
//! earlier view to the newest one is known from the newest one alone: a browser that reads slowly skips states, and one
//! that comes back after a broken connection gets what it has missed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Ids that have gone and are remembered. A browser that missed more gets everything again.
const REMEMBERED: usize = 4096;

/// Values by id.
#[derive(Clone, Debug, Default)]
pub struct View {
    number: u64,
    values: BTreeMap<String, Entry>,
    /// The ids that have gone, with the number of the view in which they were missing first.
    gone: BTreeMap<String, u64>,
    /// What has gone up to this view is not remembered.
    forgotten: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    since: u64,
    value: Arc<RawValue>,
}

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
            self.values.insert(id, Entry { since: self.number, value: printed.into() });
        }
    }

    /// Numbers a view that comes after another one. It has the same number if it shows the same.
    #[must_use]
    pub fn after(mut self, previous: &Self) -> Self {
        let next = previous.number.saturating_add(1);
        self.number = previous.number;
        for (id, entry) in &mut self.values {
            match previous.values.get(id) {
                Some(known) if known.value.get() == entry.value.get() => *entry = known.clone(),
                _ => {
                    entry.since = next;
                    self.number = next;
                }
            }
        }
        self.gone = previous.gone.clone();
        for id in previous.values.keys().filter(|id| !self.values.contains_key(*id)) {
            self.gone.insert(id.clone(), next);
            self.number = next;
        }
        self.gone.retain(|id, _| !self.values.contains_key(id));
        self.forgotten = previous.forgotten;
        self.forget();
        self
    }

    /// Its number.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Whether [`Self::changes`] since the view of this number are known.
    pub const fn remembers(&self, number: u64) -> bool {
        self.forgotten <= number && number <= self.number
    }

    /// What has changed since the view of this number; everything without one.
    pub fn changes(&self, since: Option<u64>) -> Changes<'_> {
        let is_new = |number: u64| since.is_none_or(|since| number > since);
        let values = self.values.iter().filter(|(_, entry)| is_new(entry.since));
        let gone = self.gone.iter().filter(|(_, number)| since.is_some() && is_new(**number));
        Changes {
            set: values.map(|(id, entry)| (id.as_str(), &*entry.value)).collect(),
            drop: gone.map(|(id, _)| id.as_str()).collect(),
        }
    }

    fn forget(&mut self) {
        if self.gone.len() > REMEMBERED {
            let mut numbers: Vec<u64> = self.gone.values().copied().collect();
            numbers.sort_unstable();
            let middle = numbers.get(numbers.len() / 2).copied().unwrap_or(self.number);
            self.forgotten = middle;
            self.gone.retain(|_, number| *number > middle);
        }
    }

    /// The value of an id.
    #[cfg(test)]
    pub(crate) fn get(&self, id: &str) -> Option<Value> {
        serde_json::from_str(self.values.get(id)?.value.get()).ok()
    }

    /// All ids that begin like this.
    #[cfg(test)]
    pub(crate) fn ids(&self, prefix: &str) -> Vec<&str> {
        self.values.keys().filter(|id| id.starts_with(prefix)).map(String::as_str).collect()
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

    fn changes(view: &View, since: Option<u64>) -> Value {
        serde_json::to_value(view.changes(since)).unwrap()
    }

    #[test]
    fn only_what_differs_is_sent_and_skipped_states_are_not() {
        let first = view(&[("a", 1), ("b", 2), ("c", 3)]).after(&View::default());
        let second = view(&[("a", 1), ("b", 5), ("d", 4)]).after(&first);
        let third = view(&[("a", 1), ("b", 7)]).after(&second);
        assert_eq!(changes(&first, None), json!({"set": {"a": 1, "b": 2, "c": 3}, "drop": []}));
        let later = changes(&third, Some(first.number()));
        assert_eq!(later, json!({"set": {"b": 7}, "drop": ["c", "d"]}));
        let last = changes(&third, Some(second.number()));
        assert_eq!(last, json!({"set": {"b": 7}, "drop": ["d"]}));
        assert_eq!(changes(&third, None), json!({"set": {"a": 1, "b": 7}, "drop": []}));
    }

    #[test]
    fn a_view_that_shows_the_same_has_the_same_number() {
        let first = view(&[("a", 1)]).after(&View::default());
        let second = view(&[("a", 1)]).after(&first);
        assert_eq!(second.number(), first.number());
        assert!(second.changes(Some(first.number())).is_empty());
    }

    #[test]
    fn what_comes_back_is_not_dropped() {
        let first = view(&[("a", 1)]).after(&View::default());
        let third = view(&[("a", 1)]).after(&View::default().after(&first));
        assert_eq!(changes(&third, Some(first.number())), json!({"set": {"a": 1}, "drop": []}));
    }

    #[test]
    fn who_missed_too_much_is_not_remembered() {
        let number = |view: u64| i64::try_from(view).unwrap();
        let mut newest = View::default();
        for round in 0..2 * u64::try_from(REMEMBERED).unwrap() {
            newest = view(&[(&format!("id-{round}"), number(round))]).after(&newest);
        }
        assert!(newest.gone.len() <= REMEMBERED);
        assert!(newest.remembers(newest.number()) && !newest.remembers(newest.number() + 1));
        assert!(newest.remembers(newest.forgotten) && !newest.remembers(newest.forgotten - 1));
        let missed = newest.changes(Some(newest.forgotten));
        assert_eq!(missed.drop.len(), newest.gone.len());
    }
}
