//! The claims in etcd: takes keys, returns the claims of a pod.
//!
//! A claim counts only if one transaction created owner record and slot, both name the same pod, and the path belongs
//! to that pod's namespace. So a writer with access to the keys of one namespace cannot change pods of another.
//!
//! Pure: [`super::claims_watch`] reads the keys, which `docs/protocol.md` describes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use cairn_core::claim::{Fence, OwnerRecord, SlotRecord};
use cairn_core::clock::ClockRecord;
use cairn_core::keys::{ClaimPath, Key};
use cairn_core::pool::{OnLoss, Pool, PoolName};
use cairn_core::prefix::Template;
use cairn_core::quarantine::{QuarantineRecord, WaitsFor};
use cairn_core::time::UnixMillis;
use cairn_store::KeyValue;
use cairn_store::etcd::Change;

use super::path_keys::{PathKeys, Quarantine, Reserved, Slot};
use super::pod::PodId;
use super::record::read;

pub(super) mod census;
pub mod place;

use place::Wait;

/// One claim of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The name, as shown.
    pub name: String,
    /// The fence.
    pub fence: Fence,
    /// Since when, by the holder's wall clock.
    pub since: UnixMillis,
    /// The path of its keys.
    pub path: ClaimPath,
    /// The holder's namespace.
    pub namespace: String,
    /// The holder's node.
    pub node: String,
    /// The pool's prefix template.
    pub template: Template,
}

/// The pods whose claims may have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Single pods.
    pub pods: BTreeSet<PodId>,
    /// All pods: a pool's spec or the epoch has changed.
    pub everybody: bool,
}

/// All keys, by path and by pod.
#[derive(Debug, Default)]
pub struct Claims {
    epoch: i64,
    pools: HashMap<PoolName, Spec>,
    paths: HashMap<ClaimPath, PathKeys>,
    /// By pool. Nearly every pod has one claim, so this is a list: a sorted map has room for eleven entries at once.
    owners: HashMap<PodId, Vec<(PoolName, OwnedSlot)>>,
    /// What pods that wait at a path want to know, as far as it was asked since the last change.
    waits: RefCell<HashMap<ClaimPath, Wait>>,
}

#[derive(Debug)]
struct Spec {
    /// `None` when it cannot be read.
    pool: Option<Pool>,
    revision: i64,
}

#[derive(Debug)]
struct OwnedSlot {
    path: ClaimPath,
    key: String,
    created: i64,
}

// === impl Claims ===

impl Claims {
    /// Forgets everything: a list of all keys begins.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a page of that list.
    pub fn add(&mut self, page: &[KeyValue]) {
        let mut touched = Touched::default();
        self.waits.take();
        for key in page {
            self.put(key, &mut touched);
        }
    }

    /// Applies one batch of changes.
    pub fn apply(&mut self, changes: &[Change]) -> Touched {
        let mut touched = Touched::default();
        self.waits.take();
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
        self.held(pod).map(|(pool, owner, slot)| (pool.clone(), self.claim(owner, slot))).collect()
    }

    /// Whether a pod has a claim to a pool.
    pub fn holds(&self, pod: &PodId, pool: &PoolName) -> bool {
        self.held(pod).any(|(held, ..)| held == pool)
    }

    /// Whether a lost name stays with its pod. An unknown pool counts as `Stop`: no name is better than a wrong one.
    pub fn keeps(&self, pool: &PoolName) -> bool {
        self.pool(pool).is_some_and(|pool| pool.spec.on_loss == OnLoss::Keep)
    }

    /// Whether another pod holds the slot whose shown name is `shown`.
    pub fn is_anothers(&self, pod: &PodId, path: &ClaimPath, shown: &str) -> bool {
        let mut slots = self.paths.get(path).into_iter().flat_map(|keys| &keys.slots);
        slots.any(|(key, slot)| slot.pod != *pod && self.shown(&path.pool, key) == shown)
    }

