//! Releases (T5): of all slots when the process ends, and of slots of later pools when an earlier slot is
//! lost. The app stops using a name before its slot is released.

use super::{Context, Effect, Held, Phase, Process};
use crate::key::Pool;
use crate::request::{QuarantineRecord, Request};
use crate::rule::Rule;
use crate::txn::{LeaseId, TxnReply};

impl Process {
    /// Ends the app, then releases its names.
    pub(crate) fn terminate(&mut self, context: &Context<'_>) -> Vec<Effect> {
        self.terminating = true;
        self.call = None;
        self.pair = None;
        let mut effects: Vec<Effect> =
            self.claims.iter().map(|claim| Effect::Forget(claim.pool)).collect();
        self.release_next(context, &mut effects);
        effects
    }

    /// Releases its names although the app lives on. They are quarantined until the app cannot believe in them any
    /// more.
    pub(crate) fn interrupt(&mut self, context: &Context<'_>) -> Vec<Effect> {
        self.interrupted = true;
        let mut effects = self.terminate(context);
        effects.retain(|effect| !matches!(effect, Effect::Forget(_)));
        effects
    }

    /// Goes on to the next pool without a name. Slots of later pools are released first.
    pub(super) fn advance(&mut self, context: &Context<'_>, effects: &mut Vec<Effect>) {
        if self.call.is_some() || self.terminating {
            return;
        }
        let wanting = self.claims.iter().position(|claim| claim.phase == Phase::Pending);
        let Some(index) = wanting else { return };
        let later = self.claims.iter().skip(index).find_map(|claim| match &claim.phase {
            Phase::Held(held) | Phase::Yielding(held) => Some((claim.pool, *held)),
            _ => None,
        });
        if let Some((pool, held)) = later
            && context.config.keeps(Rule::LaterPoolsAreYielded)
        {
            effects.push(Effect::Forget(pool));
            self.release(context, pool, &held, effects);
            self.set(pool, Phase::Yielding(held));
        } else if let Some(pool) =
            self.current().filter(|claim| claim.phase == Phase::Pending).map(|claim| claim.pool)
        {
            self.ask(pool, Request::Read);
        }
    }

    /// Releases the next name. Ends when there is none.
    fn release_next(&mut self, context: &Context<'_>, effects: &mut Vec<Effect>) {
        let left = |held: &Held| self.left(held) > 0 || context.config.keep || !self.interrupted;
        let held = |claim: &super::Claim| claim.held().copied().filter(left);
        let next = self.claims.iter().find_map(|claim| Some((claim.pool, held(claim)?)));
        match next {
            Some((pool, held)) => self.release(context, pool, &held, effects),
            None => effects.push(Effect::Exit),
        }
    }

    pub(super) fn released(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        reply: &TxnReply,
        effects: &mut Vec<Effect>,
    ) {
        if !self.terminating {
            self.set(pool, Phase::Pending);
            return;
        }
        if reply.succeeded {
            self.set(pool, Phase::Lost);
            self.release_next(context, effects);
        } else {
            effects.push(Effect::Exit);
        }
        let bare = reply.succeeded && self.call.is_none();
        if bare || !context.config.keeps(Rule::FailedReleaseRevokesNothing) {
            effects.extend(self.lease.map(Effect::Revoke));
        }
    }

    /// How many ticks the app may still believe in the name.
    fn left(&self, held: &Held) -> u8 {
        if held.verified { held.validity.saturating_sub(self.age) } else { 0 }
    }

    /// T5, with a fresh lease for the quarantine.
    fn release(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        held: &Held,
        effects: &mut Vec<Effect>,
    ) {
        let quarantine = LeaseId::Quarantine(pool, held.name, context.pod, self.nonce);
        let interrupted = self.interrupted && context.config.keeps(Rule::ReleaseNamesItsPod);
        let record = match (interrupted, context.config.keep) {
            (false, _) => QuarantineRecord::Nothing,
            (true, false) => QuarantineRecord::Pod,
            (true, true) => QuarantineRecord::PodForLife,
        };
        let outlasting = interrupted && context.config.keeps(Rule::QuarantinesOutlastDeadlines);
        let needed = self.left(held) + held.quarantine + context.margin(pool);
        let ticks = if outlasting { needed } else { context.config.release_quarantine };
        effects.push(Effect::Grant(quarantine, ticks));
        let request = Request::Release {
            name: held.name,
            create: held.create,
            own_mod_revision: held.own_mod_revision,
            quarantine,
            record,
            emitted: held.clock.and_then(|clock| clock.emitted),
        };
        self.ask(pool, request);
    }
}
