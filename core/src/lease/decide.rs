//! What one look at the store means for one claim.

use super::PoolView;
use super::claim::{Claim, Held};
use super::machine::Lease;
use super::regaining::Wanted;
use crate::pick;
use crate::pool::{OnExhausted, Pool};
use crate::time::UnixMillis;

/// What to do about a claim.
pub(super) enum Decision {
    /// Claim the slot of this key.
    Take(String),
    /// Claim the very slot that this pod had before.
    TakeBack(Wanted),
    /// Join the queue.
    Join,
    /// We have a ticket, but the look did not ask for its rank.
    AskRank,
    /// Turn our ticket into the slot of this key.
    Redeem(String),
    /// Stay in the queue; the sentence says what for.
    Stay(String),
    /// The pool is not in the store.
    Define,
    /// Look again later; the sentence says what for.
    Wait(String),
    /// The name is another's for good, and a running pod never moves to another one.
    Lose(Held, String),
    /// The name cannot be had again; claim another one.
    GiveUp(String),
    /// There will be no name.
    Fail(String),
}

impl Claim {
    /// Takes in the pool's spec.
    pub(super) fn learn(&mut self, view: &PoolView) {
        self.unusable = None;
        let Some((_, json, revision)) = view.specs.iter().find(|(pool, ..)| *pool == self.name)
        else {
            self.spec_revision = 0;
            if self.held().is_none() {
                self.pool = None;
            }
            return;
        };
        match Pool::from_json(self.name.clone(), json) {
            Ok(pool) => {
                if self.held().is_none() {
                    self.scope = pool.spec.scope;
                }
                self.pool = Some(pool);
                self.spec_revision = *revision;
            }
            Err(error) => {
                self.unusable =
                    Some(format!("pool '{}' in etcd is not usable: {error}", self.name));
            }
        }
    }

    /// What follows from a look at the store. `wanted` is the slot that this pod had before.
    pub(super) fn decide(
        &self,
        view: &PoolView,
        lease: Lease,
        wanted: Option<Wanted>,
        now: UnixMillis,
    ) -> Decision {
        // Every attempt compares the spec's version: with an older one it would fail for ever.
        if let Some(sentence) = &self.unusable {
            return Decision::Wait(sentence.clone());
        }
        let Some(pool) = self.pool.as_ref().filter(|_| view.epoch.is_some()) else {
            return Decision::Define;
        };
        if lease.ttl < pool.spec.lease_ttl() {
            return Decision::Wait(format!(
                "pool '{}' now needs a longer lease than this pod has; delete the pod to start anew",
                self.name
            ));
        }
        if let Some(sentence) = self.implausible(view, now) {
            return Decision::Wait(sentence);
        }
        if let Some(wanted) = wanted {
            return self.take_back(view, wanted);
        }
        // After the holders, who keep what they hold, and before the queue: a closed pool grants nothing new.
        if pool.spec.closed {
            return Decision::Wait(self.closed_sentence());
        }
        if let Some(waiting) = &self.ticket {
            return self.in_line(view, pool, waiting);
        }
        let first = pick::soonest(&pool.names, &view.held, &view.quarantined, &view.clocks, now);
        match first.and_then(|index| pool.names.key(index)) {
            // Nobody waits: with the sentinel unchanged, nobody is overtaken either.
            Some(key) if view.queued == 0 && !view.frozen => Decision::Take(key.into_owned()),
            None if pool.spec.on_exhausted == OnExhausted::Fail && !view.frozen => {
                Decision::Fail(self.exhausted_sentence(pool))
            }
            _ => Decision::Join,
        }
    }

    pub(super) fn hold_sentence(&self) -> String {
        format!(
            "pool '{}' grants nothing for a while, because its store was wiped or restored",
            self.name
        )
    }

    fn closed_sentence(&self) -> String {
        format!(
            "pool '{0}' grants nothing new, because its Pool object is being deleted or must not be used; see \
             kubectl describe pool {0}",
            self.name
        )
    }

    pub(super) fn exhausted_sentence(&self, pool: &Pool) -> String {
        format!(
            "{} and its onExhausted is Fail; add names or remove pods",
            self.full_sentence(pool)
        )
    }

    pub(super) fn full_sentence(&self, pool: &Pool) -> String {
        match pool.names.len() {
            1 => format!("the only name of pool '{}' is in use", self.name),
            many => format!("all {many} names of pool '{}' are in use", self.name),
        }
    }
}
