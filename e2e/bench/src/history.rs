//! Counts overtakings in etcd's own history of a herd.
//!
//! The k-th free name belongs to the k-th ticket. So a pod that is granted a name while there are at least as many
//! older tickets as free names has overtaken another pod. Pairs of a ticket and its name may be completed in any order:
//! that is no overtaking.

use std::collections::{HashMap, HashSet};

use cairn_core::claim::SlotRecord;
use cairn_core::keys::{self, Key};
use cairn_herd::scratch::Scratch;
use cairn_store::etcd::{Change, Etcd};
use cairn_store::{Error, Kv, Op, Txn};

/// The history of one path so far.
#[derive(Debug, Default)]
pub struct History {
    names: usize,
    slots: HashSet<String>,
    quarantined: HashSet<String>,
    /// Create revisions of tickets, by the UIDs of the waiting pods.
    tickets: HashMap<String, i64>,
    /// How many names were granted.
    pub given: usize,
    /// How many of these grants overtook another pod.
    pub overtaken: usize,
}

// === impl History ===

impl History {
    /// The empty history of a pool with so many names.
    pub fn of(names: usize) -> Self {
        Self { names, ..Self::default() }
    }

    /// Reads the history below a scratch prefix from a revision until now.
    pub async fn read<K: Kv>(
        etcd: &Etcd,
        scratch: &Scratch<K>,
        names: usize,
        from: i64,
    ) -> Result<Self, Error> {
        // A key that nothing else writes marks the end.
        let end = format!("{}end", keys::ROOT);
        let put = Txn { then: vec![Op::put(&end, "", 0)], ..Txn::default() };
        scratch.txn(put).await?;
        let mut watcher = etcd.watch(scratch.root(), from).await?;
        let mut history = Self::of(names);
        loop {
            for change in watcher.next().await? {
                let key = match &change {
                    Change::Put(found) => &found.key,
                    Change::Delete(key) => key,
                };
                let key = format!("{}{}", keys::ROOT, key.trim_start_matches(scratch.root()));
                if key == end {
                    return Ok(history);
                }
                history.take(&key, &change);
            }
        }
    }

    fn take(&mut self, key: &str, change: &Change) {
        match (Key::parse(key), change) {
            (Some(Key::Ticket(_, uid)), Change::Put(found)) => {
                self.tickets.insert(uid, found.create_revision);
            }
            (Some(Key::Ticket(_, uid)), Change::Delete(_)) => {
                self.tickets.remove(&uid);
            }
            (Some(Key::Slot(_, name)), Change::Put(found)) => {
                if !self.slots.contains(&name)
                    && let Ok(record) = serde_json::from_slice::<SlotRecord>(&found.value)
                {
                    self.give(&record.holder.uid);
                }
                self.slots.insert(name);
            }
            (Some(Key::Slot(_, name)), Change::Delete(_)) => {
                self.slots.remove(&name);
            }
            (Some(Key::Quarantine(_, name)), Change::Put(_)) => {
                self.quarantined.insert(name);
            }
            (Some(Key::Quarantine(_, name)), Change::Delete(_)) => {
                self.quarantined.remove(&name);
            }
            _ => {}
        }
    }

    fn give(&mut self, uid: &str) {
        let own = self.tickets.get(uid).copied().unwrap_or(i64::MAX);
        let ahead = self.tickets.values().filter(|ticket| **ticket < own).count();
        let free = self.names.saturating_sub(self.slots.union(&self.quarantined).count());
        self.given += 1;
        self.overtaken += usize::from(ahead >= free);
    }
}

#[cfg(test)]
mod tests {
    use cairn_core::claim::Holder;
    use cairn_core::time::UnixMillis;
    use cairn_store::KeyValue;

    use super::*;

    /// `+q:a@5` is a ticket of `a` at revision 5, `+s:0=a` a grant of name 0 to `a`, `-s:0` the end of that slot.
    fn replay(names: usize, changes: &str) -> History {
        let mut history = History::of(names);
        for word in changes.split_whitespace() {
            let (sign, rest) = word.split_at(1);
            let (kind, rest) = rest.split_once(':').unwrap();
            let (name, revision) = rest.split_once('@').unwrap_or((rest, "0"));
            let (name, uid) = name.split_once('=').unwrap_or((name, ""));
            let key = format!("/cairn/v1/ns/bench/c/bench/-/{kind}/{name}");
            let record = SlotRecord {
                holder: Holder { uid: uid.to_owned(), ..Holder::default() },
                nonce: String::new(),
                since: UnixMillis(0),
                validity_ms: 0,
                quarantine_ms: 0,
            };
            let found = KeyValue {
                key: key.clone(),
                value: serde_json::to_vec(&record).unwrap(),
                create_revision: revision.parse().unwrap(),
                mod_revision: 0,
                lease: 0,
            };
            let change = if sign == "+" { Change::Put(found) } else { Change::Delete(key.clone()) };
            history.take(&key, &change);
        }
        history
    }

    #[test]
    fn pairs_of_tickets_and_names_may_be_completed_in_any_order() {
        let history = replay(3, "+q:a@5 +q:b@6 +s:1=b -q:b +s:0=a -q:a");
        assert_eq!((history.given, history.overtaken), (2, 0));
    }

    #[test]
    fn the_only_free_name_belongs_to_the_oldest_ticket() {
        let late = replay(1, "+q:a@5 +q:b@6 +s:0=b -q:b");
        assert_eq!((late.given, late.overtaken), (1, 1));
        let in_turn = replay(1, "+s:0=x +q:a@5 +q:b@6 -s:0 +s:0=a -q:a -s:0 +s:0=b -q:b");
        assert_eq!((in_turn.given, in_turn.overtaken), (3, 0));
    }

    #[test]
    fn a_pod_without_a_ticket_ranks_behind_all_tickets() {
        assert_eq!(replay(1, "+q:a@5 +s:0=x").overtaken, 1);
        assert_eq!(replay(2, "+q:a@5 +s:0=x").overtaken, 0);
    }

    #[test]
    fn a_name_in_quarantine_is_not_free() {
        assert_eq!(replay(2, "+x:1 +q:a@5 +q:b@6 +s:0=b").overtaken, 1);
        assert_eq!(replay(2, "+x:1 -x:1 +q:a@5 +q:b@6 +s:0=b").overtaken, 0);
    }
}
