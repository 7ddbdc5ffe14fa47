//! Which members and shards have changed, by a number that counts what was shown. With it a watcher gets what has
//! changed since the event that it saw last, also after it was away for a while.
//!
//! Invariant: an entry names what differs between two statuses that were shown one after the other. Values are not kept
//! here: a watcher gets the newest ones.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cairn_core::coordination::map::Shard;
use cairn_core::coordination::picture::Picture;
use cairn_core::shared_map::SharedMap;
use uuid::Uuid;

/// How many changed keys are kept, at least: the balance of a full map.
const KEPT: usize = 20_000;

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// UIDs.
    pub members: BTreeSet<String>,
    /// Shards.
    pub shards: BTreeSet<Shard>,
    /// The map itself: everything about shards.
    pub map: bool,
}

/// The last changes.
#[derive(Debug)]
pub struct Journal {
    /// A random word of this process: the numbers of another one mean nothing here.
    process: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The number of the last entry.
    last: u64,
    entries: VecDeque<Delta>,
    keys: usize,
}

// === impl Delta ===

impl Delta {
    /// What differs between two pictures.
    pub fn between(before: &Picture, after: &Picture) -> Self {
        Self {
            members: changed(&before.members, &after.members),
            shards: changed(&before.shards, &after.shards),
            map: before.map != after.map || before.epoch != after.epoch,
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.keys() == 0 && !self.map
    }

    fn keys(&self) -> usize {
        self.members.len() + self.shards.len()
    }

    fn add(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        self.shards.extend(other.shards.iter().copied());
        self.map |= other.map;
    }
}

// === impl Journal ===

impl Default for Journal {
    fn default() -> Self {
        let (word, _) = Uuid::new_v4().as_u64_pair();
        Self { process: format!("{word:016x}"), inner: Mutex::default() }
    }
}

impl Journal {
    /// The id of the event that shows everything up to and with a number.
    pub fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.process)
    }

    /// The number in an id of this process.
    pub fn number(&self, id: &str) -> Option<u64> {
        let (process, number) = id.rsplit_once('-')?;
        number.parse().ok().filter(|_| process == self.process)
    }

    /// Records a change. Returns its number.
    pub fn record(&self, delta: Delta) -> u64 {
        let mut inner = self.lock();
        inner.last += 1;
        inner.keys += delta.keys();
        inner.entries.push_back(delta);
        while inner.keys > KEPT && inner.entries.len() > 1 {
            let dropped = inner.entries.pop_front();
            inner.keys -= dropped.map_or(0, |delta| delta.keys());
        }
        inner.last
    }

    /// What has changed after one number, up to and with another one. `None` when that is not known any more.
    pub fn between(&self, after: u64, upto: u64) -> Option<Delta> {
        let inner = self.lock();
        let kept = u64::try_from(inner.entries.len()).unwrap_or(u64::MAX);
        let first = inner.last + 1 - kept;
        if after + 1 < first || after > upto || upto > inner.last {
            return None;
        }
        let skipped = usize::try_from(after + 1 - first).unwrap_or(usize::MAX);
        let count = usize::try_from(upto - after).unwrap_or(usize::MAX);
        let mut all = Delta::default();
        inner.entries.iter().skip(skipped).take(count).for_each(|delta| all.add(delta));
        Some(all)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys whose values differ, or that only one of the maps has.
fn changed<K: Ord + Clone, V: PartialEq>(
    before: &SharedMap<K, V>,
    after: &SharedMap<K, V>,
) -> BTreeSet<K> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let new = after.iter().filter(|(key, value)| before.get(key) != Some(*value));
    gone.chain(new.map(|(key, _)| key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(shard: Shard) -> Delta {
        Delta { shards: [shard].into(), ..Delta::default() }
    }

    #[test]
    fn a_watcher_gets_what_has_changed_since_its_last_event() {
        let journal = Journal::default();
        assert_eq!(journal.between(0, 0), Some(Delta::default()));
        for number in 1..=3 {
            assert_eq!(journal.record(shard(u32::try_from(number).unwrap())), number);
        }
        let since_1 = journal.between(1, 3).unwrap();
        assert_eq!(since_1.shards, [2, 3].into());
        assert_eq!(journal.between(1, 2).unwrap().shards, [2].into());
        assert_eq!(journal.between(4, 4), None, "not shown yet");
        assert_eq!(journal.number(&journal.id(3)), Some(3));
        assert_eq!(journal.number(&Journal::default().id(3)), None, "of another process");
        assert_eq!(journal.number("nonsense"), None);
    }

    #[test]
    fn what_is_not_kept_any_more_is_not_known() {
        let journal = Journal::default();
        for _ in 0..=KEPT {
            journal.record(shard(7));
        }
        let last = u64::try_from(KEPT + 1).unwrap();
        assert_eq!(journal.between(0, last), None);
        assert_eq!(journal.between(1, last).unwrap().shards, [7].into());
        assert_eq!(journal.between(last, last), Some(Delta::default()));
    }
}
