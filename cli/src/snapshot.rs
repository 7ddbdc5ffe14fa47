//! The state of Cairn in etcd: pools, held names, names in quarantine and waiting pods. Pure: keys and values come in.
//! The keys are described in `docs/protocol.md`, "Keys".
//!
//! A record that cannot be read becomes a message in [`Snapshot::errors`] and hides nothing else.

use std::collections::{BTreeMap, BTreeSet};

use cairn_core::claim::{Fence, Holder, SlotRecord, TicketRecord};
use cairn_core::keys::{ClaimPath, Key};
use cairn_core::names::Names;
use cairn_core::pool::{Pool, PoolName};
use cairn_store::KeyValue;

/// The state at one revision.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The defined pools, by name.
    pub pools: BTreeMap<PoolName, Pool>,
    /// The epoch; 0 if there is none.
    pub epoch: i64,
    /// The names that are not free: by namespace, pool, group, and index.
    pub taken: Vec<TakenName>,
    /// The pods in a queue: by namespace, pool, group, and rank.
    pub waiting: Vec<Waiting>,
    /// One message for each record that cannot be read.
    pub errors: Vec<String>,
}

/// A name that is held or in quarantine.
#[derive(Clone, Debug)]
pub struct TakenName {
    /// The path of the claim.
    pub path: ClaimPath,
    /// Its key among the slots of the path.
    pub key: String,
    /// The name, as users see it.
    pub name: String,
    /// Its index in the pool; `None` if the pool does not have it any more.
    pub index: Option<usize>,
    /// The claim; `None` during a quarantine.
    pub claim: Option<Claim>,
    /// The lease of its key; 0 for none.
    pub lease: i64,
}

/// A pod in a queue.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The path of the queue.
    pub path: ClaimPath,
    /// The ticket's record.
    pub record: TicketRecord,
    /// The number of pods before it.
    pub rank: usize,
    /// The lease of its ticket.
    pub lease: i64,
}

/// The claim of a held name.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The slot's record.
    pub record: SlotRecord,
    /// The fence.
    pub fence: Fence,
}

// === impl Snapshot ===

impl Snapshot {
    /// Parses Cairn's keys.
    pub fn read(keys: &[KeyValue]) -> Self {
        let mut snapshot = Self::default();
        let mut found = Vec::new();
        let mut tickets = Vec::new();
        let mut due = Vec::new();
        for key in keys {
            match Key::parse(&key.key) {
                Some(Key::Epoch) => match parse_epoch(&key.value) {
                    Some(number) => snapshot.epoch = number,
                    None => snapshot.report(key, "not a number"),
                },
                Some(Key::Pool(name)) => match Pool::from_json(name.clone(), &key.value) {
                    Ok(pool) => drop(snapshot.pools.insert(name, pool)),
                    Err(error) => snapshot.report(key, &error.to_string()),
                },
                Some(Key::Quarantine(path, slot)) => found.push((path, slot, None, key.lease)),
                Some(Key::Note(path, slot)) => due.push((path, slot)),
                Some(Key::Slot(path, slot)) => match serde_json::from_slice(&key.value) {
                    Ok(record) => {
                        found.push((path, slot, Some((record, key.create_revision)), key.lease));
                    }
                    Err(error) => snapshot.report(key, &error.to_string()),
                },
                Some(Key::Ticket(path, _)) => match serde_json::from_slice(&key.value) {
                    Ok(record) => tickets.push((path, key.create_revision, record, key.lease)),
                    Err(error) => snapshot.report(key, &error.to_string()),
                },
                _ => {}
            }
        }
        // A quarantine note without a slot means that the name still needs its quarantine. The notes of held names are
        // not shown.
        let with_slot: BTreeSet<(ClaimPath, String)> =
            found.iter().map(|(path, slot, ..)| (path.clone(), slot.clone())).collect();
        due.retain(|name| !with_slot.contains(name));
        found.extend(due.into_iter().map(|(path, slot)| (path, slot, None, 0)));
        let epoch = snapshot.epoch;
        for (path, slot, record, lease) in found {
            let names = snapshot.pools.get(&path.pool).map(|pool| &pool.names);
            let (index, name) = show(names, &slot);
            let claim =
                record.map(|(record, revision)| Claim { record, fence: Fence { epoch, revision } });
            snapshot.taken.push(TakenName { path, key: slot, name, index, claim, lease });
        }
        snapshot.taken.sort_by_cached_key(TakenName::order);
        snapshot.waiting = in_line(tickets);
        snapshot
    }

    fn report(&mut self, key: &KeyValue, reason: &str) {
        self.errors.push(format!(
            "the record at {} cannot be read and is left out: {reason}; \
             use the version of cairn that wrote it",
            key.key
        ));
    }
}

// === impl TakenName ===

impl TakenName {
    /// The namespace of the claim; `None` for a name of a cluster pool in quarantine.
    pub fn namespace(&self) -> Option<&str> {
        let holder = self.claim.as_ref().map(|claim| claim.record.holder.namespace.as_str());
        self.path.namespace.as_deref().or(holder)
    }

    /// The group, `-` for none.
    pub fn group(&self) -> &str {
        self.path.group.as_ref().map_or("-", |group| group.as_str())
    }

    fn order(&self) -> impl Ord + use<> {
        let namespace = self.namespace().unwrap_or_default().to_owned();
        let ClaimPath { pool, group, .. } = self.path.clone();
        (namespace, pool, group, self.index.unwrap_or(usize::MAX), self.name.clone())
    }
}

// === impl Waiting ===

impl Waiting {
    /// The pod.
    pub fn holder(&self) -> &Holder {
        &self.record.holder
    }

    /// The group, `-` for none.
    pub fn group(&self) -> &str {
        self.path.group.as_ref().map_or("-", |group| group.as_str())
    }
}

/// Sorts tickets into queues. The order within a path is that of create revisions.
fn in_line(mut tickets: Vec<(ClaimPath, i64, TicketRecord, i64)>) -> Vec<Waiting> {
    tickets.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut waiting: Vec<Waiting> = Vec::with_capacity(tickets.len());
    for (path, _, record, lease) in tickets {
        let rank = waiting.last().filter(|last| last.path == path).map_or(0, |last| last.rank + 1);
        waiting.push(Waiting { path, record, rank, lease });
    }
    waiting
}

/// A slot's index and its name as users see it. The key of a numeric slot is the bare number.
fn show(names: Option<&Names>, slot: &str) -> (Option<usize>, String) {
    let index = names.and_then(|names| names.index_of(slot));
    let shown = names.zip(index).and_then(|(names, index)| names.shown(index));
    match shown {
        Some(name) => (index, name.into_owned()),
        None => (index, slot.to_owned()),
    }
}

fn parse_epoch(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
