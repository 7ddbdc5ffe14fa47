//! The claiming track after a restart, and after an answer that was lost: what is ours already is
//! found by the pod's UID, taken up with its lease, and adopted.

use super::claim::{Attempt, Claim, Held, Phase};
use super::machine::{Lease, Machine};
use super::track::Track;
use super::{Action, Adopted, PoolView, Resumed, Won};
use crate::claim::Fence;
use crate::keys::Key;
use crate::pool::{PoolName, Scope};
use crate::time::Now;

impl Machine {
    pub(super) fn on_resumed(&mut self, now: Now, resumed: Resumed, actions: &mut Vec<Action>) {
        if resumed.granted.ttl.is_zero() || (resumed.found.is_empty() && !resumed.waiting) {
            self.claiming = Track::Until(now.boot.after(self.claim_retry()));
            return;
        }
        if let Some(fresh) = self.lease.filter(|fresh| fresh.id != resumed.granted.lease) {
            actions.push(Action::Revoke(fresh.id));
        }
        self.epoch = resumed.epoch;
        self.lease = Some(Lease {
            id: resumed.granted.lease,
            ttl: resumed.granted.ttl,
            believed_from: resumed.granted.sent,
            carried_ticket: resumed.waiting,
        });
        for found in resumed.found {
            let Some(claim) = self.claims.iter_mut().find(|claim| claim.name == found.pool) else {
                continue;
            };
            let Some(Key::Slot(path, key)) = Key::parse(&found.slot) else {
                continue;
            };
            // The spec may be gone; where the slot is, is its scope.
            claim.scope = path.namespace.map_or(Scope::Cluster, |_| Scope::Namespace);
            let fence = Fence { epoch: resumed.epoch, revision: found.create_revision };
            claim.phase =
                Phase::Adopting(Held::new(&key, &found.record, fence, found.mod_revision));
        }
    }

    pub(super) fn on_adopted(&mut self, adopted: Adopted) {
        let adopting =
            self.claims.iter_mut().find(|claim| matches!(claim.phase, Phase::Adopting(_)));
        if let Some(claim) = adopting
            && let Phase::Adopting(held) = &claim.phase
        {
            let (own_mod_revision, incarnation) = (adopted.own_mod_revision, held.incarnation + 1);
            let fence = held.fence;
            let held = Held { own_mod_revision, incarnation, believed_from: None, ..held.clone() };
            claim.set_placed(held);
            claim.clock.adopt(adopted.clock, fence);
        }
        self.renewing = self.renewing.hurried();
    }

    /// An attempt without an answer may have landed: our nonce on our current lease proves it.
    pub(super) fn recognise_own_attempts(&mut self, now: Now, view: &PoolView) {
        let Some(lease) = self.lease else { return };
        let current = self.claims.get(self.current).map(|claim| claim.name.clone());
        for owner in &view.owners {
            if owner.lease != lease.id || owner.record.nonce != self.config.nonce {
                continue;
            }
            let Some(claim) = self.claims.iter_mut().find(|claim| claim.name == owner.pool) else {
                continue;
            };
            let landed = claim.wants().then(|| claim.attempt.take()).flatten();
            if let (Some(attempt), Some(Key::Slot(_, key))) =
                (landed, Key::parse(&owner.record.slot))
            {
                let fence = Fence { epoch: self.epoch, revision: owner.create_revision };
                // A restored snapshot may show what was given away since: then a pair is to prove it.
                let proved = !view.frozen && current.as_ref() == Some(&claim.name);
                let believed_from = proved.then_some(attempt.believed_from);
                let won = Won { fence, own_mod_revision: owner.mod_revision, clock: None };
                claim.place(&Attempt { key, ..attempt }, won, believed_from, now);
                if !proved {
                    self.renewing = self.renewing.hurried();
                }
            }
        }
    }

    /// Owner records of ours on another lease mean that we restarted: that lease is taken up again.
    pub(super) fn resume_older_lease(
        &mut self,
        now: Now,
        view: &PoolView,
        actions: &mut Vec<Action>,
    ) -> bool {
        let wanted =
            |pool: &PoolName| self.claims.iter().any(|claim| claim.name == *pool && claim.wants());
        let Some(older) = view.owners.iter().find(|owner| wanted(&owner.pool)) else {
            return false;
        };
        let slots = view
            .owners
            .iter()
            .filter(|owner| owner.lease == older.lease && wanted(&owner.pool))
            .map(|owner| (owner.pool.clone(), owner.record.slot.clone()))
            .collect();
        let current = self.lease.map(|lease| lease.id);
        if current != Some(older.lease) && self.claims.iter().any(Claim::is_placed) {
            // An attempt of an earlier process that landed late. Its lease runs out by itself; ours, with
            // what we hold, is not given up for it.
            self.wait(now, self.current, "an earlier attempt of this pod is running out");
            return true;
        }
        self.claiming = Track::Busy;
        actions.push(Action::Resume { lease: older.lease, slots });
        true
    }
}
