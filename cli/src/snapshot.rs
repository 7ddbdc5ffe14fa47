//! What etcd holds, read into pools, held names and resting names. Pure: keys and values in.
//!
//! Whatever cannot be read becomes a sentence in [`Snapshot::trouble`] and hides nothing else.

use std::collections::BTreeMap;

use cairn_core::claim::{Fence, SlotRecord};
use cairn_core::keys::{ClaimPath, Key};
use cairn_core::names::Names;
use cairn_core::pool::{Pool, PoolName};
use cairn_store::KeyValue;

/// Everything, at one revision.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The pools that are defined, by name.
    pub pools: BTreeMap<PoolName, Pool>,
    /// The names that are held or rest: by namespace, pool, group, and place in the pool.
    pub entries: Vec<Entry>,
    /// Records that could not be read.
    pub trouble: Vec<String>,
}

/// One name that is not free.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it is claimed.
    pub path: ClaimPath,
    /// The name, as users see it.
    pub name: String,
    /// Its place in the pool; `None` once it was removed from it.
    pub index: Option<usize>,
    /// Who holds it; `None` while it rests.
    pub claim: Option<Claim>,
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
        let mut epoch = 0;
        let mut found = Vec::new();
        for key in keys {
            match Key::parse(&key.key) {
                Some(Key::Epoch) => match parse_epoch(&key.value) {
                    Some(number) => epoch = number,
                    None => snapshot.complain(key, "not a number"),
                },
                Some(Key::Pool(name)) => match Pool::from_json(name.clone(), &key.value) {
                    Ok(pool) => drop(snapshot.pools.insert(name, pool)),
                    Err(error) => snapshot.complain(key, &error.to_string()),
                },
                Some(Key::Quarantine(path, slot)) => found.push((path, slot, None)),
                Some(Key::Slot(path, slot)) => match serde_json::from_slice(&key.value) {
                    Ok(record) => found.push((path, slot, Some((record, key.create_revision)))),
                    Err(error) => snapshot.complain(key, &error.to_string()),
                },
                _ => {}
            }
        }
        for (path, slot, record) in found {
            let names = snapshot.pools.get(&path.pool).map(|pool| &pool.names);
            let (index, name) = show(names, slot);
            let claim =
                record.map(|(record, revision)| Claim { record, fence: Fence { epoch, revision } });
            snapshot.entries.push(Entry { path, name, index, claim });
        }
        snapshot.entries.sort_by_cached_key(Entry::order);
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

/// A slot's place and its name as users see it: numeric slots are keyed by the bare number.
fn show(names: Option<&Names>, slot: String) -> (Option<usize>, String) {
    let index = names.and_then(|names| names.index_of(&slot));
    let shown = names.zip(index).and_then(|(names, index)| names.shown(index));
    match shown {
        Some(name) => (index, name.into_owned()),
        None => (index, slot),
    }
}

fn parse_epoch(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
