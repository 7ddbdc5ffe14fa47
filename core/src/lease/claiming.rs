//! The claiming track: from a look at the store to a slot.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::claim::{Attempt, Claim, Held, Phase, claim_path};
use super::decide::Decision;
use super::machine::Machine;
use super::regaining::Wanted;
use super::settling::key_due;
use super::track::Track;
use super::waiting::Waiting;
use super::{Action, AdoptRequest, ClaimRequest, EndReason, PoolView, QueueMode, ReadRequest, Won};
use crate::claim::{Holder, SlotRecord};
use crate::pool::Pool;
use crate::time::Now;

/// What to ask for before any spec was seen: the TTL of numeric pools, the longest built-in one.
const UNKNOWN_TTL: Duration = Duration::from_secs(61);

/// Between two looks at a store that has no name for us, or that does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// Retries slow down to four seconds: so a herd that has overrun its store lets it recover, and a pod
/// starts soon enough after an outage.
const MOST_DOUBLINGS: u32 = 2;

/// After a lost compare: others are claiming right now, and the spread keeps them apart.
const OUTRUN_SPREAD: Duration = Duration::from_millis(50);

impl Machine {
    pub(super) fn next_claim(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.next_yield(actions) {
            return;
        }
        let Some(index) = self.claims.iter().position(Claim::wants) else {
            self.next_chore(actions);
            return;
        };
        let adopting = self.claims.iter().enumerate().find_map(|(at, claim)| match &claim.phase {
            Phase::Adopting(held) => Some((at, claim, held)),
            _ => None,
        });
        if let (Some((adopting, claim, held)), Some(lease)) = (adopting, self.lease) {
            let record = self.record(now, claim, Some(held));
            let adoption = AdoptRequest {
                slot: claim_path(claim, &self.config).slot(&held.key),
                pool: claim.name.clone(),
                record,
                create_revision: held.fence.revision,
                mod_revision: held.own_mod_revision,
                lease: lease.id,
            };
            self.claiming = Track::Busy;
            self.current = adopting;
            actions.push(Action::Adopt(Box::new(adoption)));
            return;
        }
        self.current = index;
        self.asked = now.boot;
        let Some(claim) = self.claims.get(index) else {
            return;
        };
        if let Some(waiting) = claim.ticket.as_ref().filter(|waiting| waiting.fresh.is_some()) {
            let path = claim_path(claim, &self.config);
            self.claiming = Track::Busy;
            actions.push(Action::ReadAt { path, revision: waiting.revision });
            return;
        }
        let read = self.look(claim);
        self.looked_at = self.doubt.known;
        self.claiming = Track::Busy;
        actions.push(match self.lease {
            Some(_) => Action::Read(read),
            // The lease lasts as long as the pools need, so their specs come first. Those that ship with
            // Cairn are known, which saves a round trip.
            None if self.unknown_pool().is_some() => Action::Read(read),
            None => Action::Begin { ttl: self.needed_ttl(), read },
        });
    }

