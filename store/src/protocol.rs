//! The transactions T0, T1, T3, T5 and the renew pair, one method each. T2 and the rest of the
//! queue are in `queue.rs`, T4 is in `clock.rs`.

use std::collections::HashSet;
use std::time::Duration;

use cairn_core::claim::{Fence, OwnerRecord, SlotRecord};
use cairn_core::keys::{self, Key};
use cairn_core::lease::{
    Adopted, Adoption, Claimed, Found, Granted, LeaseId, Look, Order, Owner, Proof, Queue, Renewal,
    Resumed, Seen, Surrender, View, Won,
};
use cairn_core::pool::PoolName;
use cairn_core::time::BootInstant;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock;
use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn, TxnReply};
use crate::queue;
use crate::rest::{due, rest, rest_due, resting, unsettled};

/// The claim protocol on a store.
#[derive(Clone, Debug)]
pub struct Store<K> {
    kv: K,
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The protocol on this store.
    pub fn new(kv: K) -> Self {
        Self { kv }
    }

    /// The store itself.
    pub fn kv(&self) -> &K {
        &self.kv
    }

    /// Grants a lease. `sent` is the instant before the call: a deadline may start there.
    pub async fn grant(&self, sent: BootInstant, ttl: Duration) -> Result<Granted, Error> {
        let (lease, ttl) = self.kv.grant(ttl).await?;
        Ok(Granted { sent, lease, ttl })
    }

    /// Gives a lease back.
    pub async fn revoke(&self, lease: LeaseId) -> Result<(), Error> {
        self.kv.revoke(lease).await
    }

    /// T0: everything that a claim depends on, at one revision. Costs no Raft entry.
    pub async fn read(&self, look: &Look) -> Result<View, Error> {
        let mut ops = vec![
            Op::get(keys::EPOCH),
            Op::get(keys::hold(&look.path.pool)),
            Op::get(look.path.sentinel()),
            Op::list_keys(look.path.slots()),
            Op::list_keys(look.path.quarantines()),
            Op::list(keys::owners(&look.namespace, &look.uid)),
            Op::get(look.path.ticket(&look.uid)),
            Op::Count(look.path.tickets()),
            Op::get(look.path.reclaims()),
            Op::list_keys(look.path.dues()),
        ];
        let specs_from = ops.len();
        ops.extend(look.pools.iter().map(|pool| Op::get(keys::pool(pool))));
        let ahead_at = ops.len();
        ops.extend(look.ticket.map(|revision| queue::list_ahead(&look.path, revision)));
        let clocks_at = ops.len();
        if look.clocks {
            ops.push(Op::list(look.path.clocks()));
        }
        let rest_at = ops.len();
        ops.extend(look.wanted.as_ref().map(|key| Op::get(look.path.quarantine(key))));
        let reply = self.kv.txn(Txn::read(ops)).await?;
        let specs = look.pools.iter().enumerate().filter_map(|(offset, pool)| {
            let found = reply.key(specs_from + offset)?;
            Some((pool.clone(), found.value.clone(), found.mod_revision))
        });
        let ticket = reply.key(6).map(queue::ticket);
        // The rank of a ticket that is not there any more is nobody's.
        let same = ticket.map(|ticket| ticket.revision) == look.ticket;
        let ahead = ticket.filter(|_| same).map(|_| queue::ahead(reply.keys(ahead_at)));
        let first = ahead.as_ref().is_some_and(|ahead| ahead.rank == 0);
        let frozen_for = self.attend_freeze(reply.key(1), first).await;
        let held = names(reply.keys(3));
        let due = due(&held, reply.keys(9));
        Ok(View {
            revision: reply.revision,
            specs: specs.collect(),
            epoch: reply.key(0).and_then(epoch),
            epoch_revision: modified(reply.key(0)),
            on_hold: reply.key(1).is_some(),
            frozen_for,
            sentinel: modified(reply.key(2)),
            reclaims: modified(reply.key(8)),
            unsettled: unsettled(reply.keys(4), &due),
            resting: resting(reply.keys(4), &due),
            held,
            due,
            newest: newest(&[reply.keys(3), reply.keys(4)]),
            owners: reply.keys(5).iter().map(owner).collect::<Result<_, _>>()?,
            ticket,
            queued: reply.count(7),
            ahead,
            rest: reply.key(rest_at).and_then(rest),
            clocks: clock::reserved(if look.clocks { reply.keys(clocks_at) } else { &[] }),
        })
    }

