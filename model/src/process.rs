//! A sidecar process: its knowledge, its requests, and the effects of answers.
//!
//! Two tracks run beside each other, at most one request of each in flight: *claiming* (one pool
//! after the other) and *renewing*. A process never sees the store, only answers; time reaches it as
//! ticks since it sent something.

use crate::clock::Reservation;
use crate::config::Config;
use crate::key::{Name, Pod, Pool, Revision};
use crate::request::{Caller, Request};
use crate::rule::Rule;
use crate::store::Store;
use crate::txn::{LeaseId, Value};

mod ambiguous;
mod claiming;
mod loss;
mod releasing;
mod renewing;
mod waiting;

pub(crate) use renewing::Pair;
pub(crate) use waiting::{Wait, Watch};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    /// Tells its attempts from those of other processes of the pod.
    pub(crate) nonce: u8,
    pub(crate) lease: Option<LeaseId>,
    /// S as the server granted it, from the latest answer to a grant or a keepalive.
    pub(crate) granted: u8,
    /// Ticks since the send of the grant or of the last good pair.
    pub(crate) age: u8,
    /// In the order in which they are claimed.
    pub(crate) claims: Vec<Claim>,
    pub(crate) call: Option<Call>,
    pub(crate) pair: Option<Pair>,
    pub(crate) terminating: bool,
    /// It ends while its app lives on.
    pub(crate) interrupted: bool,
}

/// One pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    pub(crate) pool: Pool,
    pub(crate) phase: Phase,
}

/// How far a claim is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Pending,
    Waiting(Wait),
    Held(Held),
    /// A slot that is being released while the process lives on. It is never believed in again.
    Yielding(Held),
    /// The lease does not exist any more. The process re-claims the old name and no other.
    Regaining(Regaining),
    /// Another pod has, or had, the name. For good.
    Lost,
}

/// A slot of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    pub(crate) name: Name,
    /// Create revision: the fence.
    pub(crate) create: Revision,
    /// Mod revision of this process's last put.
    pub(crate) own_mod_revision: Revision,
    pub(crate) validity: u8,
    pub(crate) quarantine: u8,
    /// Adoption does not renew: false until a pair has answered.
    pub(crate) verified: bool,
    pub(crate) clock: Option<Reservation>,
}

/// A name that this process or an earlier one of the pod had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Regaining {
    pub(crate) name: Name,
    /// Ticks until the deadline that was in force when the lease was lost.
    pub(crate) left: u8,
    /// It comes from the volume: an earlier process of the pod has saved it.
    pub(crate) saved: bool,
}

/// A request in flight on the claiming track.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) pool: Pool,
    pub(crate) request: Request,
    /// Ticks since it was sent. Counted for a grant only: no other request gives a deadline.
    pub(crate) age: u8,
    /// It was sent before, without an answer.
    pub(crate) again: bool,
}

/// What a process does besides its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The app may use the name for `left` ticks.
    Believe { pool: Pool, name: Name, left: u8, quarantine: u8 },
    /// The app has stopped using its name.
    Forget(Pool),
    /// A quarantine's own lease is granted for this number of ticks, before the quarantine is put.
    Grant(LeaseId, u8),
    /// A lease without keys is revoked.
    Revoke(LeaseId),
    /// The process ends.
    Exit,
}

/// What a process needs beside its own state.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) pod: Pod,
    /// A lease that no process has used.
    pub(crate) fresh: LeaseId,
    store: &'a Store,
}

// === impl Process ===

impl Process {
    /// A process that begins: it asks for a lease, and reads.
    pub(crate) fn new(context: &Context<'_>, nonce: u8) -> Self {
        let mut pools: Vec<Pool> =
            context.config.pods.get(usize::from(context.pod)).cloned().unwrap_or_default();
        if context.config.keeps(Rule::PoolsInByteOrder) {
            pools.sort_unstable();
        }
        let claims = pools.into_iter().map(|pool| Claim { pool, phase: Phase::Pending }).collect();
        let mut process = Self {
            nonce,
            lease: None,
            granted: 0,
            age: 0,
            claims,
            call: None,
            pair: None,
            terminating: false,
            interrupted: false,
        };
        process.begin(context);
        process
    }

    /// Takes over the claim that an earlier process has saved in the volume, and how long the app may believe in it.
    pub(crate) fn inherit(&mut self, pool: Pool, name: Name, left: u8) {
        self.set(pool, Phase::Regaining(Regaining { name, left, saved: true }));
    }

    /// The header of a request for a pool.
    pub(crate) fn caller(&self, pod: Pod, pool: Pool) -> Caller {
        Caller { pod, nonce: self.nonce, pool, lease: self.lease }
    }

    /// The first pool that is not settled.
    pub(crate) fn current(&self) -> Option<&Claim> {
        self.claims.iter().find(|claim| !claim.settled())
    }

    /// Whether it has a lease, as far as it knows.
    pub(crate) fn has_begun(&self) -> bool {
        self.lease.is_some() && self.call.as_ref().is_none_or(|call| call.request != Request::Begin)
    }

    pub(crate) fn waits_in(&self, pool: Pool) -> Option<&Wait> {
        self.claims.iter().find_map(|claim| match &claim.phase {
            Phase::Waiting(wait) if claim.pool == pool => Some(wait),
            _ => None,
        })
    }

