//! Milestones of a process: its renew pairs, its waiting, its death.

use super::{Step, Visit};
use crate::key::{Key, Pod};
use crate::milestone::Milestone;
use crate::process::{Phase, Watch};

impl Step<'_> {
    pub(super) fn paired(&self, pod: Pod, index: usize, visit: Visit<'_>) {
        let Some(old) = self.before.process(pod, index) else { return };
        let Some(new) = self.survivor(pod, old.nonce) else {
            visit(Milestone::Fenced);
            return;
        };
        if old.lease != new.lease {
            visit(Milestone::LeaseWasFoundGone);
            return;
        }
        for claim in &old.claims {
            let Some(was) = claim.held() else { continue };
            let Some(is) = new.holds_in(claim.pool) else {
                // A slot of a later pool is released because this one was lost.
                if !matches!(new.phase(claim.pool), Some(Phase::Yielding(_))) {
                    visit(Milestone::SlotWasFoundGone);
                }
                continue;
            };
            let late = old.age >= was.validity && new.age < was.validity;
            match (was.verified, is.verified) {
                (true, true) if late => visit(Milestone::ResumedLate),
                (true, false) => visit(Milestone::NotResumedDuringFreeze),
                (false, true) => visit(Milestone::AdoptionWasVerified),
                _ => {}
            }
        }
    }

    pub(super) fn reread(&self, pod: Pod, index: usize, visit: Visit<'_>) {
        let waits =
            self.before.process(pod, index).and_then(|process| match &process.current()?.phase {
                Phase::Waiting(wait) => Some(wait),
                _ => None,
            });
        let Some(wait) = waits else { return };
        if matches!(wait.watch, Watch::Ticket(_)) {
            visit(Milestone::FarWaiterRead);
        }
        if wait.watch_broken {
            visit(Milestone::WaiterWithBrokenWatchRead);
        }
    }

    pub(super) fn crashed(&self, pod: Pod, index: usize, visit: Visit<'_>) {
        if self.believers().any(|believer| believer == pod) {
            visit(Milestone::HolderDied);
        }
        let process = self.before.process(pod, index);
        let waits = |pool| self.before.store.has(Key::Ticket(pool, pod));
        if process.is_some_and(|process| process.claims.iter().any(|claim| waits(claim.pool))) {
            visit(Milestone::WaiterDied);
        }
    }
}
