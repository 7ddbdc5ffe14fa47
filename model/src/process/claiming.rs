//! The claiming track: the answers to T0, T1, T2, T3, T4 and T7.

use super::{Call, Context, Effect, Held, Phase, Process, Wait};
use crate::clock::{Reservation, Stamp};
use crate::key::{Key, Name, Pool, Revision};
use crate::pool_view::{FoundOwner, PoolView};
use crate::request::{AdoptRequest, Request, Terms};
use crate::rule::Rule;
use crate::store::LeaseNotFound;
use crate::txn::{LeaseId, TxnReply, Value};

impl Process {
    /// The request in flight was answered.
    pub(crate) fn answered(
        &mut self,
        context: &Context<'_>,
        reply: Result<TxnReply, LeaseNotFound>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(Call { pool, request, age, .. }) = self.call.take() else {
            return effects;
        };
        let caller = self.caller(context.pod, pool);
        match (request, reply) {
            // Certainly not applied. The slot expires with its lease.
            (Request::Release { .. }, Err(LeaseNotFound)) if self.terminating => {
                effects.push(Effect::Exit);
            }
            // The quarantine's lease expired before the request landed. The next attempt has another one.
            (Request::Release { .. }, Err(LeaseNotFound))
            | (Request::ForceRelease { .. } | Request::Revoke(_), Ok(_)) => {}
            (_, Err(LeaseNotFound)) => self.lease_gone(context),
            (Request::Begin, Ok(reply)) => {
                self.age = age;
                self.granted =
                    self.lease.and_then(|lease| context.granted(lease)).unwrap_or_default();
                self.viewed(context, pool, PoolView::parse(caller, &reply), &mut effects);
            }
            (Request::Read, Ok(reply)) => {
                self.viewed(context, pool, PoolView::parse(caller, &reply), &mut effects);
            }
            (Request::Claim { name, terms, seen, .. }, Ok(reply)) if reply.succeeded => {
                self.won(context, pool, (name, terms, seen), &reply, &mut effects);
            }
            (Request::Claim { terms, .. } | Request::Join { terms }, Ok(reply)) => {
                self.queued(context, pool, terms, &reply);
            }
            (Request::ReadAt { ticket, rank, terms }, Ok(reply)) => {
                let view = PoolView::parse(caller, &reply);
                self.read_at_ticket(context, pool, (ticket, rank, terms), &view);
            }
            (Request::Redeem { name, terms, seen, .. }, Ok(reply)) if reply.succeeded => {
                self.won(context, pool, (name, terms, seen), &reply, &mut effects);
            }
            (Request::Reclaim { name, terms, .. }, Ok(reply)) if reply.succeeded => {
                self.won(context, pool, (name, terms, None), &reply, &mut effects);
            }
            (Request::Adopt(adoption), Ok(reply)) if reply.succeeded => {
                let clock = stamp(&reply, pool, adoption.name);
                let held = Held {
                    name: adoption.name,
                    create: adoption.create,
                    own_mod_revision: reply.header,
                    validity: adoption.validity,
                    quarantine: adoption.quarantine,
                    verified: false,
                    clock: context.config.clock.then(|| Reservation::after(clock)),
                };
                self.adopted(context, pool, held, &mut effects);
            }
            (Request::Adopt(_) | Request::Redeem { .. } | Request::Reclaim { .. }, Ok(_)) => {
                self.ask(pool, Request::Read);
            }
            (Request::Reserve { name, own_mod_revision, until, .. }, Ok(reply)) => {
                self.reserved(pool, (name, own_mod_revision, until), &reply);
            }
            (Request::Release { .. }, Ok(reply)) => {
                self.released(context, pool, &reply, &mut effects);
            }
            (Request::Confirm(request), Ok(reply)) => {
                self.confirmed(context, pool, *request, &reply, &mut effects);
            }
        }
        if !effects.contains(&Effect::Exit) {
            self.advance(context, &mut effects);
        }
        effects
    }

