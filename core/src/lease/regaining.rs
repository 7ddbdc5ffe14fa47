//! The claiming track on its way back to a name that this pod had before (T7).
//!
//! A pod may have exactly its old name again, ahead of the queue,
//! - in a `Keep` pool, as long as nobody else has it: a running pod never moves to another name;
//! - in a pool of either kind while the claim is still believed, because nobody else can have it then: the
//!   lease is gone before its time, or the store was wiped;
//! - while the name rests after a release of its own, because a SIGTERM of the sidecar is no proof that the
//!   app has ended.
//!
//! During a hold only a belief that never ended has a name again.

use super::PoolView;
use super::claim::{Claim, Held, Phase};
use super::decide::Decision;
use super::machine::Machine;
use super::track::Track;
use crate::clock::ClockRecord;
use crate::pool::OnLoss;
use crate::time::Now;

/// A slot that this pod had before.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) held: Held,
    /// The deadline has not passed.
    pub(super) live: bool,
    /// Mod revision of the quarantine, when it names this pod.
    pub(super) rest: Option<i64>,
}

// === impl Machine ===

impl Machine {
    /// The slot that a claim is to have again, if any.
    pub(super) fn wanted(&self, claim: &Claim, view: &PoolView, now: Now) -> Option<Wanted> {
        let held = claim.former()?;
        let ours = view.wanted_quarantine.as_ref().filter(|rest| {
            rest.key == held.key && rest.record.holder.uid == self.config.holder.uid
        });
        let rest = ours.map(|rest| rest.revision);
        let live = self.is_live(&held, now);
        let must = claim.on_loss() == OnLoss::Keep || matches!(claim.phase, Phase::Regaining(..));
        // One that may move to another name goes on waiting for it once it has begun to.
        let may = (live || rest.is_some()) && view.ticket.is_none();
        (must || may).then_some(Wanted { held, live, rest })
    }

    /// The lease is known to be gone, and every slot with it.
    pub(super) fn on_lease_gone(&mut self, now: Now, why: &str) {
        self.lease = None;
        self.renewing = Track::Idle;
        self.claiming = self.claiming.hurried();
        let live: Vec<bool> = self
            .claims
            .iter()
            .map(|claim| claim.held().is_some_and(|held| self.is_live(held, now)))
            .collect();
        for (claim, live) in self.claims.iter_mut().zip(live) {
            claim.leave_queue();
            match &claim.phase {
                Phase::Placed(held) | Phase::Adopting(held) => {
                    claim.phase = claim.lost_with_store(held.clone(), live, why);
                }
                Phase::Yielding(_) => claim.phase = Phase::Pending(lost(why)),
                _ => {}
            }
        }
    }
}

// === impl Claim ===

impl Claim {
    /// What this pod had before and does not have now.
    pub(super) fn former(&self) -> Option<Held> {
        match &self.phase {
            Phase::Regaining(held, _) => Some(held.clone()),
            Phase::Pending(_) => self.before.as_ref().map(super::Inherited::held),
            _ => None,
        }
    }

    /// The phase after a slot has gone without anybody having taken it.
    pub(super) fn lost_with_store(&self, held: Held, live: bool, why: &str) -> Phase {
        if live || self.on_loss() == OnLoss::Keep {
            Phase::Regaining(held, format!("{why}; claiming the same name again"))
        } else {
            Phase::Pending(lost(why))
        }
    }

    /// What to do to have a name again.
    pub(super) fn take_back(&self, view: &PoolView, wanted: Wanted) -> Decision {
        let Wanted { held, live, rest } = &wanted;
        let keep = self.on_loss() == OnLoss::Keep;
        if !keep && !live && rest.is_none() {
            return Decision::GiveUp(lost("its deadline has passed"));
        }
        if view.frozen && !live {
            return Decision::Wait(self.hold_sentence());
        }
        let key = &held.key;
        if view.held.contains(key) {
            let why = format!("'{key}' was given to another pod");
            return if keep {
                Decision::Lose(held.clone(), why)
            } else {
                Decision::GiveUp(lost(&why))
            };
        }
        if view.quarantined.contains(key) && rest.is_none() && !rests_after(view, held) {
            let why = format!("'{key}' rests after another claim");
            return if keep { Decision::Wait(why) } else { Decision::GiveUp(lost(&why)) };
        }
        Decision::TakeBack(wanted)
    }

    /// What this holder knows to have reserved, where the store has less: it may have been wiped.
    pub(super) fn forgotten_reservation(
        &self,
        wanted: &Wanted,
        view: &PoolView,
    ) -> Option<ClockRecord> {
        let Wanted { held, live: true, .. } = wanted else {
            return None;
        };
        let before = self.before.as_ref().filter(|before| before.key == held.key);
        let own = self.clock.used(&held.key).max(before.and_then(|before| before.not_after));
        let reserved_until = own.filter(|_| self.reserves())?;
        let stored = view.clocks.get(&held.key);
        let less = stored.is_none_or(|stored| *stored < reserved_until);
        less.then_some(ClockRecord { reserved_until, fence: held.fence })
    }

    /// Whoever must have a certain name creates no ticket, so a ticket under our UID means that a newer
    /// process runs.
    pub(super) fn outlived_by(&self, view: &PoolView, wanted: Option<&Wanted>) -> Option<String> {
        view.ticket.and(wanted)?;
        Some(format!("a younger sidecar of this pod waits for a name of pool '{}'", self.name))
    }
}

/// Whether a slot rests after our own claim, and after no other: then it needs no rest for us.
fn rests_after(view: &PoolView, held: &Held) -> bool {
    view.notes.get(&held.key) == Some(&held.fence.revision)
}

fn lost(why: &str) -> String {
    format!("the claim was lost: {why}")
}
