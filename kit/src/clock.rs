//! The one place that reads `CLOCK_BOOTTIME` and the wall clock.
//!
//! What decides by them gets a [`Clock`] or a reading as a value, so that tests run on a clock of their own. Not for
//! timers and time limits of connections: those use tokio's `Instant`.

use std::fmt;

use cairn_core::time::{BootInstant, Now, UnixMillis};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Something that tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// One reading of both clocks.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// One reading of the machine's `CLOCK_BOOTTIME` and `CLOCK_REALTIME`.
pub fn now() -> Now {
    let boot = nanos(clock_gettime(ClockId::Boottime));
    let wall = nanos(clock_gettime(ClockId::Realtime));
    Now {
        boot: BootInstant::from_nanos(u64::try_from(boot).unwrap_or(0)),
        wall: UnixMillis(i64::try_from(wall / 1_000_000).unwrap_or(i64::MAX)),
    }
}

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now(&self) -> Now {
        now()
    }
}

fn nanos(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_time_never_runs_backwards_and_wall_time_is_of_this_century() {
        let first = SystemClock.now();
        let second = SystemClock.now();
        assert!(second.boot >= first.boot);
        assert!(second.wall.to_string().starts_with("20"));
    }
}
