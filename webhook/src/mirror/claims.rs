//! The claims as etcd has them: fed with keys, asked for the claims of one pod.
//!
//! A claim counts only where owner and slot were created by one transaction, name the same pod, and
//! lie where that pod's namespace may write. Whoever can write to the keys of one namespace can
//! therefore not put anything on the pods of another.
//!
//! Pure: where the keys come from is [`super::feed`]'s.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cairn_core::claim::{Fence, OwnerRecord, SlotRecord};
use cairn_core::keys::Key;
use cairn_core::pool::{OnLoss, Pool, PoolName};
use cairn_core::time::UnixMillis;
use cairn_store::KeyValue;
use cairn_store::etcd::Change;

use super::Census;

/// A pod, as the keys name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
}

/// One claim of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The name, as shown.
    pub name: String,
    /// The fence.
    pub fence: Fence,
    /// Since when, by the holder's wall clock.
    pub since: UnixMillis,
}

/// Whose claims may look different after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// These pods.
    pub pods: BTreeSet<PodId>,
    /// Or everybody: a pool's spec or the epoch has changed.
    pub everybody: bool,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Claims {
    epoch: i64,
    pools: HashMap<PoolName, Pool>,
    /// By key.
    slots: HashMap<String, Slot>,
    owners: HashMap<PodId, BTreeMap<PoolName, Owner>>,
    /// By key; the value is the pool.
    resting: HashMap<String, PoolName>,
}

#[derive(Debug)]
struct Slot {
    pod: PodId,
    pool: PoolName,
    key: String,
    created: i64,
    since: UnixMillis,
}

#[derive(Debug)]
struct Owner {
    slot: String,
    created: i64,
}

// === impl Claims ===

impl Claims {
    /// Forgets everything and reads a list of all keys.
    pub fn reset(&mut self, keys: &[KeyValue]) {
        *self = Self::default();
        let mut touched = Touched::default();
        for key in keys {
            self.put(key, &mut touched);
        }
    }

    /// Follows one batch of changes.
    pub fn apply(&mut self, changes: &[Change]) -> Touched {
        let mut touched = Touched::default();
        for change in changes {
            match change {
                Change::Put(key) => self.put(key, &mut touched),
                Change::Delete(key) => self.delete(key, &mut touched),
            }
        }
        touched
    }

    /// The claims of one pod, by pool.
    pub fn of(&self, pod: &PodId) -> BTreeMap<PoolName, Claim> {
        let owners = self.owners.get(pod).into_iter().flatten();
        owners
            .filter_map(|(pool, owner)| {
                let slot = self.slots.get(&owner.slot)?;
                let one = slot.created == owner.created && slot.pod == *pod && slot.pool == *pool;
                one.then(|| (pool.clone(), self.claim(slot)))
            })
            .collect()
    }

    /// Whether a lost name stays with its pod. A pool that is not known is treated as one that
    /// stops: no name is better than a wrong one.
    pub fn keeps(&self, pool: &PoolName) -> bool {
        self.pools.get(pool).is_some_and(|pool| pool.spec.on_loss == OnLoss::Keep)
    }

    /// Held and resting names of every pool that is defined or claimed from.
    pub fn census(&self) -> Census {
        let mut census: Census =
            self.pools.keys().map(|pool| (pool.clone(), super::Counts::default())).collect();
        for slot in self.slots.values().filter(|slot| self.owned(slot)) {
            census.entry(slot.pool.clone()).or_default().held += 1;
        }
        for pool in self.resting.values() {
            census.entry(pool.clone()).or_default().quarantined += 1;
        }
        census
    }

    fn owned(&self, slot: &Slot) -> bool {
        let owner = self.owners.get(&slot.pod).and_then(|owners| owners.get(&slot.pool));
        owner.is_some_and(|owner| owner.created == slot.created)
    }

    fn claim(&self, slot: &Slot) -> Claim {
        let names = self.pools.get(&slot.pool).map(|pool| &pool.names);
        // A name that was removed from its pool stays held, and is shown as its key.
        let shown = names
            .and_then(|names| names.shown(names.index_of(&slot.key)?))
            .map_or_else(|| slot.key.clone(), std::borrow::Cow::into_owned);
        Claim {
            name: shown,
            fence: Fence { epoch: self.epoch, revision: slot.created },
            since: slot.since,
        }
    }

