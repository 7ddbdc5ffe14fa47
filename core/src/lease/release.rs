//! The claiming track once the app has exited: give back what is held, then the lease, and with it
//! a waiting ticket.

use super::machine::{Machine, Phase, Track, claim_path};
use super::{Action, Outcome, Surrender};
use crate::pool::{OnLoss, Pool};
use crate::time::Now;

impl Machine {
    pub(super) fn next_release(&mut self, now: Now, actions: &mut Vec<Action>) {
        let next = self.claims.iter().find_map(|claim| {
            let Phase::Placed(held) = &claim.phase else {
                return None;
            };
            let live = self.deadline(claim).is_some_and(|deadline| now.boot < deadline);
            // SIGTERM is no proof that the app is gone once its liveness probe has been failing:
            // it may outlive its grace period. Then the lease runs out and the quarantine covers it.
            if claim.on_loss() == OnLoss::Stop && !live {
                return None;
            }
            let rest = claim.pool.as_ref().map_or(held.quarantine, Pool::clean_quarantine);
            Some(Surrender {
                path: claim_path(claim, &self.config),
                key: held.key.clone(),
                holder: self.config.holder.clone(),
                mine: held.mine,
                quarantine: rest.min(held.quarantine),
                clock: self.last_reservation(now, claim, held),
            })
        });
        if let Some(surrender) = next {
            self.claiming = Track::Busy;
            actions.push(Action::Release(Box::new(surrender)));
            return;
        }
        if self.leave(actions) {
            return;
        }
        self.finish(Outcome::Released, actions);
    }

    /// A release that lost its compare is left alone: the slot is another's, or the lease runs out.
    pub(super) fn on_released(&mut self, done: bool) {
        let first = self.claims.iter_mut().find(|claim| matches!(claim.phase, Phase::Placed(_)));
        if let Some(claim) = first {
            claim.phase = if done { Phase::Released } else { Phase::LeftToExpire };
        }
    }
}
