//! What one look at the store means for one claim.

use super::View;
use super::machine::{Attempt, Claim, Held, Lease, Phase};
use crate::claim::{Fence, SlotRecord};
use crate::pick;
use crate::pool::{OnExhausted, OnLoss, Pool};
use crate::time::{BootInstant, UnixMillis};

/// What to do about a claim.
pub(super) enum Decision {
    /// Claim the slot of this key; for a claim lost or left behind, its very own.
    Take(String, Option<Held>),
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
    /// The name is another's for good.
    Lose(Held, String),
    /// There will be no name.
    Fail(String),
}

impl Claim {
    /// Takes in the pool's spec.
    pub(super) fn learn(&mut self, view: &View) {
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

    /// What follows from a look at the store. `live` is true while the deadline of what is held has
    /// not passed.
    pub(super) fn decide(
        &self,
        view: &View,
        lease: Lease,
        live: bool,
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
        if let Some(held) = self.wanted_back(pool) {
            // A hold is for those who believe in a name; whose belief has not ended may have it.
            return if view.on_hold && !live {
                Decision::Wait(self.hold_sentence())
            } else if view.held.contains(&held.key) {
                Decision::Lose(held.clone(), format!("'{}' was given to another pod", held.key))
            } else if view.resting.contains(&held.key) && !rests_after(view, &held) {
                Decision::Wait(String::new())
            } else {
                Decision::Take(held.key.clone(), Some(held.clone()))
            };
        }
        if let Some(waiting) = &self.ticket {
            return self.in_line(view, pool, waiting);
        }
        let first = pick::soonest(&pool.names, &view.held, &view.resting, &view.clocks, now);
        match first.and_then(|index| pool.names.key(index)) {
            // Nobody waits: with the sentinel unchanged, nobody is overtaken either.
            Some(key) if view.queued == 0 && !view.on_hold => {
                Decision::Take(key.into_owned(), None)
            }
            None if pool.spec.on_exhausted == OnExhausted::Fail && !view.on_hold => {
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

    /// Whoever must have a certain name never queues: a ticket of this pod is a younger process's.
    pub(super) fn outlived_by(&self, view: &View) -> Option<String> {
        let pool = self.pool.as_ref().filter(|_| view.ticket.is_some() && self.wants())?;
        self.wanted_back(pool)?;
        Some(format!("a younger sidecar of this pod waits for a name of pool '{}'", self.name))
    }

    /// The claim whose very name this one must have: a running pod never moves to another name.
    fn wanted_back(&self, pool: &Pool) -> Option<Held> {
        if let Phase::Regaining(held) = &self.phase {
            return Some(held.clone());
        }
        let before = self.before.as_ref().filter(|_| pool.spec.on_loss == OnLoss::Keep)?;
        Some(Held {
            key: pool.names.key(before.index)?.into_owned(),
            fence: before.fence,
            mine: 0,
            since: before.since,
            validity: pool.spec.validity,
            quarantine: pool.spec.quarantine,
            incarnation: before.incarnation,
            believed_from: None,
        })
    }

    /// The slot is ours.
    pub(super) fn place(
        &mut self,
        attempt: &Attempt,
        fence: Fence,
        mine: i64,
        believed_from: Option<BootInstant>,
    ) {
        self.attempt = None;
        self.uncertain = false;
        self.clock.anew(None, false);
        self.leave_queue();
        let held = Held::new(&attempt.key, &attempt.record, fence, mine);
        self.phase = Phase::Placed(Held { believed_from, ..held });
    }
}

/// Whether a slot rests after our own claim, and after no other: then it needs no rest for us.
fn rests_after(view: &View, held: &Held) -> bool {
    view.due.get(&held.key) == Some(&held.fence.revision)
}

impl Held {
    pub(super) fn new(key: &str, record: &SlotRecord, fence: Fence, mine: i64) -> Self {
        Self {
            key: key.to_owned(),
            fence,
            mine,
            since: record.since,
            validity: record.validity(),
            quarantine: record.quarantine(),
            incarnation: record.holder.incarnation,
            believed_from: None,
        }
    }
}