    fn put(&mut self, found: &KeyValue, touched: &mut Touched) {
        match Key::parse(&found.key) {
            Some(Key::Epoch) => {
                let epoch =
                    std::str::from_utf8(&found.value).ok().and_then(|text| text.parse().ok());
                self.epoch = epoch.unwrap_or(self.epoch);
                touched.everybody = true;
            }
            Some(Key::Pool(name)) => {
                touched.everybody = true;
                match Pool::from_json(name.clone(), &found.value) {
                    Ok(pool) => drop(self.pools.insert(name, pool)),
                    Err(error) => {
                        tracing::warn!(pool = %name, %error, "the pool's spec in etcd is not readable");
                        self.pools.remove(&name);
                    }
                }
            }
            Some(Key::Slot(path, key)) => {
                let slot = record::<SlotRecord>(found)
                    // The slots of a namespace belong to pods of that namespace.
                    .filter(|record| {
                        path.namespace.as_ref().is_none_or(|own| *own == record.holder.namespace)
                    })
                    .map(|record| Slot {
                        pod: PodId { namespace: record.holder.namespace, uid: record.holder.uid },
                        pool: path.pool,
                        key,
                        created: found.create_revision,
                        since: record.since,
                    });
                self.forget_slot(&found.key, touched);
                if let Some(slot) = slot {
                    touched.pods.insert(slot.pod.clone());
                    self.slots.insert(found.key.clone(), slot);
                }
            }
            Some(Key::Owner { namespace, uid, pool }) => {
                let pod = PodId { namespace, uid };
                touched.pods.insert(pod.clone());
                let Some(record) = record::<OwnerRecord>(found) else {
                    return self.forget_owner(&pod, &pool);
                };
                let owner = Owner { slot: record.slot, created: found.create_revision };
                self.owners.entry(pod).or_default().insert(pool, owner);
            }
            Some(Key::Quarantine(path, _)) => {
                self.resting.insert(found.key.clone(), path.pool);
            }
            Some(
                Key::Hold(_)
                | Key::Ticket(..)
                | Key::Sentinel(_)
                | Key::Reclaims(_)
                | Key::Due(..)
                | Key::Clock(..),
            )
            | None => {}
        }
    }

    fn delete(&mut self, key: &str, touched: &mut Touched) {
        match Key::parse(key) {
            Some(Key::Pool(name)) => {
                touched.everybody = true;
                self.pools.remove(&name);
            }
            Some(Key::Slot(..)) => self.forget_slot(key, touched),
            Some(Key::Owner { namespace, uid, pool }) => {
                let pod = PodId { namespace, uid };
                self.forget_owner(&pod, &pool);
                touched.pods.insert(pod);
            }
            Some(Key::Quarantine(..)) => drop(self.resting.remove(key)),
            // Without an epoch the store is empty, and every claim goes by its own key.
            Some(
                Key::Epoch
                | Key::Hold(_)
                | Key::Ticket(..)
                | Key::Sentinel(_)
                | Key::Reclaims(_)
                | Key::Due(..)
                | Key::Clock(..),
            )
            | None => {}
        }
    }

    fn forget_slot(&mut self, key: &str, touched: &mut Touched) {
        if let Some(slot) = self.slots.remove(key) {
            touched.pods.insert(slot.pod);
        }
    }

    fn forget_owner(&mut self, pod: &PodId, pool: &PoolName) {
        if let Some(owners) = self.owners.get_mut(pod) {
            owners.remove(pool);
            if owners.is_empty() {
                self.owners.remove(pod);
            }
        }
    }
}

fn record<T: serde::de::DeserializeOwned>(found: &KeyValue) -> Option<T> {
    serde_json::from_slice(&found.value)
        .inspect_err(
            |error| tracing::warn!(key = found.key, %error, "a record in etcd is not readable"),
        )
        .ok()
}

#[cfg(test)]
mod tests;
