//! The claiming track when something is given back (T5): every slot once the app has exited, then the ticket and
//! the lease; the slots of later pools when an earlier one was lost; the ticket when there will be no name.

use std::time::Duration;

use super::action::{Action, EndReason, ReleaseRequest};
use super::claim::Claim;
use super::config::Config;
use super::evidence::Evidence;
use super::phase::{Held, Phase, PodLease};
use super::queue;
use super::status::StatusReader;
use super::track::ClaimTrack;
use crate::claim::Holder;
use crate::clock::ClockRecord;
use crate::pool::{OnLoss, Pool, outlasting};
use crate::quarantine::{self, QuarantineRecord, WaitsFor};
use crate::time::Now;

/// Gives back. It believes nothing and claims nothing.
pub(super) struct ReleaseHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) claims: &'m mut [Claim],
    pub(super) lease: Option<PodLease>,
    pub(super) evidence: &'m Evidence,
    pub(super) track: &'m mut ClaimTrack,
    pub(super) out: &'m mut Vec<Action>,
}

// === impl ReleaseHandler ===

impl ReleaseHandler<'_> {
    /// Releases the next slot, or leaves the queue, or ends.
    pub(super) fn next(&mut self) {
        let mut claims = self.claims.iter().enumerate();
        let release = claims.find_map(|(index, claim)| Some((index, self.release(claim)?)));
        if let Some((index, request)) = release {
            self.send(index, request);
        } else if !self.leave() {
            self.out.push(Action::Finish(EndReason::Released));
        }
    }

    /// Leaves the queue and ends, because there will be no name.
    pub(super) fn next_failure(&mut self, why: &str) {
        if !self.leave() {
            self.out.push(Action::Finish(EndReason::Failed(why.to_owned())));
        }
    }

    /// Gives back the slot of a claim that yields.
    pub(super) fn give_back(&mut self, index: usize) {
        if let Some(request) = self.claims.get(index).and_then(|claim| self.release(claim)) {
            self.send(index, request);
        }
    }

    pub(super) fn on_released(&mut self, done: bool) {
        self.track.answered();
        let status = StatusReader { config: self.config, evidence: self.evidence, now: self.now };
        let Some(claim) = self.claims.get_mut(self.track.current()) else {
            return;
        };
        let published = match claim.phase() {
            Phase::Yielding(held) => Some(status.published(claim, held)),
            Phase::Pending(_)
            | Phase::Adopting(_)
            | Phase::Held(_)
            | Phase::Regaining(..)
            | Phase::Lost(..)
            | Phase::Released
            | Phase::LeftToExpire => None,
        };
        claim.released(done, published);
    }

    /// How to release the slot of a claim, if it has one to release.
    fn release(&self, claim: &Claim) -> Option<ReleaseRequest> {
        match claim.phase() {
            // The app may run and believe until its deadline, so the name is quarantined as after a force release.
            Phase::Yielding(held) => {
                let quarantine = outlasting(held.validity, held.quarantine);
                Some(self.request(claim, held, quarantine, WaitsFor::Time, None))
            }
            Phase::Held(held) => {
                // SIGTERM is no proof that the app is gone once its liveness probe has been failing: it may outlive
                // its grace period. Then the lease expires and the quarantine covers it.
                if claim.pool().on_loss() == OnLoss::Stop && !self.evidence.is_live(held, self.now)
                {
                    return None;
                }
                let (quarantine, waits_for) = self.quarantine(claim, held);
                let clock = self.last_reservation(claim, held);
                Some(self.request(claim, held, quarantine, waits_for, clock))
            }
            Phase::Pending(_)
            | Phase::Adopting(_)
            | Phase::Regaining(..)
            | Phase::Lost(..)
            | Phase::Released
            | Phase::LeftToExpire => None,
        }
    }

    /// How long a name is quarantined after a SIGTERM, and what ends the quarantine.
    ///
    /// Outside a pod the sidecar ends after its app, because whoever runs both sees to it. In a pod its container
    /// may end alone:
    /// - the app of a `Stop` pool may believe until the deadline (the longest is one that watches `valid_until` by
    ///   itself, `cairn.dev/stop: self`). Then comes the quarantine as granted;
    /// - nothing stops the app of a `Keep` pool while its pod lives, so the quarantine lasts as long.
    fn quarantine(&self, claim: &Claim, held: &Held) -> (Duration, WaitsFor) {
        if !self.config.in_pod {
            let clean = claim.pool().spec().map_or(held.quarantine, Pool::clean_quarantine);
            return (clean.min(held.quarantine), WaitsFor::Time);
        }
        match claim.pool().on_loss() {
            OnLoss::Keep => (quarantine::WITH_POD, WaitsFor::PodEnd),
            OnLoss::Stop => {
                let deadline = self.evidence.deadline(held).unwrap_or_default();
                let left = deadline.since(self.now.boot);
                (outlasting(left, held.quarantine), WaitsFor::Time)
            }
        }
    }

    /// What the slot's reservation is set to: nothing after it was emitted. `None` leaves it as it is.
    fn last_reservation(&self, claim: &Claim, held: &Held) -> Option<ClockRecord> {
        if !claim.pool().reserves() {
            return None;
        }
        let fence = claim.time().continues().unwrap_or(held.fence);
        let checkpoint = self.config.mint_checkpoint(claim.pool().name(), fence);
        let earlier = checkpoint.and_then(|checkpoint| checkpoint.minted_until);
        let reserved_until = claim.time().last_emitted(self.now, earlier)?;
        Some(ClockRecord { reserved_until, fence: held.fence })
    }

    fn request(
        &self,
        claim: &Claim,
        held: &Held,
        quarantine: Duration,
        waits_for: WaitsFor,
        clock: Option<ClockRecord>,
    ) -> ReleaseRequest {
        ReleaseRequest {
            path: claim.pool().path(self.config),
            key: held.key.clone(),
            record: QuarantineRecord {
                holder: Holder { incarnation: held.incarnation, ..self.config.holder.clone() },
                fence: held.fence,
                since: held.since,
                waits_for,
            },
            own_mod_revision: held.own_mod_revision,
            quarantine,
            clock,
        }
    }

    fn send(&mut self, index: usize, request: ReleaseRequest) {
        self.track.start(index);
        self.out.push(Action::Release(Box::new(request)));
    }

    /// Revokes the lease, with the ticket that hangs on it, or else deletes the ticket. True while an answer is to
    /// come.
    ///
    /// The lease is revoked only when nothing else can hang on it: neither a slot that was not released nor an attempt
    /// whose answer never came.
    fn leave(&mut self) -> bool {
        let bare = self.claims.iter().all(Claim::is_bare);
        if let Some(lease) = self.lease.filter(|lease| bare && lease.is_revocable()) {
            self.out.push(Action::Revoke(lease.id()));
            return false;
        }
        queue::leave(self.config, self.claims, self.track, self.out)
    }
}
