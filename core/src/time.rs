//! Readings of the boot clock and of the wall clock, as plain values.
//!
//! Invariant: nothing in this crate reads a clock. Adapters read an instant *before* they send a request and pass it
//! in, so that a holder never believes in a claim longer than the server keeps it. Not for: certificates and timers.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant on `CLOCK_BOOTTIME`: monotonic, and it keeps counting while the machine sleeps.
///
/// Deadlines are of this type because `CLOCK_MONOTONIC` stops during suspend: a laptop or VM that sleeps longer than
/// its lease would otherwise still believe in its claim.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BootInstant(u64);

/// Milliseconds since the Unix epoch, for people and for Snowflake timestamps; never for deadlines.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// One reading of both clocks, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The boot clock, for deadlines.
    pub boot: BootInstant,
    /// The wall clock, for people and for Snowflake timestamps.
    pub wall: UnixMillis,
}

// === impl BootInstant ===

impl BootInstant {
    /// An instant `nanos` nanoseconds after boot.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since boot.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `span` later; saturates.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The instant `span` earlier, but not before boot.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

// === impl UnixMillis ===

impl UnixMillis {
    /// Parses the text that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|stamp| Self(stamp.as_millisecond()))
    }

    /// The instant `span` later; saturates.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The instant `span` earlier; saturates.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this instant; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339 in UTC with whole seconds, the form Kubernetes uses for its own timestamps.
impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.div_euclid(1000)) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => f.write_str("out of range"),
        }
    }
}

// === impl Now ===

impl Now {
    /// The wall-clock time of a boot-time instant, if the wall clock is not set in between.
    pub fn wall_at(self, instant: BootInstant) -> UnixMillis {
        if instant >= self.boot {
            return self.wall.after(instant.since(self.boot));
        }
        let back = i64::try_from(self.boot.since(instant).as_millis()).unwrap_or(i64::MAX);
        UnixMillis(self.wall.0.saturating_sub(back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_follows_boot_time_in_both_directions() {
        let now = Now { boot: BootInstant::from_nanos(10_000_000_000), wall: UnixMillis(50_000) };
        assert_eq!(now.wall_at(BootInstant::from_nanos(12_000_000_000)), UnixMillis(52_000));
        assert_eq!(now.wall_at(BootInstant::from_nanos(7_000_000_000)), UnixMillis(47_000));
    }

    #[test]
    fn a_wall_instant_prints_as_kubernetes_prints_it() {
        assert_eq!(UnixMillis(1_795_230_000_999).to_string(), "2026-11-21T03:00:00Z");
    }
}
