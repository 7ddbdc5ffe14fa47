//! The keys, leases and history of the store in memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Fault;
use crate::error::{Class, Error};
use crate::kv::{self, Compare, Delta, Expected, KeyValue, Op, OpReply, Span, Txn, TxnReply};

#[derive(Debug, Default)]
pub(super) struct Inner {
    keys: BTreeMap<String, KeyValue>,
    /// Every change, in order. Watches and reads of the past use it.
    log: Vec<Change>,
    leases: BTreeMap<i64, Lease>,
    pub(super) revision: i64,
    compacted: i64,
    next_lease: i64,
    pub(super) down: bool,
    /// The faults of the next requests, one entry each.
    pub(super) faults: VecDeque<Option<Fault>>,
    /// Transactions that were sent and not yet applied.
    pub(super) late: Vec<Txn>,
    pub(super) writes: u64,
    pub(super) latency: Duration,
    requests: u32,
}

#[derive(Clone, Debug)]
struct Change {
    revision: i64,
    key: String,
    /// `None` for a deletion.
    now: Option<KeyValue>,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    expires: Instant,
}

// === impl Inner ===

impl Inner {
    pub(super) fn txn(&mut self, txn: &Txn) -> Result<TxnReply, Error> {
        // As in etcd: a transaction that could write is a Raft entry, also when its compares fail.
        if txn.writes() {
            self.writes += 1;
        }
        let before = self.keys.clone();
        let logged = self.log.len();
        match self.apply(&before, txn, self.revision + 1) {
            Ok(reply) => {
                if self.log.len() > logged {
                    self.revision += 1;
                }
                Ok(TxnReply { revision: self.revision, ..reply })
            }
            Err(error) => {
                self.keys = before;
                self.log.truncate(logged);
                Err(error)
            }
        }
    }

    pub(super) fn grant(&mut self, ttl: Duration) -> i64 {
        self.writes += 1;
        self.next_lease += 1;
        self.leases.insert(self.next_lease, Lease { ttl, expires: Instant::now() + ttl });
        self.next_lease
    }

    pub(super) fn keep_alive(&mut self, lease: i64) -> Duration {
        self.leases.get_mut(&lease).map_or(Duration::ZERO, |lease| {
            lease.expires = Instant::now() + lease.ttl;
            lease.ttl
        })
    }

    pub(super) fn time_to_live(&self, lease: i64) -> Option<Duration> {
        let expires = self.leases.get(&lease)?.expires;
        Some(expires.saturating_duration_since(Instant::now()))
    }

    pub(super) fn revoke(&mut self, lease: i64) {
        self.writes += 1;
        self.drop_lease(lease);
    }

    /// Deletes a key without a transaction.
    pub(super) fn delete(&mut self, key: &str) {
        if self.remove(key, self.revision + 1) {
            self.revision += 1;
        }
    }

    /// Each expired lease is a revision of its own, as in etcd.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let expired = |(id, lease): (&i64, &Lease)| (lease.expires <= now).then_some(*id);
        let expired: Vec<i64> = self.leases.iter().filter_map(expired).collect();
        for id in expired {
            self.drop_lease(id);
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.leases.values().map(|lease| lease.expires).min()
    }

    /// Restarts the TTL of every lease.
    pub(super) fn renew_all(&mut self) {
        let now = Instant::now();
        for lease in self.leases.values_mut() {
            lease.expires = now + lease.ttl;
        }
    }

    pub(super) fn compact(&mut self) {
        self.compacted = self.revision;
    }

    pub(super) fn has_changed(&self, spans: &[Span], from: i64) -> bool {
        let mut recent = self.log.iter().rev().take_while(|change| change.revision >= from);
        recent.any(|change| {
            spans.iter().any(|span| {
                span.contains(&change.key) && !(span.deletions_only && change.now.is_some())
            })
        })
    }

    /// What has changed in the spans from a revision on; `None` when that was compacted.
    pub(super) fn deltas(&self, spans: &[Span], from: i64) -> Option<Vec<Delta>> {
        if from < self.compacted {
            return None;
        }
        let first = self.log.partition_point(|change| change.revision < from);
        let mut deltas: Vec<Delta> = Vec::new();
        for Change { revision, key, now } in self.log.iter().skip(first) {
            if !spans.iter().any(|span| span.contains(key)) {
                continue;
            }
            let change = match now {
                Some(now) => kv::Change::Put(now.clone()),
                None => kv::Change::Delete(key.clone()),
            };
            match deltas.last_mut() {
                Some(delta) if delta.revision == *revision => delta.changes.push(change),
                _ => deltas.push(Delta { revision: *revision, changes: vec![change] }),
            }
        }
        Some(deltas)
    }

    /// A pseudo-random delay for the next request; the same sequence in each run.
    pub(super) fn next_delay(&mut self) -> Duration {
        self.requests = self.requests.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.latency.mul_f64(0.5 + f64::from(self.requests >> 16) / f64::from(u16::MAX))
    }

