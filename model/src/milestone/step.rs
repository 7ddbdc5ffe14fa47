//! Classifies a step by milestones.

use super::Milestone;
use crate::action::Action;
use crate::key::{Key, Pod, Pool, Revision};
use crate::process::{Call, Process};
use crate::request::{Caller, Request};
use crate::system::SystemState;

mod answer;
mod process;
mod store;

/// One step, with the states around it.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) before: &'a SystemState,
    pub(crate) action: Action,
    pub(crate) after: &'a SystemState,
}

type Visit<'a> = &'a mut dyn FnMut(Milestone);

impl Step<'_> {
    /// Visits every milestone of this step.
    pub(crate) fn milestones(&self, visit: Visit<'_>) {
        match self.action {
            Action::Deliver(pod, index) | Action::Duplicate(pod, index) => {
                self.answered(pod, index, visit);
            }
            Action::LoseAnswer(pod, index) => {
                let call = self.call(pod, index);
                if call.is_some_and(|(caller, call)| self.applied(caller, &call.request)) {
                    visit(Milestone::AppliedWithoutAnswer);
                }
            }
            Action::RefusePastRead(..) => visit(Milestone::PastWasCompacted),
            Action::Land(index) => {
                if let Some(late) = self.before.late_requests.get(index) {
                    self.landed(late, visit);
                }
            }
            Action::Renew(pod, index) | Action::KeepAlive(pod, index) => {
                self.paired(pod, index, visit);
            }
            Action::Renewed(pod, index) => {
                visit(Milestone::HalfAPairAnswered);
                self.paired(pod, index, visit);
            }
            Action::DropPair(..) => visit(Milestone::PairWasGivenUp),
            Action::Reread(pod, index) => self.reread(pod, index, visit),
            Action::Emit(..) if self.after.timestamps.has_successor() => {
                visit(Milestone::SuccessorEmitted);
            }
            Action::Interrupt(pod, _) if self.believers().any(|believer| believer == pod) => {
                visit(Milestone::Interrupted);
            }
            Action::Crash(pod, index) => self.crashed(pod, index, visit),
            Action::Start(pod) if self.before.process(pod, 0).is_some() => {
                visit(Milestone::Twinned);
            }
            Action::Start(_) => visit(Milestone::Restarted),
            Action::Settle(..) => visit(Milestone::Settled),
            Action::EditSpec(pool) if self.claims_in(pool) => visit(Milestone::EditedUnderClaim),
            Action::Wipe if self.believers().next().is_some() => {
                visit(Milestone::WipedUnderHolder);
            }
            Action::Restore => self.restored(visit),
            Action::Tick(drift) => self.ticked(drift, visit),
            Action::GiveUp(..)
            | Action::ReadSlots(..)
            | Action::BreakWatch(..)
            | Action::Reserve(..)
            | Action::Emit(..)
            | Action::Terminate(..)
            | Action::Interrupt(..)
            | Action::ForceRelease(..)
            | Action::EditSpec(_)
            | Action::PutSpecAgain(_)
            | Action::Freeze(_)
            | Action::Wipe
            | Action::Snapshot => {}
            Action::MeetRevisions => visit(Milestone::RevisionsMet),
        }
    }

    /// The call that is in flight before the step, and who makes it.
    fn call(&self, pod: Pod, index: usize) -> Option<(Caller, &Call)> {
        let process = self.before.process(pod, index)?;
        let call = process.call.as_ref()?;
        Some((process.caller(pod, call.pool), call))
    }

    /// Whether the step applied the request in the store.
    fn applied(&self, caller: Caller, request: &Request) -> bool {
        let owner = Key::Owner(caller.pod, caller.pool);
        match request {
            Request::Claim { .. } | Request::Redeem { .. } | Request::Reclaim { .. } => {
                self.appeared(owner)
            }
            Request::Adopt(_) => {
                let value = |system: &SystemState| system.store.get(owner).map(|entry| entry.value);
                value(self.before) != value(self.after)
            }
            Request::Release { name, .. } | Request::ForceRelease { name, .. } => {
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
                    && matches!(call.request, Request::Claim { .. } | Request::Redeem { .. })
            })
        })
    }

    /// Pods whose apps use a name.
    fn believers(&self) -> impl Iterator<Item = Pod> + '_ {
        let holds =
            |state: &crate::system::PodState| state.beliefs.iter().any(|belief| belief.holds());
        (0..).zip(&self.before.pods).filter(move |(_, state)| holds(state)).map(|(pod, _)| pod)
    }
}