    /// The answer to T0: adopt, keep waiting, or claim.
    fn viewed(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        mut view: PoolView,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(ticket) = view.ticket(context.pod).filter(|_| view.owner.is_none()) {
            let waits = |regaining: &super::Regaining| regaining.saved && !context.config.keep;
            if matches!(self.phase(pool), Some(Phase::Regaining(regaining)) if waits(regaining)) {
                // An earlier process has begun to wait for another name.
                self.set(pool, Phase::Pending);
            } else if matches!(self.phase(pool), Some(Phase::Regaining(_))) {
                // A process that re-claims its old name has no ticket. So this ticket is of a younger process of the
                // pod.
                effects.push(Effect::Exit);
                return;
            }
            self.adopt_lease(context, ticket.lease, effects);
        }
        if context.config.keeps(Rule::ClaimsFitTheLease)
            && let Some(terms) = &mut view.terms
        {
            // Q and the room for drift are those of the spec. V is what is left of the lease.
            let margin = terms.spec.ttl.saturating_sub(terms.spec.validity);
            terms.validity = terms.validity.min(self.granted.saturating_sub(margin));
        }
        if let Some(owner) = view.owner {
            self.found_owner(context, pool, owner, &view, effects);
        } else if let Some(Phase::Regaining(regaining)) = self.phase(pool) {
            self.regain(context, pool, *regaining, &view);
        } else if let Some(ticket) = view.ticket(context.pod) {
            self.keep_waiting(context, pool, ticket.create);
            self.choose_target(context, pool, &view);
        } else if let Some(terms) = view.terms {
            self.set(pool, Phase::Pending);
            let by_number = context.config.keeps(Rule::SlotsKeyedByNumber);
            let free = view.free(terms.spec, by_number).first().copied();
            match free.filter(|_| view.tickets.is_empty() && !view.frozen) {
                Some(name) => {
                    let seen = context.seen(&view, name);
                    self.ask(pool, Request::Claim { name, sentinel: view.sentinel, terms, seen });
                }
                None => self.ask(pool, Request::Join { terms }),
            }
        }
    }

    /// An owner record of this pod exists: an attempt of this process has landed, or the process was restarted.
    fn found_owner(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        owner: FoundOwner,
        view: &PoolView,
        effects: &mut Vec<Effect>,
    ) {
        let Some((validity, quarantine)) = owner
            .granted
            .or_else(|| view.terms.map(|terms| (terms.spec.validity, terms.spec.quarantine)))
        else {
            return;
        };
        if owner.nonce == self.nonce && owner.lease == self.lease {
            let clock = context.config.clock.then(|| Reservation::after(view.clock(owner.name)));
            let held = Held {
                name: owner.name,
                create: owner.create,
                own_mod_revision: owner.modified,
                validity,
                quarantine,
                verified: !context.forbids_finding(view.frozen),
                clock,
            };
            self.set(pool, Phase::Held(held));
            self.believe(context, pool, effects);
            return;
        }
        self.adopt_lease(context, owner.lease, effects);
        let adoption = AdoptRequest {
            name: owner.name,
            create: owner.create,
            modified: owner.modified,
            validity,
            quarantine,
            lease: owner.lease,
        };
        self.ask(pool, Request::Adopt(adoption));
    }

    /// Adopts the lease that was found on the pod's own key, and revokes the fresh one.
    fn adopt_lease(
        &mut self,
        context: &Context<'_>,
        found: Option<LeaseId>,
        effects: &mut Vec<Effect>,
    ) {
        if found == self.lease || !context.config.keeps(Rule::FoundLeaseIsTaken) {
            return;
        }
        if let Some(fresh) = self.lease {
            effects.push(Effect::Revoke(fresh));
        }
        self.lease = found;
        self.granted = found.and_then(|lease| context.granted(lease)).unwrap_or_default();
        self.pair = None;
        // Renewals of another process give this one no deadline.
        self.age = context.config.oldest();
    }

