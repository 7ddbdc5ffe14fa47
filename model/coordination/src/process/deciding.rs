//! What a process may send: C4 to C9.
//!
//! In most bounds the plan is left out: whatever the rules allow may happen.
//! Not for: what the store compares (`transaction.rs`).

use super::{Process, Stopping, Use};
use crate::config::{Config, MARGIN};
use crate::place::{Pod, Shard};
use crate::plan;
use crate::rule::Rule;
use crate::store::Store;
use crate::write::{Reason, WriteKind};

impl Process {
    /// C1, or C3 if the pod has a record.
    pub(crate) fn enter(&self, store: &Store) -> WriteKind {
        match store.members[self.pod] {
            None => WriteKind::Join { draining: self.draining },
            Some(member) => WriteKind::Resume { create: member.create, seen: member.modified },
        }
    }

    /// C4
    pub(crate) fn claim(&self, config: &Config, store: &Store, shard: Shard) -> Option<WriteKind> {
        let may = !self.draining
            && store.owners[shard].is_none()
            && !is_held(config, store)
            && config.map(self.pod) == store.map.count
            && plans(config, store, shard, self.pod);
        may.then_some(WriteKind::Claim { shard, map: store.map.revision })
    }

    /// Whether a shard may become `stopping`: at any time, or when the plan wants it elsewhere.
    pub(crate) fn may_stop(&self, config: &Config, store: &Store, shard: Shard) -> bool {
        matches!(self.uses[shard], Use::Serving(_))
            && (!config.plans || !plans(config, store, shard, self.pod))
    }

    /// C5 to this pod.
    pub(crate) fn hand_over(
        &self,
        config: &Config,
        store: &Store,
        shard: Shard,
        to: Pod,
    ) -> Option<WriteKind> {
        let stopping = self.given_up(config, store, shard)?;
        let member = store.members[to].filter(|member| !member.draining)?;
        let eligible = config.map(to) == store.map.count || !config.keeps(Rule::HandOverToEligible);
        let may = eligible && !is_held(config, store) && plans(config, store, shard, to);
        may.then_some(WriteKind::HandOver {
            shard,
            fence: stopping.fence,
            to,
            create: member.create,
            by_time: !stopping.confirmed,
        })
    }

    /// C7
    pub(crate) fn free(&self, config: &Config, store: &Store, shard: Shard) -> Option<WriteKind> {
        let stopping = self.given_up(config, store, shard)?;
        let alone = self.draining && nobody_is_eligible(config, store);
        (alone || config.frees).then_some(WriteKind::Free { shard, fence: stopping.fence })
    }

    /// C6
    pub(crate) fn take_over(
        &self,
        config: &Config,
        store: &Store,
        shard: Shard,
    ) -> Option<WriteKind> {
        let granted = store.owners[shard]?;
        let session = self.session?;
        let (pod, seen) = (granted.pod, granted.revision);
        if pod == self.pod && granted.session == session || is_held(config, store) {
            return None;
        }
        let known = self.ended[shard]
            .filter(|ended| (ended.pod, ended.session, ended.left) == (pod, granted.session, 0));
        let impatient = !config.keeps(Rule::TakeOverWaits) && !store.has(pod, granted.session);
        let reason = if granted.session.epoch != store.epoch {
            Reason::DeadEpoch
        } else if pod == self.pod {
            Reason::OwnPod
        } else if known.is_some() || impatient {
            Reason::Delay
        } else {
            return None;
        };
        if config.map(self.pod) == store.map.count {
            let may = !self.draining && plans(config, store, shard, self.pod);
            may.then_some(WriteKind::TakeOver { shard, seen, reason })
        } else {
            let may = config.keeps(Rule::ViewersFree)
                && reason != Reason::OwnPod
                && nobody_is_eligible(config, store);
            may.then_some(WriteKind::FreeEnded { shard, seen })
        }
    }

    /// C9
    pub(crate) fn resize(&self, config: &Config, store: &Store) -> Option<WriteKind> {
        let count = config.map(self.pod);
        let may = count != store.map.count
            && (store.is_free() || !config.keeps(Rule::ResizeComparesShards))
            && nobody_is_eligible(config, store);
        may.then_some(WriteKind::Resize { seen: store.map.revision, count })
    }

    /// The leader's value with this number.
    pub(crate) fn put_value(&self, store: &Store, shard: Shard, number: u8) -> Option<WriteKind> {
        let fence = self.uses[shard].fence();
        (fence != 0).then_some(WriteKind::PutValue {
            shard,
            fence,
            seen: store.value.revision,
            number,
        })
    }

    /// A shard that is stopped as far as C5 and C7 ask for it.
    fn given_up(&self, config: &Config, store: &Store, shard: Shard) -> Option<Stopping> {
        let Use::Stopping(stopping) = self.uses[shard] else { return None };
        let Stopping { fence, left, confirmed, sent, .. } = stopping;
        let ours = store.owners[shard].is_some_and(|granted| granted.revision == fence);
        let margin = if config.keeps(Rule::HandOverAfterMargin) { 0 } else { MARGIN };
        let stopped = confirmed || left <= margin || !config.keeps(Rule::HandOverAfterStop);
        let waited = self.older == 0 || confirmed && !config.keeps(Rule::ConfirmedWaits);
        (ours && stopped && waited && !sent).then_some(stopping)
    }
}

/// Whether a hold forbids C4, C5 and C6.
fn is_held(config: &Config, store: &Store) -> bool {
    store.hold.is_there() && config.keeps(Rule::HoldIsRespected)
}

/// Whether the plan, if there is one, wants a shard to be this pod's.
fn plans(config: &Config, store: &Store, shard: Shard, pod: Pod) -> bool {
    !config.plans || plan::target(config, store, shard) == Some(pod)
}

/// Whether no participant names the map in force.
pub(crate) fn nobody_is_eligible(config: &Config, store: &Store) -> bool {
    !config.every_pod().any(|pod| plan::is_eligible(config, store, pod))
}
