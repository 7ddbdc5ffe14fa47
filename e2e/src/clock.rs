//! The clock of the harness, for the deadlines of waits and for measured durations.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// An instant since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        Self(Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        ))
    }

    /// In nanoseconds, as apps write it.
    pub fn nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The time since this instant.
    pub fn age(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
