//! The `Pool` objects of the API server: takes watch events, returns all pools.
//!
//! Invariant: it returns only complete lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::pool::Pool;
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::resource::{FINALIZER, PoolObject, check};

/// Every pool, by its object's name.
pub type Pools = BTreeMap<String, Watched>;

/// One pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// The object's resource version, for the compare of a write.
    pub resource_version: Option<String>,
    /// The generation of the spec.
    pub generation: Option<i64>,
    /// The stored status.
    pub status: Option<Value>,
    /// Whether the object is being deleted.
    pub leaving: bool,
    /// The object's finalizers, others' included.
    pub finalizers: Vec<String>,
    /// The checked pool, or what is wrong with it.
    pub pool: Result<Arc<Pool>, String>,
}

/// The pools of the last complete list, with later changes.
#[derive(Debug, Default)]
pub struct PoolCache {
    pools: Pools,
    /// The pools of a list that is not complete yet.
    coming: Pools,
}

// === impl Watched ===

impl From<PoolObject> for Watched {
    fn from(object: PoolObject) -> Self {
        Self {
            pool: check(object.name(), &object.spec).map(Arc::new),
            resource_version: object.metadata.resource_version,
            generation: object.metadata.generation,
            leaving: object.metadata.deletion_timestamp.is_some(),
            finalizers: object.metadata.finalizers.unwrap_or_default(),
            status: object.status,
        }
    }
}

impl Watched {
    /// Whether the object has our finalizer.
    pub fn is_guarded(&self) -> bool {
        self.finalizers.iter().any(|name| name == FINALIZER)
    }
}

// === impl PoolCache ===

impl PoolCache {
    /// Takes an event. Returns all pools if the list is complete.
    pub fn apply(&mut self, event: Event<PoolObject>) -> Option<&Pools> {
        match event {
            Event::Init => {
                self.coming.clear();
                return None;
            }
            Event::InitApply(object) => {
                self.coming.insert(object.name().to_owned(), object.into());
                return None;
            }
            Event::InitDone => self.pools = std::mem::take(&mut self.coming),
            Event::Apply(object) => {
                self.pools.insert(object.name().to_owned(), object.into());
            }
            Event::Delete(object) => {
                self.pools.remove(object.name());
            }
        }
        Some(&self.pools)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, names: &[&str]) -> PoolObject {
        PoolObject::new(name, json!({"names": {"list": names}}))
    }

    fn names(pools: Option<&Pools>) -> Vec<&str> {
        pools.unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn a_list_replaces_everything_once_it_is_complete() {
        let mut cache = PoolCache::default();
        assert!(cache.apply(Event::Init).is_none());
        assert!(cache.apply(Event::InitApply(object("teas", &["mint"]))).is_none());
        assert!(cache.apply(Event::InitApply(object("inks", &["blue"]))).is_none());
        assert_eq!(names(cache.apply(Event::InitDone)), ["inks", "teas"]);
        assert_eq!(
            names(cache.apply(Event::Apply(object("oils", &["fig"])))),
            ["inks", "oils", "teas"]
        );
        assert_eq!(names(cache.apply(Event::Delete(object("inks", &["blue"])))), ["oils", "teas"]);
        assert!(cache.apply(Event::Init).is_none());
        assert!(cache.apply(Event::InitApply(object("teas", &["mint"]))).is_none());
        assert_eq!(names(cache.apply(Event::InitDone)), ["teas"]);
    }
}
