//! The annotations that a pod should carry, and what there is to tell about the difference.
//!
//! Pure: a pod as it is, its claims as etcd has them, and for how long a claim has been missing, in;
//! annotations and news out. What was shown before is read from the pod itself, so that a restarted
//! mirror, or the other replica, neither forgets a lost name nor tells the same thing twice.

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::claim::ClaimState;
use cairn_core::contract::annotation;
use cairn_core::identity::{StatusEntry, claim_annotation};
use cairn_core::pool::PoolName;
use serde_json::{Map, Value, json};

use super::claims::Claim;

/// A pod without a claim is called waiting after this long: most have their claim within a second
/// of their first container, and are written to only once.
pub const WAITING_AFTER: Duration = Duration::from_secs(5);

/// A claim that has gone is called lost after this long. A finished pod releases its claims just
/// before the kubelet says that it has finished, and a sidecar may regain a lapsed name.
pub const LOST_AFTER: Duration = Duration::from_secs(10);

/// What the mirror reads off a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The pools that it asks for, in its own order.
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
}

/// What should be on a pod. `missing` tells for how long a pool's claim has been missing, and
/// `keeps` whether a lost name of the pool stays with its pod.
pub fn desired(
    shown: &Shown,
    claims: &BTreeMap<PoolName, Claim>,
    missing: impl Fn(&PoolName) -> Duration,
    keeps: impl Fn(&PoolName) -> bool,
) -> Desired {
    let before = status(shown);
    let mut after = BTreeMap::new();
    let mut desired = Desired::default();
    for (pool, claim) in claims {
        let entry = held(claim);
        let old = before.get(pool);
        if old.is_none_or(|old| old.state != ClaimState::Held || old.fence != entry.fence) {
            desired.tell_claimed(pool, claim);
        }
        desired.show(pool, &claim.name);
        after.insert(pool, entry);
    }
    for pool in shown.asked.iter().filter(|pool| !claims.contains_key(pool)) {
        let old = before.get(pool);
        if let Some(entry) = desired.without(pool, old, missing(pool), keeps(pool)) {
            after.insert(pool, entry);
        }
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

// === impl Desired ===

impl Desired {
    /// The entry of a pool without a claim; `None` while there is nothing to say about it.
    fn without(
        &mut self,
        pool: &PoolName,
        old: Option<&StatusEntry>,
        missing: Duration,
        keeps: bool,
    ) -> Option<StatusEntry> {
        let Some((old, name)) = old.and_then(|old| Some((old, old.name.as_ref()?))) else {
            if old.is_none() {
                if self.is_pending(missing, WAITING_AFTER) {
                    return None;
                }
                self.news.push(News::Waiting { pool: pool.clone() });
            }
            let state = ClaimState::Waiting;
            return Some(StatusEntry { name: None, fence: None, state, since: None });
        };
        let was_lost = old.state == ClaimState::Lost;
        if !was_lost && self.is_pending(missing, LOST_AFTER) {
            self.show(pool, name);
            return Some(old.clone());
        }
        if !was_lost {
            self.news.push(News::Lost { pool: pool.clone(), name: name.clone(), kept: keeps });
        }
        // An app that is restarted reads the annotation: it must not find a number there that
        // somebody else may hold by now.
        if keeps {
            self.show(pool, name);
        }
        Some(StatusEntry { state: ClaimState::Lost, ..old.clone() })
    }

    fn is_pending(&mut self, missing: Duration, limit: Duration) -> bool {
        let left = limit.saturating_sub(missing);
        if left.is_zero() {
            return false;
        }
        self.again_in = Some(self.again_in.map_or(left, |other| other.min(left)));
        true
    }

    fn show(&mut self, pool: &PoolName, name: &str) {
        self.results.insert(claim_annotation(pool), name.to_owned());
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

/// The status as it stands on the pod; nothing where somebody has made it unreadable.
fn status(shown: &Shown) -> BTreeMap<PoolName, StatusEntry> {
    shown
        .results
        .get(annotation::STATUS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
