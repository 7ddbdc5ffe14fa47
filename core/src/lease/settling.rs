//! Sees to it that slots rest, whatever became of their last claim.
//!
//! A lease may end early: an etcd leader that was frozen, replaced and thawed revokes what others
//! have renewed meanwhile. So every claim leaves a note, without a lease, of how long its slot is to
//! rest; only a release takes it away. A slot whose note stands is not free, and somebody has to turn
//! the note into a quarantine that ends: whoever is first in the queue, and whoever claims past it.

use super::claim::{Held, claim_path};
use super::machine::Machine;
use super::track::Track;
use super::{Action, PoolView, QuarantineRequest};

/// In one transaction; etcd takes 128 operations, and each slot needs two, and two compares.
const AT_ONCE: usize = 50;

impl Machine {
    /// Whether it is on us: we are next, or those before us have let it lie for a second each.
    pub(super) fn settles_for_all(&self, view: &PoolView) -> bool {
        let ticket = self.claims.get(self.current).and_then(|claim| claim.ticket.as_ref());
        !view.unsettled.is_empty()
            && !view.frozen
            && ticket.is_some_and(|waiting| waiting.reach() == 0)
    }

    pub(super) fn settle(&mut self, view: &PoolView, actions: &mut Vec<Action>) {
        self.note_chore(view);
        self.next_chore(actions);
    }

    /// Remembers, for after the claim, what there is to settle.
    pub(super) fn note_chore(&mut self, view: &PoolView) {
        self.chore = self.settlement(view);
    }

    /// Does now what is left to do for others.
    pub(super) fn next_chore(&mut self, actions: &mut Vec<Action>) {
        if let Some(settlement) = self.chore.take() {
            self.claiming = Track::Busy;
            actions.push(Action::Settle(settlement));
        }
    }

    fn settlement(&self, view: &PoolView) -> Option<QuarantineRequest> {
        let claim = self.claims.get(self.current)?;
        let keys: Vec<String> = view.unsettled.iter().take(AT_ONCE).cloned().collect();
        let path = claim_path(claim, &self.config);
        (!keys.is_empty()).then_some(QuarantineRequest { path, keys })
    }
}

/// The revision of the claim after which a slot must still rest, when that claim was ours.
pub(super) fn key_due(view: &PoolView, before: Option<&Held>) -> i64 {
    before.and_then(|held| view.notes.get(&held.key)).copied().unwrap_or_default()
}
