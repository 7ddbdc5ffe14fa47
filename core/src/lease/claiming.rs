//! The claiming track from a read of the store to a slot: read, check, decide, request.
//!
//! Pools are claimed one at a time, in byte order, so that two pods never wait for each other.

use super::action::{Action, EndReason};
use super::claim::Claim;
use super::config::Config;
use super::decide::{Decision, claim_request, decide};
use super::define::define;
use super::event::Won;
use super::evidence::Evidence;
use super::look;
use super::phase::{Attempt, PodLease};
use super::queue::{self, QueueHandler};
use super::reason;
use super::regain::Former;
use super::renewing;
use super::resume::ResumeHandler;
use super::settle;
use super::together::needed_ttl;
use super::track::{ClaimTrack, Pace, Track};
use super::view::PoolView;
use crate::pool::Scope;
use crate::time::Now;

/// Works for the first claim that wants a slot.
pub(super) struct ClaimHandler<'m> {
    pub(super) config: &'m Config,
    pub(super) now: Now,
    pub(super) claims: &'m mut [Claim],
    pub(super) lease: &'m mut Option<PodLease>,
    pub(super) epoch: &'m mut i64,
    pub(super) evidence: &'m mut Evidence,
    pub(super) track: &'m mut ClaimTrack,
    pub(super) renewing: &'m mut Track,
    pub(super) pace: &'m mut Pace,
    pub(super) out: &'m mut Vec<Action>,
}

/// What a read depended on that a spec may change.
type ReadShape = Option<(Scope, bool)>;

// === impl ClaimHandler ===

