//! The annotations that a pod should carry, and what there is to tell about the difference.
//!
//! Pure: a pod as it is, its claims as etcd has them, and for how long a claim has been missing, in;
//! annotations and news out. What was shown before is read from the pod itself, so that a restarted
//! mirror, or the other replica, neither forgets a lost name nor tells the same thing twice.
//!
//! Invariant: a name is shown on a pod only while it may be the pod's: not once the pod has ended, not once another pod
//! holds it.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::claim::ClaimState;
use cairn_core::contract::annotation;
use cairn_core::group::Group;
use cairn_core::identity::{ClaimField, StatusEntry};
use cairn_core::pool::PoolName;
use cairn_core::prefix::Values;
use serde_json::{Map, Value, json};

use super::claims::Claim;
use super::pod::{Facts, Life};

/// A pod without a claim is called waiting after this long: most have their claim within a second
/// of their first container, and are written to only once.
pub const WAITING_AFTER: Duration = Duration::from_secs(5);

/// A claim that has gone is called lost after this long. A finished pod releases its claims just
/// before the kubelet says that it has finished, and a sidecar may regain a lapsed name.
pub const LOST_AFTER: Duration = Duration::from_secs(10);

/// What the mirror reads off a pod's annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The pools that it asks for, in byte order.
    pub asked: Vec<PoolName>,
    /// Its result annotations, whoever wrote them.
    pub results: BTreeMap<String, String>,
}

/// What should be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// All result annotations.
    pub results: BTreeMap<String, String>,
    /// What to tell once they are written.
    pub news: Vec<News>,
    /// A verdict is pending: look again after this time.
    pub again_in: Option<Duration>,
}

/// Something worth an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A name is held.
    Claimed {
        /// The pool.
        pool: PoolName,
        /// The name.
        name: String,
        /// The fence, as shown.
        fence: String,
    },
    /// There is none yet.
    Waiting {
        /// The pool.
        pool: PoolName,
    },
    /// It is gone, and the pod is not.
    Lost {
        /// The pool.
        pool: PoolName,
        /// The name that it had.
        name: String,
        /// Whether the pod goes on under it.
        kept: bool,
    },
    /// The pod's group looks generated.
    GroupLooksGenerated {
        /// What to do about it.
        hint: String,
    },
}

/// What etcd says about a claim that is not there.
pub trait Absent {
    /// For how long it has been missing.
    fn missing(&self, pool: &PoolName) -> Duration;
    /// Whether a lost name of the pool stays with its pod.
    fn keeps(&self, pool: &PoolName) -> bool;
    /// Whether the pod has given the name up and may still take it back.
    fn comes_back(&self, pool: &PoolName) -> bool;
    /// Whether another pod holds the name.
    fn is_anothers(&self, pool: &PoolName, name: &str) -> bool;
}

/// What should be on a pod.
pub fn desired(pod: &Facts, claims: &BTreeMap<PoolName, Claim>, absent: &impl Absent) -> Desired {
    let shown = &pod.shown;
    let before = status(shown);
    let mut after = BTreeMap::new();
    let mut desired = Desired::default();
    let first = before.values().all(|entry| entry.name.is_none());
    let grouped = claims.values().any(|claim| claim.path.group.is_some());
    if let Some(hint) = pod.group_hint.as_ref().filter(|_| first && grouped) {
        desired.news.push(News::GroupLooksGenerated { hint: hint.clone() });
    }
    for (pool, claim) in claims.iter().filter(|_| pod.life != Life::Ended) {
        let entry = held(claim);
        let old = before.get(pool);
        // The pods that read their annotations are those that start; one that leaves keeps what it has.
        if pod.life == Life::Leaves && old.is_none_or(|old| old.fence != entry.fence) {
            continue;
        }
        if old.is_none_or(|old| old.state != ClaimState::Held || old.fence != entry.fence) {
            desired.tell_claimed(pool, claim);
        }
        desired.show_claim(pool, pod, claim);
        after.insert(pool, entry);
    }
    let ended = pod.life == Life::Ended;
    for pool in shown.asked.iter().filter(|pool| ended || !claims.contains_key(pool)) {
        let old = before.get(pool);
        let entry = match pod.life {
            Life::Runs => desired.without(pool, shown, old, absent),
            Life::Leaves if absent.comes_back(pool) => {
                old.map(|old| desired.keep(pool, shown, old))
            }
            // A name that was given up goes before it is given on: nothing is waited for.
            Life::Leaves | Life::Ended => {
                let had = old.cloned().or_else(|| claims.get(pool).map(held));
                had.filter(|had| had.name.is_some())
                    .map(|had| StatusEntry { state: ClaimState::Ended, ..had })
            }
        };
        after.extend(entry.map(|entry| (pool, entry)));
    }
    if !after.is_empty() {
        let status = serde_json::to_string(&after).unwrap_or_default();
        desired.results.insert(annotation::STATUS.to_owned(), status);
    }
    desired
}

