//! The time limits of a connection's requests, and how they follow the answers and the process's needs.
//!
//! Not for: renewals, which always have the first limit.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cairn_core::time_limits::TimeLimits;
use tokio::sync::watch as channel;
use tokio::time::{Instant, sleep_until};

use super::Etcd;

/// The lower limit, for pools with a very short validity: a member that is busy or far away answers within this.
const SHORTEST: Duration = Duration::from_millis(300);

/// The limits, and how many attempts in a row had no answer.
#[derive(Debug)]
pub(super) struct Limits {
    limits: channel::Sender<TimeLimits>,
    unanswered: AtomicU32,
}

/// An attempt that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    began: Instant,
    /// How many attempts before it had no answer.
    unanswered: u32,
    /// So many times the limit.
    times: u32,
}

// === impl Limits ===

impl Limits {
    pub(super) fn new(limit: Duration) -> Self {
        let limits = Self {
            limits: channel::Sender::new(TimeLimits::fixed(limit)),
            unanswered: AtomicU32::new(0),
        };
        limits.set(TimeLimits::fixed(limit));
        limits
    }

    /// New limits. They count for attempts that run, too: the release of a process that is to end must not wait for a
    /// request that had time before.
    pub(super) fn set(&self, limits: TimeLimits) {
        let first = limits.first.clamp(SHORTEST, Etcd::DEFAULT_REQUEST_TIMEOUT);
        let limits = TimeLimits { first, longest: limits.longest.max(first) };
        if limits.longest == first {
            self.unanswered.store(0, Ordering::Relaxed);
        }
        self.limits.send_if_modified(|current| {
            let changed = *current != limits;
            *current = limits;
            changed
        });
    }

    pub(super) fn first(&self) -> Duration {
        self.limits.borrow().first
    }

    /// Begins an attempt that may take so many times the limit.
    pub(super) fn begin(&self, times: u32) -> Attempt {
        let unanswered = self.unanswered.load(Ordering::Relaxed);
        Attempt { began: Instant::now(), unanswered, times }
    }

    /// Answers once the attempt has had its time, with that time.
    pub(super) async fn passed(&self, attempt: Attempt) -> Duration {
        let Attempt { began, unanswered, times } = attempt;
        let mut limits = self.limits.subscribe();
        loop {
            let limit = limits.borrow_and_update().after(unanswered).saturating_mul(times);
            tokio::select! {
                () = sleep_until(began + limit) => {
                    // Of attempts that run together one counts. What answers meanwhile does not make etcd quick.
                    let count = unanswered.saturating_add(1);
                    self.unanswered.fetch_max(count, Ordering::Relaxed);
                    return limit;
                }
                Ok(()) = limits.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn patient() -> TimeLimits {
        TimeLimits { first: 5 * SECOND, longest: 10 * SECOND }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_without_an_answer_make_the_next_ones_longer_until_deadlines_hang_on_them() {
        let limits = Limits::new(SECOND);
        limits.set(patient());
        let (one, other) = (limits.begin(1), limits.begin(1));
        assert_eq!(limits.passed(one).await, 5 * SECOND);
        assert_eq!(limits.passed(other).await, 5 * SECOND);
        assert_eq!(limits.passed(limits.begin(1)).await, 10 * SECOND);
        assert_eq!(limits.passed(limits.begin(3)).await, 30 * SECOND);
        assert_eq!(limits.first(), 5 * SECOND, "renewals");
        limits.set(TimeLimits::fixed(5 * SECOND));
        limits.set(patient());
        assert_eq!(limits.passed(limits.begin(1)).await, 5 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_becomes_shorter_ends_an_attempt_that_runs() {
        let limits = Limits::new(SECOND);
        limits.set(patient());
        let began = Instant::now();
        let shorten = async {
            sleep_until(began + 2 * SECOND).await;
            limits.set(TimeLimits::fixed(SECOND / 2));
        };
        let (passed, ()) = tokio::join!(limits.passed(limits.begin(1)), shorten);
        assert_eq!((passed, began.elapsed()), (SECOND / 2, 2 * SECOND));
    }

    #[test]
    fn no_limit_is_too_short_for_a_busy_member() {
        let limits = Limits::new(Duration::ZERO);
        assert_eq!(limits.first(), SHORTEST);
    }
}
