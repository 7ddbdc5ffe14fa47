//! The claiming track after a restart, and after an answer that was lost: what is ours already is found by the
//! pod's UID, taken up with its lease, and adopted (T3).

use super::action::{Action, AdoptRequest};
use super::claim::Claim;
use super::config::Config;
use super::event::{Adopted, Resumed, Won};
use super::phase::{Held, Phase, PodLease, slot_record};
use super::reason;
use super::track::{ClaimTrack, Pace, Track};
use super::view::PoolView;
use crate::claim::Fence;
use crate::keys::Key;
use crate::pool::{PoolName, Scope};
use crate::time::Now;

/// Takes up what earlier processes or attempts have left in the store. The only handler that takes up
/// another lease.
pub(super) struct ResumeHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) claims: &'m mut [Claim],
    pub(super) lease: &'m mut Option<PodLease>,
    pub(super) epoch: &'m mut i64,
    pub(super) track: &'m mut ClaimTrack,
    pub(super) renewing: &'m mut Track,
    pub(super) pace: &'m mut Pace,
    pub(super) out: &'m mut Vec<Action>,
}

// === impl ResumeHandler ===

impl ResumeHandler<'_> {
    /// An attempt without an answer may have landed. Our nonce on our current lease proves it.
    pub(super) fn recognise_attempts(&mut self, view: &PoolView) {
        let Some(lease) = *self.lease else { return };
        let current = self.track.current();
        for owner in &view.owners {
            if owner.lease != lease.id() || owner.record.nonce != self.config.nonce {
                continue;
            }
            let found = self.claims.iter_mut().enumerate();
            let found = found.filter(|(_, claim)| claim.phase().wants());
            let Some((index, claim)) =
                found.into_iter().find(|(_, claim)| *claim.pool().name() == owner.pool)
            else {
                continue;
            };
            let (Some(attempt), Some(Key::Slot(_, key))) =
                (claim.take_attempt(), Key::parse(&owner.record.slot))
            else {
                continue;
            };
            let fence = Fence { epoch: *self.epoch, revision: owner.create_revision };
            // A restored snapshot may show what was given away since: then a renewal has to prove it.
            let proved = !view.frozen && index == current;
            let believed_from = proved.then_some(attempt.believed_from());
            let won = Won { fence, own_mod_revision: owner.mod_revision, clock: None };
            claim.won(&attempt.landed_at(key), won, believed_from, self.now);
            if !proved {
                self.renewing.hurry();
            }
        }
    }

    /// Owner records of ours that are left mean that we restarted: their lease is taken up. True when the claim has
    /// to wait for that.
    pub(super) fn take_older_lease(&mut self, view: &PoolView) -> bool {
        let wanted = |pool: &PoolName| {
            self.claims.iter().any(|claim| claim.pool().name() == pool && claim.phase().wants())
        };
        let Some(older) = view.owners.iter().find(|owner| wanted(&owner.pool)) else {
            return false;
        };
        let slots = view
            .owners
            .iter()
            .filter(|owner| owner.lease == older.lease && wanted(&owner.pool))
            .map(|owner| (owner.pool.clone(), owner.record.slot.clone()))
            .collect();
        let ours = self.lease.is_some_and(|lease| lease.id() == older.lease);
        if !ours && self.claims.iter().any(|claim| claim.phase().has_slot()) {
            // An attempt of an earlier process has landed late. Its lease expires by itself. Ours, with what we
            // hold, is not given up for it.
            if let Some(claim) = self.claims.get_mut(self.track.current()) {
                claim.say(reason::LATE_ATTEMPT);
            }
            self.pace.advance();
            self.track.pause(self.now.boot, self.pace);
            return true;
        }
        self.track.start(self.track.current());
        self.out.push(Action::Resume { lease: older.lease, slots });
        true
    }

    pub(super) fn on_resumed(&mut self, resumed: Resumed) {
        self.track.answered();
        if resumed.granted.ttl.is_zero() || (resumed.found.is_empty() && !resumed.waiting) {
            self.track.pause(self.now.boot, self.pace);
            return;
        }
        if let Some(fresh) = self.lease.filter(|fresh| fresh.id() != resumed.granted.lease) {
            self.out.push(Action::Revoke(fresh.id()));
        }
        *self.epoch = resumed.epoch;
        *self.lease = Some(PodLease::new(resumed.granted, resumed.waiting));
        for found in resumed.found {
            let same = |claim: &&mut Claim| *claim.pool().name() == found.pool;
            let (Some(claim), Some(Key::Slot(path, key))) =
                (self.claims.iter_mut().find(same), Key::parse(&found.slot))
            else {
                continue;
            };
            let scope = path.namespace.map_or(Scope::Cluster, |_| Scope::Namespace);
            let fence = Fence { epoch: resumed.epoch, revision: found.create_revision };
            claim.found(Held::new(&key, &found.record, fence, found.mod_revision), scope);
        }
    }

    /// Adopts the slot that this claim has found.
    pub(super) fn adopt(&mut self, index: usize) {
        let (Some(claim), Some(lease)) = (self.claims.get(index), *self.lease) else {
            return;
        };
        let Phase::Adopting(held) = claim.phase() else {
            return;
        };
        let request = AdoptRequest {
            slot: claim.pool().path(self.config).slot(&held.key),
            pool: claim.pool().name().clone(),
            record: slot_record(self.config, self.now, claim.pool().terms(), Some(held)),
            create_revision: held.fence.revision,
            mod_revision: held.own_mod_revision,
            lease: lease.id(),
        };
        self.track.start(index);
        self.out.push(Action::Adopt(Box::new(request)));
    }

    /// Adoption does not renew: a renewal has to prove the slot, at once.
    pub(super) fn on_adopted(&mut self, adopted: Adopted) {
        self.track.answered();
        let adopting = |claim: &&mut Claim| matches!(claim.phase(), Phase::Adopting(_));
        if let Some(claim) = self.claims.iter_mut().find(adopting) {
            claim.adopted(adopted);
        }
        self.renewing.hurry();
    }
}