impl ClaimHandler<'_> {
    /// Sends the next request.
    pub(super) fn next(&mut self) {
        let wants = |claim: &Claim| claim.phase().wants() && !claim.is_barred();
        let Some(index) = self.claims.iter().position(wants) else { return self.next_chore() };
        self.track.start_read(index, self.now.boot);
        let Some(claim) = self.claims.get(index) else {
            return;
        };
        if let Some(past) = queue::ask_past(self.config, claim) {
            return self.out.push(past);
        }
        // Before the lease only the specs count.
        let lists = self.lease.is_some() || self.unknown_pool().is_none();
        let read = look::request(self.config, self.claims, claim, lists);
        self.evidence.note_read();
        self.out.push(match self.lease {
            Some(_) => Action::Read(read),
            // The lease must last as long as the pools need, so their specs come first. Those that ship with
            // Cairn are known, which saves a round trip.
            None if self.unknown_pool().is_some() => Action::Read(read),
            None => Action::Begin { ttl: needed_ttl(self.claims), read },
        });
    }

    /// Takes in the answer to a read. A message means that there will be no name.
    pub(super) fn on_view(&mut self, view: &PoolView, terminating: bool) -> Option<String> {
        self.track.answered();
        if let Some(why) = self.evidence.check_read(view.epoch, view.revision) {
            let why = why.to_owned();
            self.wait(self.track.current(), &why);
            return None;
        }
        let asked = self.read_shape();
        self.learn(view);
        if let Some(claim) = self.claims.get_mut(self.track.current()) {
            claim.see_crowd(view);
        }
        if !view.owners.is_empty() {
            self.resume().recognise_attempts(view);
        }
        // A lease is granted before the pools are known: their validity may want it renewed sooner. So may a slot that
        // was recognised.
        renewing::renew_in_time(self.renewing, *self.lease, self.claims, self.pace);
        if terminating || (!view.owners.is_empty() && self.resume().take_older_lease(view)) {
            return None;
        }
        let Some(lease) = *self.lease else {
            // This read came before the grant: a pool that it did not find is defined, otherwise the grant follows.
            if let Some(index) = self.unknown_pool() {
                self.define(index);
            }
            return None;
        };
        let former = self.former(view);
        if let (Some(_), Some(_)) = (&former, view.ticket) {
            self.end_superseded();
            return None;
        }
        if view.ticket.is_some() && self.queue().take_older_ticket(view, lease) {
            return None;
        }
        if lease.ttl() < needed_ttl(self.claims) && self.give_up_lease(lease) {
            return None;
        }
        let decision = self.decide(view, lease, asked, former)?;
        self.act(view, decision)
    }

    // --- check ---

    fn learn(&mut self, view: &PoolView) {
        *self.epoch = view.epoch.unwrap_or(*self.epoch);
        for claim in self.claims.iter_mut() {
            claim.learn(view);
        }
    }

    fn read_shape(&self) -> ReadShape {
        let claim = self.claims.get(self.track.current())?;
        Some((claim.pool().scope(), claim.pool().reserves()))
    }

    /// A pool of which nobody can say yet how long a lease it needs.
    fn unknown_pool(&self) -> Option<usize> {
        self.claims.iter().position(|claim| claim.pool().is_unknown())
    }

    fn former(&self, view: &PoolView) -> Option<Former> {
        let claim = self.claims.get(self.track.current())?;
        let held = claim.former().filter(|_| claim.pool().spec().is_some())?;
        Former::find(self.config, self.evidence, claim, held, view, self.now)
    }

    /// A process that regains its old name creates no ticket, so a ticket under our UID means that a newer process
    /// runs.
    fn end_superseded(&mut self) {
        if let Some(claim) = self.claims.get(self.track.current()) {
            let why = reason::younger_waits(claim.pool().name());
            self.out.push(Action::Finish(EndReason::Fenced(why)));
        }
    }

    /// A lease that is too short for a pool is replaced, unless slots hang on it. True when it is.
    fn give_up_lease(&mut self, lease: PodLease) -> bool {
        if self.claims.iter().any(|claim| claim.phase().has_slot()) {
            return false;
        }
        if !queue::leave(self.config, self.claims, self.track, self.out) {
            *self.lease = None;
            if lease.is_revocable() {
                self.out.push(Action::Revoke(lease.id()));
            }
        }
        true
    }

    // --- decide ---

    fn decide(
        &mut self,
        view: &PoolView,
        lease: PodLease,
        asked: ReadShape,
        former: Option<Former>,
    ) -> Option<Decision> {
        // We guessed the pool's scope or clock rule wrong; the next read uses the spec.
        if asked != self.read_shape() {
            return None;
        }
        let (read_at, now) = (self.track.read_at(), self.now);
        let claim = self.claims.get_mut(self.track.current());
        let claim = claim.filter(|claim| claim.phase().wants())?;
        claim.see_queue(view, read_at, now.boot);
        if let (Some(lease), Some(_)) = (self.lease.as_mut(), claim.ticket()) {
            lease.carry_ticket();
        }
        let decision = decide(claim, view, lease.ttl(), former, now.wall);
        let names_new_store = self.config.define_missing && !self.config.new_store;
        Some(decision.with_freeze_end(view, now.wall, names_new_store))
    }

    // --- request ---

    fn act(&mut self, view: &PoolView, decision: Decision) -> Option<String> {
        let index = self.track.current();
        if matches!(decision, Decision::Join | Decision::Stay(_)) && self.give_way(index) {
            return None;
        }
        if !view.unsettled.is_empty() && settle::is_due(self.claims.get(index)?, view, &decision) {
            self.note_chore(view);
            self.next_chore();
            return None;
        }
        match decision {
            Decision::Take(key) => self.request(view, Some(key), None),
            Decision::TakeBack(former) => {
                self.request(view, Some(former.held().key.clone()), Some(&former));
            }
            Decision::Join => self.request(view, None, None),
            Decision::Redeem(key) => {
                let seen = view.rank_guard();
                self.queue().redeem(key, seen);
            }
            Decision::Stay(why) => self.queue().wait(view, &why),
            Decision::AskMore => {}
            Decision::Define => self.define(index),
            Decision::Wait(why) => self.wait(index, &why),
            Decision::Lose(held, why) => self.claims.get_mut(index)?.lose_for_good(held, why),
            Decision::GiveUp(why) => self.claims.get_mut(index)?.give_up(why),
            Decision::Fail(why) => return Some(why),
        }
        None
    }

    /// Before a claim waits for others, the slots of later pools are given back. False when there are none.
    fn give_way(&mut self, waiting: usize) -> bool {
        let mut gives = false;
        for claim in self.claims.iter_mut().skip(waiting + 1) {
            gives |= claim.yield_slot();
        }
        gives
    }

    /// Claims the slot of this key, or only joins the queue.
    fn request(&mut self, view: &PoolView, key: Option<String>, former: Option<&Former>) {
        self.note_chore(view);
        let current = self.track.current();
        let (Some(claim), Some(lease)) = (self.claims.get_mut(current), *self.lease) else {
            return;
        };
        let request = claim_request(self.config, self.now, claim, lease, view, key, former);
        let attempt = request.key.clone().map(|key| {
            let continues = former.map(|former| former.held().fence);
            Attempt::new(key, request.record.clone(), lease, continues)
        });
        claim.requested(attempt, former.is_none());
        self.track.start(current);
        self.out.push(Action::Claim(Box::new(request)));
    }

    /// Writes a pool that is missing, or waits for it.
    fn define(&mut self, index: usize) {
        let Some(claim) = self.claims.get(index) else { return };
        match define(self.config, *self.epoch, claim.pool(), self.now) {
            Ok(action) => {
                self.track.start(self.track.current());
                self.out.push(action);
            }
            Err(why) => self.wait(index, &why),
        }
    }

    fn wait(&mut self, index: usize, why: &str) {
        if let Some(claim) = self.claims.get_mut(index) {
            claim.say(why);
        }
        self.pace.advance();
        self.track.pause(self.now.boot, self.pace);
    }

    /// Remembers what to settle for other pods after the claim.
    fn note_chore(&mut self, view: &PoolView) {
        let claim = self.claims.get(self.track.current()).filter(|_| !view.unsettled.is_empty());
        let chore = claim.and_then(|claim| settle::settlement(self.config, claim, view));
        self.track.set_chore(chore);
    }

    fn next_chore(&mut self) {
        if let Some(chore) = self.track.take_chore() {
            self.track.start(self.track.current());
            self.out.push(Action::Settle(chore));
        }
    }

    // --- answers ---

    pub(super) fn on_claimed(&mut self, won: Won) {
        self.track.answered();
        let claim = self.claims.get_mut(self.track.current());
        let Some(claim) = claim.filter(|claim| claim.phase().wants()) else {
            return;
        };
        // The lease may have expired meanwhile: then the next read shows what became of the slot.
        if self.lease.is_none() {
            claim.set_uncertain();
            return;
        }
        if let Some(attempt) = claim.take_attempt() {
            // A pod that had to queue leaves the chore to one that had not, or to those that wait.
            if claim.ticket().is_some() {
                self.track.set_chore(None);
            }
            let late = attempt.continues().is_none() && attempt.is_late(self.now);
            if late {
                // A renewal has to prove it first. Until then nothing is shown, so nothing is shown as lost.
                self.renewing.hurry();
            }
            let believed_from = (!late).then_some(attempt.believed_from());
            claim.won(&attempt, won, believed_from, self.now);
            renewing::renew_in_time(self.renewing, *self.lease, self.claims, self.pace);
        }
    }

    pub(super) fn on_conflict(&mut self) {
        self.track.answered();
        let claim = self.claims.get_mut(self.track.current());
        if claim.filter(|claim| claim.phase().wants()).is_some_and(Claim::conflict) {
            return;
        }
        self.pace.advance();
        self.track.wait_until(self.now.boot.after(self.pace.conflict()));
    }

    // --- the other handlers of this track ---

    pub(super) fn queue(&mut self) -> QueueHandler<'_> {
        QueueHandler {
            config: self.config,
            now: self.now,
            claims: self.claims,
            lease: self.lease,
            track: self.track,
            pace: self.pace,
            out: self.out,
        }
    }

    pub(super) fn resume(&mut self) -> ResumeHandler<'_> {
        ResumeHandler {
            config: self.config,
            now: self.now,
            claims: self.claims,
            lease: self.lease,
            epoch: self.epoch,
            track: self.track,
            renewing: self.renewing,
            pace: self.pace,
            out: self.out,
        }
    }
}