    pub(super) fn on_view(&mut self, now: Now, view: &PoolView, actions: &mut Vec<Action>) {
        if let Some(sentence) = self.doubt.goes_back(self.looked_at, view.epoch, view.revision) {
            let sentence = sentence.to_owned();
            self.wait(now, self.current, &sentence);
            return;
        }
        self.epoch = view.epoch.unwrap_or(self.epoch);
        let index = self.current;
        let guess = self.claims.get(index).map(|claim| (claim.scope, claim.reserves()));
        for claim in &mut self.claims {
            claim.learn(view);
        }
        // A lease is granted before the pools are known: their V may want it renewed sooner.
        if let (Track::Until(instant), Some(lease)) = (self.renewing, self.lease) {
            let period = self.renew_period();
            self.renewing = Track::Until(instant.min(lease.believed_from.after(period)));
        }
        self.recognise_own_attempts(now, view);
        if self.terminating {
            return;
        }
        if self.resume_older_lease(now, view, actions) {
            return;
        }
        let Some(lease) = self.lease else {
            self.on_first_look(now, actions);
            return;
        };
        let claim = self.claims.get(index).filter(|claim| claim.pool.is_some());
        let wanted = claim.and_then(|claim| self.wanted(claim, view, now));
        if let Some(sentence) = claim.and_then(|claim| claim.outlived_by(view, wanted.as_ref())) {
            self.finish(EndReason::Fenced(sentence), actions);
            return;
        }
        if self.resume_older_ticket(view, lease.id, actions) {
            return;
        }
        if lease.ttl < self.needed_ttl() && !self.claims.iter().any(Claim::is_placed) {
            if self.withdraw(actions) {
                return;
            }
            self.lease = None;
            if !lease.carried_ticket {
                actions.push(Action::Revoke(lease.id));
            }
            return;
        }
        let asked = self.asked;
        let Some(claim) = self.claims.get_mut(index).filter(|claim| claim.wants()) else {
            return;
        };
        if guess != Some((claim.scope, claim.reserves())) {
            return; // The look was at the wrong place; the next one is not.
        }
        claim.line_up(view, asked, now.boot);
        if let (Some(lease), true) = (&mut self.lease, claim.ticket.is_some()) {
            lease.carried_ticket = true;
        }
        let decision = claim.decide(view, lease, wanted, now.wall);
        let decision = decision.with_freeze(view, now.wall, self.config.define_missing);
        let name = claim.name.clone();
        if matches!(decision, Decision::Join | Decision::Stay(_)) && self.give_way(index) {
            return;
        }
        let settles = match &decision {
            Decision::Stay(_) => self.settles_for_all(view),
            // Nobody waits in such a pool, so whoever fails sees to it that a later one need not.
            Decision::Fail(_) => !view.unsettled.is_empty(),
            _ => false,
        };
        if settles {
            self.settle(view, actions);
            return;
        }
        match decision {
            Decision::Take(key) => self.order(now, view, Some(key), None, actions),
            Decision::TakeBack(wanted) => {
                let key = wanted.held.key.clone();
                self.order(now, view, Some(key), Some(&wanted), actions);
            }
            Decision::Join => self.order(now, view, None, None, actions),
            Decision::Redeem(key) => self.redeem(now, key, view.marks(), actions),
            Decision::Stay(sentence) => self.stay(view, &sentence, actions),
            Decision::AskRank => {}
            Decision::Define if self.config.define_missing => self.define(now, &name, actions),
            Decision::Define => self.wait(now, index, &super::defining::not_defined(&name)),
            Decision::Wait(sentence) => self.wait(now, index, &sentence),
            Decision::Lose(held, sentence) => {
                if let Some(claim) = self.claims.get_mut(index) {
                    claim.phase = Phase::Lost(held, sentence);
                }
            }
            Decision::GiveUp(sentence) => {
                if let Some(claim) = self.claims.get_mut(index) {
                    claim.before = None;
                    claim.phase = Phase::Pending(sentence);
                }
            }
            Decision::Fail(sentence) => self.failing = Some(sentence),
        }
    }

    /// Claims the slot of this key, or only joins the queue.
    fn order(
        &mut self,
        now: Now,
        view: &PoolView,
        key: Option<String>,
        wanted: Option<&Wanted>,
        actions: &mut Vec<Action>,
    ) {
        let (Some(claim), Some(lease)) = (self.claims.get(self.current), self.lease) else {
            return;
        };
        let before = wanted.map(|wanted| &wanted.held);
        let queue = match wanted {
            None => QueueMode::Join,
            Some(wanted) => QueueMode::Ahead { despite_freeze: wanted.live },
        };
        let order = Box::new(ClaimRequest {
            path: claim_path(claim, &self.config),
            key,
            record: self.record(now, claim, before),
            lease: lease.id,
            queue,
            note: key_due(view, before),
            quarantine: wanted.and_then(|wanted| wanted.rest).unwrap_or_default(),
            clock: wanted.and_then(|wanted| claim.forgotten_reservation(wanted, view)),
            sentinel: view.sentinel,
            spec: claim.spec_revision,
        });
        self.note_chore(view);
        if let Some(claim) = self.claims.get_mut(self.current) {
            claim.may_be_queued |= order.queue == QueueMode::Join;
            if let Some(key) = order.key.clone() {
                let record = order.record.clone();
                let continues = before.map(|held| held.fence);
                let believed_from = lease.believed_from;
                claim.attempt = Some(Attempt { key, believed_from, record, continues });
            }
        }
        self.claiming = Track::Busy;
        actions.push(Action::Claim(order));
    }

