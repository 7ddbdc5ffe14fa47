//! The pools as admission sees them: an immutable list that is replaced as a whole.
//!
//! Invariant: a pool that is in the list as [`Entry::Ready`] passed every check.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::pool::{Pool, PoolName};

/// All pools.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pools: BTreeMap<PoolName, Entry>,
}

/// One pool.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It can be claimed from.
    Ready(Arc<Pool>),
    /// Its spec is not valid, and why.
    Broken(String),
    /// It must not be used as it is, and why.
    Refused(String),
    /// It is being deleted.
    Leaving,
}

// === impl Catalog ===

impl Catalog {
    /// One pool.
    pub fn get(&self, name: &PoolName) -> Option<&Entry> {
        self.pools.get(name)
    }

    /// The names of all pools.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pools.keys().map(PoolName::as_str)
    }

    /// Every pool that can be claimed from.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.pools.values().filter_map(|entry| match entry {
            Entry::Ready(pool) => Some(pool),
            Entry::Broken(_) | Entry::Refused(_) | Entry::Leaving => None,
        })
    }
}

impl FromIterator<(PoolName, Entry)> for Catalog {
    fn from_iter<T: IntoIterator<Item = (PoolName, Entry)>>(entries: T) -> Self {
        Self { pools: entries.into_iter().collect() }
    }
}
