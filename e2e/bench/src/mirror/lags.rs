//! How long annotations took.

use std::time::Duration;

use cairn_herd::figures::percentile;

/// Sorted durations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lags(Vec<Duration>);

// === impl Lags ===

impl Lags {
    /// Of these durations, in any order.
    pub fn new(mut lags: Vec<Duration>) -> Self {
        lags.sort_unstable();
        Self(lags)
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The duration that `percent` of them do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.0, percent)
    }

    /// The longest.
    pub fn longest(&self) -> Duration {
        self.percentile(100)
    }
}
