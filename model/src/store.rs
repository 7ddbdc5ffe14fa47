//! A small etcd: revisions, leases that run out, transactions, and reads at an older revision.
//!
//! What it has in common with etcd: all keys of a transaction share its revision. A failed or reading
//! transaction has no revision. A later operation sees earlier ones, but a nested transaction compares
//! with the state before the outer one. Another put keeps the create revision, and moves the mod
//! revision and the lease. A lease that does not exist fails the whole transaction, if its branch is done.
//! Every lease that expires is a revision of its own. Not for: members, elections, permissions.

use std::collections::BTreeMap;

use crate::key::{GAP, Key, Range, Revision};
use crate::txn::{Compare, KeyValue, LeaseId, Op, OpReply, Txn, TxnReply, Value};

type Keys = BTreeMap<Key, KeyValue>;

/// The store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    keys: Keys,
    leases: BTreeMap<LeaseId, Lease>,
    revision: Revision,
    /// Other clients have written so often that the next write has the next revision that a process
    /// remembers from before the store came back.
    meets: bool,
    /// What the watched ranges held when a ticket was created; the rest of the past is compacted.
    past: BTreeMap<Revision, Keys>,
    /// What has changed since the watches were last notified. Always empty between two steps.
    events: Vec<Event>,
}

/// A lease: the ticks until it expires, and its TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Lease {
    left: u8,
    ttl: u8,
}

/// A change, as a watch would report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Created(Key),
    Changed(Key),
    Deleted(Key),
}

/// The transaction was refused and nothing of it applied: a lease in its branch does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseNotFound;

// === impl Store ===

impl Store {
    pub(crate) fn txn(&mut self, txn: &Txn) -> Result<TxnReply, LeaseNotFound> {
        let before = self.keys.clone();
        let events = self.events.len();
        let next = if self.meets { (self.revision / GAP + 1) * GAP } else { self.revision + 1 };
        match self.branch(&before, txn, next) {
            Ok(mut reply) => {
                if self.events.len() > events {
                    self.revision = next;
                    self.meets = false;
                    self.remember(events);
                }
                reply.header = self.revision;
                Ok(reply)
            }
            Err(refused) => {
                self.keys = before;
                self.events.truncate(events);
                Err(refused)
            }
        }
    }

    /// Reads a pool's queue, slots and quarantines as of the older revision that created a ticket in
    /// it; `None` when that revision is compacted.
    pub(crate) fn read_at(&self, revision: Revision) -> Option<TxnReply> {
        let keys = self.past.get(&revision)?;
        let found = keys.iter().map(|(key, entry)| (*key, *entry)).collect();
        let answers = vec![OpReply::Found(found)];
        Some(TxnReply { header: self.revision, succeeded: true, answers })
    }

    /// Compacts all revisions except those that a process may still read.
    pub(crate) fn compact(&mut self, wanted: impl Fn(Revision) -> bool) {
        self.past.retain(|revision, _| wanted(*revision));
    }

    /// Grants a lease; one that exists already is left as it is.
    pub(crate) fn grant(&mut self, id: LeaseId, ttl: u8) {
        self.leases.entry(id).or_insert(Lease { left: ttl, ttl });
    }

    /// S, as granted.
    pub(crate) fn granted(&self, id: LeaseId) -> Option<u8> {
        self.leases.get(&id).map(|lease| lease.ttl)
    }

    /// Renews a lease; false when there is none.
    pub(crate) fn keep_alive(&mut self, id: LeaseId) -> bool {
        self.leases.get_mut(&id).is_some_and(|lease| {
            lease.left = lease.ttl;
            true
        })
    }

    /// Ends a lease, and the keys on it with it.
    pub(crate) fn revoke(&mut self, id: LeaseId) {
        self.leases.remove(&id);
        let bound: Vec<Key> = self
            .keys
            .iter()
            .filter(|(_, entry)| entry.lease == Some(id))
            .map(|(key, _)| *key)
            .collect();
        if !bound.is_empty() {
            self.revision += 1;
        }
        for key in bound {
            self.keys.remove(&key);
            self.events.push(Event::Deleted(key));
        }
    }

    /// Lets time pass; leases run out in order, each with a revision of its own.
    pub(crate) fn tick(&mut self, ticks: u8) {
        let mut due = Vec::new();
        for (id, lease) in &mut self.leases {
            lease.left = lease.left.saturating_sub(ticks);
            if lease.left == 0 {
                due.push(*id);
            }
        }
        for id in due {
            self.revoke(id);
        }
        for entry in self.keys.values_mut() {
            if let Value::ReservedUntil(until) = &mut entry.value {
                *until = crate::clock::age(*until);
            }
        }
    }

    /// Is replaced by an empty store or by a snapshot; all leases restart their TTL. The revision
    /// goes on unless it `regresses`.
    pub(crate) fn replace(&mut self, from: Self, regresses: bool) {
        let revision = if regresses { from.revision } else { self.revision.max(from.revision) };
        *self = Self { revision, past: BTreeMap::new(), ..from };
        for lease in self.leases.values_mut() {
            lease.left = lease.ttl;
        }
    }

