//! The transactions T0 to T7. This file is the protocol; everything else only carries it around.
//!
//! `me` is the owner key of a pod in a pool, `own_mod_revision` the mod revision of its own last T1, T2 or T3.

use crate::config::Config;
use crate::key::{Key, Name, Range, Revision};
use crate::request::{Adoption, Caller, Leaves, Request, Rest, Since, Terms};
use crate::rule::Rule;
use crate::txn::{Compare, Op, Txn, Value};

/// What a request does in the store; a bare revocation is no transaction, nor is a read of the past.
pub(crate) fn txn(config: &Config, caller: Caller, request: &Request) -> Option<Txn> {
    Some(match request {
        Request::Begin | Request::Read => read(config, caller),
        Request::Claim { name, sentinel, terms, .. } => {
            claim(config, caller, *name, *sentinel, *terms)
        }
        Request::Queue { .. } => Txn::read(ticket(config, caller)),
        Request::Take { name, ticket, since, terms, .. } => {
            take(config, caller, *name, (*ticket, *since), *terms)
        }
        Request::Adopt(adoption) => adopt(caller, *adoption),
        Request::Reserve { name, own_mod_revision, seen, until } => {
            reserve(config, caller, *name, (*own_mod_revision, *seen), *until)
        }
        Request::Release { .. } => release(config, caller, request)?,
        Request::Force { .. } => force(caller, request)?,
        Request::Reclaim { name, terms, holding, rest } => {
            reclaim(config, caller, *name, *terms, (*holding, *rest))
        }
        Request::Confirm(_) => {
            Txn::read(vec![Op::Get(me(caller)), Op::Get(Key::Freeze(caller.pool))])
        }
        Request::ReadAt { .. } | Request::Revoke(_) => return None,
    })
}

/// T0: everything that a claim depends on, at one revision.
fn read(config: &Config, caller: Caller) -> Txn {
    let pool = caller.pool;
    let mut ops = vec![
        Op::Get(Key::Epoch),
        Op::Get(Key::Spec(pool)),
        Op::Get(Key::Freeze(pool)),
        Op::Get(Key::Sentinel(pool)),
        Op::Get(Key::Shift(pool)),
        Op::List(Range::Slots(pool)),
        Op::List(Range::Quarantines(pool)),
        Op::List(Range::Tickets(pool)),
        Op::Get(me(caller)),
    ];
    if config.clock {
        ops.extend((0..config.most_names()).map(|name| Op::Get(Key::Clock(pool, name))));
    }
    Txn::read(ops)
}

/// T1: a free name, when nobody waits and nothing that was read has changed; otherwise a ticket.
fn claim(config: &Config, caller: Caller, name: Name, sentinel: Revision, terms: Terms) -> Txn {
    let mut compares = free(config, caller, name);
    compares.push(Compare::Create(Key::Freeze(caller.pool), 0));
    if config.keeps(Rule::ClaimsAreGuardedBySentinel) {
        compares.push(Compare::Mod(Key::Sentinel(caller.pool), sentinel));
    }
    compares.push(Compare::Mod(Key::Spec(caller.pool), terms.revision));
    Txn { compares, then: hold(caller, name, terms), otherwise: ticket(config, caller) }
}

/// T1's other branch. The ticket is read last, so that one which was just put shows its revision.
fn ticket(config: &Config, caller: Caller) -> Vec<Op> {
    let ticket_key = Key::Ticket(caller.pool, caller.pod);
    let mut compares = vec![Compare::Create(ticket_key, 0)];
    if config.keeps(Rule::TicketIsGuarded) {
        compares.push(Compare::Create(me(caller), 0));
    }
    let queue = Txn {
        compares,
        then: vec![
            Op::Put(Key::Sentinel(caller.pool), Value::Empty, None),
            Op::Put(ticket_key, Value::Empty, caller.lease),
            Op::Count(Range::Tickets(caller.pool)),
        ],
        otherwise: Vec::new(),
    };
    vec![Op::Get(me(caller)), Op::Txn(queue), Op::Get(ticket_key)]
}

/// T2: the name that our rank is matched to.
fn take(
    config: &Config,
    caller: Caller,
    name: Name,
    (ticket, since): (Revision, Since),
    terms: Terms,
) -> Txn {
    let ticket_key = Key::Ticket(caller.pool, caller.pod);
    let mut compares = free(config, caller, name);
    compares.push(Compare::Create(Key::Freeze(caller.pool), 0));
    compares.push(Compare::Create(ticket_key, ticket));
    compares.push(Compare::Mod(Key::Spec(caller.pool), terms.revision));
    if config.keeps(Rule::ReclaimShiftsThePairs) {
        compares.push(Compare::Mod(Key::Shift(caller.pool), since.shift));
    }
    if config.keeps(Rule::TakesAreOfOneEpoch) {
        compares.push(Compare::Mod(Key::Epoch, since.epoch));
    }
    let mut then = hold(caller, name, terms);
    then.push(Op::Delete(ticket_key));
    let otherwise = vec![
        Op::Get(me(caller)),
        Op::Get(ticket_key),
        Op::Get(Key::Spec(caller.pool)),
        Op::Get(Key::Freeze(caller.pool)),
    ];
    Txn { compares, then, otherwise }
}

/// T3: our own slot, for a younger incarnation, on the same lease.
fn adopt(caller: Caller, found: Adoption) -> Txn {
    let Adoption { name, create, modified, validity, quarantine, lease } = found;
    let slot = Key::Slot(caller.pool, name);
    let value = Value::Slot { pod: caller.pod, nonce: caller.nonce, validity, quarantine };
    Txn {
        compares: vec![Compare::Create(slot, create), Compare::Mod(slot, modified)],
        then: vec![
            Op::Put(slot, value, lease),
            Op::Put(me(caller), Value::Owner { name, nonce: caller.nonce }, lease),
            Op::Get(Key::Clock(caller.pool, name)),
        ],
        otherwise: Vec::new(),
    }
}

