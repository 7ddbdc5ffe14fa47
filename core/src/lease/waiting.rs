//! The claiming track in the queue: from a ticket to a slot, or out of the queue.

use std::time::Duration;

use super::claim::{Attempt, Claim, claim_path};
use super::decide::Decision;
use super::machine::Machine;
use super::track::Track;
use super::{
    Action, FRONT, LeaseId, LeaveQueueRequest, PastView, PoolView, Queued, RankGuard,
    RedeemRequest, Watch,
};
use crate::pick;
use crate::pool::{OnExhausted, Pool};
use crate::time::{BootInstant, Now};

/// A live waiter that could take a name needs a round trip or two for it. As many of these as have
/// passed without any change, so many tickets ahead are taken for abandoned.
const SILENCE: Duration = Duration::from_secs(1);

/// Our ticket.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Its create revision.
    pub(super) revision: i64,
    /// Its rank at that revision: good for one look at the slots as they were then.
    pub(super) fresh: Option<usize>,
    /// Its rank as last seen.
    pub(super) rank: Option<usize>,
    quiet: Option<Quiet>,
    /// Attempts that lost a compare although nothing was seen to change.
    failures: u32,
}

/// How long nothing has changed.
#[derive(Clone, Debug)]
struct Quiet {
    pulse: Pulse,
    since: BootInstant,
    /// Up to the send instant of the last look: what happened on its way back was not seen.
    lasted: Duration,
}

/// Differs whenever something has changed in the slots, the quarantines or the queue: a put moves a
/// mod revision (that of the sentinel when a ticket is put), a deletion changes a count. Spec and hold
/// belong to it, because a name that they set free has not been let lie by anybody yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pulse {
    newest: i64,
    sentinel: i64,
    counts: [usize; 3],
    spec: i64,
    epoch: i64,
    frozen: bool,
}

// === impl Machine ===

impl Machine {
    pub(super) fn on_queued(&mut self, queued: Queued) {
        let Some(claim) = self.claims.get_mut(self.current).filter(|claim| claim.wants()) else {
            return;
        };
        // The ticket moved the sentinel, so that no earlier attempt at a slot can land any more.
        claim.attempt = None;
        claim.uncertain = false;
        claim.may_be_queued = false;
        if let Some(rank) = queued.rank {
            let sentence = format!("in the queue of pool '{}'; {}", claim.name, place(rank));
            claim.say(&sentence);
        }
        // During a hold nothing is granted: no attempt is worth its write.
        let fresh = queued.rank.filter(|_| !claim.frozen);
        if let Some(lease) = &mut self.lease {
            lease.carried_ticket = true;
        }
        claim.ticket = Some(Waiting { fresh, ..Waiting::new(queued.revision, queued.rank) });
    }

    /// The slots as they were when our ticket was made: with the rank of that instant they name the
    /// slot that nobody else of this herd will try.
    pub(super) fn on_past(&mut self, now: Now, past: Option<PastView>, actions: &mut Vec<Action>) {
        let Some(claim) = self.claims.get_mut(self.current).filter(|claim| claim.wants()) else {
            return;
        };
        let rank = claim.ticket.as_mut().and_then(|waiting| waiting.fresh.take());
        let (Some(rank), Some(past), Some(pool)) = (rank, past, &claim.pool) else {
            return;
        };
        if self.terminating {
            return;
        }
        let target = pick::free(&pool.names, &past.held, &past.quarantined).nth(rank);
        if let Some(key) = target.and_then(|index| pool.names.key(index)) {
            let key = key.into_owned();
            self.redeem(now, key, past.seen, actions);
        }
    }

    pub(super) fn redeem(
        &mut self,
        now: Now,
        key: String,
        seen: RankGuard,
        actions: &mut Vec<Action>,
    ) {
        let (Some(claim), Some(lease)) = (self.claims.get(self.current), self.lease) else {
            return;
        };
        let Some(waiting) = &claim.ticket else { return };
        let redemption = Box::new(RedeemRequest {
            path: claim_path(claim, &self.config),
            key,
            record: self.record(now, claim, None),
            lease: lease.id,
            ticket: waiting.revision,
            spec: claim.spec_revision,
            seen,
        });
        let attempt = Attempt {
            key: redemption.key.clone(),
            record: redemption.record.clone(),
            believed_from: lease.believed_from,
            continues: None,
        };
        if let Some(claim) = self.claims.get_mut(self.current) {
            claim.attempt = Some(attempt);
        }
        self.claiming = Track::Busy;
        actions.push(Action::Redeem(redemption));
    }

