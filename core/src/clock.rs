//! Clock reservations (docs/protocol.md, Clock reservation): the reservation that outlives each holder of a node ID,
//! and the steady time that a holder uses.
//!
//! Two rules keep a wrong wall clock from doing lasting harm:
//! - a first reservation needs a *plausible* clock: not before [`EARLIEST`], and not far ahead of what the other
//!   holders of the pool have reserved ([`check`]);
//! - from then on a holder uses [`Steady`] time, which is carried on by boot time. It follows a wall clock forward by
//!   at most [`CATCH_UP`] per reservation, and never backward.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::claim::Fence;
use crate::time::{BootInstant, Now, UnixMillis};

/// How far ahead of its own time a holder reserves. After a crash the next holder waits at most this long, and the
/// lease takes as long to run out.
pub const AHEAD: Duration = Duration::from_secs(60);

/// How often a holder reserves: twice within [`AHEAD`], so that one failed reservation stops no minting.
pub const PERIOD: Duration = Duration::from_secs(30);

/// How much steady time gains per reservation when the wall clock is ahead. With [`PERIOD`], steady time runs at three
/// times the normal rate until it has caught up. A clock that has jumped by years gains a minute per reservation.
pub const CATCH_UP: Duration = Duration::from_secs(60);

/// A clock that differs by this much is wrong and not just skewed. A day is more than any mistake about time zones or
/// daylight saving time, and a holder can still wait for it.
pub const FAR: Duration = Duration::from_hours(24);

/// 2026-01-01T00:00:00Z: no release of Cairn is older, so nothing was reserved before. A machine without a
/// battery-backed clock starts in 1970; steady time would begin there and gain only a minute per reservation.
pub const EARLIEST: UnixMillis = UnixMillis(1_767_225_600_000);

/// The value of `…/h/<name>`. Only a release or an administrator lowers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    /// The last timestamp that a holder may have emitted.
    #[serde(rename = "reserved_until_ms")]
    pub reserved_until: UnixMillis,
    /// Who reserved it.
    pub fence: Fence,
}

/// A reservation as it was read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its value.
    pub record: ClockRecord,
    /// Its mod revision.
    pub revision: i64,
}

/// Where an earlier process of the same holder has stopped minting. With it a restarted process need not wait until the
/// reservation has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintCheckpoint {
    /// The claim under which the IDs were minted.
    pub fence: Fence,
    /// The first timestamp that the holder might emit.
    pub not_before: UnixMillis,
    /// No ID was minted with a later timestamp; `None` when none was minted at all.
    pub minted_until: Option<UnixMillis>,
}

/// A time that never steps: one reading of both clocks, carried on by boot time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steady(Now);

/// Why a wall clock must not be used for a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implausible {
    /// It shows a time before [`EARLIEST`].
    Behind,
    /// It shows a time more than [`FAR`] after the latest reservation of the other holders.
    Ahead,
}

/// Whether a wall clock may be used for a reservation. `latest` is the latest reservation among the present holders of
/// slots of the pool. Without a holder there is nothing to compare with, and any time after [`EARLIEST`] is accepted.
pub fn check(wall: UnixMillis, latest: Option<UnixMillis>) -> Result<(), Implausible> {
    if wall < EARLIEST {
        return Err(Implausible::Behind);
    }
    match latest {
        Some(latest) if wall > latest.after(FAR) => Err(Implausible::Ahead),
        _ => Ok(()),
    }
}

// === impl Steady ===

impl Steady {
    /// Starts at a reading of both clocks.
    pub fn new(now: Now) -> Self {
        Self(now)
    }

    /// The time at an instant.
    pub fn at(self, boot: BootInstant) -> UnixMillis {
        self.0.wall_at(boot)
    }

    /// Starts anew at `now`, closer to a wall clock that is ahead, by at most [`CATCH_UP`].
    #[must_use]
    pub fn follow(self, now: Now) -> Self {
        let steady = self.at(now.boot);
        Self(Now { boot: now.boot, wall: now.wall.min(steady.after(CATCH_UP)).max(steady) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(seconds: u64, wall: i64) -> Now {
        Now { boot: BootInstant::from_nanos(seconds * 1_000_000_000), wall: UnixMillis(wall) }
    }

    #[test]
    fn steady_time_goes_on_when_the_wall_clock_is_set_back() {
        let steady = Steady::new(at(100, 50 * HOUR)).follow(at(130, 49 * HOUR));
        assert_eq!(steady.at(at(131, 0).boot), UnixMillis(50 * HOUR + 31_000));
    }

    #[test]
    fn steady_time_follows_a_wall_clock_that_is_ahead_by_a_minute_per_reservation() {
        let steady = Steady::new(at(100, 0)).follow(at(130, HOUR));
        assert_eq!(steady.at(at(130, 0).boot), UnixMillis(90_000));
        let near = Steady::new(at(100, 0)).follow(at(130, 30_400));
        assert_eq!(near.at(at(130, 0).boot), UnixMillis(30_400));
    }

    #[test]
    fn a_clock_is_plausible_when_it_is_after_2026_and_less_than_a_day_ahead_of_other_holders() {
        let now = 1_795_230_000_000;
        assert_eq!(check(UnixMillis(now), None), Ok(()));
        assert_eq!(check(UnixMillis(3 * HOUR), None), Err(Implausible::Behind));
        assert_eq!(check(UnixMillis(now + 9000 * HOUR), None), Ok(()));
        let others = Some(UnixMillis(now));
        assert_eq!(check(UnixMillis(now + 23 * HOUR), others), Ok(()));
        assert_eq!(check(UnixMillis(now + 25 * HOUR), others), Err(Implausible::Ahead));
    }

    #[test]
    fn a_record_is_the_documented_json() {
        let record =
            ClockRecord { reserved_until: UnixMillis(5), fence: Fence { epoch: 1, revision: 2 } };
        let json = r#"{"reserved_until_ms":5,"fence":{"epoch":1,"revision":2}}"#;
        assert_eq!(serde_json::to_string(&record).unwrap(), json);
        assert_eq!(serde_json::from_str::<ClockRecord>(json).unwrap(), record);
    }

    proptest! {
        /// For any readings of the wall clock: steady time never falls, and from one reservation to the next it gains
        /// at most the time that has passed and a minute.
        #[test]
        fn steady_time_never_falls_and_gains_at_most_a_minute_per_reservation(
            readings in proptest::collection::vec((0_u64..90, -10 * HOUR..10 * HOUR), 1..40)
        ) {
            let mut steady = Steady::new(at(0, 0));
            let mut seconds = 0;
            for (passed, wall) in readings {
                let before = steady.at(at(seconds, 0).boot);
                seconds += passed;
                let now = at(seconds, wall);
                steady = steady.follow(now);
                let after = steady.at(now.boot);
                let passed = Duration::from_secs(passed);
                prop_assert!(after >= before.after(passed));
                prop_assert!(after <= before.after(passed + CATCH_UP));
            }
        }
    }
}