    /// What ends the quarantine of a name that this pod's sidecar released; `None` if there is no such name.
    pub fn quarantine_of(&self, pod: &PodId, path: &ClaimPath) -> Option<WaitsFor> {
        let quarantines =
            self.paths.get(path).into_iter().flat_map(|keys| keys.quarantines.values());
        let mut records = quarantines.filter_map(|quarantine| quarantine.record.as_ref());
        let own = records.find(|record| record.holder.uid == pod.uid);
        own.map(|record| record.waits_for)
    }

    /// All paths that have keys.
    pub fn paths(&self) -> impl Iterator<Item = (&ClaimPath, &PathKeys)> {
        self.paths.iter()
    }

    /// The path of a pod's claims to a pool; `None` if the pool's scope is unknown.
    pub fn path(
        &self,
        pool: &PoolName,
        namespace: &str,
        group: Option<&cairn_core::group::Group>,
    ) -> Option<ClaimPath> {
        let scope = self.pool(pool)?.spec.scope;
        Some(ClaimPath::new(pool.clone(), scope, namespace, group.cloned()))
    }

    /// The owner records of a pod that are claims, with their slots.
    fn held<'a>(
        &'a self,
        pod: &'a PodId,
    ) -> impl Iterator<Item = (&'a PoolName, &'a OwnedSlot, &'a Slot)> {
        let owners = self.owners.get(pod).into_iter().flatten();
        owners.filter_map(|(pool, owner)| {
            let slot = self.paths.get(&owner.path)?.slots.get(&owner.key)?;
            let one = slot.created == owner.created && slot.pod == *pod && owner.path.pool == *pool;
            one.then_some((pool, owner, slot))
        })
    }

    fn pool(&self, name: &PoolName) -> Option<&Pool> {
        self.pools.get(name)?.pool.as_ref()
    }

    /// A name as its pool shows it. A held name that was removed from its pool is shown as its key.
    fn shown(&self, pool: &PoolName, key: &str) -> String {
        let names = self.pool(pool).map(|pool| &pool.names);
        names
            .and_then(|names| names.shown(names.index_of(key)?))
            .map_or_else(|| key.to_owned(), std::borrow::Cow::into_owned)
    }

    fn claim(&self, owner: &OwnedSlot, slot: &Slot) -> Claim {
        let pool = &owner.path.pool;
        Claim {
            name: self.shown(pool, &owner.key),
            fence: Fence { epoch: self.epoch, revision: slot.created },
            since: slot.since,
            path: owner.path.clone(),
            namespace: slot.pod.namespace.clone(),
            node: slot.node.clone(),
            template: self
                .pool(pool)
                .map_or_else(Template::default, |pool| pool.spec.prefix.clone()),
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
                let pool = Pool::from_json(name.clone(), &found.value)
                    .inspect_err(|error| {
                        tracing::warn!(pool = %name, %error, "the pool's spec in etcd is not readable");
                    })
                    .ok();
                self.pools.insert(name, Spec { pool, revision: found.mod_revision });
            }
            Some(Key::Owner { namespace, uid, pool }) => {
                let pod = PodId { namespace, uid };
                touched.pods.insert(pod.clone());
                let record = read::<OwnerRecord>(found);
                let Some(Key::Slot(path, key)) = record.and_then(|record| Key::parse(&record.slot))
                else {
                    return self.forget_owner(&pod, &pool);
                };
                let owner = OwnedSlot { path, key, created: found.create_revision };
                let owners = self.owners.entry(pod).or_insert_with(|| Vec::with_capacity(1));
                owners.retain(|(own, _)| *own != pool);
                owners.push((pool, owner));
            }
            Some(Key::Slot(path, key)) => {
                let slot = read::<SlotRecord>(found)
                    // The slots of a namespace belong to pods of that namespace.
                    .filter(|record| {
                        path.namespace.as_ref().is_none_or(|own| *own == record.holder.namespace)
                    })
                    .map(|record| Slot {
                        pod: PodId { namespace: record.holder.namespace, uid: record.holder.uid },
                        pod_name: record.holder.pod,
                        node: record.holder.node,
                        created: found.create_revision,
                        since: record.since,
                    });
                self.forget(&Key::Slot(path.clone(), key.clone()), touched);
                if let Some(slot) = slot {
                    touched.pods.insert(slot.pod.clone());
                    self.paths.entry(path).or_default().slots.insert(key, slot);
                }
            }
            Some(Key::Quarantine(path, key)) => {
                self.forget(&Key::Quarantine(path.clone(), key.clone()), touched);
                let record = QuarantineRecord::parse(&found.value).filter(|record| {
                    path.namespace.as_ref().is_none_or(|own| *own == record.holder.namespace)
                });
                touched.pods.extend(record.as_ref().map(pod_of));
                let quarantine = Quarantine { revision: found.mod_revision, record };
                self.paths.entry(path).or_default().quarantines.insert(key, quarantine);
            }
            Some(Key::Ticket(path, uid)) => {
                self.paths.entry(path).or_default().tickets.insert(uid, found.create_revision);
            }
            Some(Key::Note(path, key)) => {
                self.paths.entry(path).or_default().notes.insert(key, found.mod_revision);
            }
            Some(Key::Sentinel(path)) => {
                self.paths.entry(path).or_default().sentinel = found.mod_revision;
            }
            Some(Key::Reclaims(path)) => {
                self.paths.entry(path).or_default().reclaims = found.mod_revision;
            }
            Some(Key::Clock(path, key)) => {
                // An unreadable record reserves time for ever. The sidecars have the same rule.
                let until = read::<ClockRecord>(found)
                    .map_or(UnixMillis(i64::MAX), |record| record.reserved_until);
                let reserved = Reserved { revision: found.mod_revision, until };
                self.paths.entry(path).or_default().clocks.insert(key, reserved);
            }
            Some(Key::Freeze(_) | Key::Shape(_)) | None => {}
        }
    }

    fn delete(&mut self, key: &str, touched: &mut Touched) {
        match Key::parse(key) {
            Some(Key::Pool(name)) => {
                touched.everybody = true;
                self.pools.remove(&name);
            }
            Some(Key::Owner { namespace, uid, pool }) => {
                let pod = PodId { namespace, uid };
                self.forget_owner(&pod, &pool);
                touched.pods.insert(pod);
            }
            // The epoch is deleted only with the whole store. Then each claim has a deletion of its own.
            Some(Key::Epoch | Key::Freeze(_) | Key::Shape(_)) | None => {}
            Some(below) => self.forget(&below, touched),
        }
    }

    /// Removes one key below a path.
    fn forget(&mut self, key: &Key, touched: &mut Touched) {
        let Some(path) = key.path() else { return };
        let Some(keys) = self.paths.get_mut(path) else { return };
        match key {
            Key::Slot(_, name) => {
                touched.pods.extend(keys.slots.remove(name).map(|slot| slot.pod));
            }
            Key::Quarantine(_, name) => {
                let record = keys.quarantines.remove(name).and_then(|quarantine| quarantine.record);
                touched.pods.extend(record.as_ref().map(pod_of));
            }
            Key::Ticket(_, uid) => drop(keys.tickets.remove(uid)),
            Key::Note(_, name) => drop(keys.notes.remove(name)),
            Key::Clock(_, name) => drop(keys.clocks.remove(name)),
            Key::Sentinel(_) => keys.sentinel = 0,
            Key::Reclaims(_) => keys.reclaims = 0,
            Key::Epoch | Key::Pool(_) | Key::Shape(_) | Key::Freeze(_) | Key::Owner { .. } => {}
        }
        if keys.is_empty() {
            self.paths.remove(path);
        }
    }

    fn forget_owner(&mut self, pod: &PodId, pool: &PoolName) {
        if let Some(owners) = self.owners.get_mut(pod) {
            owners.retain(|(own, _)| own != pool);
            if owners.is_empty() {
                self.owners.remove(pod);
            }
        }
    }
}

fn pod_of(record: &QuarantineRecord) -> PodId {
    PodId { namespace: record.holder.namespace.clone(), uid: record.holder.uid.clone() }
}

#[cfg(test)]
mod tests;
