//! Reserved time (PROTOCOL, Clock reservation): what outlives each holder of a node ID, and the time
//! that a holder reckons with.
//!
//! Two rules keep a wrong wall clock from doing lasting harm:
//! - a first reservation needs a *plausible* clock: not before there was Cairn, and not far ahead of
//!   what the other holders of the pool have reserved ([`check`]);
//! - from then on a holder reckons with [`Steady`] time, which boot time carries on: it follows a wall
//!   clock forward by at most [`CATCH_UP`] per reservation, and backward never.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::claim::Fence;
use crate::time::{BootInstant, Now, UnixMillis};

/// How far ahead of its own time a holder reserves: the next holder waits at most this long after a
/// crash, and the lease takes as long to run out.
pub const AHEAD: Duration = Duration::from_secs(60);

/// How often it does: twice within [`AHEAD`], so that one lost reservation stops nobody.
pub const PERIOD: Duration = Duration::from_secs(30);

/// The most that one reservation makes up for a wall clock that is ahead. A correction is followed at
/// three times the speed of time; a clock that has jumped by years spoils a minute per reservation.
pub const CATCH_UP: Duration = Duration::from_secs(60);

/// A clock this far off is wrong and not skewed. A day is more than any mistake about time zones
/// or daylight saving makes, and still short enough to be waited for.
pub const FAR: Duration = Duration::from_hours(24);

/// 2026-01-01T00:00:00Z: nothing was reserved before there was Cairn. A machine without a clock of its
/// own starts in 1970, and would be followed from there a minute at a time.
pub const EARLIEST: UnixMillis = UnixMillis(1_767_225_600_000);

/// The value of `…/h/<name>`. It never falls but by a release or by an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    /// The last timestamp that a holder may have emitted.
    #[serde(rename = "reserved_until_ms")]
    pub reserved_until: UnixMillis,
    /// Who reserved it.
    pub fence: Fence,
}

/// A reservation as it stands in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its value.
    pub record: ClockRecord,
    /// Its mod revision.
    pub revision: i64,
}

/// What an earlier process of the same holder has left behind, so that a restart need not wait for the
/// reservation to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MintCheckpoint {
    /// The claim that it is about.
    pub fence: Fence,
    /// The first timestamp that the holder might emit.
    pub not_before: UnixMillis,
    /// No ID was minted with a later timestamp; `None` when none was minted at all.
    pub minted_until: Option<UnixMillis>,
}

/// A time that never steps: a reading of both clocks, carried on by boot time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steady(Now);

/// Why a clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implausible {
    /// It says a time before [`EARLIEST`].
    Behind,
    /// It says a time that no other holder is near.
    Ahead,
}

/// Whether a wall clock may be reserved with. `latest` is the latest reservation of those who hold a
/// slot of the pool now. Where nobody holds one there is nobody to ask, and any later time is believed.
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
    /// Starts at a reading.
    pub fn new(now: Now) -> Self {
        Self(now)
    }

    /// The time at an instant.
    pub fn at(self, boot: BootInstant) -> UnixMillis {
        self.0.wall_at(boot)
    }

    /// Goes on from here, a little nearer to a wall clock that is ahead.
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
    fn a_wall_clock_that_is_set_back_is_not_followed_and_time_goes_on() {
        let steady = Steady::new(at(100, 50 * HOUR)).follow(at(130, 49 * HOUR));
        assert_eq!(steady.at(at(131, 0).boot), UnixMillis(50 * HOUR + 31_000));
    }

    #[test]
    fn a_wall_clock_that_is_set_forward_is_followed_a_minute_at_a_time() {
        let steady = Steady::new(at(100, 0)).follow(at(130, HOUR));
        assert_eq!(steady.at(at(130, 0).boot), UnixMillis(90_000));
        let near = Steady::new(at(100, 0)).follow(at(130, 30_400));
        assert_eq!(near.at(at(130, 0).boot), UnixMillis(30_400));
    }

    #[test]
    fn a_clock_is_plausible_that_is_of_our_time_and_near_the_other_holders() {
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
        /// Whatever the wall clock does: steady time never falls, and from one reservation to the next
        /// it gains at most what has passed and a minute.
        #[test]
        fn steady_time_never_falls_and_never_leaps(
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
