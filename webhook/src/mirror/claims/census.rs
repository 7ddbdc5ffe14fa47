//! The usage of every pool, counted from the keys.

use std::collections::HashSet;

use cairn_core::names::Names;
use cairn_core::pool::PoolName;

use super::{Claims, Slot, Spec};
use crate::mirror::path_keys::PathKeys;
use crate::mirror::{Census, Counts, NAMED, SpecSeen};

// === impl Claims ===

impl Claims {
    /// Counts the keys of every pool that is defined or has keys. The caller adds pods that wait without a ticket.
    pub fn census(&self) -> Census {
        let seen = |(pool, spec): (&PoolName, &Spec)| {
            let capacity = spec.pool.as_ref().map(|pool| count(pool.names.len()));
            let counts =
                Counts { spec: spec.seen(), capacity, free: capacity, ..Counts::default() };
            (pool.clone(), counts)
        };
        let mut census: Census = self.pools.iter().map(seen).collect();
        for (path, keys) in &self.paths {
            let counts = census.entry(path.pool.clone()).or_default();
            let owned: Vec<(&String, &Slot)> =
                keys.slots.iter().filter(|(_, slot)| self.is_owned(&path.pool, slot)).collect();
            counts.held += count(owned.len());
            counts.add(keys);
            if let (Some(free), Some(pool)) = (counts.free, self.pool(&path.pool)) {
                counts.free = Some(free.min(count(pool.names.len() - taken(keys, &pool.names))));
            }
            for (key, slot) in owned {
                let (namespace, pod) = (&slot.pod.namespace, &slot.pod_name);
                add_named(&mut counts.holders, || {
                    format!("{namespace}/{pod}: {}", self.shown(&path.pool, key))
                });
            }
        }
        census
    }

    fn is_owned(&self, pool: &PoolName, slot: &Slot) -> bool {
        let mut owners = self.owners.get(&slot.pod).into_iter().flatten();
        owners.any(|(own, owner)| own == pool && owner.created == slot.created)
    }
}

impl Counts {
    fn add(&mut self, keys: &PathKeys) {
        self.tickets += count(keys.tickets.len());
        self.quarantined += count(keys.quarantined());
        self.slots += count(keys.slots.len());
        let until = keys.clocks.values().map(|reserved| reserved.until).max();
        self.reserved_until = self.reserved_until.max(until);
    }
}

impl Spec {
    fn seen(&self) -> SpecSeen {
        match &self.pool {
            Some(pool) if !pool.spec.closed => SpecSeen::Open,
            // Nothing is granted from an unreadable spec.
            _ => SpecSeen::Closed(self.revision),
        }
    }
}

/// How many of these names cannot be claimed now.
pub(super) fn taken(keys: &PathKeys, names: &Names) -> usize {
    let taken = keys.slots.keys().chain(keys.quarantines.keys()).chain(keys.notes.keys());
    let taken: HashSet<&str> = taken.map(String::as_str).collect();
    names.count_of(taken.into_iter())
}

/// Adds a text, and keeps the first [`NAMED`] in byte order.
pub(crate) fn add_named(named: &mut Vec<String>, text: impl FnOnce() -> String) {
    let text = text();
    let at = named.partition_point(|known| *known < text);
    if at < NAMED {
        named.insert(at, text);
        named.truncate(NAMED);
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