/// T4: timestamps until this instant, by the holder as which we know ourselves.
fn reserve(
    config: &Config,
    caller: Caller,
    name: Name,
    (own_mod_revision, seen): (Revision, Revision),
    until: i8,
) -> Txn {
    let (slot, clock) = (Key::Slot(caller.pool, name), Key::Clock(caller.pool, name));
    let mut compares = vec![Compare::Mod(slot, own_mod_revision), Compare::Mod(clock, seen)];
    if config.keeps(Rule::ReleaseComparesOwner) {
        compares.push(Compare::Mod(me(caller), own_mod_revision));
    }
    Txn {
        compares,
        then: vec![Op::Put(clock, Value::ReservedUntil(until), None)],
        otherwise: vec![Op::Get(slot), Op::Get(clock)],
    }
}

/// T5: give the slot back.
fn release(config: &Config, caller: Caller, request: &Request) -> Option<Txn> {
    let Request::Release { name, create, own_mod_revision, rest, leaves, emitted } = request else {
        return None;
    };
    let slot = Key::Slot(caller.pool, *name);
    let mut compares = if config.keeps(Rule::ReleaseComparesModRevision) {
        vec![Compare::Mod(slot, *own_mod_revision)]
    } else {
        vec![Compare::Create(slot, *create)]
    };
    if config.keeps(Rule::ReleaseComparesOwner) && config.keeps(Rule::ReleaseComparesModRevision) {
        compares.push(Compare::Mod(me(caller), *own_mod_revision));
    }
    let mut then = Vec::new();
    if let Some(emitted) = emitted {
        then.push(Op::Put(Key::Clock(caller.pool, *name), Value::ReservedUntil(*emitted), None));
    }
    let (value, lease) = match leaves {
        Leaves::Nothing => (Value::Empty, Some(*rest)),
        Leaves::Pod => (Value::Resting(caller.pod), Some(*rest)),
        Leaves::PodForLife => (Value::Resting(caller.pod), None),
    };
    then.extend([
        Op::Put(Key::Quarantine(caller.pool, *name), value, lease),
        Op::Delete(slot),
        Op::Delete(me(caller)),
    ]);
    Some(Txn { compares, then, otherwise: Vec::new() })
}

/// T6: take the slot away, by the fence that was shown.
fn force(caller: Caller, request: &Request) -> Option<Txn> {
    let Request::Force { holder, name, create, rest } = request else {
        return None;
    };
    let quarantine = Key::Quarantine(caller.pool, *name);
    let slot = Key::Slot(caller.pool, *name);
    let put = match rest {
        Rest::On(lease) => Op::Put(quarantine, Value::Empty, Some(*lease)),
        Rest::Unsettled(ticks) => Op::Put(quarantine, Value::Unsettled(*ticks), None),
    };
    Some(Txn {
        compares: vec![Compare::Create(slot, *create)],
        then: vec![put, Op::Delete(slot), Op::Delete(Key::Owner(*holder, caller.pool))],
        otherwise: Vec::new(),
    })
}

/// T7: the name that we had, ahead of the queue.
fn reclaim(
    config: &Config,
    caller: Caller,
    name: Name,
    terms: Terms,
    (holding, rest): (bool, Option<Revision>),
) -> Txn {
    let mut compares = free(config, caller, name);
    let quarantine = Key::Quarantine(caller.pool, name);
    if let Some(revision) = rest {
        compares
            .retain(|compare| !matches!(compare, Compare::Create(key, _) if *key == quarantine));
        if config.keeps(Rule::ReturnsCompareRest) {
            compares.push(Compare::Mod(quarantine, revision));
        }
    }
    if !holding {
        compares.push(Compare::Create(Key::Freeze(caller.pool), 0));
    }
    compares.push(Compare::Mod(Key::Spec(caller.pool), terms.revision));
    if config.keeps(Rule::ReclaimComparesTicket) {
        compares.push(Compare::Create(Key::Ticket(caller.pool, caller.pod), 0));
    }
    let mut then = hold(caller, name, terms);
    if config.keeps(Rule::ReclaimShiftsThePairs) {
        then.push(Op::Put(Key::Shift(caller.pool), Value::Empty, None));
    }
    if rest.is_some() {
        then.push(Op::Delete(quarantine));
    }
    Txn { compares, then, otherwise: Vec::new() }
}

/// No slot of mine, and the name neither held nor at rest.
fn free(config: &Config, caller: Caller, name: Name) -> Vec<Compare> {
    let mut compares = vec![Compare::Create(Key::Slot(caller.pool, name), 0)];
    if config.keeps(Rule::ClaimsAreGuardedByOwner) {
        compares.push(Compare::Create(me(caller), 0));
    }
    if config.keeps(Rule::ClaimsAreGuardedByQuarantine) {
        compares.push(Compare::Create(Key::Quarantine(caller.pool, name), 0));
    }
    compares
}

/// Slot and owner record, which share the revision; and the name's clock, in the same instant.
fn hold(caller: Caller, name: Name, terms: Terms) -> Vec<Op> {
    let value = Value::Slot {
        pod: caller.pod,
        nonce: caller.nonce,
        validity: terms.validity,
        quarantine: terms.spec.quarantine,
    };
    vec![
        Op::Put(Key::Slot(caller.pool, name), value, caller.lease),
        Op::Put(me(caller), Value::Owner { name, nonce: caller.nonce }, caller.lease),
        Op::Get(Key::Clock(caller.pool, name)),
    ]
}

fn me(caller: Caller) -> Key {
    Key::Owner(caller.pod, caller.pool)
}