    /// T1: takes the ordered slot, unless it, or anything that was read before, has changed; then, or
    /// when the order names no slot, it joins the queue.
    pub async fn claim(&self, order: &Order) -> Result<Claimed, Error> {
        let holder = &order.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &order.path.pool);
        let join = match order.queue {
            Queue::Join => queue::join(order, &me)?,
            Queue::Ahead { .. } => Vec::new(),
        };
        let Some(key) = &order.key else {
            let reply = self.kv.txn(Txn { then: join, ..Txn::default() }).await?;
            return Ok(queue::joined(&reply));
        };
        let slot = order.path.slot(key);
        let mut compares = queue::free(&me, &order.path, key, order.spec);
        compares.push(Compare::modified(order.path.quarantine(key), order.rest));
        compares.push(Compare::modified(order.path.due(key), order.due));
        let mut then = puts(&me, &slot, &order.record, order.lease)?;
        let clock_at = then.len() + usize::from(order.clock.is_some());
        if let Some(record) = &order.clock {
            let clock = order.path.clock(key);
            then.push(Op::put(&clock, json(&clock, record)?, 0));
        }
        then.push(Op::get(order.path.clock(key)));
        then.push(Op::get(keys::EPOCH));
        if order.queue != (Queue::Ahead { despite_hold: true }) {
            compares.push(Compare::created(keys::hold(&order.path.pool), 0));
        }
        match order.queue {
            Queue::Join => {
                compares.push(Compare::modified(order.path.sentinel(), order.sentinel));
            }
            Queue::Ahead { .. } => {
                // Landing late, it must not leave a younger process's ticket on a holder.
                compares.push(Compare::created(order.path.ticket(&holder.uid), 0));
                // The ranks behind this name shift, and no other compare of theirs would tell them.
                then.push(Op::put(order.path.reclaims(), "", 0));
            }
        }
        then.push(rest_due(&order.path, key, &order.record));
        if order.rest != 0 {
            then.push(Op::Delete(order.path.quarantine(key)));
        }
        let reply = self.kv.txn(Txn { compares, then, otherwise: join }).await?;
        Ok(if reply.succeeded {
            Claimed::Won(won(&reply, clock_at))
        } else {
            queue::joined(&reply)
        })
    }

    /// Renews a lease found on our own keys, and reads the slots that hang on it.
    pub async fn resume(
        &self,
        sent: BootInstant,
        lease: LeaseId,
        slots: &[(PoolName, String)],
    ) -> Result<Resumed, Error> {
        let mut ops = vec![Op::get(keys::EPOCH)];
        ops.extend(slots.iter().map(|(_, slot)| Op::get(slot)));
        let (ttl, reply) =
            futures::try_join!(self.kv.keep_alive(lease), self.kv.txn(Txn::read(ops)))?;
        let found = slots.iter().zip(1..).filter_map(|((pool, slot), index)| {
            let key = reply.key(index)?;
            Some(parse::<SlotRecord>(key).map(|record| Found {
                pool: pool.clone(),
                slot: slot.clone(),
                record,
                create_revision: key.create_revision,
                mod_revision: key.mod_revision,
            }))
        });
        Ok(Resumed {
            granted: Granted { sent, lease, ttl },
            found: found.collect::<Result<_, _>>()?,
            epoch: reply.key(0).and_then(epoch).unwrap_or_default(),
            waiting: slots.is_empty(),
        })
    }

    /// T3: becomes the slot's younger incarnation. `None` when a compare failed. Does not renew.
    pub async fn adopt(&self, adoption: &Adoption) -> Result<Option<Adopted>, Error> {
        let holder = &adoption.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &adoption.pool);
        let mut then = puts(&me, &adoption.slot, &adoption.record, adoption.lease)?;
        if let Some(Key::Slot(path, key)) = Key::parse(&adoption.slot) {
            then.push(Op::get(path.clock(&key)));
        }
        let txn = Txn {
            compares: vec![
                Compare::created(&adoption.slot, adoption.create_revision),
                Compare::modified(&adoption.slot, adoption.mod_revision),
            ],
            then,
            otherwise: Vec::new(),
        };
        let reply = self.kv.txn(txn).await?;
        let clock = reply.key(2).and_then(clock::reservation);
        Ok(reply.succeeded.then_some(Adopted { mine: reply.revision, clock }))
    }

    /// A renew pair: a keepalive and one linearizable read of all own slots, with the holds on their
    /// pools and the epoch. A keepalive alone proves nothing after a force release.
    pub async fn renew(
        &self,
        sent: BootInstant,
        lease: LeaseId,
        slots: &[(PoolName, String)],
    ) -> Result<Renewal, Error> {
        let reading =
            async { if slots.is_empty() { Ok(None) } else { self.prove(slots).await.map(Some) } };
        let (ttl, read) = futures::try_join!(self.kv.keep_alive(lease), reading)?;
        Ok(Renewal { lease, sent, ttl, read })
    }

    async fn prove(&self, slots: &[(PoolName, String)]) -> Result<Proof, Error> {
        let mut ops = vec![Op::get(keys::EPOCH)];
        for (pool, slot) in slots {
            ops.push(Op::get(slot));
            ops.push(Op::get(keys::hold(pool)));
        }
        let reply = self.kv.txn(Txn::read(ops)).await?;
        let mut proof = Proof {
            revision: reply.revision,
            epoch: reply.key(0).and_then(epoch),
            ..Proof::default()
        };
        for ((pool, slot), at) in slots.iter().zip((1..).step_by(2)) {
            let seen = reply.key(at).map(seen).transpose()?;
            proof.slots.push((slot.clone(), seen));
            if reply.key(at + 1).is_some() {
                proof.on_hold.push(pool.clone());
            }
        }
        Ok(proof)
    }

    /// T5: releases a slot into a quarantine that says whose it was; false when it is not ours any more.
    pub async fn release(&self, surrender: &Surrender) -> Result<bool, Error> {
        let holder = &surrender.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &surrender.path.pool);
        let slot = surrender.path.slot(&surrender.key);
        // Both, because the revisions of a wiped store start anew: two keys hardly meet ours again.
        let compares =
            vec![Compare::modified(&slot, surrender.mine), Compare::modified(&me, surrender.mine)];
        let due = surrender.path.due(&surrender.key);
        let mut then = vec![Op::Delete(slot), Op::Delete(me), Op::Delete(due)];
        if let Some(record) = &surrender.clock {
            let key = surrender.path.clock(&surrender.key);
            then.push(Op::put(&key, json(&key, record)?, 0));
        }
        if !surrender.quarantine.is_zero() {
            let (lease, _) = self.kv.grant(surrender.quarantine).await?;
            let resting = surrender.path.quarantine(&surrender.key);
            let record = json(&resting, &surrender.record)?;
            then.push(Op::put(resting, record, lease));
        }
        let reply = self.kv.txn(Txn { compares, then, otherwise: Vec::new() }).await?;
        Ok(reply.succeeded)
    }
}