    fn won(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        (name, terms, seen): (Name, Terms, Option<Stamp>),
        reply: &TxnReply,
        effects: &mut Vec<Effect>,
    ) {
        let clock = seen.unwrap_or_else(|| stamp(reply, pool, name));
        let held = Held {
            name,
            create: reply.header,
            own_mod_revision: reply.header,
            validity: terms.validity,
            quarantine: terms.spec.quarantine,
            verified: true,
            clock: context.config.clock.then(|| Reservation::after(clock)),
        };
        self.set(pool, Phase::Held(held));
        self.believe(context, pool, effects);
    }

    pub(super) fn adopted(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        held: Held,
        effects: &mut Vec<Effect>,
    ) {
        let verified = !context.config.keeps(Rule::AdoptionIsVerified);
        if verified {
            self.age = 0;
        }
        self.set(pool, Phase::Held(Held { verified, ..held }));
        self.believe(context, pool, effects);
    }

    /// T1 has left a ticket, or has found that the pod needs none.
    fn queued(&mut self, context: &Context<'_>, pool: Pool, terms: Terms, reply: &TxnReply) {
        let owned = reply.entry(Key::Owner(context.pod, pool)).is_some();
        let ticket = reply.entry(Key::Ticket(pool, context.pod));
        match ticket.filter(|ticket| !owned && ticket.lease == self.lease) {
            Some(ticket) => {
                let put = reply.inner().filter(|inner| inner.succeeded);
                let rank = put.and_then(TxnReply::count).map(|count| count.saturating_sub(1));
                let own = context.config.keeps(Rule::TicketRevisionIsItsOwn);
                let revision = if own { ticket.create } else { reply.header };
                self.set(pool, Phase::Waiting(Wait::new(revision, put.is_none())));
                self.ask(pool, Request::ReadAt { ticket: revision, rank, terms });
            }
            None => self.ask(pool, Request::Read),
        }
    }

    fn reserved(
        &mut self,
        pool: Pool,
        (name, own_mod_revision, until): (Name, Revision, i8),
        reply: &TxnReply,
    ) {
        let still = reply
            .entry(Key::Slot(pool, name))
            .is_some_and(|slot| slot.modified == own_mod_revision);
        let claim = self.claims.iter_mut().find(|claim| claim.pool == pool);
        let Some(Phase::Held(Held { clock: Some(clock), .. })) =
            claim.map(|claim| &mut claim.phase)
        else {
            return;
        };
        if reply.succeeded {
            clock.stamp = Stamp { until, revision: reply.header };
        } else if still {
            clock.stamp = stamp(reply, pool, name);
        }
    }
}

impl Context<'_> {
    /// Whether a pair with an unchanged slot proves nothing, because the store may be a restored one.
    pub(super) fn forbids_resuming(&self, frozen: bool) -> bool {
        frozen && self.config.keeps(Rule::NothingResumesDuringFreeze)
    }

    /// Whether an own owner record in a read proves nothing, for the same reason.
    pub(super) fn forbids_finding(&self, frozen: bool) -> bool {
        frozen && self.config.keeps(Rule::NothingFoundDuringFreeze)
    }

    /// The reservation from the read. It is used only when the rule is left out.
    pub(super) fn seen(&self, view: &PoolView, name: Name) -> Option<Stamp> {
        let early = self.config.clock && !self.config.keeps(Rule::ReservationLearntInside);
        early.then(|| view.clock(name))
    }
}

fn stamp(reply: &TxnReply, pool: Pool, name: Name) -> Stamp {
    match reply.entry(Key::Clock(pool, name)).map(|entry| (entry.value, entry.modified)) {
        Some((Value::ReservedUntil(until), revision)) => Stamp { until, revision },
        _ => Stamp { until: -1, revision: 0 },
    }
}
