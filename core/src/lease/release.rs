//! The claiming track once the app has exited: give back what is held, then the lease, and with it
//! a waiting ticket.

use std::time::Duration;

use super::claim::{Claim, Held, Phase, claim_path};
use super::machine::Machine;
use super::show::YIELDED;
use super::track::Track;
use super::{Action, EndReason, Inherited, ReleaseRequest};
use crate::claim::Holder;
use crate::pool::{OnLoss, Pool, outlasting};
use crate::quarantine::{self, QuarantineRecord, WaitsFor};
use crate::time::Now;

impl Machine {
    pub(super) fn next_release(&mut self, now: Now, actions: &mut Vec<Action>) {
        let next = self.claims.iter().enumerate().find_map(|(index, claim)| {
            let held = match &claim.phase {
                Phase::Placed(held) => held,
                Phase::Yielding(held) => return Some((index, self.yielded(claim, held))),
                _ => return None,
            };
            let live = self.is_live(held, now);
            // SIGTERM is no proof that the app is gone once its liveness probe has been failing:
            // it may outlive its grace period. Then the lease runs out and the quarantine covers it.
            if claim.on_loss() == OnLoss::Stop && !live {
                return None;
            }
            let clock = self.last_reservation(now, claim, held);
            let (rest, waits_for) = self.rest_of(claim, held, now);
            let surrender = self.surrender(claim, held, rest, waits_for);
            Some((index, ReleaseRequest { clock, ..surrender }))
        });
        if let Some((index, surrender)) = next {
            self.give_back(index, surrender, actions);
            return;
        }
        if self.leave(actions) {
            return;
        }
        self.finish(EndReason::Released, actions);
    }

    /// How long a name rests after a SIGTERM, and what that waits for.
    ///
    /// Outside a pod the sidecar ends after its app, because whoever runs both sees to it. In a pod its
    /// container may end alone:
    /// - the app of a `Stop` pool may believe until the deadline, and the longest is one that watches
    ///   `valid_until` by itself (`cairn.dev/stop: self`); then come Q, as ever;
    /// - nothing stops the app of a `Keep` pool while its pod lives, and so the name rests as long.
    fn rest_of(&self, claim: &Claim, held: &Held, now: Now) -> (Duration, WaitsFor) {
        if !self.config.in_pod {
            let rest = claim.pool.as_ref().map_or(held.quarantine, Pool::clean_quarantine);
            return (rest.min(held.quarantine), WaitsFor::Time);
        }
        match claim.on_loss() {
            OnLoss::Keep => (quarantine::WITH_POD, WaitsFor::PodEnd),
            OnLoss::Stop => {
                let left = self.deadline_of(held).unwrap_or_default().since(now.boot);
                (outlasting(left, held.quarantine), WaitsFor::Time)
            }
        }
    }

    /// Before a claim waits for others, what is held of later pools goes back: pools are claimed in byte
    /// order, so that two pods never wait for each other. False when there is nothing.
    pub(super) fn give_way(&mut self, waiting: usize) -> bool {
        let mut gives = false;
        for claim in self.claims.iter_mut().skip(waiting + 1) {
            if let Phase::Placed(held) | Phase::Adopting(held) = &claim.phase {
                claim.phase = Phase::Yielding(held.clone());
                gives = true;
            }
        }
        gives
    }

    /// Gives back what is to be claimed anew in its turn. True while an answer is to come.
    pub(super) fn next_yield(&mut self, actions: &mut Vec<Action>) -> bool {
        let next = self.claims.iter().enumerate().find_map(|(index, claim)| match &claim.phase {
            Phase::Yielding(held) => Some((index, self.yielded(claim, held))),
            _ => None,
        });
        let Some((index, surrender)) = next else {
            return false;
        };
        self.give_back(index, surrender, actions);
        true
    }

    /// A release that lost its compare is left alone: the slot is another's, or the lease runs out.
    pub(super) fn on_released(&mut self, done: bool) {
        let yielded = self.claims.get(self.current).and_then(|claim| match &claim.phase {
            Phase::Yielding(held) => Some(claim.mark(held, &self.slot(claim, held))),
            _ => None,
        });
        let Some(claim) = self.claims.get_mut(self.current) else {
            return;
        };
        claim.phase = match (&claim.phase, done) {
            // Whoever refused it, the next look tells what there is. The app may run on with the name.
            (Phase::Yielding(_), _) => {
                claim.before = yielded.map(|mark| Inherited { deadline: None, ..mark });
                Phase::Pending(YIELDED.to_owned())
            }
            (Phase::Placed(_), true) => Phase::Released,
            (Phase::Placed(_), false) => Phase::LeftToExpire,
            _ => return,
        };
    }

    fn give_back(&mut self, index: usize, surrender: ReleaseRequest, actions: &mut Vec<Action>) {
        self.current = index;
        self.claiming = Track::Busy;
        actions.push(Action::Release(Box::new(surrender)));
    }

    /// The app may run and believe until its deadline, so the name rests as after a force release.
    fn yielded(&self, claim: &Claim, held: &Held) -> ReleaseRequest {
        self.surrender(claim, held, outlasting(held.validity, held.quarantine), WaitsFor::Time)
    }

    fn surrender(
        &self,
        claim: &Claim,
        held: &Held,
        quarantine: Duration,
        waits_for: WaitsFor,
    ) -> ReleaseRequest {
        ReleaseRequest {
            path: claim_path(claim, &self.config),
            key: held.key.clone(),
            record: QuarantineRecord {
                holder: Holder { incarnation: held.incarnation, ..self.config.holder.clone() },
                fence: held.fence,
                since: held.since,
                waits_for,
            },
            own_mod_revision: held.own_mod_revision,
            quarantine,
            clock: None,
        }
    }
}
