//! The machine's clocks, for a process that drives lease machines of its own.

use cairn_core::time::{BootInstant, Now, UnixMillis};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// One reading of `CLOCK_BOOTTIME` and `CLOCK_REALTIME`.
pub fn now() -> Now {
    let boot = nanos(clock_gettime(ClockId::Boottime));
    let wall = nanos(clock_gettime(ClockId::Realtime));
    Now {
        boot: BootInstant::from_nanos(u64::try_from(boot).unwrap_or(0)),
        wall: UnixMillis(i64::try_from(wall / 1_000_000).unwrap_or(i64::MAX)),
    }
}

fn nanos(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
