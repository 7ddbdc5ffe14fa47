//! The claiming track: what answers to T0, T1, T2, T3, T5 and T7 mean.

use super::{Call, Context, Effect, Held, Phase, Process, Regaining, Wait};
use crate::clock::{Reservation, Stamp};
use crate::key::{Key, Name, Pool, Revision};
use crate::request::{Adoption, Request, Terms};
use crate::rule::Rule;
use crate::store::LeaseNotFound;
use crate::txn::{LeaseId, Reply, Value};
use crate::view::{Owner, View};

impl Process {
    /// The request in flight was answered.
    pub(crate) fn answered(
        &mut self,
        context: &Context<'_>,
        reply: Result<Reply, LeaseNotFound>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(Call { pool, request, age, .. }) = self.call.take() else {
            return effects;
        };
        let caller = self.caller(context.pod, pool);
        match (request, reply) {
            // Definite and not applied: the slot runs out with its lease.
            (Request::Release { .. }, Err(LeaseNotFound)) if self.terminating => {
                effects.push(Effect::Exit)
            }
            // The quarantine's lease ran out under way.
            (Request::Release { .. }, Err(LeaseNotFound)) => {}
            (_, Err(LeaseNotFound)) => self.lease_gone(context),
            (Request::Begin, Ok(reply)) => {
                self.age = age;
                self.granted =
                    self.lease.and_then(|lease| context.granted(lease)).unwrap_or_default();
                self.viewed(context, pool, View::parse(caller, &reply), &mut effects);
            }
            (Request::Read, Ok(reply)) => {
                self.viewed(context, pool, View::parse(caller, &reply), &mut effects);
            }
            (Request::Claim { name, terms, seen, .. }, Ok(reply)) if reply.succeeded => {
                self.won(context, pool, (name, terms, seen), &reply, &mut effects);
            }
            (Request::Claim { terms, .. } | Request::Queue { terms }, Ok(reply)) => {
                self.queued(context, pool, terms, &reply);
            }
            (Request::ReadAt { ticket, rank, terms }, Ok(reply)) => {
                let view = View::parse(caller, &reply);
                self.looked_back(context, pool, (ticket, rank, terms), &view);
            }
            (Request::Take { name, terms, seen, .. }, Ok(reply)) if reply.succeeded => {
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
                    mine: reply.header,
                    validity: adoption.validity,
                    quarantine: adoption.quarantine,
                    verified: false,
                    clock: context.config.clock.then(|| Reservation::after(clock)),
                };
                self.adopted(context, pool, held, &mut effects);
            }
            (Request::Adopt(_) | Request::Take { .. } | Request::Reclaim { .. }, Ok(_)) => {
                self.ask(pool, Request::Read);
            }
            (Request::Reserve { name, mine, until, .. }, Ok(reply)) => {
                self.reserved(pool, (name, mine, until), &reply);
            }
            (Request::Release { .. }, Ok(reply)) => {
                self.released(context, pool, &reply, &mut effects)
            }
            (Request::Confirm(request), Ok(reply)) => {
                self.confirmed(context, pool, *request, &reply, &mut effects);
            }
            (Request::Force { .. } | Request::Revoke(_), Ok(_)) => {}
        }
        if !effects.contains(&Effect::Exit) {
            self.advance(context, &mut effects);
        }
        effects
    }

    /// No answer came in time. It may have been applied, or may be yet.
    pub(crate) fn unanswered(&mut self, context: &Context<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let Some(Call { pool, request, age, .. }) = self.call.take() else {
            return effects;
        };
        match request {
            Request::Claim { .. }
            | Request::Take { .. }
            | Request::Adopt(_)
            | Request::Reclaim { .. } => self.ask(pool, Request::Confirm(Box::new(request))),
            // Known again from the answer of the next one.
            Request::Reserve { .. } => self.advance(context, &mut effects),
            // If it fails, nothing is revoked: the lease runs out.
            Request::Release { .. } if self.terminating => effects.push(Effect::Exit),
            // A deadline counts from the first send.
            Request::Begin => self.call = Some(Call { pool, request, age, again: true }),
            _ => self.ask(pool, request),
        }
        effects
    }

    /// The lease is known to be gone, and every key with it.
    pub(super) fn lease_gone(&mut self, context: &Context<'_>) {
        let age = self.age;
        for claim in &mut self.claims {
            claim.phase = match &claim.phase {
                Phase::Held(held) if context.config.keep => Phase::Regaining(Regaining {
                    name: held.name,
                    left: if held.verified { held.validity.saturating_sub(age) } else { 0 },
                }),
                Phase::Lost => Phase::Lost,
                Phase::Regaining(regaining) => Phase::Regaining(*regaining),
                _ => Phase::Wanting,
            };
        }
        self.begin(context);
    }

    /// Gives the next name back; ends when there is none.
    pub(super) fn release_next(&mut self, context: &Context<'_>, effects: &mut Vec<Effect>) {
        let next = self.claims.iter().find_map(|claim| Some((claim.pool, claim.held()?.clone())));
        match next {
            Some((pool, held)) => self.release(context, pool, &held, effects),
            None => effects.push(Effect::Exit),
        }
    }

    /// A read answered: adopt, go on waiting, or claim.
    fn viewed(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        mut view: View,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(ticket) = view.ticket(context.pod).filter(|_| view.owner.is_none()) {
            self.take_up(context, ticket.lease, effects);
        }
        if context.config.keeps(Rule::ClaimsSuitTheLease)
            && let Some(terms) = &mut view.terms
        {
            // Q and the allowance for drift are the spec's; V gets what is left of the lease.
            let margin = terms.spec.ttl.saturating_sub(terms.spec.validity);
            terms.validity = terms.validity.min(self.granted.saturating_sub(margin));
        }
        if let Some(owner) = view.owner {
            self.found_owner(context, pool, owner, &view, effects);
        } else if let Some(Phase::Regaining(regaining)) = self.phase(pool) {
            self.regain(pool, *regaining, &view);
        } else if let Some(ticket) = view.ticket(context.pod) {
            self.wait_on(context, pool, ticket.create);
            self.aim(context, pool, &view);
        } else if let Some(terms) = view.terms {
            self.set(pool, Phase::Wanting);
            let by_number = context.config.keeps(Rule::SlotsKeyedByNumber);
            let free = view.free(terms.spec, by_number).first().copied();
            match free.filter(|_| view.tickets.is_empty() && !view.on_hold) {
                Some(name) => {
                    let seen = context.seen(&view, name);
                    self.ask(pool, Request::Claim { name, sentinel: view.sentinel, terms, seen });
                }
                None => self.ask(pool, Request::Queue { terms }),
            }
        }
    }

    /// An owner key of ours exists: our own attempt has landed, or we restarted.
    fn found_owner(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        owner: Owner,
        view: &View,
        effects: &mut Vec<Effect>,
    ) {
        let Some((validity, quarantine)) =
            owner.granted.or(view.terms.map(|terms| (terms.spec.validity, terms.spec.quarantine)))
        else {
            return;
        };
        if owner.nonce == self.nonce && owner.lease == self.lease {
            let clock = context.config.clock.then(|| Reservation::after(view.clock(owner.name)));
            let held = Held {
                name: owner.name,
                create: owner.create,
                mine: owner.modified,
                validity,
                quarantine,
                verified: !context.forbids_resuming(view.on_hold),
                clock,
            };
            self.set(pool, Phase::Held(held));
            self.believe(context, pool, effects);
            return;
        }
        self.take_up(context, owner.lease, effects);
        let adoption = Adoption {
            name: owner.name,
            create: owner.create,
            modified: owner.modified,
            validity,
            quarantine,
            lease: owner.lease,
        };
        self.ask(pool, Request::Adopt(adoption));
    }

    /// Takes the lease that was found on our own key, and gives back the one we came with.
    fn take_up(
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
        // Somebody else's renewals are no deadline of ours.
        self.age = context.config.oldest();
    }

    fn regain(&mut self, pool: Pool, regaining: Regaining, view: &View) {
        let Some(terms) = view.terms else { return };
        let name = regaining.name;
        if view.held.contains(&name) || view.resting.contains(&name) {
            self.set(pool, Phase::Lost);
        } else if !view.on_hold || regaining.left > 0 {
            self.ask(pool, Request::Reclaim { name, terms, holding: regaining.left > 0 });
        }
    }

    fn won(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        (name, terms, seen): (Name, Terms, Option<Stamp>),
        reply: &Reply,
        effects: &mut Vec<Effect>,
    ) {
        let clock = seen.unwrap_or_else(|| stamp(reply, pool, name));
        let held = Held {
            name,
            create: reply.header,
            mine: reply.header,
            validity: terms.validity,
            quarantine: terms.spec.quarantine,
            verified: true,
            clock: context.config.clock.then(|| Reservation::after(clock)),
        };
        self.set(pool, Phase::Held(held));
        self.believe(context, pool, effects);
    }

    fn adopted(
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

    /// T1 or its other branch alone left us with a ticket, or found that we need none.
    fn queued(&mut self, context: &Context<'_>, pool: Pool, terms: Terms, reply: &Reply) {
        let owned = reply.entry(Key::Owner(context.pod, pool)).is_some();
        let ticket = reply.entry(Key::Ticket(pool, context.pod));
        match ticket.filter(|ticket| !owned && ticket.lease == self.lease) {
            Some(ticket) => {
                let put = reply.inner().filter(|inner| inner.succeeded);
                let rank = put.and_then(Reply::count).map(|count| count.saturating_sub(1));
                let own = context.config.keeps(Rule::TicketRevisionIsItsOwn);
                let revision = if own { ticket.create } else { reply.header };
                self.set(pool, Phase::Waiting(Wait::new(revision, put.is_none())));
                self.ask(pool, Request::ReadAt { ticket: revision, rank, terms });
            }
            None => self.ask(pool, Request::Read),
        }
    }

    fn reserved(&mut self, pool: Pool, (name, mine, until): (Name, Revision, i8), reply: &Reply) {
        let still = reply.entry(Key::Slot(pool, name)).is_some_and(|slot| slot.modified == mine);
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

    fn released(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        reply: &Reply,
        effects: &mut Vec<Effect>,
    ) {
        if !self.terminating {
            self.set(pool, Phase::Wanting);
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

    /// A linearizable get of the owner key, after an attempt that got no answer.
    fn confirmed(
        &mut self,
        context: &Context<'_>,
        pool: Pool,
        request: Request,
        reply: &Reply,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = reply.entry(Key::Owner(context.pod, pool)) else {
            match request {
                Request::Adopt(_) => self.ask(pool, Request::Read),
                _ => self.ask(pool, request),
            }
            return;
        };
        let Value::Owner { name, nonce } = entry.value else { return };
        let on_hold = reply.entry(Key::Hold(pool)).is_some();
        let ours = nonce == self.nonce && entry.lease == self.lease;
        let (validity, quarantine, adopted) = match &request {
            Request::Adopt(adoption) => (adoption.validity, adoption.quarantine, true),
            Request::Claim { terms, .. }
            | Request::Take { terms, .. }
            | Request::Reclaim { terms, .. } => (terms.validity, terms.spec.quarantine, false),
            _ => return,
        };
        // The reservation is not in this answer: a reader of clocks looks again.
        let recognised = !context.config.keeps(Rule::OwnAttemptsAreRecognised) || ours;
        if !recognised || context.config.clock {
            self.ask(pool, Request::Read);
            return;
        }
        let held = Held {
            name,
            create: entry.create,
            mine: entry.modified,
            validity,
            quarantine,
            verified: !adopted && !context.forbids_resuming(on_hold),
            clock: None,
        };
        if adopted {
            self.adopted(context, pool, held, effects);
        } else {
            self.set(pool, Phase::Held(held));
            self.believe(context, pool, effects);
        }
    }
}

impl Context<'_> {
    /// Whether what a read showed of our own is no proof: it may be of a store that was restored.
    pub(super) fn forbids_resuming(&self, on_hold: bool) -> bool {
        on_hold && self.config.keeps(Rule::NothingResumesDuringHold)
    }

    /// The reservation as a read showed it: used by those only who leave the rule out.
    pub(super) fn seen(&self, view: &View, name: Name) -> Option<Stamp> {
        let early = self.config.clock && !self.config.keeps(Rule::ReservationLearntInside);
        early.then(|| view.clock(name))
    }
}

fn stamp(reply: &Reply, pool: Pool, name: Name) -> Stamp {
    match reply.entry(Key::Clock(pool, name)).map(|entry| (entry.value, entry.modified)) {
        Some((Value::ReservedUntil(until), revision)) => Stamp { until, revision },
        _ => Stamp { until: -1, revision: 0 },
    }
}