    pub(crate) fn holds_in(&self, pool: Pool) -> Option<&Held> {
        self.claims.iter().find(|claim| claim.pool == pool).and_then(Claim::held)
    }

    /// Time passes on this machine's clock.
    pub(crate) fn tick(&mut self, context: &Context<'_>) {
        let oldest = context.config.oldest();
        self.age = (self.age + 1).min(oldest);
        if let Some(call) = &mut self.call {
            let first = context.config.keeps(Rule::RepeatedGrantsCountFromFirstSend);
            if call.request == Request::Begin && (context.config.split || call.again && first) {
                call.age = (call.age + 1).min(oldest);
            }
            call.request.tick();
        }
        if let Some(pair) = &mut self.pair {
            pair.age = (pair.age + 1).min(oldest);
        }
        let behind = self.call.is_some();
        for claim in &mut self.claims {
            match &mut claim.phase {
                Phase::Waiting(wait) => wait.tick(context.config, claim.pool, behind),
                Phase::Regaining(regaining) => regaining.left = regaining.left.saturating_sub(1),
                Phase::Held(held) => held.clock.iter_mut().for_each(Reservation::tick),
                Phase::Pending | Phase::Yielding(_) | Phase::Lost => {}
            }
        }
    }

    /// The machine sleeps and its clock does not count that. Only values that are relative to the present of the system
    /// change.
    pub(crate) fn oversleep(&mut self) {
        if let Some(call) = &mut self.call {
            call.request.tick();
        }
        for claim in &mut self.claims {
            match &mut claim.phase {
                Phase::Held(held) => held.clock.iter_mut().for_each(Reservation::tick),
                // A process that sleeps is not prompt.
                Phase::Waiting(wait) => wait.may_be_overtaken = true,
                _ => {}
            }
        }
    }

    /// Every revision in it, to be renumbered.
    pub(crate) fn revisions(&mut self, visit: &mut dyn FnMut(&mut Revision)) {
        if let Some(call) = &mut self.call {
            call.request.revisions(visit);
        }
        if let Some(pair) = &mut self.pair {
            pair.revisions(visit);
        }
        for claim in &mut self.claims {
            match &mut claim.phase {
                Phase::Waiting(wait) => visit(&mut wait.ticket),
                Phase::Held(held) | Phase::Yielding(held) => {
                    visit(&mut held.create);
                    visit(&mut held.own_mod_revision);
                    held.clock.iter_mut().for_each(|clock| visit(&mut clock.stamp.revision));
                }
                _ => {}
            }
        }
    }

    fn ask(&mut self, pool: Pool, request: Request) {
        self.call = Some(Call { pool, request, age: 0, again: false });
    }

    fn set(&mut self, pool: Pool, phase: Phase) {
        if let Some(claim) = self.claims.iter_mut().find(|claim| claim.pool == pool) {
            claim.phase = phase;
        }
    }

    pub(crate) fn phase(&self, pool: Pool) -> Option<&Phase> {
        self.claims.iter().find(|claim| claim.pool == pool).map(|claim| &claim.phase)
    }

    /// Requests a lease, when a name is wanted.
    fn begin(&mut self, context: &Context<'_>) {
        self.pair = None;
        self.call = None;
        self.lease = None;
        self.granted = 0;
        self.age = context.config.oldest();
        if let Some(pool) = self.current().map(|claim| claim.pool) {
            self.lease = Some(context.fresh);
            self.ask(pool, Request::Begin);
        }
    }

    fn believe(&self, context: &Context<'_>, pool: Pool, effects: &mut Vec<Effect>) {
        let Some(held) = self.holds_in(pool).filter(|held| held.verified) else {
            return;
        };
        let left = context.validity(pool, held.validity).saturating_sub(self.age);
        if left > 0 {
            effects.push(Effect::Believe {
                pool,
                name: held.name,
                left,
                quarantine: held.quarantine,
            });
        }
    }
}

// === impl Claim ===

impl Claim {
    /// Nothing more is wanted here.
    pub(crate) fn settled(&self) -> bool {
        matches!(self.phase, Phase::Held(_) | Phase::Lost)
    }

    pub(crate) fn held(&self) -> Option<&Held> {
        match &self.phase {
            Phase::Held(held) => Some(held),
            _ => None,
        }
    }
}

// === impl Context ===

impl<'a> Context<'a> {
    pub(crate) fn new(config: &'a Config, pod: Pod, fresh: LeaseId, store: &'a Store) -> Self {
        Self { config, pod, fresh, store }
    }

    /// S of a lease, as the server says.
    pub(crate) fn granted(&self, lease: LeaseId) -> Option<u8> {
        self.store.granted(lease)
    }

    /// What S of a pool allows for drift.
    fn margin(&self, pool: Pool) -> u8 {
        self.config.spec(pool, 0).map_or(0, crate::spec::Spec::margin)
    }

    /// V for a deadline, as granted. Without the rule: that of the current spec.
    fn validity(&self, pool: Pool, granted: u8) -> u8 {
        if self.config.keeps(Rule::TermsFixedAtGrant) {
            return granted;
        }
        match self.store.get(crate::key::Key::Spec(pool)).map(|entry| entry.value) {
            Some(Value::Spec(spec)) => spec.validity,
            _ => granted,
        }
    }
}
