//! The state of the mirror: takes events and instants, returns the next writes.
//!
//! All replicas keep it up to date; only the leader gets writes. While etcd cannot be read, no claim is taken for
//! missing, and the time for which a claim is missing starts anew after that.
//!
//! Pure. [`super::reconciler`] runs the loop around it; [`writes`] decides what is written to pods.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use cairn_core::coordination::path::GroupPath;
use cairn_core::pool::PoolName;
use cairn_core::time::UnixMillis;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::runtime::watcher::Event;
use serde_json::Value;
use tokio::time::Instant;

use super::Census;
use super::carriers::Carriers;
use super::chores::{Chore, Chores, Pods};
use super::claims::{Claims, census};
use super::claims_watch::Update;
use super::desired::{self, News};
use super::members::{Members, Totals};
use super::pod::{self, Facts, Life, PodId, PodObject};
use super::queue::Queue;

mod writes;

/// Concurrent writes: enough for a thousand pods per second, and far below the API server's limit for one client.
pub const WRITES: usize = 16;

/// What a pod is in its group is written to it after this time: a balance changes the number of shards many times a
/// second.
const MEMBER_PAUSE: Duration = Duration::from_secs(1);

/// The claims in etcd, the pods, and the writes and chores under way.
#[derive(Debug, Default)]
pub struct MirrorState {
    claims: Claims,
    members: Members,
    /// Boxed: the table has room for up to twice as many, and another one while it grows.
    pods: HashMap<PodId, Box<PodEntry>>,
    carriers: Carriers,
    queue: Queue,
    chores: Chores,
    sight: Sight,
    /// No write starts before this instant.
    paused: Option<Instant>,
    leads: bool,
    counted: bool,
}

/// Which sources are complete and current.
#[derive(Debug, Default)]
struct Sight {
    etcd: bool,
    pods: bool,
}

/// One write to one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The pod.
    pub pod: PodId,
    /// The pod's name.
    pub name: String,
    /// The pod's controller.
    pub owner: Option<OwnerReference>,
    /// The merge patch.
    pub patch: Value,
    /// What to publish afterwards.
    pub news: Vec<News>,
    /// When the mirror saw the claim change that this write shows.
    pub seen: Option<Instant>,
}

/// The result of a write.
#[derive(Debug)]
pub enum WriteResult {
    /// The pod as it is after the write.
    Written(Box<PodObject>),
    /// The pod was deleted, or another pod has its name.
    Gone,
    /// The write failed, or its result is unknown.
    Failed,
}

#[derive(Debug)]
struct PodEntry {
    facts: Facts,
    version: Option<u64>,
    /// Whether the list of pods that is under way, or was the last one, has it.
    listed: bool,
    /// Since when a claim to the pool has been missing.
    missing: BTreeMap<PoolName, Instant>,
    seen: Option<Instant>,
    /// Since when a write has waited until another pod no longer carries the name.
    blocked: Option<Instant>,
}

// === impl MirrorState ===

impl MirrorState {
    /// Takes an update from etcd.
    pub fn update(&mut self, update: Update, now: Instant) {
        self.counted = false;
        match update {
            Update::Listing => {
                self.sight.etcd = false;
                self.claims.clear();
                self.members.clear();
            }
            Update::Page(keys) => {
                self.claims.add(&keys);
                self.members.add(&keys, now);
            }
            Update::Listed => {
                self.members.complete();
                self.sight.etcd = true;
                self.chores.listed(now);
                self.mark_everybody(now);
            }
            Update::Changed(changes) => {
                for id in self.members.apply(&changes, now) {
                    if self.pods.contains_key(&id) {
                        self.queue.mark(&id, now + MEMBER_PAUSE);
                    }
                }
                let touched = self.claims.apply(&changes);
                self.chores.changed(now);
                if touched.everybody {
                    self.mark_everybody(now);
                }
                for id in &touched.pods {
                    if let Some(entry) = self.pods.get_mut(id) {
                        entry.seen.get_or_insert(now);
                        self.queue.mark(id, now);
                    }
                }
            }
            Update::Disconnected => {
                self.sight.etcd = false;
                self.pods.values_mut().for_each(|entry| entry.missing.clear());
            }
        }
    }

    /// Takes a watch event about pods.
    pub fn watched(&mut self, event: Event<PodObject>, now: Instant) {
        match event {
            Event::Init => self.pods.values_mut().for_each(|entry| entry.listed = false),
            Event::InitApply(found) => self.found(found, true, now),
            Event::InitDone => {
                let gone = self.pods.iter().filter(|(_, entry)| !entry.listed);
                let gone: Vec<PodId> = gone.map(|(id, _)| id.clone()).collect();
                for id in &gone {
                    self.forget(id, now);
                }
                self.sight.pods = true;
                self.mark_everybody(now);
            }
            Event::Apply(found) => self.found(found, false, now),
            Event::Delete(gone) => {
                if let Some(id) = pod::id(&gone.metadata) {
                    self.forget(&id, now);
                }
            }
        }
    }