/// The merge patch that takes a pod from what it shows to what it should, guarded by its UID; `None`
/// when nothing differs.
pub fn patch(uid: &str, shown: &Shown, wanted: &BTreeMap<String, String>) -> Option<Value> {
    let mut annotations = Map::new();
    for (key, value) in wanted {
        if shown.results.get(key) != Some(value) {
            annotations.insert(key.clone(), value.as_str().into());
        }
    }
    for key in shown.results.keys().filter(|key| !wanted.contains_key(*key)) {
        annotations.insert(key.clone(), Value::Null);
    }
    (!annotations.is_empty()).then(|| json!({"metadata": {"uid": uid, "annotations": annotations}}))
}

/// The status as it stands on the pod; nothing where somebody has made it unreadable.
pub fn status(shown: &Shown) -> BTreeMap<PoolName, StatusEntry> {
    shown
        .results
        .get(annotation::STATUS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

// === impl Desired ===

impl Desired {
    /// The entry of a pool without a claim, on a pod that runs; `None` while there is nothing to say about it.
    fn without(
        &mut self,
        pool: &PoolName,
        shown: &Shown,
        old: Option<&StatusEntry>,
        absent: &impl Absent,
    ) -> Option<StatusEntry> {
        let Some((old, name)) = old.and_then(|old| Some((old, old.name.as_ref()?))) else {
            if old.is_none() {
                if self.is_pending(absent.missing(pool), WAITING_AFTER) {
                    return None;
                }
                self.news.push(News::Waiting { pool: pool.clone() });
            }
            let state = ClaimState::Waiting;
            return Some(StatusEntry { name: None, fence: None, state, since: None });
        };
        let was_lost = old.state == ClaimState::Lost;
        let taken = absent.is_anothers(pool, name);
        let pends = || absent.comes_back(pool);
        if !was_lost && !taken && (pends() || self.is_pending(absent.missing(pool), LOST_AFTER)) {
            return Some(self.keep(pool, shown, old));
        }
        // A name that was taken off once stays off: it may be given on again at any time.
        let still = !was_lost || shown.results.contains_key(&ClaimField::Name.annotation(pool));
        let kept = absent.keeps(pool) && !taken && still;
        if !was_lost {
            self.news.push(News::Lost { pool: pool.clone(), name: name.clone(), kept });
        }
        // An app that is restarted reads the annotation: it must not find a number there that
        // somebody else may hold by now.
        let lost = StatusEntry { state: ClaimState::Lost, ..old.clone() };
        Some(if kept { self.keep(pool, shown, &lost) } else { lost })
    }

    fn is_pending(&mut self, missing: Duration, limit: Duration) -> bool {
        let left = limit.saturating_sub(missing);
        if left.is_zero() {
            return false;
        }
        self.again_in = Some(self.again_in.map_or(left, |other| other.min(left)));
        true
    }

    /// Shows what was shown before.
    fn keep(&mut self, pool: &PoolName, shown: &Shown, old: &StatusEntry) -> StatusEntry {
        let known = [
            (ClaimField::Name, old.name.as_ref()),
            (ClaimField::Fence, old.fence.as_ref()),
            (ClaimField::Prefix, shown.results.get(&ClaimField::Prefix.annotation(pool))),
        ];
        for (field, value) in known {
            self.results.extend(value.map(|value| (field.annotation(pool), value.clone())));
        }
        old.clone()
    }

    fn show_claim(&mut self, pool: &PoolName, pod: &Facts, claim: &Claim) {
        let group = claim.path.group.as_ref().or(pod.group.as_ref());
        let prefix = pod.prefix.as_ref().unwrap_or(&claim.template).fill(&Values {
            name: &claim.name,
            pool: pool.as_str(),
            group: group.map(Group::as_str),
            namespace: &claim.namespace,
            pod: &pod.name,
            node: &claim.node,
        });
        for (field, value) in [
            (ClaimField::Name, claim.name.clone()),
            (ClaimField::Prefix, prefix),
            (ClaimField::Fence, claim.fence.to_string()),
        ] {
            self.results.insert(field.annotation(pool), value);
        }
    }

    fn tell_claimed(&mut self, pool: &PoolName, claim: &Claim) {
        let (name, fence) = (claim.name.clone(), claim.fence.to_string());
        self.news.push(News::Claimed { pool: pool.clone(), name, fence });
    }
}

fn held(claim: &Claim) -> StatusEntry {
    StatusEntry {
        name: Some(claim.name.clone()),
        fence: Some(claim.fence.to_string()),
        state: ClaimState::Held,
        since: Some(claim.since.to_string()),
    }
}

#[cfg(test)]
mod tests;