    /// Waits on: for a change, for silence to count, and in any case for a part of V.
    pub(super) fn stay(&mut self, view: &PoolView, sentence: &str, actions: &mut Vec<Action>) {
        // V ± 10 %: a watch may miss anything, this may not.
        let period = self.shortest_validity().mul_f64(0.9 + 0.2 * self.jitter(self.round));
        let slow = self.asked.after(period);
        self.round += 1;
        let Some(claim) = self.claims.get_mut(self.current) else {
            return;
        };
        claim.say(sentence);
        let quiet = claim.ticket.as_ref().and_then(|waiting| waiting.next_silence(view, claim));
        self.claiming = Track::Until(quiet.map_or(slow, |quiet| quiet.min(slow)));
        self.watching = true;
        actions.push(Action::Watch(Watch {
            path: claim_path(claim, &self.config),
            from: view.revision + 1,
            watched_ticket: view.ahead.as_ref().and_then(|ahead| ahead.watched_ticket.clone()),
        }));
    }

    /// A watch has spoken, or ended. While something is under way nothing need be remembered: its
    /// answer leads to a watch from its own revision on.
    pub(super) fn on_woken(&mut self, now: Now, ended: bool) {
        self.watching = false;
        let pause = self.claim_retry();
        let waits = self.claims.get(self.current).is_some_and(|claim| claim.ticket.is_some());
        if let (Track::Until(instant), true) = (self.claiming, waits) {
            let look = if ended { now.boot.after(pause).min(instant) } else { now.boot };
            self.claiming = Track::Until(look);
        }
    }

    pub(super) fn on_withdrawn(&mut self) {
        if let Some(claim) = self.claims.get_mut(self.current) {
            claim.leave_queue();
        }
    }

    /// A ticket of ours on another lease than ours means that we restarted while waiting: that
    /// lease is taken up, and the wait goes on. A lease with slots on it is not given up for a
    /// place in a queue; then the old ticket is withdrawn.
    pub(super) fn resume_older_ticket(
        &mut self,
        view: &PoolView,
        lease: LeaseId,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(older) = view.ticket.filter(|ticket| ticket.lease != lease) else {
            return false;
        };
        let Some(claim) = self.claims.get(self.current).filter(|claim| claim.wants()) else {
            return false;
        };
        self.claiming = Track::Busy;
        actions.push(if self.claims.iter().any(Claim::is_placed) {
            Action::LeaveQueue(self.withdrawal(claim, Some(older.revision)))
        } else {
            Action::Resume { lease: older.lease, slots: Vec::new() }
        });
        true
    }

    /// There will be no name. A ticket that stayed behind would stop those behind it.
    pub(super) fn next_failure(&mut self, sentence: String, actions: &mut Vec<Action>) {
        if !self.leave(actions) {
            self.finish(super::EndReason::Failed(sentence), actions);
        }
    }

    /// Gives the lease back, with a ticket that hangs on it, or else withdraws the ticket. True
    /// while an answer is to come.
    ///
    /// Revoke only when nothing else can hang on the lease: neither a slot that was not released
    /// nor an attempt whose answer never came.
    pub(super) fn leave(&mut self, actions: &mut Vec<Action>) -> bool {
        let queued = |claim: &Claim| claim.ticket.is_some() || claim.may_be_queued;
        let bare = !self.claims.iter().any(queued) && self.claims.iter().all(Claim::is_bare);
        if let Some(lease) = self.lease.filter(|lease| bare && !lease.carried_ticket) {
            actions.push(Action::Revoke(lease.id));
            return false;
        }
        self.withdraw(actions)
    }

    /// Withdraws a ticket that there is or may be. True while an answer is to come.
    pub(super) fn withdraw(&mut self, actions: &mut Vec<Action>) -> bool {
        let queued = |claim: &Claim| claim.ticket.is_some() || claim.may_be_queued;
        let Some(index) = self.claims.iter().position(queued) else {
            return false;
        };
        let Some(claim) = self.claims.get(index) else {
            return false;
        };
        let revision = claim.ticket.as_ref().map(|waiting| waiting.revision);
        actions.push(Action::LeaveQueue(self.withdrawal(claim, revision)));
        self.current = index;
        self.claiming = Track::Busy;
        true
    }

    fn withdrawal(&self, claim: &Claim, ticket: Option<i64>) -> LeaveQueueRequest {
        LeaveQueueRequest {
            path: claim_path(claim, &self.config),
            uid: self.config.holder.uid.clone(),
            ticket,
        }
    }
}

// === impl Claim ===

