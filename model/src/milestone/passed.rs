//! Which milestones a step is.

use super::Milestone;
use crate::action::{Action, Drift};
use crate::key::{Key, Pod, Pool, Revision};
use crate::process::{Call, Phase, Process, Watch};
use crate::request::{Caller, Request, Since, Stray};
use crate::world::World;

/// One step, with the states around it.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) before: &'a World,
    pub(crate) action: Action,
    pub(crate) after: &'a World,
}

type Visit<'a> = &'a mut dyn FnMut(Milestone);

impl Step<'_> {
    /// Visits every milestone that this step is.
    pub(crate) fn milestones(&self, visit: Visit<'_>) {
        match self.action {
            Action::Deliver(pod, place) | Action::Duplicate(pod, place) => {
                self.answered(pod, place, visit);
            }
            Action::LoseAnswer(pod, place) => {
                let call = self.call(pod, place);
                if call.is_some_and(|(caller, call)| self.applied(caller, &call.request)) {
                    visit(Milestone::AppliedWithoutAnswer);
                }
            }
            Action::RefusePast(..) => visit(Milestone::PastWasCompacted),
            Action::Land(place) => {
                if let Some(stray) = self.before.strays.get(place) {
                    self.landed(stray, visit);
                }
            }
            Action::Renew(pod, place) | Action::KeepAlive(pod, place) => {
                self.paired(pod, place, visit);
            }
            Action::Renewed(pod, place) => {
                visit(Milestone::HalfAPairAnswered);
                self.paired(pod, place, visit);
            }
            Action::DropPair(..) => visit(Milestone::PairWasGivenUp),
            Action::Reread(pod, place) => self.reread(pod, place, visit),
            Action::Emit(..) if self.after.journal.has_successor() => {
                visit(Milestone::SuccessorEmitted);
            }
            Action::Interrupt(pod, _) if self.believers().any(|believer| believer == pod) => {
                visit(Milestone::Interrupted);
            }
            Action::Crash(pod, place) => self.crashed(pod, place, visit),
            Action::Start(pod) if self.before.process(pod, 0).is_some() => {
                visit(Milestone::Twinned);
            }
            Action::Start(_) => visit(Milestone::Restarted),
            Action::Settle(..) => visit(Milestone::Settled),
            Action::Edit(pool) if self.claims_in(pool) => visit(Milestone::EditedUnderClaim),
            Action::Wipe if self.believers().next().is_some() => {
                visit(Milestone::WipedUnderHolder);
            }
            Action::Restore => self.restored(visit),
            Action::Tick(drift) => self.ticked(drift, visit),
            Action::GiveUp(..)
            | Action::ReadOwn(..)
            | Action::Deafen(..)
            | Action::Reserve(..)
            | Action::Emit(..)
            | Action::Terminate(..)
            | Action::Interrupt(..)
            | Action::Force(..)
            | Action::Edit(_)
            | Action::Reput(_)
            | Action::Freeze(_)
            | Action::Wipe
            | Action::Snapshot => {}
            Action::Meet => visit(Milestone::RevisionsMet),
        }
    }

    fn answered(&self, pod: Pod, place: usize, visit: Visit<'_>) {
        let Some((caller, call)) = self.call(pod, place) else { return };
        self.done(caller, &call.request, visit);
        let (Some(old), Some(new)) =
            (self.before.process(pod, place), self.survivor(pod, caller.nonce))
        else {
            return;
        };
        let (was, is) = (old.phase(call.pool), new.phase(call.pool));
        let changed = |found: bool, milestone: Milestone, visit: Visit<'_>| {
            if found && was != is {
                visit(milestone);
            }
        };
        let held_up = self.before.store.has(Key::Freeze(call.pool));
        let next = new.call.as_ref().map(|call| &call.request);
        match &call.request {
            Request::Confirm(inner) => {
                changed(is_held(is, true), Milestone::RecognisedOwnAttempt, visit);
                changed(held_up && is_held(is, false), Milestone::FoundUnderHold, visit);
                if next == Some(inner.as_ref()) {
                    visit(Milestone::SentAgain);
                }
            }
            Request::Begin | Request::Read => {
                if call.again {
                    visit(Milestone::GrantWasRepeated);
                }
                let waits = matches!(is, Some(Phase::Waiting(_)));
                changed(waits && new.lease != old.lease, Milestone::WentOnWaiting, visit);
                changed(held_up && is_held(is, false), Milestone::FoundUnderHold, visit);
                changed(matches!(is, Some(Phase::Lost)), Milestone::LostForGood, visit);
            }
            Request::ReadAt { .. } if matches!(next, Some(Request::Take { .. })) => {
                visit(Milestone::LookedBack);
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
        let held_up = !applied && self.before.store.has(Key::Freeze(pool));
        match request {
            Request::Claim { terms, .. } | Request::Take { terms, .. }
                if applied && terms.validity < terms.spec.validity =>
            {
                visit(Milestone::TermsWereShortened);
            }
            Request::Claim { .. } | Request::Take { .. } if held_up => {
                visit(Milestone::TurnedAwayByHold);
            }
            _ => {}
        }
        match request {
            Request::Claim { .. } if applied => visit(Milestone::ClaimedAtOnce),
            Request::Claim { .. } | Request::Queue { .. }
                if self.appeared(Key::Ticket(pool, caller.pod)) =>
            {
                visit(Milestone::Queued);
            }
            Request::Take { ticket, .. } if applied => {
                visit(Milestone::ClaimedByTicket);
                if self.older_ticket(pool, *ticket) {
                    visit(Milestone::PassedAnOlderTicket);
                }
            }
            Request::Take { since, .. } => self.take_failed(pool, *since, held_up, visit),
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
            Request::Reclaim { rest: Some(_), .. } if applied => {
                visit(Milestone::TakenBack);
                if self.older_ticket(pool, Revision::MAX) {
                    visit(Milestone::TakenBackAheadOfQueue);
                }
            }
            Request::Reclaim { .. } if applied => {
                visit(Milestone::Reclaimed);
                if self.before.store.has(Key::Freeze(pool)) {
                    visit(Milestone::ReclaimedDuringHold);
                }
                if self.older_ticket(pool, Revision::MAX) {
                    visit(Milestone::ReclaimedAheadOfQueue);
                }
            }
            _ => {}
        }
    }

    fn take_failed(&self, pool: Pool, since: Since, held_up: bool, visit: Visit<'_>) {
        visit(Milestone::TakeFailed);
        let moved = |key| self.before.store.get(key).map_or(0, |entry| entry.modified);
        if moved(Key::Shift(pool)) != since.shift {
            visit(Milestone::TurnedAwayByShift);
        }
        if !held_up && moved(Key::Epoch) != since.epoch {
            visit(Milestone::TurnedAwayByEpoch);
        }
    }

    /// Something that nobody waits for reached the store.
    fn landed(&self, stray: &Stray, visit: Visit<'_>) {
        let Stray { caller, request } = stray;
        let applied = self.applied(*caller, request);
        let claims = matches!(
            request,
            Request::Claim { .. } | Request::Take { .. } | Request::Reclaim { .. }
        );
        match request {
            Request::Force { .. } if applied => visit(Milestone::ForceReleased),
            _ if claims && applied => {
                visit(Milestone::ClaimLandedLate);
                if self.survivor(caller.pod, caller.nonce).is_none() {
                    visit(Milestone::ClaimOfTheDeadLanded);
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

    fn paired(&self, pod: Pod, place: usize, visit: Visit<'_>) {
        let Some(old) = self.before.process(pod, place) else { return };
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
                // A slot of a later pool is given back because of the one that is gone.
                if !matches!(new.phase(claim.pool), Some(Phase::Yielding(_))) {
                    visit(Milestone::SlotWasFoundGone);
                }
                continue;
            };
            let late = old.age >= was.validity && new.age < was.validity;
            match (was.verified, is.verified) {
                (true, true) if late => visit(Milestone::ResumedLate),
                (true, false) => visit(Milestone::KeptFromResuming),
                (false, true) => visit(Milestone::AdoptionWasVerified),
                _ => {}
            }
        }
    }

    fn reread(&self, pod: Pod, place: usize, visit: Visit<'_>) {
        let waits =
            self.before.process(pod, place).and_then(|process| match &process.current()?.phase {
                Phase::Waiting(wait) => Some(wait),
                _ => None,
            });
        let Some(wait) = waits else { return };
        if matches!(wait.watch, Watch::Ticket(_)) {
            visit(Milestone::FarWaiterRead);
        }
        if wait.deaf {
            visit(Milestone::DeafWaiterRead);
        }
    }

    fn crashed(&self, pod: Pod, place: usize, visit: Visit<'_>) {
        if self.believers().any(|believer| believer == pod) {
            visit(Milestone::HolderDied);
        }
        let process = self.before.process(pod, place);
        let waits = |pool| self.before.store.has(Key::Ticket(pool, pod));
        if process.is_some_and(|process| process.claims.iter().any(|claim| waits(claim.pool))) {
            visit(Milestone::WaiterDied);
        }
    }

    fn restored(&self, visit: Visit<'_>) {
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

    fn ticked(&self, drift: Drift, visit: Visit<'_>) {
        for (key, _) in self.before.store.keys().filter(|(key, _)| !self.after.store.has(*key)) {
            match key {
                Key::Slot(..) => visit(Milestone::SlotRanOut),
                Key::Ticket(..) => visit(Milestone::TicketRanOut),
                Key::Freeze(_) => visit(Milestone::HoldRanOut),
                Key::Quarantine(..) => visit(Milestone::RestEnded),
                _ => {}
            }
        }
        let late = self.after.strays.iter().any(|stray| match &stray.request {
            Request::Force { name, create, .. } => self
                .after
                .store
                .get(Key::Slot(stray.caller.pool, *name))
                .is_some_and(|slot| slot.create == *create),
            _ => false,
        });
        if late {
            visit(Milestone::ForceWasLate);
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

    /// The call that is in flight before the step, and who makes it.
    fn call(&self, pod: Pod, place: usize) -> Option<(Caller, &Call)> {
        let process = self.before.process(pod, place)?;
        let call = process.call.as_ref()?;
        Some((process.caller(pod, call.pool), call))
    }

    /// Whether the step did in the store what the request is for.
    fn applied(&self, caller: Caller, request: &Request) -> bool {
        let owner = Key::Owner(caller.pod, caller.pool);
        match request {
            Request::Claim { .. } | Request::Take { .. } | Request::Reclaim { .. } => {
                self.appeared(owner)
            }
            Request::Adopt(_) => {
                let value = |world: &World| world.store.get(owner).map(|entry| entry.value);
                value(self.before) != value(self.after)
            }
            Request::Release { name, .. } | Request::Force { name, .. } => {
                let slot = Key::Slot(caller.pool, *name);
                self.before.store.has(slot) && !self.after.store.has(slot)
            }
            _ => false,
        }
    }

    fn appeared(&self, key: Key) -> bool {
        !self.before.store.has(key) && self.after.store.has(key)
    }

    fn older_ticket(&self, pool: Pool, than: Revision) -> bool {
        self.before.store.keys().any(|(key, entry)| {
            matches!(key, Key::Ticket(of, _) if of == pool) && entry.create < than
        })
    }

    /// The same process after the step.
    fn survivor(&self, pod: Pod, nonce: u8) -> Option<&Process> {
        let state = self.after.pods.get(usize::from(pod))?;
        state.processes.iter().find(|process| process.nonce == nonce)
    }

    fn claims_in(&self, pool: Pool) -> bool {
        self.before.processes().any(|(_, _, process)| {
            process.call.as_ref().is_some_and(|call| {
                call.pool == pool
                    && matches!(call.request, Request::Claim { .. } | Request::Take { .. })
            })
        })
    }

    /// Pods whose apps use a name.
    fn believers(&self) -> impl Iterator<Item = Pod> + '_ {
        let holds =
            |state: &crate::world::PodState| state.beliefs.iter().any(|belief| belief.holds());
        (0..).zip(&self.before.pods).filter(move |(_, state)| holds(state)).map(|(pod, _)| pod)
    }
}

fn is_held(phase: Option<&Phase>, wanted: bool) -> bool {
    matches!(phase, Some(Phase::Held(held)) if held.verified == wanted)
}
