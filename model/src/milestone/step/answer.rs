//! Milestones of a request that was answered, or that landed late.

use super::{Step, Visit};
use crate::key::{Key, Pod, Pool, Revision};
use crate::milestone::Milestone;
use crate::process::Phase;
use crate::request::{Caller, LateRequest, RankGuard, Request};

impl Step<'_> {
    pub(super) fn answered(&self, pod: Pod, index: usize, visit: Visit<'_>) {
        let Some((caller, call)) = self.call(pod, index) else { return };
        self.done(caller, &call.request, visit);
        let (Some(old), Some(new)) =
            (self.before.process(pod, index), self.survivor(pod, caller.nonce))
        else {
            return;
        };
        let (was, is) = (old.phase(call.pool), new.phase(call.pool));
        let changed = |found: bool, milestone: Milestone, visit: Visit<'_>| {
            if found && was != is {
                visit(milestone);
            }
        };
        let frozen = self.before.store.has(Key::Freeze(call.pool));
        let next = new.call.as_ref().map(|call| &call.request);
        match &call.request {
            Request::Confirm(inner) => {
                changed(is_held(is, true), Milestone::RecognisedOwnAttempt, visit);
                changed(frozen && is_held(is, false), Milestone::FoundDuringFreeze, visit);
                if next == Some(inner.as_ref()) {
                    visit(Milestone::SentAgain);
                }
            }
            Request::Begin | Request::Read => {
                if call.again {
                    visit(Milestone::GrantWasRepeated);
                }
                let waits = matches!(is, Some(Phase::Waiting(_)));
                changed(waits && new.lease != old.lease, Milestone::ContinuedWaiting, visit);
                changed(frozen && is_held(is, false), Milestone::FoundDuringFreeze, visit);
                changed(matches!(is, Some(Phase::Lost)), Milestone::LostForGood, visit);
            }
            Request::ReadAt { .. } if matches!(next, Some(Request::Redeem { .. })) => {
                visit(Milestone::ReadAtTicket);
            }
            Request::Release { .. } if matches!(was, Some(Phase::Yielding(_))) => {
                changed(true, Milestone::Yielded, visit);
            }
            _ => {}
        }
    }

    /// A request that was performed in the store, and answered.
    fn done(&self, caller: Caller, request: &Request, visit: Visit<'_>) {
        let applied = self.applied(caller, request);
        let pool = caller.pool;
        let frozen = !applied && self.before.store.has(Key::Freeze(pool));
        match request {
            Request::Claim { terms, .. } | Request::Redeem { terms, .. }
                if applied && terms.validity < terms.spec.validity =>
            {
                visit(Milestone::TermsWereShortened);
            }
            Request::Claim { .. } | Request::Redeem { .. } if frozen => {
                visit(Milestone::RefusedByFreeze);
            }
            _ => {}
        }
        match request {
            Request::Claim { .. } if applied => visit(Milestone::ClaimedAtOnce),
            Request::Claim { .. } | Request::Join { .. }
                if self.appeared(Key::Ticket(pool, caller.pod)) =>
            {
                visit(Milestone::Queued);
            }
            Request::Redeem { ticket, .. } if applied => {
                visit(Milestone::ClaimedByTicket);
                if self.older_ticket(pool, *ticket) {
                    visit(Milestone::PassedAnOlderTicket);
                }
            }
            Request::Redeem { guard, .. } => self.redeem_failed(pool, *guard, frozen, visit),
            Request::Adopt(_) if applied => visit(Milestone::Adopted),
            Request::Reserve { name, .. } => {
                let clock = Key::Clock(pool, *name);
                if self.before.store.get(clock) != self.after.store.get(clock) {
                    visit(Milestone::Reserved);
                }
            }
            Request::Release { .. } => {
                let released = applied.then_some(Milestone::Released);
                visit(released.unwrap_or(Milestone::ReleaseFailed));
            }
            Request::Reclaim { quarantine: Some(_), .. } if applied => {
                visit(Milestone::ReclaimedFromQuarantine);
                if self.older_ticket(pool, Revision::MAX) {
                    visit(Milestone::ReclaimedFromQuarantineAheadOfQueue);
                }
            }
            Request::Reclaim { .. } if applied => {
                visit(Milestone::Reclaimed);
                if self.before.store.has(Key::Freeze(pool)) {
                    visit(Milestone::ReclaimedDuringFreeze);
                }
                if self.older_ticket(pool, Revision::MAX) {
                    visit(Milestone::ReclaimedAheadOfQueue);
                }
            }
            _ => {}
        }
    }

    fn redeem_failed(&self, pool: Pool, guard: RankGuard, frozen: bool, visit: Visit<'_>) {
        visit(Milestone::RedeemFailed);
        let moved = |key| self.before.store.get(key).map_or(0, |entry| entry.modified);
        if moved(Key::Reclaims(pool)) != guard.reclaims {
            visit(Milestone::RefusedByReclaim);
        }
        if !frozen && moved(Key::Epoch) != guard.epoch {
            visit(Milestone::RefusedByEpoch);
        }
    }

    /// A late request reached the store.
    pub(super) fn landed(&self, late: &LateRequest, visit: Visit<'_>) {
        let LateRequest { caller, request } = late;
        let applied = self.applied(*caller, request);
        let claims = matches!(
            request,
            Request::Claim { .. } | Request::Redeem { .. } | Request::Reclaim { .. }
        );
        match request {
            Request::ForceRelease { .. } if applied => visit(Milestone::ForceReleased),
            _ if claims && applied => {
                visit(Milestone::ClaimLandedLate);
                if self.survivor(caller.pod, caller.nonce).is_none() {
                    visit(Milestone::ClaimOfDeadProcessLanded);
                }
            }
            _ if claims => {
                let survivor = self.survivor(caller.pod, caller.nonce);
                if survivor.is_some_and(|process| process.holds_in(caller.pool).is_some()) {
                    visit(Milestone::ClaimLandedAfterItsRetry);
                }
            }
            _ => {}
        }
    }
}

fn is_held(phase: Option<&Phase>, wanted: bool) -> bool {
    matches!(phase, Some(Phase::Held(held)) if held.verified == wanted)
}
