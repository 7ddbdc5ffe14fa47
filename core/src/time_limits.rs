//! How long one attempt at one member of etcd may take.
//!
//! A limit that is too short makes a busy etcd busier: a request that is given up has cost it as much as one that is
//! answered, and is sent again. A limit that is too long keeps a process at a member that hangs. Not for: watches,
//! which have no limit.

use std::time::Duration;

/// The limits of the attempts of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// The limit of a renewal, and of anything else at first.
    pub first: Duration,
    /// Each attempt that had no answer doubles the limit of the next ones, up to this. Not of renewals.
    pub longest: Duration,
}

// === impl TimeLimits ===

impl TimeLimits {
    /// The same limit for every attempt: deadlines hang on the answers.
    pub const fn fixed(limit: Duration) -> Self {
        Self { first: limit, longest: limit }
    }

    /// The same limits, but none above this.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        Self { first: self.first.min(limit), longest: self.longest.min(limit) }
    }

    /// The limit after so many attempts in a row without an answer.
    pub fn after(self, unanswered: u32) -> Duration {
        let longer = self.first.saturating_mul(1_u32.checked_shl(unanswered).unwrap_or(u32::MAX));
        longer.min(self.longest).max(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_doubles_up_to_the_longest_and_a_fixed_one_stays() {
        let seconds = Duration::from_secs;
        let limits = TimeLimits { first: seconds(5), longest: seconds(12) };
        let after = [0, 1, 2, 31, 32, u32::MAX].map(|count| limits.after(count).as_secs());
        assert_eq!(after, [5, 10, 12, 12, 12, 12]);
        assert_eq!(TimeLimits::fixed(seconds(5)).after(9), seconds(5));
        assert_eq!(
            limits.at_most(seconds(7)),
            TimeLimits { first: seconds(5), longest: seconds(7) }
        );
        assert_eq!(limits.at_most(seconds(1)), TimeLimits::fixed(seconds(1)));
    }
}
