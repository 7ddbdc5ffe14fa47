//! The transactions T0, T1, T3, T5 and the renew pair, one method each.

use std::time::Duration;

use cairn_core::claim::{Fence, OwnerRecord, SlotRecord};
use cairn_core::keys::{self, Key};
use cairn_core::lease::{
    Adoption, Found, Granted, LeaseId, Look, Order, Owner, Renewal, Resumed, Seen, Surrender, View,
    Won,
};
use cairn_core::pool::PoolName;
use cairn_core::time::BootInstant;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn, TxnReply};

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
        ];
        let specs_from = ops.len();
        ops.extend(look.pools.iter().map(|pool| Op::get(keys::pool(pool))));
        let reply = self.kv.txn(Txn::read(ops)).await?;
        let specs = look.pools.iter().enumerate().filter_map(|(offset, pool)| {
            let found = reply.key(specs_from + offset)?;
            Some((pool.clone(), found.value.clone(), found.mod_revision))
        });
        Ok(View {
            specs: specs.collect(),
            epoch: reply.key(0).and_then(epoch),
            on_hold: reply.key(1).is_some(),
            sentinel: reply.key(2).map_or(0, |sentinel| sentinel.mod_revision),
            held: names(reply.keys(3)),
            resting: names(reply.keys(4)),
            owners: reply.keys(5).iter().map(owner).collect::<Result<_, _>>()?,
        })
    }

    /// T1: takes the ordered slot, unless it, or anything that was read before, has changed.
    /// `None` when a compare failed.
    pub async fn claim(&self, order: &Order) -> Result<Option<Won>, Error> {
        let holder = &order.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &order.path.pool);
        let slot = order.path.slot(&order.key);
        let record = OwnerRecord { slot: slot.clone(), nonce: order.record.nonce.clone() };
        let txn = Txn {
            compares: vec![
                Compare::created(&me, 0),
                Compare::created(&slot, 0),
                Compare::created(order.path.quarantine(&order.key), 0),
                Compare::created(keys::hold(&order.path.pool), 0),
                Compare::modified(order.path.sentinel(), order.sentinel),
                Compare::modified(keys::pool(&order.path.pool), order.spec),
            ],
            then: vec![
                Op::put(&slot, json(&slot, &order.record)?, order.lease),
                Op::put(&me, json(&me, &record)?, order.lease),
                Op::get(keys::EPOCH),
            ],
            otherwise: Vec::new(),
        };
        let reply = self.kv.txn(txn).await?;
        if !reply.succeeded {
            return Ok(None);
        }
        let epoch = reply.key(2).and_then(epoch).unwrap_or_default();
        let fence = Fence { epoch, revision: reply.revision };
        Ok(Some(Won { fence, mine: reply.revision }))
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
        })
    }

    /// T3: becomes the slot's younger incarnation. `None` when a compare failed; otherwise the
    /// slot's new mod revision. Does not renew.
    pub async fn adopt(&self, adoption: &Adoption) -> Result<Option<i64>, Error> {
        let holder = &adoption.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &adoption.pool);
        let record =
            OwnerRecord { slot: adoption.slot.clone(), nonce: adoption.record.nonce.clone() };
        let txn = Txn {
            compares: vec![
                Compare::created(&adoption.slot, adoption.create_revision),
                Compare::modified(&adoption.slot, adoption.mod_revision),
            ],
            then: vec![
                Op::put(&adoption.slot, json(&adoption.slot, &adoption.record)?, adoption.lease),
                Op::put(&me, json(&me, &record)?, adoption.lease),
            ],
            otherwise: Vec::new(),
        };
        let reply = self.kv.txn(txn).await?;
        Ok(reply.succeeded.then_some(reply.revision))
    }

    /// A renew pair: a keepalive and one linearizable read of all own slots. A keepalive alone
    /// proves nothing after a force release.
    pub async fn renew(
        &self,
        sent: BootInstant,
        lease: LeaseId,
        slots: &[String],
    ) -> Result<Renewal, Error> {
        let read = Txn::read(slots.iter().map(Op::get).collect());
        let reading =
            async { if slots.is_empty() { Ok(None) } else { self.kv.txn(read).await.map(Some) } };
        let (ttl, reply) = futures::try_join!(self.kv.keep_alive(lease), reading)?;
        let seen = |reply: &TxnReply, index: usize| -> Result<Option<Seen>, Error> {
            let Some(key) = reply.key(index) else {
                return Ok(None);
            };
            let record: SlotRecord = parse(key)?;
            Ok(Some(Seen {
                create_revision: key.create_revision,
                mod_revision: key.mod_revision,
                uid: record.holder.uid,
            }))
        };
        let slots = match &reply {
            None => Vec::new(),
            Some(reply) => slots
                .iter()
                .enumerate()
                .map(|(index, slot)| Ok((slot.clone(), seen(reply, index)?)))
                .collect::<Result<_, Error>>()?,
        };
        Ok(Renewal { lease, sent, ttl, slots })
    }

    /// T5: releases a slot into quarantine; false when it is not ours any more.
    pub async fn release(&self, surrender: &Surrender) -> Result<bool, Error> {
        let holder = &surrender.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &surrender.path.pool);
        let slot = surrender.path.slot(&surrender.key);
        let mut then = vec![Op::Delete(slot.clone()), Op::Delete(me)];
        if !surrender.quarantine.is_zero() {
            let (lease, _) = self.kv.grant(surrender.quarantine).await?;
            then.push(Op::put(surrender.path.quarantine(&surrender.key), "", lease));
        }
        let compares = vec![Compare::modified(&slot, surrender.mine)];
        let reply = self.kv.txn(Txn { compares, then, otherwise: Vec::new() }).await?;
        Ok(reply.succeeded)
    }
}

pub(crate) fn epoch(key: &KeyValue) -> Option<i64> {
    std::str::from_utf8(&key.value).ok()?.parse().ok()
}

fn names(keys: &[KeyValue]) -> std::collections::HashSet<String> {
    keys.iter()
        .filter_map(|key| match Key::parse(&key.key)? {
            Key::Slot(_, name) | Key::Quarantine(_, name) => Some(name),
            _ => None,
        })
        .collect()
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

fn json<T: Serialize>(key: &str, record: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|source| Error::Record { key: key.to_owned(), source })
}

fn parse<T: DeserializeOwned>(key: &KeyValue) -> Result<T, Error> {
    serde_json::from_slice(&key.value)
        .map_err(|source| Error::Record { key: key.key.clone(), source })
}