    fn drop_lease(&mut self, id: i64) {
        self.leases.remove(&id);
        let revision = self.revision + 1;
        let attached = self.keys.values().filter(|key| key.lease == id);
        let keys: Vec<String> = attached.map(|key| key.key.clone()).collect();
        for key in &keys {
            self.remove(key, revision);
        }
        if !keys.is_empty() {
            self.revision = revision;
        }
    }

    fn remove(&mut self, key: &str, revision: i64) -> bool {
        let found = self.keys.remove(key).is_some();
        if found {
            self.log.push(Change { revision, key: key.to_owned(), now: None });
        }
        found
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
        let keys = |keys: Vec<KeyValue>| OpReply::Keys { count: keys.len(), keys };
        Ok(match op {
            Op::Get(key) => keys(self.keys.get(key).cloned().into_iter().collect()),
            Op::List { prefix, keys_only: false } => keys(list(&self.keys, prefix)),
            Op::List { prefix, keys_only: true } => keys(without_values(list(&self.keys, prefix))),
            Op::Count(prefix) => {
                OpReply::Keys { keys: Vec::new(), count: list(&self.keys, prefix).len() }
            }
            Op::CountAt { prefix, revision } => {
                let count = list(&self.keys_at(*revision)?, prefix).len();
                OpReply::Keys { keys: Vec::new(), count }
            }
            Op::ListBefore { prefix, revision } => {
                let mut found = without_values(list(&self.keys, prefix));
                let count = found.len();
                found.retain(|key| key.create_revision < *revision);
                found.sort_by_key(|key| std::cmp::Reverse(key.create_revision));
                OpReply::Keys { keys: found, count }
            }
            Op::ListAt { prefix, revision } => {
                keys(without_values(list(&self.keys_at(*revision)?, prefix)))
            }
            Op::Page { from, to, limit, revision } => {
                let page = |found: &BTreeMap<String, KeyValue>| {
                    let mut keys: Vec<_> = within(found, from, to).cloned().collect();
                    let count = keys.len();
                    keys.truncate(usize::try_from(*limit).unwrap_or_default());
                    OpReply::Keys { keys, count }
                };
                if *revision == 0 { page(&self.keys) } else { page(&self.keys_at(*revision)?) }
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
                self.keys.insert(key.clone(), put.clone());
                self.log.push(Change { revision, key: key.clone(), now: Some(put) });
                OpReply::Done
            }
            Op::Delete(key) => {
                self.remove(key, revision);
                OpReply::Done
            }
            Op::Txn(inner) => OpReply::Txn(self.apply(before, inner, revision)?),
        })
    }

    /// The keys as they were at a revision, from the log.
    fn keys_at(&self, revision: i64) -> Result<BTreeMap<String, KeyValue>, Error> {
        if revision > self.revision || revision < self.compacted {
            return Err(Error::Injected(Class::NotApplied));
        }
        let mut keys = BTreeMap::new();
        for change in self.log.iter().take_while(|change| change.revision <= revision) {
            match &change.now {
                Some(now) => keys.insert(change.key.clone(), now.clone()),
                None => keys.remove(&change.key),
            };
        }
        Ok(keys)
    }
}

fn list(keys: &BTreeMap<String, KeyValue>, prefix: &str) -> Vec<KeyValue> {
    let found = keys.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
    found.map(|(_, key)| key.clone()).collect()
}

fn without_values(keys: Vec<KeyValue>) -> Vec<KeyValue> {
    keys.into_iter().map(|key| KeyValue { value: Vec::new(), ..key }).collect()
}

/// The keys from `from` up to, but not including, `to`.
fn within<'k>(
    keys: &'k BTreeMap<String, KeyValue>,
    from: &str,
    to: &str,
) -> impl Iterator<Item = &'k KeyValue> {
    let found = keys.range(from.to_owned()..).take_while(move |(key, _)| key.as_str() < to);
    found.map(|(_, key)| key)
}

fn holds(keys: &BTreeMap<String, KeyValue>, compare: &Compare) -> bool {
    let Some(to) = &compare.to else {
        return is_expected(keys.get(&compare.key), &compare.expected);
    };
    let mut range = within(keys, &compare.key, to).peekable();
    if range.peek().is_none() {
        return is_expected(None, &compare.expected);
    }
    range.all(|found| is_expected(Some(found), &compare.expected))
}

fn is_expected(found: Option<&KeyValue>, expected: &Expected) -> bool {
    match expected {
        Expected::Created(revision) => found.map_or(0, |found| found.create_revision) == *revision,
        Expected::Modified(revision) => found.map_or(0, |found| found.mod_revision) == *revision,
        Expected::Value(value) => found.is_some_and(|found| found.value == *value),
    }
}
