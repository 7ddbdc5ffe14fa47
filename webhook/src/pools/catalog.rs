//! The pools for admission: an immutable list that is replaced as a whole.
//!
//! Invariant: a pool that is [`CatalogEntry::Ready`] passed every check.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::pool::{Pool, PoolName};

use super::status;
use super::watched::{Pools, Watched};

/// All pools.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pools: BTreeMap<PoolName, CatalogEntry>,
}

/// One pool.
#[derive(Clone, Debug)]
pub enum CatalogEntry {
    /// It can be claimed from.
    Ready(Arc<Pool>),
    /// Its spec is invalid; the reason.
    Broken(String),
    /// It contradicts etcd; the reason.
    Refused(String),
    /// It is being deleted.
    Leaving,
}

// === impl Catalog ===

impl Catalog {
    /// Leaves out objects whose name no pool can have: no annotation can name them.
    pub fn of(pools: &Pools) -> Self {
        let entry = |(name, watched): (&String, &Watched)| {
            let name: PoolName = name.parse().ok()?;
            let entry = match &watched.pool {
                _ if watched.leaving => CatalogEntry::Leaving,
                Err(reason) => CatalogEntry::Broken(reason.clone()),
                // All replicas admit, and only the leader writes to etcd: the others read the status.
                Ok(pool) => match watched.status.as_ref().and_then(status::other_shape) {
                    Some(reason) => CatalogEntry::Refused(reason),
                    None => CatalogEntry::Ready(Arc::clone(pool)),
                },
            };
            Some((name, entry))
        };
        pools.iter().filter_map(entry).collect()
    }

    /// One pool.
    pub fn get(&self, name: &PoolName) -> Option<&CatalogEntry> {
        self.pools.get(name)
    }

    /// The names of all pools.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pools.keys().map(PoolName::as_str)
    }

    /// Every pool that can be claimed from.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values().filter_map(|entry| match entry {
            CatalogEntry::Ready(pool) => Some(pool),
            CatalogEntry::Broken(_) | CatalogEntry::Refused(_) | CatalogEntry::Leaving => None,
        })
    }
}

impl FromIterator<(PoolName, CatalogEntry)> for Catalog {
    fn from_iter<T: IntoIterator<Item = (PoolName, CatalogEntry)>>(entries: T) -> Self {
        Self { pools: entries.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;
    use crate::pools::resource::PoolObject;
    use crate::pools::watched::PoolCache;

    fn object(name: &str, names: &[&str]) -> PoolObject {
        PoolObject::new(name, json!({"names": {"list": names}}))
    }

    #[test]
    fn a_broken_pool_is_known_with_its_reason_and_breaks_no_other() {
        let mut cache = PoolCache::default();
        cache.apply(Event::Apply(object("teas", &["mint", "mint"])));
        cache.apply(Event::Apply(PoolObject::new("inks", json!(17))));
        let pools = cache.apply(Event::Apply(object("oils", &["fig"]))).unwrap();
        let catalog = Catalog::of(pools);
        let entry = |name: &str| catalog.get(&name.parse().unwrap()).cloned();
        assert!(matches!(entry("oils"), Some(CatalogEntry::Ready(_))));
        assert!(matches!(entry("inks"), Some(CatalogEntry::Broken(_))));
        let Some(CatalogEntry::Broken(reason)) = entry("teas") else { panic!("not broken") };
        assert_eq!(reason, "name 'mint' is in the list twice; every name may appear once");
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
        let mut cache = PoolCache::default();
        cache.apply(Event::Apply(leaving));
        let catalog = Catalog::of(cache.apply(Event::Apply(remade)).unwrap());
        let entry = |name: &str| catalog.get(&name.parse().unwrap()).cloned();
        assert!(matches!(entry("teas"), Some(CatalogEntry::Leaving)));
        assert!(
            matches!(entry("inks"), Some(CatalogEntry::Refused(text)) if text == "etcd has another shape")
        );
    }
}
