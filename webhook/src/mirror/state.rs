//! Everything the mirror knows: fed with events and instants, asked what to write next.
//!
//! All replicas keep it up to date; only the leader is given writes. No verdict about a missing
//! claim is made while etcd cannot be read, and none starts to run before it can be again.
//!
//! Pure. The loop around it is [`super::reconciler`]'s; what is written to pods is decided in [`writes`].

use std::collections::{BTreeMap, HashMap, HashSet};

use cairn_core::pool::PoolName;
use cairn_core::time::UnixMillis;
use kube::runtime::watcher::Event;
use serde_json::Value;
use tokio::time::Instant;

use super::Census;
use super::carriers::Carriers;
use super::chores::{Chore, Chores, Pods};
use super::claims::{Claims, PodId, census};
use super::claims_watch::Update;
use super::desired::{self, News};
use super::pod::{self, Facts, Life, PodObject};
use super::queue::Queue;

mod writes;

/// Writes at a time: a thousand pods drain in a second, and the API server's share for one client
/// is far from used up.
pub const WRITES: usize = 16;

/// What is known.
#[derive(Debug, Default)]
pub struct MirrorState {
    claims: Claims,
    pods: HashMap<PodId, Entry>,
    carriers: Carriers,
    /// The pods of a list that is still coming in.
    listing: Option<HashSet<PodId>>,
    queue: Queue,
    chores: Chores,
    sight: Sight,
    leads: bool,
    counted: bool,
}

/// Which sides can be seen.
#[derive(Debug, Default)]
struct Sight {
    etcd: bool,
    pods: bool,
}

/// One write to one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Whose.
    pub pod: PodId,
    /// The pod's name.
    pub name: String,
    /// The merge patch.
    pub patch: Value,
    /// What to tell afterwards.
    pub news: Vec<News>,
    /// When the change of the claim was seen that this write shows.
    pub seen: Option<Instant>,
}

/// What became of a write.
#[derive(Debug)]
pub enum WriteOutcome {
    /// Done; the pod is like this now.
    Written(Box<PodObject>),
    /// The pod is gone, or another one has its name.
    Gone,
    /// Not done, or nobody knows.
    Failed,
}

#[derive(Debug)]
struct Entry {
    facts: Facts,
    version: Option<u64>,
    /// Since when a claim has been missing.
    missing: BTreeMap<PoolName, Instant>,
    seen: Option<Instant>,
    /// Since when a write has waited for another pod to lose the name.
    blocked: Option<Instant>,
}

// === impl MirrorState ===

impl MirrorState {
    /// News from etcd.
    pub fn update(&mut self, update: Update, now: Instant) {
        self.counted = false;
        match update {
            Update::Listed(keys) => {
                self.claims.reset(&keys);
                self.sight.etcd = true;
                self.chores.listed(now);
                self.mark_everybody(now);
            }
            Update::Changed(changes) => {
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

    /// News about pods.
    pub fn watched(&mut self, event: Event<PodObject>, now: Instant) {
        match event {
            Event::Init => self.listing = Some(HashSet::new()),
            Event::InitApply(found) => {
                if let Some(id) = self.found(found, true, now)
                    && let Some(listing) = &mut self.listing
                {
                    listing.insert(id);
                }
            }
            Event::InitDone => {
                let listed = self.listing.take().unwrap_or_default();
                let gone: Vec<PodId> =
                    self.pods.keys().filter(|id| !listed.contains(*id)).cloned().collect();
                for id in &gone {
                    self.forget(id, now);
                }
                self.sight.pods = true;
                self.mark_everybody(now);
            }
            Event::Apply(found) => {
                self.found(found, false, now);
            }
            Event::Delete(gone) => {
                if let Some(id) = pod::id(&gone.metadata) {
                    self.forget(&id, now);
                }
            }
        }
    }

    /// Whether this replica leads now.
    pub fn lead(&mut self, leads: bool, now: Instant) {
        if leads && !self.leads {
            self.mark_everybody(now);
            self.chores.changed(now);
        }
        self.leads = leads;
    }

    /// What is to be done in etcd now.
    pub fn chores(&mut self, now: Instant, wall: UnixMillis) -> Vec<Chore> {
        if !self.leads || !self.sight.is_clear() {
            return Vec::new();
        }
        self.chores.due(&self.claims, &Known(&self.pods), now, wall)
    }

    /// A chore has ended, well or not.
    pub fn chore_done(&mut self, chore: &Chore, done: bool, now: Instant) {
        self.chores.done(chore, done, now);
    }

    /// When to ask for the next write, if nothing happens before.
    pub fn wake(&self) -> Option<Instant> {
        if self.may_write() { self.queue.next() } else { None }
    }

    /// When to ask for chores, if nothing happens before.
    pub fn chores_wake(&self) -> Option<Instant> {
        (self.leads && self.sight.is_clear()).then(|| self.chores.wake()).flatten()
    }

    /// The counts, when they may have changed since they were last asked for.
    pub fn census(&mut self) -> Option<Census> {
        if self.counted || !self.sight.is_clear() {
            return None;
        }
        self.counted = true;
        let mut census = self.claims.census();
        for (id, entry) in self.pods.iter().filter(|(_, entry)| entry.facts.life != Life::Ended) {
            let claims = self.claims.of(id);
            for pool in entry.facts.shown.asked.iter().filter(|pool| !claims.contains_key(pool)) {
                let counts = census.entry(pool.clone()).or_default();
                // A pod that leaves waits for nothing, but may have a name until it has ended.
                match entry.facts.life {
                    Life::Leaves => counts.leaving += 1,
                    _ => counts.waiting += 1,
                }
                let (namespace, name) = (&id.namespace, &entry.facts.name);
                census::note(&mut counts.waiters, || format!("{namespace}/{name}"));
            }
        }
        Some(census)
    }

    fn may_write(&self) -> bool {
        self.leads && self.sight.is_clear() && self.queue.running() < WRITES
    }

    /// Takes in a pod as it is now. Old news about it are ignored, except in a list, which is the
    /// truth even after the API server itself was restored from a backup.
    fn found(&mut self, found: PodObject, listed: bool, now: Instant) -> Option<PodId> {
        let id = pod::id(&found.metadata)?;
        let version = pod::version(&found.metadata);
        let facts = found.facts();
        match self.pods.get_mut(&id) {
            Some(entry) if !listed && version < entry.version => return Some(id),
            Some(entry) => {
                entry.version = version;
                if entry.facts == facts {
                    return Some(id);
                }
                self.carriers.remove(&id, &entry.facts.shown);
                self.carriers.add(&id, &facts.shown);
                entry.facts = facts;
            }
            None => {
                self.carriers.add(&id, &facts.shown);
                let missing = BTreeMap::new();
                let entry = Entry { facts, version, missing, seen: None, blocked: None };
                self.pods.insert(id.clone(), entry);
            }
        }
        self.counted = false;
        self.chores.changed(now);
        self.queue.mark(&id, now);
        Some(id)
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

/// The pods, as far as chores ask about them.
struct Known<'a>(&'a HashMap<PodId, Entry>);

impl Pods for Known<'_> {
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
