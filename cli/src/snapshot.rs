//! What etcd holds, read into pools, held names, resting names and waiting pods. Pure: keys and
//! values in.
//!
//! Whatever cannot be read becomes a sentence in [`Snapshot::trouble`] and hides nothing else.

use std::collections::{BTreeMap, BTreeSet};

use cairn_core::claim::{Fence, Holder, SlotRecord, TicketRecord};
use cairn_core::keys::{ClaimPath, Key};
use cairn_core::names::Names;
use cairn_core::pool::{Pool, PoolName};
use cairn_store::KeyValue;

/// Everything, at one revision.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The pools that are defined, by name.
    pub pools: BTreeMap<PoolName, Pool>,
    /// The epoch; 0 when there is none.
    pub epoch: i64,
    /// The names that are held or rest: by namespace, pool, group, and place in the pool.
    pub entries: Vec<Entry>,
    /// The pods that wait for a name: by namespace, pool, group, and rank.
    pub waiting: Vec<Waiting>,
    /// Records that could not be read.
    pub trouble: Vec<String>,
}

/// One name that is not free.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it is claimed.
    pub path: ClaimPath,
    /// Its key among the slots of the path.
    pub key: String,
    /// The name, as users see it.
    pub name: String,
    /// Its place in the pool; `None` once it was removed from it.
    pub index: Option<usize>,
    /// Who holds it; `None` while it rests.
    pub claim: Option<Claim>,
    /// The lease that it hangs on; 0 for none.
    pub lease: i64,
}

/// A pod without a name.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Where it waits.
    pub path: ClaimPath,
    /// The pod, and since when it waits.
    pub record: TicketRecord,
    /// How many wait before it.
    pub rank: usize,
    /// The lease that its ticket hangs on.
    pub lease: i64,
}

/// A held name.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The slot's record.
    pub record: SlotRecord,
    /// The fence.
    pub fence: Fence,
}

// === impl Snapshot ===

impl Snapshot {
    /// Reads Cairn's keys.
    pub fn read(keys: &[KeyValue]) -> Self {
        let mut snapshot = Self::default();
        let mut found = Vec::new();
        let mut tickets = Vec::new();
        let mut due = Vec::new();
        for key in keys {
            match Key::parse(&key.key) {
                Some(Key::Epoch) => match parse_epoch(&key.value) {
                    Some(number) => snapshot.epoch = number,
                    None => snapshot.complain(key, "not a number"),
                },
                Some(Key::Pool(name)) => match Pool::from_json(name.clone(), &key.value) {
                    Ok(pool) => drop(snapshot.pools.insert(name, pool)),
                    Err(error) => snapshot.complain(key, &error.to_string()),
                },
                Some(Key::Quarantine(path, slot)) => found.push((path, slot, None, key.lease)),
                Some(Key::Note(path, slot)) => due.push((path, slot)),
                Some(Key::Slot(path, slot)) => match serde_json::from_slice(&key.value) {
                    Ok(record) => {
                        found.push((path, slot, Some((record, key.create_revision)), key.lease));
                    }
                    Err(error) => snapshot.complain(key, &error.to_string()),
                },
                Some(Key::Ticket(path, _)) => match serde_json::from_slice(&key.value) {
                    Ok(record) => tickets.push((path, key.create_revision, record, key.lease)),
                    Err(error) => snapshot.complain(key, &error.to_string()),
                },
                _ => {}
            }
        }
        // A name whose note stands without a slot is not free: it must still rest. Notes of held names
        // are not shown.
        let taken: BTreeSet<(ClaimPath, String)> =
            found.iter().map(|(path, slot, ..)| (path.clone(), slot.clone())).collect();
        due.retain(|name| !taken.contains(name));
        found.extend(due.into_iter().map(|(path, slot)| (path, slot, None, 0)));
        let epoch = snapshot.epoch;
        for (path, slot, record, lease) in found {
            let names = snapshot.pools.get(&path.pool).map(|pool| &pool.names);
            let (index, name) = show(names, &slot);
            let claim =
                record.map(|(record, revision)| Claim { record, fence: Fence { epoch, revision } });
            snapshot.entries.push(Entry { path, key: slot, name, index, claim, lease });
        }
        snapshot.entries.sort_by_cached_key(Entry::order);
        snapshot.waiting = in_line(tickets);
        snapshot
    }

    fn complain(&mut self, key: &KeyValue, reason: &str) {
        self.trouble.push(format!(
            "the record at {} cannot be read and is left out: {reason}; use the version of cairn that wrote it",
            key.key
        ));
    }
}

// === impl Entry ===

impl Entry {
    /// The namespace of the claim; none for a resting name of a cluster pool.
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
    /// Who waits.
    pub fn holder(&self) -> &Holder {
        &self.record.holder
    }

    /// The group, `-` for none.
    pub fn group(&self) -> &str {
        self.path.group.as_ref().map_or("-", |group| group.as_str())
    }
}

/// A ticket's place is its create revision, among the tickets of one path.
fn in_line(mut tickets: Vec<(ClaimPath, i64, TicketRecord, i64)>) -> Vec<Waiting> {
    tickets.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let mut waiting: Vec<Waiting> = Vec::with_capacity(tickets.len());
    for (path, _, record, lease) in tickets {
        let rank = waiting.last().filter(|last| last.path == path).map_or(0, |last| last.rank + 1);
        waiting.push(Waiting { path, record, rank, lease });
    }
    waiting
}

/// A slot's place and its name as users see it: numeric slots are keyed by the bare number.
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
