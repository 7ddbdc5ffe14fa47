//! The annotations that a pod should carry, and the news about the difference.
//!
//! Pure: takes a pod, its claims in etcd, and how long a claim has been missing; returns annotations and news. What was
//! shown before is read from the pod's own annotations. So a restarted mirror or another replica keeps a lost name and
//! publishes no news twice.
//!
//! Invariant: a name is not shown on a pod that has ended, and not once another pod holds it.

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
use super::claims::place::Place;
use super::pod::{Facts, Life, PodAnnotations};

pub mod member;

/// A pod without a claim is shown as waiting after this time. Most pods have their claim within a second of their
/// first container, and so are written to only once.
pub const WAITING_AFTER: Duration = Duration::from_secs(5);

/// A missing claim is shown as lost after this time. A finished pod releases its claims just before the kubelet
/// reports its end, and a sidecar may re-claim an expired name.
pub const LOST_AFTER: Duration = Duration::from_secs(10);

/// The annotations that a pod should carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// All result annotations.
    pub results: BTreeMap<String, String>,
    /// What to publish once they are written.
    pub news: Vec<News>,
    /// When to decide again, if the time without a claim counts.
    pub again_in: Option<Duration>,
}

/// A change that is published as an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The pod holds a name.
    Claimed {
        /// The pool.
        pool: PoolName,
        /// The name.
        name: String,
        /// The fence, as shown.
        fence: String,
    },
    /// The pod waits for a name.
    Waiting {
        /// The pool.
        pool: PoolName,
        /// Its place among those that wait.
        place: Place,
    },
    /// The claim is lost, and the pod has not ended.
    Lost {
        /// The pool.
        pool: PoolName,
        /// The name that it had.
        name: String,
        /// Whether the pod keeps the name (`onLoss: Keep`).
        kept: bool,
    },
    /// The pod leads its group.
    Leads {
        /// The group.
        group: String,
    },
    /// The pod has been draining for too long.
    Stuck {
        /// How many shards it still owns.
        shards: usize,
        /// Whether it still leads.
        leader: bool,
    },
    /// The pod's group looks generated.
    GroupLooksGenerated {
        /// What to do about it.
        hint: String,
    },
}

/// What etcd says about a missing claim.
pub trait Absent {
    /// How long it has been missing.
    fn missing(&self, pool: &PoolName) -> Duration;
    /// Whether a lost name of the pool stays with its pod.
    fn keeps(&self, pool: &PoolName) -> bool;
    /// Whether the pod released the name and may re-claim it.
    fn comes_back(&self, pool: &PoolName) -> bool;
    /// The place of the pod among those that wait for the pool.
    fn place(&self, pool: &PoolName) -> Place;
    /// Whether another pod holds the name.
    fn is_anothers(&self, pool: &PoolName, name: &str) -> bool;
}

/// Decides what a pod should carry.
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
        // Only starting pods read their annotations: a pod that is being deleted gets no new claim.
        if pod.life == Life::Leaves && old.is_none_or(|old| old.fence != entry.fence) {
            continue;
        }
        if old.is_none_or(|old| old.state != ClaimState::Held || old.fence != entry.fence) {
            desired.add_claimed(pool, claim);
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
            // The annotation goes before another pod can hold the name, without a delay.
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

/// The merge patch from the present to the wanted annotations, guarded by the pod's UID; `None` if nothing differs.
pub fn patch(
    uid: &str,
    shown: &PodAnnotations,
    wanted: &BTreeMap<String, String>,
) -> Option<Value> {
    let mut annotations = Map::new();
    for (key, value) in wanted {
        if shown.results.get(key) != Some(value.as_str()) {
            annotations.insert(key.clone(), value.as_str().into());
        }
    }
    for (key, _) in shown.results.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
        annotations.insert(key.to_owned(), Value::Null);
    }
    (!annotations.is_empty()).then(|| json!({"metadata": {"uid": uid, "annotations": annotations}}))
}

/// The claims in the pod's status annotation; what is unreadable is left out.
pub fn status(shown: &PodAnnotations) -> BTreeMap<PoolName, StatusEntry> {
    let text = shown.results.get(annotation::STATUS);
    let parts: Map<String, Value> =
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let read = |(pool, entry): (String, Value)| {
        Some((pool.parse().ok()?, serde_json::from_value(entry).ok()?))
    };
    parts.into_iter().filter_map(read).collect()
}

// === impl Desired ===

impl Desired {
    /// The entry of a pool without a claim, on a running pod; `None` while there is nothing to show.
    fn without(
        &mut self,
        pool: &PoolName,
        shown: &PodAnnotations,
        old: Option<&StatusEntry>,
        absent: &impl Absent,
    ) -> Option<StatusEntry> {
        let Some((old, name)) = old.and_then(|old| Some((old, old.name.as_ref()?))) else {
            if old.is_none() {
                if self.is_pending(absent.missing(pool), WAITING_AFTER) {
                    return None;
                }
                self.news.push(News::Waiting { pool: pool.clone(), place: absent.place(pool) });
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
        // A name that was removed is not shown again: another pod may hold it at any time.
        let still = !was_lost || shown.results.get(&ClaimField::Name.annotation(pool)).is_some();
        let kept = absent.keeps(pool) && !taken && still;
        if !was_lost {
            self.news.push(News::Lost { pool: pool.clone(), name: name.clone(), kept });
        }
        // A restarted app reads the annotation. It must not find a name that another pod may hold.
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

    /// Keeps what was shown before.
    fn keep(&mut self, pool: &PoolName, shown: &PodAnnotations, old: &StatusEntry) -> StatusEntry {
        let known = [
            (ClaimField::Name, old.name.as_deref()),
            (ClaimField::Fence, old.fence.as_deref()),
            (ClaimField::Prefix, shown.results.get(&ClaimField::Prefix.annotation(pool))),
        ];
        for (field, value) in known {
            self.results.extend(value.map(|value| (field.annotation(pool), value.to_owned())));
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

    fn add_claimed(&mut self, pool: &PoolName, claim: &Claim) {
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
