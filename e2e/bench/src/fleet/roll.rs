//! Who holds which name, and what went wrong: written by all pods, read by the measurement.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_core::claim::Fence;
use cairn_core::lease::EndReason;
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_store::Error;

/// So many kinds of failures are told.
const MOST_ERRORS: usize = 5;

/// A name: the number of its pool, and its index there.
pub type Name = (usize, usize);

/// All pods.
#[derive(Debug, Default)]
pub struct Roll {
    entries: Mutex<Vec<Entry>>,
    holders: Mutex<BTreeMap<Name, usize>>,
    sent: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
}

/// One pod.
#[derive(Clone, Debug, Default)]
struct Entry {
    started: BootInstant,
    /// The time to its first claim.
    claimed: Option<Duration>,
    held: Option<(Name, Fence)>,
    ended: bool,
}

/// What went wrong so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Claims that were lost, or exchanged for another name or fence.
    pub lost: u64,
    /// Names that two pods held at one instant.
    pub doubled: u64,
}

// === impl Roll ===

impl Roll {
    /// A pod starts. The answer is its number.
    pub fn enter(&self) -> usize {
        let mut entries = lock(&self.entries);
        entries.push(Entry { started: clock::now().boot, ..Entry::default() });
        entries.len() - 1
    }

    /// A pod shows what it holds. `ending`: it releases its name.
    pub fn shows(&self, number: usize, held: Option<(Name, Fence)>, ending: bool) {
        let mut entries = lock(&self.entries);
        let Some(entry) = entries.get_mut(number).filter(|entry| entry.held != held) else {
            return;
        };
        let before = std::mem::replace(&mut entry.held, held);
        if held.is_some() && entry.claimed.is_none() {
            entry.claimed = Some(clock::now().boot.since(entry.started));
        }
        if before.is_some() && !ending {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        let mut holders = lock(&self.holders);
        if let Some((name, _)) = before
            && holders.get(&name) == Some(&number)
        {
            holders.remove(&name);
        }
        if let Some((name, _)) = held
            && holders.insert(name, number).is_some_and(|other| other != number)
        {
            self.doubled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A pod has ended. Only who was told to ends well.
    pub fn ended(&self, number: usize, reason: &EndReason) {
        self.shows(number, None, *reason == EndReason::Released);
        if let Some(entry) = lock(&self.entries).get_mut(number) {
            entry.ended = true;
        }
    }

    /// A request is sent.
    pub fn sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has failed.
    pub fn failed(&self, error: &Error) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        *lock(&self.errors).entry(error.report()).or_default() += 1;
    }

    /// How many pods hold a name.
    pub fn held(&self) -> usize {
        lock(&self.entries).iter().filter(|entry| entry.held.is_some()).count()
    }

    /// How many pods have ended.
    pub fn gone(&self) -> usize {
        lock(&self.entries).iter().filter(|entry| entry.ended).count()
    }

    /// The times of all pods from the start to the first claim, sorted.
    pub fn claimed(&self) -> Vec<Duration> {
        let mut all: Vec<Duration> =
            lock(&self.entries).iter().filter_map(|entry| entry.claimed).collect();
        all.sort_unstable();
        all
    }

    /// What went wrong.
    pub fn troubles(&self) -> Troubles {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Troubles {
            sent: read(&self.sent),
            failed: read(&self.failed),
            lost: read(&self.lost),
            doubled: read(&self.doubled),
        }
    }

    /// The most frequent failures of requests, with their counts.
    pub fn errors(&self) -> String {
        let mut errors: Vec<(u64, String)> =
            lock(&self.errors).iter().map(|(text, count)| (*count, text.clone())).collect();
        errors.sort_unstable_by(|one, other| other.cmp(one));
        let most = errors.into_iter().take(MOST_ERRORS);
        most.fold(String::new(), |all, (count, text)| format!("{all}\n    {count} times: {text}"))
    }
}

// === impl Troubles ===

impl Troubles {
    /// What came since then.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            failed: self.failed - before.failed,
            lost: self.lost - before.lost,
            doubled: self.doubled - before.doubled,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: usize, revision: i64) -> (Name, Fence) {
        ((0, name), Fence { epoch: 1, revision })
    }

    #[test]
    fn a_name_that_goes_without_being_released_is_lost_and_one_with_two_pods_is_doubled() {
        let roll = Roll::default();
        let (a, b) = (roll.enter(), roll.enter());
        roll.shows(a, Some(slot(3, 10)), false);
        roll.shows(a, Some(slot(3, 10)), false);
        roll.shows(b, Some(slot(4, 11)), false);
        assert_eq!((roll.held(), roll.troubles()), (2, Troubles::default()));
        roll.shows(b, None, true);
        roll.ended(b, &EndReason::Released);
        assert_eq!((roll.gone(), roll.troubles().lost), (1, 0));
        let c = roll.enter();
        roll.shows(c, Some(slot(3, 12)), false);
        assert_eq!(roll.troubles().doubled, 1);
        roll.shows(a, Some(slot(3, 13)), false);
        assert_eq!(roll.troubles().lost, 1, "another fence is another claim");
    }
}