    /// Whether a lease expires within this number of ticks.
    pub(crate) fn runs_out(&self, id: LeaseId, ticks: u8) -> bool {
        self.leases.get(&id).is_some_and(|lease| lease.left <= ticks)
    }

    pub(crate) fn meet(&mut self) {
        self.meets = true;
    }

    pub(crate) fn may_meet(&self) -> bool {
        !self.meets
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn get(&self, key: Key) -> Option<KeyValue> {
        self.keys.get(&key).copied()
    }

    pub(crate) fn has(&self, key: Key) -> bool {
        self.keys.contains_key(&key)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = (Key, KeyValue)> + '_ {
        self.keys.iter().map(|(key, entry)| (*key, *entry))
    }

    pub(crate) fn has_lease(&self, id: LeaseId) -> bool {
        self.leases.contains_key(&id)
    }

    pub(crate) fn leases(&self) -> impl Iterator<Item = LeaseId> + '_ {
        self.leases.keys().copied()
    }

    /// What has changed since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Every revision that is kept here, to be renumbered.
    pub(crate) fn revisions(&mut self, visit: &mut dyn FnMut(&mut Revision)) {
        visit(&mut self.revision);
        let past = std::mem::take(&mut self.past);
        for (mut revision, mut keys) in past {
            visit(&mut revision);
            for entry in keys.values_mut() {
                entry.revisions(visit);
            }
            self.past.insert(revision, keys);
        }
        for entry in self.keys.values_mut() {
            entry.revisions(visit);
        }
    }

    fn branch(
        &mut self,
        before: &Keys,
        txn: &Txn,
        next: Revision,
    ) -> Result<TxnReply, LeaseNotFound> {
        let succeeded = txn.compares.iter().all(|compare| compare.holds(before));
        let branch = if succeeded { &txn.then } else { &txn.otherwise };
        let answers =
            branch.iter().map(|op| self.op(before, op, next)).collect::<Result<_, _>>()?;
        Ok(TxnReply { header: next, succeeded, answers })
    }

    fn op(&mut self, before: &Keys, op: &Op, next: Revision) -> Result<OpReply, LeaseNotFound> {
        Ok(match op {
            Op::Get(key) => {
                OpReply::Found(self.keys.get(key).map(|entry| (*key, *entry)).into_iter().collect())
            }
            Op::List(range) => OpReply::Found(list(&self.keys, *range)),
            Op::Count(range) => {
                OpReply::Count(u8::try_from(list(&self.keys, *range).len()).unwrap_or(u8::MAX))
            }
            Op::Put(key, value, lease) => {
                if lease.is_some_and(|lease| !self.leases.contains_key(&lease)) {
                    return Err(LeaseNotFound);
                }
                let create = self.keys.get(key).map_or(next, |entry| entry.create);
                let entry = KeyValue { value: *value, create, modified: next, lease: *lease };
                let event = match self.keys.insert(*key, entry) {
                    None => Event::Created(*key),
                    Some(_) => Event::Changed(*key),
                };
                self.events.push(event);
                OpReply::Done
            }
            Op::Delete(key) => {
                if self.keys.remove(key).is_some() {
                    self.events.push(Event::Deleted(*key));
                }
                OpReply::Done
            }
            Op::Txn(inner) => OpReply::Txn(self.branch(before, inner, next)?),
        })
    }

    /// Keeps the past of a revision that created a ticket.
    fn remember(&mut self, events: usize) {
        let queued = |event: &Event| match event {
            Event::Created(Key::Ticket(pool, _)) => Some(*pool),
            _ => None,
        };
        if let Some(pool) = self.events.iter().skip(events).find_map(queued) {
            let of_ranks = [Key::Reclaims(pool), Key::Epoch];
            let watched = self
                .keys
                .iter()
                .filter(|(key, _)| key.watched_in() == Some(pool) || of_ranks.contains(key));
            self.past.insert(self.revision, watched.map(|(key, entry)| (*key, *entry)).collect());
        }
    }
}

// === impl Compare ===

impl Compare {
    fn holds(self, keys: &Keys) -> bool {
        match self {
            Self::Create(key, wanted) => keys.get(&key).map_or(0, |entry| entry.create) == wanted,
            Self::Mod(key, wanted) => keys.get(&key).map_or(0, |entry| entry.modified) == wanted,
        }
    }
}

// === impl Entry ===

impl KeyValue {
    fn revisions(&mut self, visit: &mut dyn FnMut(&mut Revision)) {
        visit(&mut self.create);
        visit(&mut self.modified);
    }
}

fn list(keys: &Keys, range: Range) -> Vec<(Key, KeyValue)> {
    keys.iter()
        .filter(|(key, _)| range.contains(**key))
        .map(|(key, entry)| (*key, *entry))
        .collect()
}
