//! Decides which pod is written to next, and with which patch.
//!
//! Invariant: a name is removed from the pod that carried it before it is written to the pod that holds it now.

use std::time::Duration;

use cairn_core::identity::ClaimField;
use cairn_core::keys::ClaimPath;
use cairn_core::pool::PoolName;
use cairn_core::quarantine::WaitsFor;
use tokio::time::Instant;

use super::{MirrorState, PodEntry, Write, WriteResult};
use crate::mirror::claims::Claims;
use crate::mirror::claims::place::Place;
use crate::mirror::desired::{self, Absent};
use crate::mirror::pod::{Life, PodId};

/// The pause before a blocked pod is checked again. The patch that it waits for takes milliseconds.
const BLOCKED_PAUSE: Duration = Duration::from_millis(50);

/// After this time the pod is written to anyway: if the API server refuses to patch the earlier carrier, the next pod
/// must still start.
const BLOCKED_FOR: Duration = Duration::from_secs(5);

// === impl MirrorState ===

impl MirrorState {
    /// The next write, if one is due and fewer than [`super::WRITES`] are under way.
    pub fn next(&mut self, now: Instant) -> Option<Write> {
        if self.paused.is_some_and(|until| now < until) {
            return None;
        }
        while self.may_write() {
            let id = self.queue.take(now)?;
            match self.look(&id, now) {
                Some(write) => return Some(write),
                None => self.queue.done(&id),
            }
        }
        None
    }

    /// Takes back a write that was not made. Its pod keeps its turn, and no write starts before `until`.
    pub fn postpone(&mut self, id: &PodId, until: Instant) {
        self.queue.put_back(id);
        self.paused = Some(until);
    }

    /// Takes the result of a write. Returns the time since the mirror saw the change, if known.
    pub fn written(&mut self, id: &PodId, outcome: WriteResult, now: Instant) -> Option<Duration> {
        match outcome {
            WriteResult::Written(pod) => {
                let seen = self.pods.get_mut(id).and_then(|entry| entry.seen.take());
                // A pod that was deleted meanwhile must not be added again.
                if self.pods.contains_key(id) {
                    self.found(*pod, false, now);
                }
                self.queue.done(id);
                seen.map(|seen| now.saturating_duration_since(seen))
            }
            WriteResult::Gone => {
                self.queue.done(id);
                self.forget(id, now);
                None
            }
            WriteResult::Failed => {
                self.queue.failed(id, now);
                None
            }
        }
    }

    fn look(&mut self, id: &PodId, now: Instant) -> Option<Write> {
        if self.is_blocked(id, now) {
            self.queue.mark(id, now + BLOCKED_PAUSE);
            return None;
        }
        let entry = self.pods.get_mut(id)?;
        let claims = self.claims.of(id);
        entry.missing.retain(|pool, _| !claims.contains_key(pool));
        for pool in entry.facts.shown.asked.iter().filter(|pool| !claims.contains_key(pool)) {
            entry.missing.entry(pool.clone()).or_insert(now);
        }
        let absence = Absence { id, entry, claims: &self.claims, now };
        let mut wanted = desired::desired(&entry.facts, &claims, &absence);
        wanted.add_member(&entry.facts, self.members.standing(id).as_ref(), now);
        if let Some(after) = wanted.again_in {
            self.queue.mark(id, now + after);
        }
        let Some(patch) = desired::patch(&id.uid, &entry.facts.shown, &wanted.results) else {
            entry.seen = None;
            return None;
        };
        let (name, owner) = (entry.facts.name.clone(), entry.facts.owner.clone());
        Some(Write { pod: id.clone(), name, owner, patch, news: wanted.news, seen: entry.seen })
    }

    /// Whether another pod still carries a name that this pod holds. Then that pod is written to first.
    fn is_blocked(&mut self, id: &PodId, now: Instant) -> bool {
        let Some(entry) = self.pods.get(id).filter(|entry| entry.facts.life != Life::Ended) else {
            return false;
        };
        let mut carriers = Vec::new();
        for (pool, claim) in &self.claims.of(id) {
            if entry.facts.shown.results.get(&ClaimField::Name.annotation(pool))
                == Some(claim.name.as_str())
            {
                continue;
            }
            let others = self.carriers.others(id, pool, &claim.name);
            carriers.extend(others.filter(|other| self.is_at(other, &claim.path)).cloned());
        }
        let since = entry.blocked.unwrap_or(now);
        let blocked = !carriers.is_empty() && now.saturating_duration_since(since) < BLOCKED_FOR;
        for carrier in carriers {
            self.queue.mark(&carrier, now);
        }
        if let Some(entry) = self.pods.get_mut(id) {
            entry.blocked = blocked.then_some(since);
        }
        blocked
    }

    /// Whether the claims of a pod to this path's pool have this path.
    fn is_at(&self, id: &PodId, path: &ClaimPath) -> bool {
        self.pods.get(id).is_some_and(|entry| entry.facts.path(id, path) == *path)
    }
}

impl crate::mirror::pod::Facts {
    /// The path of this pod's claim to the pool of `path`. The pool determines the scope.
    pub(super) fn path(&self, id: &PodId, path: &ClaimPath) -> ClaimPath {
        let within = path.namespace.is_some();
        ClaimPath {
            namespace: within.then(|| id.namespace.clone()),
            pool: path.pool.clone(),
            group: self.group.clone().filter(|_| within),
        }
    }
}

/// What etcd says about a claim that a pod lacks.
struct Absence<'a> {
    id: &'a PodId,
    entry: &'a PodEntry,
    claims: &'a Claims,
    now: Instant,
}

impl Absence<'_> {
    fn path(&self, pool: &PoolName) -> Option<ClaimPath> {
        self.claims.path(pool, &self.id.namespace, self.entry.facts.group.as_ref())
    }
}

impl Absent for Absence<'_> {
    fn missing(&self, pool: &PoolName) -> Duration {
        let since = self.entry.missing.get(pool).copied().unwrap_or(self.now);
        self.now.saturating_duration_since(since)
    }

    fn keeps(&self, pool: &PoolName) -> bool {
        self.claims.keeps(pool)
    }

    fn comes_back(&self, pool: &PoolName) -> bool {
        let quarantine = self.path(pool).and_then(|path| self.claims.quarantine_of(self.id, &path));
        // A pod that is being deleted does not claim its name again, unless its app may still run.
        match self.entry.facts.life {
            Life::Runs => quarantine.is_some(),
            Life::Leaves | Life::Ended => quarantine == Some(WaitsFor::PodEnd),
        }
    }

    fn place(&self, pool: &PoolName) -> Place {
        self.path(pool).map(|path| self.claims.place(self.id, &path)).unwrap_or_default()
    }

    fn is_anothers(&self, pool: &PoolName, name: &str) -> bool {
        self.path(pool).is_some_and(|path| self.claims.is_anothers(self.id, &path, name))
    }
}
