//! The transactions T0, T1, T3, T5 and the renew pair, one method each. T2 and the rest of the
//! queue are in `queue.rs`, T4 is in `clock.rs`.

use std::collections::HashSet;
use std::time::Duration;

use cairn_core::claim::{Fence, OwnerRecord, SlotRecord};
use cairn_core::keys::{self, Key};
use cairn_core::lease::{
    AdoptRequest, Adopted, ClaimAnswer, ClaimRequest, FoundOwner, FoundSlot, Granted, LeaseId,
    PoolView, QueueMode, ReadRequest, ReleaseRequest, Renewal, Resumed, SeenSlot, SlotsRead, Won,
};
use cairn_core::pool::PoolName;
use cairn_core::time::BootInstant;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock;
use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn, TxnReply};
use crate::queue;
use crate::rest::{due, quarantined, rest, rest_due, unsettled};

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
    pub async fn read(&self, request: &ReadRequest) -> Result<PoolView, Error> {
        let mut ops = vec![
            Op::get(keys::EPOCH),
            Op::get(keys::freeze(&request.path.pool)),
            Op::get(request.path.sentinel()),
            Op::list_keys(request.path.slots()),
            Op::list_keys(request.path.quarantines()),
            Op::list(keys::owners(&request.namespace, &request.uid)),
            Op::get(request.path.ticket(&request.uid)),
            Op::Count(request.path.tickets()),
            Op::get(request.path.reclaims()),
            Op::list_keys(request.path.notes()),
        ];
        let specs_from = ops.len();
        ops.extend(request.pools.iter().map(|pool| Op::get(keys::pool(pool))));
        let ahead_at = ops.len();
        ops.extend(request.ticket.map(|revision| queue::list_ahead(&request.path, revision)));
        let clocks_at = ops.len();
        if request.clocks {
            ops.push(Op::list(request.path.clocks()));
        }
        let rest_at = ops.len();
        ops.extend(request.wanted.as_ref().map(|key| Op::get(request.path.quarantine(key))));
        let reply = self.kv.txn(Txn::read(ops)).await?;
        let specs = request.pools.iter().enumerate().filter_map(|(offset, pool)| {
            let found = reply.key(specs_from + offset)?;
            Some((pool.clone(), found.value.clone(), found.mod_revision))
        });
        let ticket = reply.key(6).map(queue::ticket);
        // The rank of a ticket that is not there any more is nobody's.
        let same = ticket.map(|ticket| ticket.revision) == request.ticket;
        let ahead = ticket.filter(|_| same).map(|_| queue::ahead(reply.keys(ahead_at)));
        let first = ahead.as_ref().is_some_and(|ahead| ahead.rank == 0);
        let frozen_for = self.attend_freeze(reply.key(1), first).await;
        let held = names(reply.keys(3));
        let due = due(&held, reply.keys(9));
        Ok(PoolView {
            revision: reply.revision,
            specs: specs.collect(),
            epoch: reply.key(0).and_then(epoch),
            epoch_revision: modified(reply.key(0)),
            frozen: reply.key(1).is_some(),
            frozen_for,
            sentinel: modified(reply.key(2)),
            reclaims: modified(reply.key(8)),
            unsettled: unsettled(reply.keys(4), &due),
            quarantined: quarantined(reply.keys(4), &due),
            held,
            notes: due,
            newest: newest(&[reply.keys(3), reply.keys(4)]),
            owners: reply.keys(5).iter().map(owner).collect::<Result<_, _>>()?,
            ticket,
            queued: reply.count(7),
            ahead,
            wanted_quarantine: reply.key(rest_at).and_then(rest),
            clocks: clock::reserved(if request.clocks { reply.keys(clocks_at) } else { &[] }),
        })
    }

    /// T1: takes the requested slot, unless it, or anything that was read before, has changed; then, or
    /// when the request names no slot, it joins the queue.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<ClaimAnswer, Error> {
        let holder = &request.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &request.path.pool);
        let join = match request.queue {
            QueueMode::Join => queue::join(request, &me)?,
            QueueMode::Ahead { .. } => Vec::new(),
        };
        let Some(key) = &request.key else {
            let reply = self.kv.txn(Txn { then: join, ..Txn::default() }).await?;
            return Ok(queue::joined(&reply));
        };
        let slot = request.path.slot(key);
        let mut compares = queue::free(&me, &request.path, key, request.spec);
        compares.push(Compare::modified(request.path.quarantine(key), request.quarantine));
        compares.push(Compare::modified(request.path.note(key), request.note));
        let mut then = puts(&me, &slot, &request.record, request.lease)?;
        let clock_at = then.len() + usize::from(request.clock.is_some());
        if let Some(record) = &request.clock {
            let clock = request.path.clock(key);
            then.push(Op::put(&clock, json(&clock, record)?, 0));
        }
        then.push(Op::get(request.path.clock(key)));
        then.push(Op::get(keys::EPOCH));
        if request.queue != (QueueMode::Ahead { despite_freeze: true }) {
            compares.push(Compare::created(keys::freeze(&request.path.pool), 0));
        }
        match request.queue {
            QueueMode::Join => {
                compares.push(Compare::modified(request.path.sentinel(), request.sentinel));
            }
            QueueMode::Ahead { .. } => {
                // Landing late, it must not leave a younger process's ticket on a holder.
                compares.push(Compare::created(request.path.ticket(&holder.uid), 0));
                // The ranks behind this name shift, and no other compare of theirs would tell them.
                then.push(Op::put(request.path.reclaims(), "", 0));
            }
        }
        then.push(rest_due(&request.path, key, &request.record));
        if request.quarantine != 0 {
            then.push(Op::Delete(request.path.quarantine(key)));
        }
        let reply = self.kv.txn(Txn { compares, then, otherwise: join }).await?;
        Ok(if reply.succeeded {
            ClaimAnswer::Won(won(&reply, clock_at))
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
            Some(parse::<SlotRecord>(key).map(|record| FoundSlot {
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
    pub async fn adopt(&self, request: &AdoptRequest) -> Result<Option<Adopted>, Error> {
        let holder = &request.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &request.pool);
        let mut then = puts(&me, &request.slot, &request.record, request.lease)?;
        if let Some(Key::Slot(path, key)) = Key::parse(&request.slot) {
            then.push(Op::get(path.clock(&key)));
        }
        let txn = Txn {
            compares: vec![
                Compare::created(&request.slot, request.create_revision),
                Compare::modified(&request.slot, request.mod_revision),
            ],
            then,
            otherwise: Vec::new(),
        };
        let reply = self.kv.txn(txn).await?;
        let clock = reply.key(2).and_then(clock::reservation);
        Ok(reply.succeeded.then_some(Adopted { own_mod_revision: reply.revision, clock }))
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

    async fn prove(&self, slots: &[(PoolName, String)]) -> Result<SlotsRead, Error> {
        let mut ops = vec![Op::get(keys::EPOCH)];
        for (pool, slot) in slots {
            ops.push(Op::get(slot));
            ops.push(Op::get(keys::freeze(pool)));
        }
        let reply = self.kv.txn(Txn::read(ops)).await?;
        let mut proof = SlotsRead {
            revision: reply.revision,
            epoch: reply.key(0).and_then(epoch),
            ..SlotsRead::default()
        };
        for ((pool, slot), at) in slots.iter().zip((1..).step_by(2)) {
            let seen = reply.key(at).map(seen).transpose()?;
            proof.slots.push((slot.clone(), seen));
            if reply.key(at + 1).is_some() {
                proof.frozen_pools.push(pool.clone());
            }
        }
        Ok(proof)
    }

    /// T5: releases a slot into a quarantine that says whose it was; false when it is not ours any more.
    pub async fn release(&self, request: &ReleaseRequest) -> Result<bool, Error> {
        let holder = &request.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &request.path.pool);
        let slot = request.path.slot(&request.key);
        // Both, because the revisions of a wiped store start anew: two keys hardly meet ours again.
        let compares = vec![
            Compare::modified(&slot, request.own_mod_revision),
            Compare::modified(&me, request.own_mod_revision),
        ];
        let due = request.path.note(&request.key);
        let mut then = vec![Op::Delete(slot), Op::Delete(me), Op::Delete(due)];
        if let Some(record) = &request.clock {
            let key = request.path.clock(&request.key);
            then.push(Op::put(&key, json(&key, record)?, 0));
        }
        if !request.quarantine.is_zero() {
            let (lease, _) = self.kv.grant(request.quarantine).await?;
            let quarantined = request.path.quarantine(&request.key);
            let record = json(&quarantined, &request.record)?;
            then.push(Op::put(quarantined, record, lease));
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
        own_mod_revision: reply.revision,
        clock: reply.key(index).and_then(clock::reservation),
    }
}

fn seen(key: &KeyValue) -> Result<SeenSlot, Error> {
    let record: SlotRecord = parse(key)?;
    Ok(SeenSlot {
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
        Key::Slot(_, name) | Key::Quarantine(_, name) | Key::Note(_, name) => Some(name),
        _ => None,
    }
}

fn newest(lists: &[&[KeyValue]]) -> i64 {
    lists.iter().flat_map(|keys| keys.iter()).map(|key| key.mod_revision).max().unwrap_or_default()
}

pub(crate) fn names(keys: &[KeyValue]) -> HashSet<String> {
    keys.iter().filter_map(name).collect()
}

fn owner(key: &KeyValue) -> Result<FoundOwner, Error> {
    let Some(Key::Owner { pool, .. }) = Key::parse(&key.key) else {
        return Err(Error::Malformed { operation: "reading the owner records" });
    };
    Ok(FoundOwner {
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
