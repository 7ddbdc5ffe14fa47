//! What members are watched for: when a write of one reaches the others, and how long their machines compute.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cairn_core::time::BootInstant;

/// The steps of all machines of one kind.
#[derive(Debug, Default)]
pub struct Steps {
    count: AtomicU64,
    nanos: AtomicU64,
}

/// The number of steps, and the time that they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How many.
    pub steps: u64,
    /// How long.
    pub took: Duration,
}

/// What is observed.
#[derive(Debug, Default)]
pub struct Probe {
    /// Steps with the answer to a renewal.
    pub renewed: Steps,
    /// Steps with changes of the watch.
    pub changed: Steps,
    /// All other steps.
    pub other: Steps,
    arrivals: Mutex<Arrivals>,
}

/// When revisions were written and arrived.
#[derive(Clone, Debug, Default)]
struct Arrivals {
    /// When the write of a revision was sent.
    sent: BTreeMap<i64, BootInstant>,
    delivered: Vec<(i64, BootInstant)>,
    applied: Vec<(i64, BootInstant)>,
}

/// How long changes took to get from the send of their write to every member, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// To the member's process.
    pub delivered: Vec<Duration>,
    /// Into the member's picture, with all that follows from it.
    pub applied: Vec<Duration>,
}

// === impl Steps ===

impl Steps {
    /// A step took so long.
    pub fn add(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// So far.
    pub fn so_far(&self) -> Work {
        let took = Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        Work { steps: self.count.load(Ordering::Relaxed), took }
    }
}

// === impl Work ===

impl Work {
    /// What came since then.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let took = self.took.saturating_sub(before.took);
        Self { steps: self.steps.saturating_sub(before.steps), took }
    }

    /// The mean time of a step.
    pub fn mean(self) -> Duration {
        self.took.checked_div(u32::try_from(self.steps).unwrap_or(u32::MAX)).unwrap_or_default()
    }
}

// === impl Probe ===

impl Probe {
    /// A write that was sent then is committed at this revision.
    pub fn wrote(&self, revision: i64, sent: BootInstant) {
        self.with(|arrivals| {
            arrivals.sent.insert(revision, sent);
        });
    }

    /// A member's process has received the changes of a revision.
    pub fn delivered(&self, revision: i64, at: BootInstant) {
        self.with(|arrivals| arrivals.delivered.push((revision, at)));
    }

    /// A member's machine has taken them in.
    pub fn applied(&self, revision: i64, at: BootInstant) {
        self.with(|arrivals| arrivals.applied.push((revision, at)));
    }

    /// Begins anew.
    pub fn forget(&self) {
        self.with(|arrivals| *arrivals = Arrivals::default());
    }

    /// What came since the beginning. Revisions that no member wrote are left out.
    pub fn spread(&self) -> Spread {
        self.with(|arrivals| {
            let Arrivals { sent, delivered, applied } = &*arrivals;
            let since_sent = |found: &[(i64, BootInstant)]| {
                let after =
                    |(revision, at): &(i64, BootInstant)| Some(at.since(*sent.get(revision)?));
                let mut spans: Vec<Duration> = found.iter().filter_map(after).collect();
                spans.sort_unstable();
                spans
            };
            Spread { delivered: since_sent(delivered), applied: since_sent(applied) }
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut Arrivals) -> T) -> T {
        look(&mut self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_timed_from_the_send_of_their_write() {
        let at = |millis: u64| BootInstant::from_nanos(millis * 1_000_000);
        let probe = Probe::default();
        probe.delivered(7, at(15));
        probe.wrote(7, at(10));
        probe.delivered(7, at(12));
        probe.applied(7, at(13));
        probe.delivered(8, at(99));
        let millis = Duration::from_millis;
        let expected = Spread { delivered: vec![millis(2), millis(5)], applied: vec![millis(3)] };
        assert_eq!(probe.spread(), expected);
        probe.forget();
        assert_eq!(probe.spread(), Spread::default());
    }

    #[test]
    fn the_mean_of_no_steps_is_zero() {
        let steps = Steps::default();
        assert_eq!(steps.so_far().mean(), Duration::ZERO);
        let before = steps.so_far();
        steps.add(Duration::from_millis(2));
        steps.add(Duration::from_millis(4));
        assert_eq!(steps.so_far().since(before).mean(), Duration::from_millis(3));
    }
}