impl Claim {
    /// Takes in what a look showed of our ticket.
    pub(super) fn line_up(&mut self, view: &PoolView, asked: BootInstant, now: BootInstant) {
        self.frozen = view.frozen;
        let Some(found) = view.ticket else {
            self.ticket = None;
            return;
        };
        self.may_be_queued = false;
        let known = self.ticket.take().filter(|known| known.revision == found.revision);
        let mut waiting = known.unwrap_or_else(|| Waiting::new(found.revision, None));
        waiting.fresh = None;
        if let Some(ahead) = &view.ahead {
            let pulse = Pulse {
                newest: view.newest,
                sentinel: view.sentinel,
                counts: [view.held.len(), view.quarantined.len(), view.queued],
                spec: self.spec_revision,
                epoch: view.epoch_revision,
                frozen: view.frozen,
            };
            waiting.observe(pulse, ahead.rank, asked, now);
        }
        self.ticket = Some(waiting);
    }

    /// What a look at the store means for one that has a ticket.
    pub(super) fn in_line(&self, view: &PoolView, pool: &Pool, waiting: &Waiting) -> Decision {
        let Some(ahead) = &view.ahead else {
            return Decision::AskRank;
        };
        let name = &self.name;
        let place = place(ahead.rank);
        if view.frozen {
            return Decision::Stay(format!("{}; {place}", self.hold_sentence()));
        }
        let mut free = pick::free(&pool.names, &view.held, &view.quarantined);
        let target = free.clone().nth(waiting.reach());
        if let Some(key) = target.and_then(|index| pool.names.key(index)) {
            return Decision::Redeem(key.into_owned());
        }
        if pool.spec.on_exhausted == OnExhausted::Fail {
            return Decision::Fail(self.exhausted_sentence(pool));
        }
        Decision::Stay(match free.next() {
            None => format!("{}; {place}", self.full_sentence(pool)),
            Some(_) => format!("the free names of pool '{name}' go to pods ahead; {place}"),
        })
    }

    /// Not in any queue any more, whatever was asked for.
    pub(super) fn leave_queue(&mut self) {
        self.ticket = None;
        self.may_be_queued = false;
    }
}

// === impl View ===

impl PoolView {
    pub(super) fn marks(&self) -> RankGuard {
        RankGuard { reclaims: self.reclaims, epoch: self.epoch_revision }
    }
}

// === impl Waiting ===

impl Waiting {
    fn new(revision: i64, rank: Option<usize>) -> Self {
        Self { revision, fresh: None, rank, quiet: None, failures: 0 }
    }

    /// Counts a lost compare. One is the price of a look that came too early; whatever makes them
    /// frequent must not be met with a stream of writes.
    pub(super) fn is_first_failure(&mut self) -> bool {
        self.failures += 1;
        self.failures == 1
    }

    /// A request had no good answer. Nobody can be said to have been silent while the store was.
    pub(super) fn failed(&mut self) {
        self.fresh = None;
        self.quiet = None;
    }

    fn observe(&mut self, pulse: Pulse, rank: usize, asked: BootInstant, now: BootInstant) {
        self.rank = Some(rank);
        match &mut self.quiet {
            Some(quiet) if quiet.pulse == pulse => quiet.lasted = asked.since(quiet.since),
            quiet => {
                *quiet = Some(Quiet { pulse, since: now, lasted: Duration::ZERO });
                self.failures = 0;
            }
        }
    }

    /// The rank to act with: the own one, less those ahead that let a name lie.
    pub(super) fn reach(&self) -> usize {
        let rank = self.rank.unwrap_or(usize::MAX);
        let silences = self.quiet.as_ref().map_or(0, Quiet::count);
        if rank < FRONT { rank.saturating_sub(silences) } else { rank }
    }

    /// When to look whether it is still silent. Silence means nothing while there is nothing to do.
    fn next_silence(&self, view: &PoolView, claim: &Claim) -> Option<BootInstant> {
        let quiet = self.quiet.as_ref().filter(|_| self.rank.is_some_and(|rank| rank < FRONT))?;
        let names = claim.names().filter(|_| !view.frozen)?;
        if view.unsettled.is_empty() {
            pick::free(names, &view.held, &view.quarantined).next()?;
        }
        let next = u32::try_from(quiet.count()).unwrap_or(u32::MAX).saturating_add(1);
        Some(quiet.since.after(SILENCE * next))
    }
}

impl Quiet {
    fn count(&self) -> usize {
        usize::try_from(self.lasted.as_nanos() / SILENCE.as_nanos()).unwrap_or(usize::MAX)
    }
}

fn place(rank: usize) -> String {
    match rank {
        0 => "waiting with rank 0: this pod is next".to_owned(),
        1 => "waiting with rank 1: one pod is ahead".to_owned(),
        _ => format!("waiting with rank {rank}: {rank} pods are ahead"),
    }
}
