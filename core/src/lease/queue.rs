//! The claiming track in the queue: from a ticket to a slot (T2), or out of the queue.

use super::action::{Action, LeaveQueueRequest, RedeemRequest, Watch};
use super::claim::Claim;
use super::config::Config;
use super::event::{Origin, Queued};
use super::phase::{Attempt, PodLease, slot_record};
use super::ticket::OwnTicket;
use super::together::shortest_validity;
use super::track::{ClaimTrack, Pace};
use super::view::{PastView, PoolView, RankGuard};
use crate::time::Now;

/// Acts for the claim that waits. It may change the claim's ticket, attempt and reason.
pub(super) struct QueueHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) claims: &'m mut [Claim],
    pub(super) lease: &'m mut Option<PodLease>,
    pub(super) track: &'m mut ClaimTrack,
    pub(super) pace: &'m mut Pace,
    pub(super) out: &'m mut Vec<Action>,
}

// === impl QueueHandler ===

impl QueueHandler<'_> {
    pub(super) fn on_queued(&mut self, queued: Queued) {
        self.track.answered();
        let Some(claim) = self.wanting() else { return };
        claim.queued(queued);
        if let Some(lease) = self.lease {
            lease.carry_ticket();
        }
    }

    /// What was true when our ticket was created.
    pub(super) fn on_origin(&mut self, origin: Option<Origin>) {
        self.track.answered();
        if let Some((ticket, _)) = self.wanting().and_then(Claim::ticket_mut) {
            ticket.set_origin(origin);
        }
    }

    /// The slots as they were when our ticket was created. With the rank of that instant they name the slot that
    /// no other waiting pod will try.
    pub(super) fn on_past(&mut self, past: Option<PastView>, terminating: bool) {
        self.track.answered();
        let Some(claim) = self.wanting().filter(|_| !terminating) else { return };
        let Some((ticket, names)) = claim.ticket_mut() else { return };
        let key = ticket.name_of_past(past.as_ref(), names);
        if let (Some(key), Some(past)) = (key, past) {
            self.redeem(key, past.seen);
        }
    }

    /// Turns our ticket into the slot of this key.
    pub(super) fn redeem(&mut self, key: String, seen: RankGuard) {
        let current = self.track.current();
        let (Some(claim), Some(lease)) = (self.claims.get_mut(current), *self.lease) else {
            return;
        };
        let Some(ticket) = claim.ticket() else { return };
        let request = RedeemRequest {
            path: claim.pool().path(self.config),
            key: key.clone(),
            record: slot_record(self.config, self.now, claim.pool().terms(), None),
            lease: lease.id(),
            ticket: ticket.revision(),
            spec: claim.pool().spec_revision(),
            seen,
        };
        let attempt = Attempt::new(key, request.record.clone(), lease, None);
        claim.requested(Some(attempt), false);
        self.track.start(current);
        self.out.push(Action::Redeem(Box::new(request)));
    }

    /// Waits on: for a change, for idle time to count, and in any case for no longer than the validity.
    pub(super) fn wait(&mut self, view: &PoolView, why: &str) {
        let reread = self.pace.reread(shortest_validity(self.claims));
        let slow = self.track.read_at().after(reread);
        self.pace.advance();
        let Some(claim) = self.claims.get_mut(self.track.current()) else {
            return;
        };
        claim.say(why);
        let names = claim.pool().names();
        let idle = claim.ticket().and_then(|ticket| ticket.next_idle_check(view, names));
        self.track.wait_until(idle.map_or(slow, |idle| idle.min(slow)));
        self.track.set_watching(true);
        self.out.push(Action::Watch(Watch {
            path: claim.pool().path(self.config),
            from: view.revision + 1,
            watched_ticket: view.ahead.as_ref().and_then(|ahead| ahead.watched_ticket.clone()),
        }));
    }

    /// A watch has seen a change. While a request is under way there is nothing to remember: its answer leads to a
    /// watch from its own revision on.
    pub(super) fn on_woken(&mut self) {
        self.track.set_watching(false);
        if self.waits() {
            self.track.bring_forward(self.now.boot);
        }
    }

    /// A watch broke off. What it has missed is read after a pause.
    pub(super) fn on_watch_ended(&mut self) {
        self.track.set_watching(false);
        if self.waits() {
            let pause = self.pace.retry(self.track.failures());
            self.track.bring_forward(self.now.boot.after(pause));
        }
    }

    /// Ends the watch once nothing waits any more.
    pub(super) fn unwatch(&mut self) {
        if self.claims.iter().all(|claim| claim.ticket().is_none()) {
            self.track.set_watching(false);
            self.out.push(Action::Unwatch);
        }
    }

    pub(super) fn on_left(&mut self) {
        self.track.answered();
        if let Some(claim) = self.claims.get_mut(self.track.current()) {
            claim.leave_queue();
        }
    }

    /// A ticket of ours on another lease than ours means that we restarted while waiting. That lease is taken up,
    /// and the wait goes on. A lease with slots on it is not given up for a ticket: then the old ticket is deleted.
    /// True while an answer is to come.
    pub(super) fn take_older_ticket(&mut self, view: &PoolView, lease: PodLease) -> bool {
        let Some(older) = view.ticket.filter(|ticket| ticket.lease != lease.id()) else {
            return false;
        };
        let current = self.track.current();
        let has_slots = self.claims.iter().any(|claim| claim.phase().has_slot());
        let claim = self.claims.get(current).filter(|claim| claim.phase().wants());
        let Some(path) = claim.map(|claim| claim.pool().path(self.config)) else {
            return false;
        };
        let uid = self.config.holder.uid.clone();
        self.track.start(current);
        self.out.push(if has_slots {
            Action::LeaveQueue(LeaveQueueRequest { path, uid, ticket: Some(older.revision) })
        } else {
            Action::Resume { lease: older.lease, slots: Vec::new() }
        });
        true
    }

    fn wanting(&mut self) -> Option<&mut Claim> {
        self.claims.get_mut(self.track.current()).filter(|claim| claim.phase().wants())
    }

    fn waits(&self) -> bool {
        self.claims.get(self.track.current()).is_some_and(|claim| claim.ticket().is_some())
    }
}

/// What is asked about the revision that created the ticket of this claim, as long as that may be of use.
pub(super) fn ask_past(config: &Config, claim: &Claim) -> Option<Action> {
    let ticket = claim.ticket().filter(|ticket| ticket.asks_for_past())?;
    let (path, revision) = (claim.pool().path(config), ticket.revision());
    Some(if ticket.knows_origin() {
        Action::ReadAt { path, revision, only: ticket.expected(claim.pool().names()) }
    } else {
        Action::ReadOrigin { path, revision }
    })
}

/// Deletes a ticket that exists, or may exist. A ticket that stayed behind would stop those behind it. True while
/// an answer is to come.
pub(super) fn leave(
    config: &Config,
    claims: &[Claim],
    track: &mut ClaimTrack,
    out: &mut Vec<Action>,
) -> bool {
    let queued = |(_, claim): &(usize, &Claim)| claim.is_queued();
    let Some((index, claim)) = claims.iter().enumerate().find(queued) else {
        return false;
    };
    track.start(index);
    out.push(Action::LeaveQueue(LeaveQueueRequest {
        path: claim.pool().path(config),
        uid: config.holder.uid.clone(),
        ticket: claim.ticket().map(OwnTicket::revision),
    }));
    true
}
