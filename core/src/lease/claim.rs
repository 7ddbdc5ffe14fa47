//! One claim of the machine: what is known of its pool, its phase, and its place in the queue.
//!
//! Invariant: only this file assigns a phase.

use super::event::{Adopted, Queued, Won};
use super::inherited::Inherited;
use super::known_pool::KnownPool;
use super::phase::{App, Attempt, Held, Phase};
use super::reason;
use super::reservation::ReservedTime;
use super::ticket::OwnTicket;
use super::view::PoolView;
use crate::names::Names;
use crate::pool::{OnLoss, PoolName, Scope};
use crate::time::{BootInstant, Now};

/// A claim of one pool.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pool: KnownPool,
    phase: Phase,
    /// The last attempt at a slot.
    attempt: Option<Attempt>,
    /// Some attempt had no clear answer: it may be in the store, or still land.
    uncertain: bool,
    /// A request to join the queue had no clear answer.
    may_be_queued: bool,
    ticket: Option<OwnTicket>,
    /// The pool was frozen when it was last read.
    frozen: bool,
    /// What an earlier process of this holder published, or this one has released: the name to claim again.
    before: Option<Inherited>,
    time: ReservedTime,
    app: App,
}

// === impl Claim ===

impl Claim {
    pub(super) fn new(name: PoolName, before: Option<Inherited>) -> Self {
        let keep = before.as_ref().filter(|before| before.on_loss == OnLoss::Keep);
        Self {
            pool: KnownPool::new(name, before.as_ref()),
            phase: match keep {
                Some(before) => {
                    Phase::Regaining(Held::inherited(before), reason::RESTARTED.to_owned())
                }
                None => Phase::Pending(reason::READING.to_owned()),
            },
            attempt: None,
            uncertain: false,
            may_be_queued: false,
            ticket: None,
            frozen: false,
            before,
            time: ReservedTime::default(),
            app: App::Calls,
        }
    }

    /// Takes in the pool's spec.
    pub(super) fn learn(&mut self, view: &PoolView) {
        self.pool.learn(view, self.phase.held().is_some());
    }

    /// Takes in whether others wait.
    pub(super) fn see_crowd(&mut self, view: &PoolView) {
        self.pool.set_crowded(view.queued > 0);
    }

    /// Takes in what a read, sent at `read_at`, showed of the queue.
    pub(super) fn see_queue(&mut self, view: &PoolView, read_at: BootInstant, now: BootInstant) {
        self.frozen = view.frozen;
        let known = self.ticket.take();
        if let Some(found) = view.ticket {
            self.may_be_queued = false;
            let spec = self.pool.spec_revision();
            self.ticket = Some(OwnTicket::found(known, found, view, spec, read_at, now));
        }
    }

    /// A request for a slot, or for a ticket, was sent.
    pub(super) fn requested(&mut self, attempt: Option<Attempt>, may_queue: bool) {
        self.may_be_queued |= may_queue;
        self.attempt = attempt.or_else(|| self.attempt.take());
    }

    pub(super) fn take_attempt(&mut self) -> Option<Attempt> {
        self.attempt.take()
    }

    /// An attempt was answered when it could not be believed any more: the next read shows what became of it.
    pub(super) fn set_uncertain(&mut self) {
        self.uncertain = true;
    }

    /// A request had no clear answer.
    pub(super) fn request_failed(&mut self, message: &str) {
        self.uncertain |= self.attempt.is_some();
        if let Some(ticket) = &mut self.ticket {
            ticket.request_failed(self.attempt.is_some());
        }
        self.say(message);
    }

    /// A request lost a compare. True when another may follow at once: ranks keep waiting pods apart.
    pub(super) fn conflict(&mut self) -> bool {
        self.attempt = None;
        self.may_be_queued = false;
        if self.ticket.as_mut().is_some_and(OwnTicket::conflict) {
            return true;
        }
        if let Phase::Adopting(_) = self.phase {
            self.phase = Phase::Pending(reason::TAKEN_OVER.to_owned());
        }
        false
    }