pub(crate) fn epoch(key: &KeyValue) -> Option<i64> {
    std::str::from_utf8(&key.value).ok()?.parse().ok()
}

/// A slot and its owner record: put together, they share their revisions.
pub(crate) fn puts(
    me: &str,
    slot: &str,
    record: &SlotRecord,
    lease: LeaseId,
) -> Result<Vec<Op>, Error> {
    let owner = OwnerRecord { slot: slot.to_owned(), nonce: record.nonce.clone() };
    Ok(vec![Op::put(slot, json(slot, record)?, lease), Op::put(me, json(me, &owner)?, lease)])
}

/// A slot that was won, by a transaction that read its reservation at `index` and then the epoch.
pub(crate) fn won(reply: &TxnReply, index: usize) -> Won {
    let epoch = reply.key(index + 1).and_then(epoch).unwrap_or_default();
    Won {
        fence: Fence { epoch, revision: reply.revision },
        mine: reply.revision,
        clock: reply.key(index).and_then(clock::reservation),
    }
}

fn seen(key: &KeyValue) -> Result<Seen, Error> {
    let record: SlotRecord = parse(key)?;
    Ok(Seen {
        create_revision: key.create_revision,
        mod_revision: key.mod_revision,
        uid: record.holder.uid,
        nonce: record.nonce,
    })
}

/// The mod revision of a key; 0 when it is absent, as compares have it.
pub(crate) fn modified(found: Option<&KeyValue>) -> i64 {
    found.map_or(0, |found| found.mod_revision)
}

pub(crate) fn name(key: &KeyValue) -> Option<String> {
    match Key::parse(&key.key)? {
        Key::Slot(_, name) | Key::Quarantine(_, name) | Key::Due(_, name) => Some(name),
        _ => None,
    }
}

fn newest(lists: &[&[KeyValue]]) -> i64 {
    lists.iter().flat_map(|keys| keys.iter()).map(|key| key.mod_revision).max().unwrap_or_default()
}

pub(crate) fn names(keys: &[KeyValue]) -> HashSet<String> {
    keys.iter().filter_map(name).collect()
}

fn owner(key: &KeyValue) -> Result<Owner, Error> {
    let Some(Key::Owner { pool, .. }) = Key::parse(&key.key) else {
        return Err(Error::Malformed { operation: "reading the owner records" });
    };
    Ok(Owner {
        pool,
        record: parse(key)?,
        create_revision: key.create_revision,
        mod_revision: key.mod_revision,
        lease: key.lease,
    })
}

pub(crate) fn json<T: Serialize>(key: &str, record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|source| Error::Record { key: key.to_owned(), source })
}

pub(crate) fn parse<T: DeserializeOwned>(key: &KeyValue) -> Result<T, Error> {
    serde_json::from_slice(&key.value)
        .map_err(|source| Error::Record { key: key.key.clone(), source })
}
