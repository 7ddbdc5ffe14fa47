//! Everything the mirror knows, and what it would write next.
//!
//! Both replicas keep it up to date; only the leader is given writes. No verdict about a missing
//! claim is made while etcd cannot be read, and none starts to run before it can be again.
//!
//! Pure: fed with events and instants. The loop around it is [`super::desk`]'s.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use cairn_core::pool::PoolName;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use serde_json::Value;
use tokio::time::Instant;

use super::Census;
use super::claims::{Claims, PodId};
use super::desired::{self, News, Shown};
use super::feed::Update;
use super::pod;
use super::queue::Queue;

/// Writes at a time: a thousand pods drain in a second, and the API server's share for one client
/// is far from used up.
pub const WRITES: usize = 16;

/// What is known.
#[derive(Debug, Default)]
pub struct Board {
    claims: Claims,
    pods: HashMap<PodId, Entry>,
    /// The pods of a list that is still coming in.
    listing: Option<HashSet<PodId>>,
    queue: Queue,
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
pub enum Outcome {
    /// Done; the pod is like this now.
    Written(Box<ObjectMeta>),
    /// The pod is gone, or another one has its name.
    Gone,
    /// Not done, or nobody knows.
    Failed,
}

#[derive(Debug)]
struct Entry {
    name: String,
    shown: Shown,
    version: Option<u64>,
    leaving: bool,
    /// Since when a claim has been missing.
    missing: BTreeMap<PoolName, Instant>,
    seen: Option<Instant>,
}

// === impl Board ===

impl Board {
    /// News from etcd.
    pub fn update(&mut self, update: Update, now: Instant) {
        self.counted = false;
        match update {
            Update::Listed(keys) => {
                self.claims.reset(&keys);
                self.sight.etcd = true;
                self.mark_everybody(now);
            }
            Update::Changed(changes) => {
                let touched = self.claims.apply(&changes);
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
            Update::Blind => {
                self.sight.etcd = false;
                self.pods.values_mut().for_each(|entry| entry.missing.clear());
            }
        }
    }

    /// News about pods.
    pub fn watched(&mut self, event: Event<PartialObjectMeta<Pod>>, now: Instant) {
        match event {
            Event::Init => self.listing = Some(HashSet::new()),
            Event::InitApply(found) => {
                if let Some(id) = self.found(found.metadata, true, now)
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
                    self.forget(id);
                }
                self.sight.pods = true;
                self.mark_everybody(now);
            }
            Event::Apply(found) => {
                self.found(found.metadata, false, now);
            }
            Event::Delete(gone) => {
                if let Some(id) = pod::id(&gone.metadata) {
                    self.forget(&id);
                }
            }
        }
    }

    /// Whether this replica leads now.
    pub fn lead(&mut self, leads: bool, now: Instant) {
        if leads && !self.leads {
            self.mark_everybody(now);
        }
        self.leads = leads;
    }

    /// The next write, when there is one and one may be started.
    pub fn next(&mut self, now: Instant) -> Option<Write> {
        while self.may_write() {
            let id = self.queue.take(now)?;
            match self.look(&id, now) {
                Some(write) => return Some(write),
                None => self.queue.done(&id),
            }
        }
        None
    }

    /// A write has ended; the answer is how long after the change it was seen, when that is known.
    pub fn written(&mut self, id: &PodId, outcome: Outcome, now: Instant) -> Option<Duration> {
        match outcome {
            Outcome::Written(metadata) => {
                let seen = self.pods.get_mut(id).and_then(|entry| entry.seen.take());
                // A pod that was deleted meanwhile must not come back through an old answer.
                if self.pods.contains_key(id) {
                    self.found(*metadata, false, now);
                }
                self.queue.done(id);
                seen.map(|seen| now.saturating_duration_since(seen))
            }
            Outcome::Gone => {
                self.queue.done(id);
                self.forget(id);
                None
            }
            Outcome::Failed => {
                self.queue.failed(id, now);
                None
            }
        }
    }

    /// When to ask for the next write, if nothing happens before.
    pub fn wake(&self) -> Option<Instant> {
        if self.may_write() { self.queue.next() } else { None }
    }

    /// The counts, when they may have changed since they were last asked for.
    pub fn census(&mut self) -> Option<Census> {
        if self.counted || !self.sight.is_clear() {
            return None;
        }
        self.counted = true;
        let mut census = self.claims.census();
        for (id, entry) in self.pods.iter().filter(|(_, entry)| !entry.leaving) {
            let claims = self.claims.of(id);
            for pool in entry.shown.asked.iter().filter(|pool| !claims.contains_key(pool)) {
                census.entry(pool.clone()).or_default().waiting += 1;
            }
        }
        Some(census)
    }

    fn may_write(&self) -> bool {
        self.leads && self.sight.is_clear() && self.queue.running() < WRITES
    }

    fn look(&mut self, id: &PodId, now: Instant) -> Option<Write> {
        let entry = self.pods.get_mut(id)?;
        // Nobody reads the annotations of a pod that is being deleted any more.
        if entry.leaving {
            return None;
        }
        let claims = self.claims.of(id);
        entry.missing.retain(|pool, _| !claims.contains_key(pool));
        for pool in entry.shown.asked.iter().filter(|pool| !claims.contains_key(pool)) {
            entry.missing.entry(pool.clone()).or_insert(now);
        }
        let missing = |pool: &PoolName| {
            let since = entry.missing.get(pool).copied().unwrap_or(now);
            now.saturating_duration_since(since)
        };
        let wanted =
            desired::desired(&entry.shown, &claims, missing, |pool| self.claims.keeps(pool));
        if let Some(after) = wanted.again_in {
            self.queue.mark(id, now + after);
        }
        let Some(patch) = desired::patch(&id.uid, &entry.shown, &wanted.results) else {
            entry.seen = None;
            return None;
        };
        let name = entry.name.clone();
        Some(Write { pod: id.clone(), name, patch, news: wanted.news, seen: entry.seen })
    }

    /// Takes in a pod as it is now. Old news about it are ignored, except in a list, which is the
    /// truth even after the API server itself was restored from a backup.
    fn found(&mut self, metadata: ObjectMeta, listed: bool, now: Instant) -> Option<PodId> {
        let id = pod::id(&metadata)?;
        let version = pod::version(&metadata);
        let leaving = metadata.deletion_timestamp.is_some();
        let name = metadata.name.unwrap_or_default();
        let shown = pod::shown(metadata.annotations.unwrap_or_default());
        match self.pods.get_mut(&id) {
            Some(entry) if !listed && version < entry.version => return Some(id),
            Some(entry) => {
                let differs = entry.shown != shown || entry.leaving != leaving;
                (entry.shown, entry.version, entry.leaving) = (shown, version, leaving);
                if !differs {
                    return Some(id);
                }
            }
            None => {
                let missing = BTreeMap::new();
                let entry = Entry { name, shown, version, leaving, missing, seen: None };
                self.pods.insert(id.clone(), entry);
            }
        }
        self.counted = false;
        self.queue.mark(&id, now);
        Some(id)
    }

    fn forget(&mut self, id: &PodId) {
        self.counted = false;
        self.pods.remove(id);
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

#[cfg(test)]
mod tests;