    /// Sets whether this replica leads.
    pub fn lead(&mut self, leads: bool, now: Instant) {
        if leads && !self.leads {
            self.mark_everybody(now);
            self.chores.changed(now);
        }
        self.leads = leads;
    }

    /// The chores that are due in etcd.
    pub fn chores(&mut self, now: Instant, wall: UnixMillis) -> Vec<Chore> {
        if !self.leads || !self.sight.is_clear() {
            return Vec::new();
        }
        self.chores.due(&self.claims, &KnownPods(&self.pods), now, wall)
    }

    /// Takes the end of a chore; `done` is false if it failed.
    pub fn chore_done(&mut self, chore: &Chore, done: bool, now: Instant) {
        self.chores.done(chore, done, now);
    }

    /// When to call [`Self::next`] again if no event comes first.
    pub fn wake(&self) -> Option<Instant> {
        let next = if self.may_write() { self.queue.next() } else { None };
        next.map(|next| self.paused.map_or(next, |until| next.max(until)))
    }

    /// When to call [`Self::chores`] again if no event comes first.
    pub fn chores_wake(&self) -> Option<Instant> {
        (self.leads && self.sight.is_clear()).then(|| self.chores.wake()).flatten()
    }

    /// The census, if it may have changed since the last call.
    pub fn census(&mut self) -> Option<Census> {
        if self.counted || !self.sight.is_clear() {
            return None;
        }
        self.counted = true;
        let mut census = self.claims.census();
        for (id, entry) in self.pods.iter().filter(|(_, entry)| entry.facts.life != Life::Ended) {
            let asked = entry.facts.shown.asked.iter();
            for pool in asked.filter(|pool| !self.claims.holds(id, pool)) {
                let counts = census.entry(pool.clone()).or_default();
                // A pod that is being deleted does not wait, but may hold a name until it has ended.
                match entry.facts.life {
                    Life::Leaves => counts.leaving += 1,
                    _ => counts.waiting += 1,
                }
                let (namespace, name) = (&id.namespace, &entry.facts.name);
                census::add_named(&mut counts.waiters, || format!("{namespace}/{name}"));
            }
        }
        Some(census)
    }

    /// Groups of which only dead keys are left, which this replica removes.
    pub fn dead_groups(&self, now: Instant) -> Vec<GroupPath> {
        if self.leads && self.sight.etcd { self.members.dead(now) } else { Vec::new() }
    }

    /// Members and shards by state, and how often a leader changed. `None` while etcd cannot be read.
    pub fn totals(&self) -> Option<(Totals, u64)> {
        self.sight.etcd.then(|| (self.members.totals(), self.members.leader_changes()))
    }

    fn may_write(&self) -> bool {
        self.leads && self.sight.is_clear() && self.queue.running() < WRITES
    }

    /// Takes a pod. An older version than the known one is ignored unless it comes from a list: a list is valid even
    /// after the API server was restored from a backup.
    fn found(&mut self, found: PodObject, listed: bool, now: Instant) {
        let Some(id) = pod::id(&found.metadata) else { return };
        let version = pod::version(&found.metadata);
        let facts = found.facts();
        match self.pods.get_mut(&id) {
            Some(entry) if !listed && version < entry.version => return,
            Some(entry) => {
                entry.version = version;
                entry.listed |= listed;
                if entry.facts == facts {
                    return;
                }
                self.carriers.remove(&id, &entry.facts.shown);
                self.carriers.add(&id, &facts.shown);
                entry.facts = facts;
            }
            None => {
                self.carriers.add(&id, &facts.shown);
                let missing = BTreeMap::new();
                let entry = PodEntry { facts, version, listed, missing, seen: None, blocked: None };
                self.pods.insert(id.clone(), Box::new(entry));
            }
        }
        self.counted = false;
        self.chores.changed(now);
        self.queue.mark(&id, now);
    }

    fn forget(&mut self, id: &PodId, now: Instant) {
        self.counted = false;
        self.chores.changed(now);
        if let Some(entry) = self.pods.remove(id) {
            self.carriers.remove(id, &entry.facts.shown);
        }
        self.queue.forget(id);
    }

    fn mark_everybody(&mut self, now: Instant) {
        for id in self.pods.keys() {
            self.queue.mark(id, now);
        }
    }
}

impl Sight {
    fn is_clear(&self) -> bool {
        self.etcd && self.pods
    }
}

/// The view that chores have of the pods.
struct KnownPods<'a>(&'a HashMap<PodId, Box<PodEntry>>);

impl Pods for KnownPods<'_> {
    fn life(&self, pod: &PodId) -> Option<Life> {
        self.0.get(pod).map(|entry| entry.facts.life)
    }

    fn live_fences(&self) -> HashSet<(PoolName, i64)> {
        let live = self.0.values().filter(|entry| entry.facts.life != Life::Ended);
        let statuses = live.flat_map(|entry| desired::status(&entry.facts.shown));
        let fence = |fence: String| fence.parse::<cairn_core::claim::Fence>().ok();
        statuses.filter_map(|(pool, status)| Some((pool, fence(status.fence?)?.revision))).collect()
    }
}

#[cfg(test)]
mod tests;