    /// A claim request has left us with a ticket. It moved the sentinel, so that no earlier attempt at a slot
    /// can land any more.
    pub(super) fn queued(&mut self, queued: Queued) {
        self.attempt = None;
        self.uncertain = false;
        self.may_be_queued = false;
        if let Some(origin) = queued.origin {
            self.say(&reason::joined(self.pool.name(), origin.rank));
        }
        self.ticket = Some(OwnTicket::created(queued, self.frozen));
    }

    /// No ticket is left.
    pub(super) fn leave_queue(&mut self) {
        self.ticket = None;
        self.may_be_queued = false;
    }

    /// Says why there is no slot yet.
    pub(super) fn say(&mut self, why: &str) {
        match &mut self.phase {
            Phase::Pending(reason) | Phase::Regaining(_, reason) => why.clone_into(reason),
            Phase::Adopting(_)
            | Phase::Held(_)
            | Phase::Lost(..)
            | Phase::Yielding(_)
            | Phase::Released
            | Phase::LeftToExpire => {}
        }
    }

    /// A slot of ours was found on an earlier lease. The spec may be gone: the slot's place shows its scope.
    pub(super) fn found(&mut self, held: Held, scope: Scope) {
        self.pool.set_scope(scope);
        self.phase = Phase::Adopting(held);
    }

    /// The slot that was found is ours.
    pub(super) fn adopted(&mut self, adopted: Adopted) {
        if let Phase::Adopting(held) = &self.phase {
            let fence = held.fence;
            self.hold(held.adopted(adopted.own_mod_revision));
            self.time.adopt(adopted.clock, fence);
        }
    }

    /// An attempt has won. `believed_from` is `None` when a renewal has to prove it first.
    pub(super) fn won(
        &mut self,
        attempt: &Attempt,
        won: Won,
        believed_from: Option<BootInstant>,
        now: Now,
    ) {
        self.attempt = None;
        self.uncertain = false;
        if self.pool.may_reserve() {
            self.time.claim(won.clock, attempt.continues());
        }
        self.leave_queue();
        let mut held = attempt.held(won);
        if let Some(from) = believed_from {
            held.believe(from, now);
        }
        self.hold(held);
    }

    /// The slot is ours. Once that is proved, nothing follows any more from what was believed before.
    fn hold(&mut self, held: Held) {
        self.before = self.before.take().filter(|before| before.key == held.key);
        if let Some(before) = self.before.as_mut().filter(|_| held.believed_from().is_some()) {
            before.deadline = None;
        }
        self.phase = Phase::Held(held);
    }

    /// A renewal has read the pool's freeze.
    pub(super) fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// A renewal that was sent at this instant has proved the slot.
    pub(super) fn prove(&mut self, sent: BootInstant, now: Now) {
        if let Phase::Held(held) = &mut self.phase {
            held.believe(sent, now);
        }
    }

    /// The slot is not ours any more.
    pub(super) fn lose(&mut self, why: &str) {
        if let Phase::Held(held) = &self.phase {
            self.phase = match self.pool.on_loss() {
                OnLoss::Keep => Phase::Lost(held.clone(), why.to_owned()),
                OnLoss::Stop => Phase::Pending(reason::lost(why)),
            };
        }
    }

    /// The slot has gone with the store, and nobody has taken it. `live`: the deadline has not passed.
    pub(super) fn lose_with_store(&mut self, live: bool, why: &str) {
        if let Phase::Held(held) | Phase::Adopting(held) = &self.phase {
            self.phase = if live || self.pool.on_loss() == OnLoss::Keep {
                Phase::Regaining(held.clone(), format!("{why}; claiming the same name again"))
            } else {
                Phase::Pending(reason::lost(why))
            };
        }
    }

