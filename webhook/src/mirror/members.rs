//! The groups in etcd: takes keys, returns what a pod is in its group, and which groups are dead.
//!
//! The mirror follows these keys with the claims, in one watch. Nothing is written into a group in which nothing
//! happens, so its watch is silent then. Records of a namespace's keys only concern pods of that namespace.
//!
//! Pure: [`super::claims_watch`] reads the keys, which `docs/coordination.md` describes. Not for: who may serve. The
//! sidecars decide that.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use cairn_core::coordination::map::ShardMap;
use cairn_core::coordination::member::{MemberRecord, MemberState, Role};
use cairn_core::coordination::owner::{Grant, Ownable};
use cairn_core::coordination::path::{GroupKey, GroupPath};
use cairn_store::KeyValue;
use cairn_store::etcd::Change;
use tokio::time::Instant;

use super::pod::PodId;
use super::record::read;

mod group;

use group::{GroupKeys, KnownMember};

/// What a group without members leaves is removed after this time (docs/coordination.md, C6). By then no session of it
/// serves any more, and a workload that is scaled to zero for a short time finds its map again.
pub const DEAD_AFTER: Duration = Duration::from_mins(60);

/// What a pod is in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: MemberState,
    /// How many shards it owns, if it coordinates shards.
    pub shards: Option<usize>,
    /// Whether it leads.
    pub leader: bool,
    /// Since when it has been draining although it still owns something that another member could take, and the time
    /// after which that is too long.
    pub drains: Option<(Instant, Duration)>,
}

/// Members and shards of all groups, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Groups that have keys.
    pub groups: usize,
    /// Members that own nothing.
    pub viewers: usize,
    /// Members that may own.
    pub participants: usize,
    /// Members that give all away.
    pub draining: usize,
    /// Shards whose owner is a member.
    pub owned: usize,
    /// Shards whose owner is gone, until somebody takes them over.
    pub orphaned: usize,
    /// Shards of a map without an owner.
    pub free: usize,
}

/// All groups.
#[derive(Debug, Default)]
pub struct Members {
    groups: HashMap<GroupPath, GroupKeys>,
    pods: HashMap<PodId, GroupPath>,
    leader_changes: u64,
    /// The groups as they were before a list that is not complete yet.
    before: Option<HashMap<GroupPath, GroupKeys>>,
}

// === impl Members ===

impl Members {
    /// Forgets everything: a list of all keys begins. Only since when something lasts is kept until it is complete.
    pub fn clear(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        self.pods.clear();
        // A list that broke off has less.
        self.before.get_or_insert(groups);
    }

    /// Adds a page of that list.
    pub fn add(&mut self, page: &[KeyValue], now: Instant) {
        for key in page {
            self.put(key, now, &mut BTreeSet::new());
        }
    }

    /// The list is complete. What is known to last since an earlier instant keeps it.
    pub fn complete(&mut self) {
        let before = self.before.take().unwrap_or_default();
        for (path, group) in &mut self.groups {
            if let Some(known) = before.get(path) {
                group.last_since(known);
            }
        }
    }

    /// Applies one batch of changes. Answers with the pods whose standing may have changed.
    pub fn apply(&mut self, changes: &[Change], now: Instant) -> BTreeSet<PodId> {
        let mut touched = BTreeSet::new();
        for change in changes {
            match change {
                Change::Put(found) => self.put(found, now, &mut touched),
                Change::Delete(key) => self.delete(key, now, &mut touched),
            }
        }
        touched
    }

    /// What a pod is in its group; `None` when it is no member.
    pub fn standing(&self, pod: &PodId) -> Option<Standing> {
        self.groups.get(self.pods.get(pod)?)?.standing(&pod.uid)
    }

    /// Groups that have had no member for [`DEAD_AFTER`].
    pub fn dead(&self, now: Instant) -> Vec<GroupPath> {
        let dead = |group: &GroupKeys| {
            group.idle.is_some_and(|since| now.saturating_duration_since(since) >= DEAD_AFTER)
        };
        self.groups.iter().filter(|(_, group)| dead(group)).map(|(path, _)| path.clone()).collect()
    }

    /// Members and shards by state.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { groups: self.groups.len(), ..Totals::default() };
        for group in self.groups.values() {
            group.count(&mut totals);
        }
        totals
    }

    /// How often a leadership got another owner, since this replica has been following.
    pub fn leader_changes(&self) -> u64 {
        self.leader_changes
    }

    fn put(&mut self, found: &KeyValue, now: Instant, touched: &mut BTreeSet<PodId>) {
        let Some((path, key)) = GroupPath::split(&found.key) else { return };
        let pod = |uid: &str| PodId { namespace: path.namespace.clone(), uid: uid.to_owned() };
        let group = self.groups.entry(path.clone()).or_insert_with(|| GroupKeys::new(now));
        match key {
            GroupKey::Member(uid) => {
                let Some(record) = read::<MemberRecord>(found) else { return };
                let pod = pod(&uid);
                group.put_member(uid, KnownMember::of(&record, now));
                self.pods.insert(pod.clone(), path);
                touched.insert(pod);
            }
            GroupKey::Leader | GroupKey::Shard(_) => {
                let of = match key {
                    GroupKey::Shard(shard) => Ownable::Shard(shard),
                    _ => Ownable::Leader,
                };
                let Some(grant) = read::<Grant>(found) else { return };
                touched.insert(pod(&grant.uid));
                let before = group.put_owner(of, grant.uid.clone());
                let other = before.filter(|before| *before != grant.uid);
                if of == Ownable::Leader && other.is_some() {
                    self.leader_changes = self.leader_changes.saturating_add(1);
                }
                touched.extend(other.map(|uid| pod(&uid)));
            }
            GroupKey::Map => group.map = read::<ShardMap>(found),
            GroupKey::LeaderValue => group.value = true,
            // Kept out by an administrator, on a lease of its own.
            GroupKey::Dropped(_) => self.drop_empty(&path),
        }
    }

    fn delete(&mut self, key: &str, now: Instant, touched: &mut BTreeSet<PodId>) {
        let Some((path, key)) = GroupPath::split(key) else { return };
        let Some(group) = self.groups.get_mut(&path) else { return };
        let pod = |uid: String| PodId { namespace: path.namespace.clone(), uid };
        match key {
            GroupKey::Member(uid) => {
                group.delete_member(&uid, now);
                let pod = pod(uid);
                self.pods.remove(&pod);
                touched.insert(pod);
            }
            GroupKey::Leader => touched.extend(group.delete_owner(Ownable::Leader).map(pod)),
            GroupKey::Shard(shard) => {
                touched.extend(group.delete_owner(Ownable::Shard(shard)).map(pod));
            }
            GroupKey::Map => group.map = None,
            GroupKey::LeaderValue => group.value = false,
            GroupKey::Dropped(_) => {}
        }
        self.drop_empty(&path);
    }

    fn drop_empty(&mut self, path: &GroupPath) {
        if self.groups.get(path).is_some_and(GroupKeys::is_empty) {
            self.groups.remove(path);
        }
    }
}

// === impl KnownMember ===

impl KnownMember {
    fn of(record: &MemberRecord, now: Instant) -> Self {
        Self {
            state: record.state,
            shards: record.roles.contains(&Role::Shards),
            validity: record.validity_ms,
            draining: (record.state == MemberState::Draining).then_some(now),
        }
    }
}

#[cfg(test)]
mod tests;