    pub(super) fn on_claimed(&mut self, now: Now, won: Won) {
        let Some(claim) = self.claims.get_mut(self.current).filter(|claim| claim.wants()) else {
            return;
        };
        // The lease may have run out meanwhile: then it is for the next look to say what became of it.
        if self.lease.is_none() {
            claim.uncertain = true;
            return;
        }
        if let Some(attempt) = claim.attempt.take() {
            // One that had to queue leaves the chore to the one that had not, or to those who wait.
            if claim.ticket.is_some() {
                self.chore = None;
            }
            claim.place(&attempt, won, Some(attempt.believed_from), now);
        }
    }

    pub(super) fn on_outrun(&mut self, now: Now) {
        if let Some(claim) = self.claims.get_mut(self.current).filter(|claim| claim.wants()) {
            claim.attempt = None;
            claim.may_be_queued = false;
            if claim.ticket.as_mut().is_some_and(Waiting::is_first_failure) {
                return; // Ranks keep us apart from the others; a fresh look gives ours.
            }
            if let Phase::Adopting(_) = claim.phase {
                claim.phase =
                    Phase::Pending("taken over by another sidecar of this pod".to_owned());
            }
        }
        self.round += 1;
        self.claiming =
            Track::Until(now.boot.after(OUTRUN_SPREAD.mul_f64(self.jitter(self.round))));
    }

    /// ± 50 %, and longer from failure to failure: a store that fails is not hit by everybody at once.
    pub(super) fn claim_retry(&self) -> Duration {
        let slower = 1 << self.failures.saturating_sub(1).min(MOST_DOUBLINGS);
        (RETRY * slower).mul_f64(0.5 + self.jitter(self.round + u64::from(self.failures)))
    }

    /// A number in `0..1` that differs from pod to pod and from round to round, and is the same in
    /// every replay.
    pub(super) fn jitter(&self, round: u64) -> f64 {
        let mut hasher = DefaultHasher::new();
        (&self.config.holder.uid, round).hash(&mut hasher);
        f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
    }

    pub(super) fn wait(&mut self, now: Now, index: usize, sentence: &str) {
        if let Some(claim) = self.claims.get_mut(index) {
            claim.say(sentence);
        }
        self.round += 1;
        self.claiming = Track::Until(now.boot.after(self.claim_retry()));
    }

    fn look(&self, claim: &Claim) -> ReadRequest {
        ReadRequest {
            path: claim_path(claim, &self.config),
            pools: self.claims.iter().map(|claim| claim.name.clone()).collect(),
            namespace: self.config.holder.namespace.clone(),
            uid: self.config.holder.uid.clone(),
            ticket: claim.ticket.as_ref().map(|waiting| waiting.revision),
            // In the queue the rank decides.
            clocks: claim.reserves() && claim.ticket.is_none(),
            wanted: claim.former().map(|held| held.key),
        }
    }

    /// The largest S of the pod's pools.
    pub fn needed_ttl(&self) -> Duration {
        let ttl = |claim: &Claim| match &claim.pool {
            Some(pool) => pool.spec.lease_ttl(),
            None => Pool::builtin(&claim.name).map_or(UNKNOWN_TTL, |pool| pool.spec.lease_ttl()),
        };
        self.claims.iter().map(ttl).max().unwrap_or(UNKNOWN_TTL)
    }

    /// The value of a slot: a new claim's, or that of one found or lost, which keeps its age and rules.
    pub(super) fn record(&self, now: Now, claim: &Claim, before: Option<&Held>) -> SlotRecord {
        let spec = claim.pool.as_ref().map(|pool| (pool.spec.validity, pool.spec.quarantine));
        let (validity, quarantine) = match (before, spec) {
            (Some(held), _) => (held.validity, held.quarantine),
            (None, Some(spec)) => spec,
            (None, None) => (UNKNOWN_TTL, UNKNOWN_TTL),
        };
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        SlotRecord {
            holder: Holder {
                incarnation: before.map_or(1, |held| held.incarnation + 1),
                ..self.config.holder.clone()
            },
            nonce: self.config.nonce.clone(),
            since: before.map_or(now.wall, |held| held.since),
            validity_ms: millis(validity),
            quarantine_ms: millis(quarantine),
        }
    }
}