    /// The lease is gone, and with it every key on it.
    pub(super) fn lose_lease(&mut self, live: bool, why: &str) {
        self.leave_queue();
        match &self.phase {
            Phase::Held(_) | Phase::Adopting(_) => self.lose_with_store(live, why),
            Phase::Yielding(_) => self.phase = Phase::Pending(reason::lost(why)),
            Phase::Pending(_)
            | Phase::Regaining(..)
            | Phase::Lost(..)
            | Phase::Released
            | Phase::LeftToExpire => {}
        }
    }

    /// The name is another pod's. A running pod never moves to another one.
    pub(super) fn lose_for_good(&mut self, held: Held, why: String) {
        self.phase = Phase::Lost(held, why);
    }

    /// The name cannot be had again. Another one may be claimed.
    pub(super) fn give_up(&mut self, why: String) {
        self.before = None;
        self.phase = Phase::Pending(why);
    }

    /// Takes note of the app. While it is silent the slot of a `Stop` pool is given back, and none is claimed.
    pub(super) fn hear(&mut self, app: App) {
        self.app = app;
    }

    /// Nothing is claimed before the app is back.
    pub(super) fn is_barred(&self) -> bool {
        self.app == App::Silent && self.pool.on_loss() == OnLoss::Stop
    }

    /// Starts to give the slot back: a claim of an earlier pool waits, or the app is silent. False when there is none.
    pub(super) fn yield_slot(&mut self) -> bool {
        if let Phase::Held(held) | Phase::Adopting(held) = &self.phase {
            self.phase = Phase::Yielding(held.clone());
            return true;
        }
        false
    }

    /// A release was answered. One that lost its compare is left alone: the slot is another's, or the lease
    /// expires. After a yield the app may go on with the name, which `published` describes.
    pub(super) fn released(&mut self, done: bool, published: Option<Inherited>) {
        self.phase = match (&self.phase, done) {
            (Phase::Yielding(_), true | false) => {
                self.before = published.map(|published| Inherited { deadline: None, ..published });
                Phase::Pending(reason::YIELDED.to_owned())
            }
            (Phase::Held(_), true) => Phase::Released,
            (Phase::Held(_), false) => Phase::LeftToExpire,
            (
                Phase::Pending(_)
                | Phase::Adopting(_)
                | Phase::Regaining(..)
                | Phase::Lost(..)
                | Phase::Released
                | Phase::LeftToExpire,
                true | false,
            ) => return,
        };
    }

    /// The slot that this pod had before and does not have now.
    pub(super) fn former(&self) -> Option<Held> {
        match &self.phase {
            Phase::Regaining(held, _) => Some(held.clone()),
            Phase::Pending(_) => self.before.as_ref().map(Held::inherited),
            Phase::Adopting(_)
            | Phase::Held(_)
            | Phase::Lost(..)
            | Phase::Yielding(_)
            | Phase::Released
            | Phase::LeftToExpire => None,
        }
    }

    pub(super) fn pool(&self) -> &KnownPool {
        &self.pool
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(super) fn ticket(&self) -> Option<&OwnTicket> {
        self.ticket.as_ref()
    }

    /// The ticket, and the pool's names.
    pub(super) fn ticket_mut(&mut self) -> Option<(&mut OwnTicket, Option<&Names>)> {
        Some((self.ticket.as_mut()?, self.pool.names()))
    }

    pub(super) fn before(&self) -> Option<&Inherited> {
        self.before.as_ref()
    }

    pub(super) fn time(&self) -> &ReservedTime {
        &self.time
    }

    pub(super) fn time_mut(&mut self) -> &mut ReservedTime {
        &mut self.time
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Whether neither a slot, nor an attempt, nor a ticket can hang on the lease.
    pub(super) fn is_bare(&self) -> bool {
        self.phase.is_slotless() && !self.uncertain && !self.is_queued()
    }

    /// Whether there is a ticket, or may be one.
    pub(super) fn is_queued(&self) -> bool {
        self.ticket.is_some() || self.may_be_queued
    }
}
