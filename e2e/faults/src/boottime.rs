//! The clock of a history: `CLOCK_BOOTTIME`. All processes of this machine share it, so the checker can decide exactly
//! whether two holders overlapped.

use std::time::Duration;

use cairn_kit::clock::{Clock as _, SystemClock};

/// Nanoseconds on `CLOCK_BOOTTIME`.
pub type Nanos = u64;

/// Now.
pub fn now() -> Nanos {
    SystemClock.now().boot.as_nanos()
}

/// Seconds of the wall clock, for epochs and seeds.
pub fn unix_seconds() -> i64 {
    SystemClock.now().wall.0 / 1000
}

/// The time from one instant to a later one; zero when it is not later.
pub fn between(from: Nanos, to: Nanos) -> Duration {
    Duration::from_nanos(to.saturating_sub(from))
}

/// A span as nanoseconds.
pub fn nanos(span: Duration) -> Nanos {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
