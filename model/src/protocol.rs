//! The transactions T0 to T7. This file is the protocol; the other files carry it out.
//!
//! `me` is the owner record of a pod in a pool, `own_mod_revision` the mod revision of its own last T1, T2 or T3.

use crate::config::Config;
use crate::key::{Key, Name, Range, Revision};
use crate::request::{
    AdoptRequest, Caller, QuarantineLease, QuarantineRecord, RankGuard, Request, Terms,
};
use crate::rule::Rule;
use crate::txn::{Compare, Op, Txn, Value};

/// What a request does in the store; a bare revocation is no transaction, nor is a read of the past.
pub(crate) fn txn(config: &Config, caller: Caller, request: &Request) -> Option<Txn> {
    Some(match request {
        Request::Begin | Request::Read => read(config, caller),
        Request::Claim { name, sentinel, terms, .. } => {
            claim(config, caller, *name, *sentinel, *terms)
        }
        Request::Join { .. } => Txn::read(join(config, caller)),
        Request::Redeem { name, ticket, guard, terms, .. } => {
            redeem(config, caller, *name, (*ticket, *guard), *terms)
        }
        Request::Adopt(adoption) => adopt(caller, *adoption),
        Request::Reserve { name, own_mod_revision, seen, until } => {
            reserve(config, caller, *name, (*own_mod_revision, *seen), *until)
        }
        Request::Release { .. } => release(config, caller, request)?,
        Request::ForceRelease { .. } => force_release(caller, request)?,
        Request::Reclaim { name, terms, despite_freeze, quarantine } => {
            reclaim(config, caller, *name, *terms, (*despite_freeze, *quarantine))
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
        Op::Get(Key::Reclaims(pool)),
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

/// T1: a free name, when no pod waits and nothing that was read has changed; otherwise a ticket.
fn claim(config: &Config, caller: Caller, name: Name, sentinel: Revision, terms: Terms) -> Txn {
    let mut compares = free(config, caller, name);
    compares.push(Compare::Create(Key::Freeze(caller.pool), 0));
    if config.keeps(Rule::ClaimsAreGuardedBySentinel) {
        compares.push(Compare::Mod(Key::Sentinel(caller.pool), sentinel));
    }
    compares.push(Compare::Mod(Key::Spec(caller.pool), terms.revision));
    Txn { compares, then: put_slot(caller, name, terms), otherwise: join(config, caller) }
}

/// T1's other branch. The ticket is read last, so that a new ticket shows its revision.
fn join(config: &Config, caller: Caller) -> Vec<Op> {
    let own_ticket = Key::Ticket(caller.pool, caller.pod);
    let mut compares = vec![Compare::Create(own_ticket, 0)];
    if config.keeps(Rule::TicketIsGuarded) {
        compares.push(Compare::Create(me(caller), 0));
    }
    let queue = Txn {
        compares,
        then: vec![
            Op::Put(Key::Sentinel(caller.pool), Value::Empty, None),
            Op::Put(own_ticket, Value::Empty, caller.lease),
            Op::Count(Range::Tickets(caller.pool)),
        ],
        otherwise: Vec::new(),
    };
    vec![Op::Get(me(caller)), Op::Txn(queue), Op::Get(own_ticket)]
}

/// T2: the name that matches the rank of the ticket.
fn redeem(
    config: &Config,
    caller: Caller,
    name: Name,
    (ticket, guard): (Revision, RankGuard),
    terms: Terms,
) -> Txn {
    let own_ticket = Key::Ticket(caller.pool, caller.pod);
    let mut compares = free(config, caller, name);
    compares.push(Compare::Create(Key::Freeze(caller.pool), 0));
    compares.push(Compare::Create(own_ticket, ticket));
    compares.push(Compare::Mod(Key::Spec(caller.pool), terms.revision));
    if config.keeps(Rule::ReclaimsInvalidateRanks) {
        compares.push(Compare::Mod(Key::Reclaims(caller.pool), guard.reclaims));
    }
    if config.keeps(Rule::RedeemsAreOfOneEpoch) {
        compares.push(Compare::Mod(Key::Epoch, guard.epoch));
    }
    let mut then = put_slot(caller, name, terms);
    then.push(Op::Delete(own_ticket));
    let otherwise = vec![
        Op::Get(me(caller)),
        Op::Get(own_ticket),
        Op::Get(Key::Spec(caller.pool)),
        Op::Get(Key::Freeze(caller.pool)),
    ];
    Txn { compares, then, otherwise }
}

/// T3: the pod's own slot, for a younger incarnation, on the same lease.
fn adopt(caller: Caller, found: AdoptRequest) -> Txn {
    let AdoptRequest { name, create, modified, validity, quarantine, lease } = found;
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

/// T4: timestamps until this instant, for the holder of the slot.
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

/// T5: release the slot.
fn release(config: &Config, caller: Caller, request: &Request) -> Option<Txn> {
    let Request::Release { name, create, own_mod_revision, quarantine, record, emitted } = request
    else {
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
    let (value, lease) = match record {
        QuarantineRecord::Nothing => (Value::Empty, Some(*quarantine)),
        QuarantineRecord::Pod => (Value::OfPod(caller.pod), Some(*quarantine)),
        QuarantineRecord::PodForLife => (Value::OfPod(caller.pod), None),
    };
    then.extend([
        Op::Put(Key::Quarantine(caller.pool, *name), value, lease),
        Op::Delete(slot),
        Op::Delete(me(caller)),
    ]);
    Some(Txn { compares, then, otherwise: Vec::new() })
}

/// T6: release the slot by force, by its fence.
fn force_release(caller: Caller, request: &Request) -> Option<Txn> {
    let Request::ForceRelease { holder, name, create, quarantine } = request else {
        return None;
    };
    let quarantine_key = Key::Quarantine(caller.pool, *name);
    let slot = Key::Slot(caller.pool, *name);
    let put = match quarantine {
        QuarantineLease::Granted(lease) => Op::Put(quarantine_key, Value::Empty, Some(*lease)),
        QuarantineLease::Unsettled(ticks) => {
            Op::Put(quarantine_key, Value::Unsettled(*ticks), None)
        }
    };
    Some(Txn {
        compares: vec![Compare::Create(slot, *create)],
        then: vec![put, Op::Delete(slot), Op::Delete(Key::Owner(*holder, caller.pool))],
        otherwise: Vec::new(),
    })
}

/// T7: the name that the pod had, ahead of the queue.
fn reclaim(
    config: &Config,
    caller: Caller,
    name: Name,
    terms: Terms,
    (despite_freeze, quarantine): (bool, Option<Revision>),
) -> Txn {
    let mut compares = free(config, caller, name);
    let quarantine_key = Key::Quarantine(caller.pool, name);
    if let Some(revision) = quarantine {
        compares.retain(
            |compare| !matches!(compare, Compare::Create(key, _) if *key == quarantine_key),
        );
        if config.keeps(Rule::ReclaimComparesQuarantine) {
            compares.push(Compare::Mod(quarantine_key, revision));
        }
    }
    if !despite_freeze {
        compares.push(Compare::Create(Key::Freeze(caller.pool), 0));
    }
    compares.push(Compare::Mod(Key::Spec(caller.pool), terms.revision));
    if config.keeps(Rule::ReclaimComparesTicket) {
        compares.push(Compare::Create(Key::Ticket(caller.pool, caller.pod), 0));
    }
    let mut then = put_slot(caller, name, terms);
    if config.keeps(Rule::ReclaimsInvalidateRanks) {
        then.push(Op::Put(Key::Reclaims(caller.pool), Value::Empty, None));
    }
    if quarantine.is_some() {
        then.push(Op::Delete(quarantine_key));
    }
    Txn { compares, then, otherwise: Vec::new() }
}

/// The pod has no slot, and the name is neither held nor quarantined.
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

/// Puts slot and owner record, which share the revision, and reads the name's clock.
fn put_slot(caller: Caller, name: Name, terms: Terms) -> Vec<Op> {
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
