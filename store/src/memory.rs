//! [`Kv`] in memory: etcd's semantics for tests, with faults that a real etcd cannot be made to have,
//! on tokio's clock, so that a paused runtime runs hours of lease time in no time.
//!
//! Held to the same suite as the real etcd. Not for: production.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Class, Error};
use crate::kv::{Compare, Field, KeyValue, Kv, Op, OpReply, Txn, TxnReply};

/// A store in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

/// What the next request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not applied, and fails with this class.
    Refuse(Class),
    /// It is applied, but the answer is lost.
    LoseAnswer,
}

#[derive(Debug, Default)]
struct Inner {
    keys: BTreeMap<String, KeyValue>,
    leases: BTreeMap<i64, Lease>,
    revision: i64,
    next_lease: i64,
    down: bool,
    faults: Vec<Fault>,
    writes: u64,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    expires: Instant,
}

// === impl Memory ===

impl Memory {
    /// The next request meets this; several are met in order.
    pub fn inject(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// While down, every request fails and leases do not run out: like etcd, which starts all leases
    /// afresh when a new leader is elected.
    pub fn set_down(&self, down: bool) {
        let mut inner = self.lock();
        inner.down = down;
        let now = Instant::now();
        for lease in inner.leases.values_mut() {
            lease.expires = now + lease.ttl;
        }
    }

    /// Deletes keys as an administrator would, behind the protocol's back.
    pub fn delete(&self, key: &str) {
        let mut inner = self.lock();
        inner.revision += 1;
        inner.keys.remove(key);
    }

    /// How many requests would have been Raft entries.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one request under the faults that are due.
    fn request<T>(&self, act: impl FnOnce(&mut Inner) -> Result<T, Error>) -> Result<T, Error> {
        let mut inner = self.lock();
        if inner.down {
            return Err(Error::Injected(Class::Ambiguous));
        }
        inner.expire();
        let fault = if inner.faults.is_empty() { None } else { Some(inner.faults.remove(0)) };
        if let Some(Fault::Refuse(class)) = fault {
            return Err(Error::Injected(class));
        }
        let answer = act(&mut inner)?;
        match fault {
            Some(Fault::LoseAnswer) => Err(Error::Injected(Class::Ambiguous)),
            _ => Ok(answer),
        }
    }
}

impl Kv for Memory {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        self.request(|inner| {
            // As in etcd: a txn that could write is a Raft entry, also when its compares fail.
            if txn.writes() {
                inner.writes += 1;
            }
            let before = inner.keys.clone();
            let revision = inner.revision + 1;
            match inner.apply(&before, &txn, revision) {
                Ok(reply) => {
                    if inner.keys != before {
                        inner.revision = revision;
                    }
                    Ok(TxnReply { revision: inner.revision, ..reply })
                }
                Err(error) => {
                    inner.keys = before;
                    Err(error)
                }
            }
        })
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        self.request(|inner| {
            inner.writes += 1;
            inner.next_lease += 1;
            let id = inner.next_lease;
            inner.leases.insert(id, Lease { ttl, expires: Instant::now() + ttl });
            Ok((id, ttl))
        })
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.request(|inner| {
            Ok(inner.leases.get_mut(&lease).map_or(Duration::ZERO, |lease| {
                lease.expires = Instant::now() + lease.ttl;
                lease.ttl
            }))
        })
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.request(|inner| {
            inner.writes += 1;
            inner.drop_lease(lease);
            Ok(())
        })
    }
}

// === impl Inner ===

impl Inner {
    /// Each expired lease is a revision of its own, as in etcd.
    fn expire(&mut self) {
        let now = Instant::now();
        let due: Vec<i64> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.expires <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.drop_lease(id);
        }
    }

    fn drop_lease(&mut self, id: i64) {
        self.leases.remove(&id);
        let before = self.keys.len();
        self.keys.retain(|_, key| key.lease != id);
        if self.keys.len() != before {
            self.revision += 1;
        }
    }

    fn apply(
        &mut self,
        before: &BTreeMap<String, KeyValue>,
        txn: &Txn,
        revision: i64,
    ) -> Result<TxnReply, Error> {
        let succeeded = txn.compares.iter().all(|compare| holds(before, compare));
        let branch = if succeeded { &txn.then } else { &txn.otherwise };
        let mut replies = Vec::with_capacity(branch.len());
        for op in branch {
            replies.push(self.apply_op(before, op, revision)?);
        }
        Ok(TxnReply { revision, succeeded, replies })
    }

    fn apply_op(
        &mut self,
        before: &BTreeMap<String, KeyValue>,
        op: &Op,
        revision: i64,
    ) -> Result<OpReply, Error> {
        Ok(match op {
            Op::Get(key) => OpReply::Keys(self.keys.get(key).cloned().into_iter().collect()),
            Op::List { prefix, keys_only } => {
                let found = self.keys.range(prefix.clone()..);
                let found = found.take_while(|(key, _)| key.starts_with(prefix));
                let strip = |key: &KeyValue| KeyValue {
                    value: if *keys_only { Vec::new() } else { key.value.clone() },
                    ..key.clone()
                };
                OpReply::Keys(found.map(|(_, key)| strip(key)).collect())
            }
            Op::Put { key, value, lease } => {
                if *lease != 0 && !self.leases.contains_key(lease) {
                    return Err(Error::Injected(Class::LeaseGone));
                }
                let create_revision =
                    self.keys.get(key).map_or(revision, |found| found.create_revision);
                let put = KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                    create_revision,
                    mod_revision: revision,
                    lease: *lease,
                };
                self.keys.insert(key.clone(), put);
                OpReply::Done
            }
            Op::Delete(key) => {
                self.keys.remove(key);
                OpReply::Done
            }
            Op::Txn(inner) => OpReply::Txn(self.apply(before, inner, revision)?),
        })
    }
}

impl Txn {
    fn writes(&self) -> bool {
        let writes = |op: &Op| match op {
            Op::Put { .. } | Op::Delete(_) => true,
            Op::Get(_) | Op::List { .. } => false,
            Op::Txn(inner) => inner.writes(),
        };
        self.then.iter().chain(&self.otherwise).any(writes)
    }
}

fn holds(keys: &BTreeMap<String, KeyValue>, compare: &Compare) -> bool {
    let found = keys.get(&compare.key);
    let revision = match compare.field {
        Field::Create => found.map(|key| key.create_revision),
        Field::Modified => found.map(|key| key.mod_revision),
    };
    revision.unwrap_or_default() == compare.revision
}
