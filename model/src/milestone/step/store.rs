//! Milestones of the store: a restore, and time that passes.

use super::{Step, Visit};
use crate::action::Drift;
use crate::key::Key;
use crate::milestone::Milestone;
use crate::request::Request;

impl Step<'_> {
    pub(super) fn restored(&self, visit: Visit<'_>) {
        let differs = self.after.store.keys().any(|(key, entry)| match (key, entry.value) {
            (Key::Slot(pool, name), crate::txn::Value::Slot { pod, .. }) => {
                (0..).zip(&self.before.pods).any(|(other, state)| {
                    let mut beliefs = state.beliefs.iter();
                    other != pod
                        && beliefs.any(|belief| belief.holds() && belief.is_about(pool, name))
                })
            }
            _ => false,
        });
        if differs {
            visit(Milestone::RestoredOldHolder);
        }
    }

    pub(super) fn ticked(&self, drift: Drift, visit: Visit<'_>) {
        for (key, _) in self.before.store.keys().filter(|(key, _)| !self.after.store.has(*key)) {
            match key {
                Key::Slot(..) => visit(Milestone::SlotExpired),
                Key::Ticket(..) => visit(Milestone::TicketExpired),
                Key::Freeze(_) => visit(Milestone::FreezeEnded),
                Key::Quarantine(..) => visit(Milestone::QuarantineEnded),
                _ => {}
            }
        }
        let late = self.after.late_requests.iter().any(|late| match &late.request {
            Request::ForceRelease { name, create, .. } => self
                .after
                .store
                .get(Key::Slot(late.caller.pool, *name))
                .is_some_and(|slot| slot.create == *create),
            _ => false,
        });
        if late {
            visit(Milestone::ForceReleaseWasLate);
        }
        for (was, is) in self.before.pods.iter().zip(&self.after.pods) {
            let held = |beliefs: &[crate::belief::Belief]| {
                beliefs.iter().filter(|belief| belief.holds()).count()
            };
            if held(&is.beliefs) < held(&was.beliefs) && !is.processes.is_empty() {
                visit(Milestone::DeadlinePassed);
            }
        }
        match drift {
            Drift::Slow(pod) if self.believers().any(|believer| believer == pod) => {
                visit(Milestone::HolderWasSlow);
            }
            Drift::Fast if self.believers().next().is_some() => visit(Milestone::StoreWasFast),
            _ => {}
        }
    }
}
