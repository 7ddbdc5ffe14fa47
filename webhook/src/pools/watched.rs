//! The `Pool` objects as the API server last told of them: fed with watch events, read as a whole.
//!
//! Invariant: what is read is complete; a list that is still coming in does not show.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::pool::{Pool, PoolName};
use kube::runtime::watcher::Event;
use serde_json::Value;

use super::catalog::{Catalog, Entry};
use super::finalizer::FINALIZER;
use super::resource::{PoolObject, check};
use super::status;

/// Every pool, by its object's name.
pub type Pools = BTreeMap<String, Watched>;

/// One pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// Of the object; a write carries it, so that it cannot undo another one.
    pub resource_version: Option<String>,
    /// Of the spec.
    pub generation: Option<i64>,
    /// As stored.
    pub status: Option<Value>,
    /// Whether the object is being deleted.
    pub leaving: bool,
    /// The object's finalizers, others' included.
    pub finalizers: Vec<String>,
    /// The checked pool, or what is wrong with it.
    pub pool: Result<Arc<Pool>, String>,
}

/// What is known so far.
#[derive(Debug, Default)]
pub struct World {
    pools: Pools,
    /// A list that is still coming in.
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
    /// Whether the object cannot go before we let it.
    pub fn is_guarded(&self) -> bool {
        self.finalizers.iter().any(|name| name == FINALIZER)
    }
}

// === impl World ===

impl World {
    /// Takes an event in; the answer is everything, when it is complete.
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

/// The pools as admission sees them. One whose name cannot be a pool's is not in it: no annotation
/// can name it.
pub fn catalog(pools: &Pools) -> Catalog {
    let entry = |(name, watched): (&String, &Watched)| {
        let name: PoolName = name.parse().ok()?;
        let entry = match &watched.pool {
            _ if watched.leaving => Entry::Leaving,
            Err(sentence) => Entry::Broken(sentence.clone()),
            // Both replicas admit, and only the leader writes to etcd: the others read its verdict.
            Ok(pool) => match watched.status.as_ref().and_then(status::other_shape) {
                Some(sentence) => Entry::Refused(sentence),
                None => Entry::Ready(Arc::clone(pool)),
            },
        };
        Some((name, entry))
    };
    pools.iter().filter_map(entry).collect()
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
        let mut world = World::default();
        assert!(world.apply(Event::Init).is_none());
        assert!(world.apply(Event::InitApply(object("teas", &["mint"]))).is_none());
        assert!(world.apply(Event::InitApply(object("inks", &["blue"]))).is_none());
        assert_eq!(names(world.apply(Event::InitDone)), ["inks", "teas"]);
        assert_eq!(
            names(world.apply(Event::Apply(object("oils", &["fig"])))),
            ["inks", "oils", "teas"]
        );
        assert_eq!(names(world.apply(Event::Delete(object("inks", &["blue"])))), ["oils", "teas"]);
        assert!(world.apply(Event::Init).is_none());
        assert!(world.apply(Event::InitApply(object("teas", &["mint"]))).is_none());
        assert_eq!(names(world.apply(Event::InitDone)), ["teas"]);
    }

    #[test]
    fn a_broken_pool_is_known_with_its_sentence_and_breaks_no_other() {
        let mut world = World::default();
        world.apply(Event::Apply(object("teas", &["mint", "mint"])));
        world.apply(Event::Apply(PoolObject::new("inks", json!(17))));
        let pools = world.apply(Event::Apply(object("oils", &["fig"]))).unwrap();
        let catalog = catalog(pools);
        let entry = |name: &str| catalog.get(&name.parse().unwrap()).cloned();
        assert!(matches!(entry("oils"), Some(Entry::Ready(_))));
        assert!(matches!(entry("inks"), Some(Entry::Broken(_))));
        let Some(Entry::Broken(sentence)) = entry("teas") else { panic!("not broken") };
        assert_eq!(sentence, "name 'mint' is in the list twice; every name may appear once");
    }

    #[test]
    fn a_pool_that_is_being_deleted_or_has_another_shape_in_etcd_cannot_be_claimed_from() {
        let mut leaving = object("teas", &["mint"]);
        leaving.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-11-21T03:00:00Z")).unwrap();
        let mut remade = object("inks", &["blue"]);
        remade.status = Some(
            json!({"conditions": [{"type": "Ready", "status": "False", "reason": "OtherShape",
            "message": "etcd has another shape", "lastTransitionTime": "2026-11-21T03:00:00Z"}]}),
        );
        let mut world = World::default();
        world.apply(Event::Apply(leaving));
        let catalog = catalog(world.apply(Event::Apply(remade)).unwrap());
        let entry = |name: &str| catalog.get(&name.parse().unwrap()).cloned();
        assert!(matches!(entry("teas"), Some(Entry::Leaving)));
        assert!(
            matches!(entry("inks"), Some(Entry::Refused(text)) if text == "etcd has another shape")
        );
    }
}
