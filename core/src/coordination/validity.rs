//! How long a renewal is worth, and how long others wait after a session has ended (docs/coordination.md, Time).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Q: the margin where time ends a right. The app needs it to see its deadline and to finish what is in flight.
pub const MARGIN: Duration = Duration::from_secs(2);

/// ρ, the bound of a clock's rate error, as 1/100: far above what a machine's oscillator has (0.05 %), and what a
/// virtual machine's clock shows while it is corrected.
const RATE_ERROR_PERCENT: u128 = 1;

/// The shortest TTL of a session's lease: etcd's own minimum at its default election timeout is 2 s, and below 5 s an
/// etcd election ends leases early.
const SHORTEST_TTL: Duration = Duration::from_secs(5);

/// V: how long a renewal is worth. Fixed for a UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Validity {
    millis: u64,
}

// === impl Validity ===

impl Validity {
    /// The default: 10 s.
    pub const DEFAULT: Self = Self { millis: 10_000 };
    /// The longest that an annotation may ask for.
    pub const LONGEST: Self = Self { millis: 60_000 };
    /// The shortest that an annotation may ask for.
    pub const SHORTEST: Self = Self { millis: 3_000 };

    /// A validity in milliseconds. The bounds are checked where a user's text is parsed.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// V.
    pub const fn span(self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// D(V) = (V·(1+ρ) + Q) / (1−ρ), rounded up to a nanosecond: how long a session of this validity may still serve
    /// after its end was seen, measured by another machine's clock.
    pub fn takeover_delay(self) -> Duration {
        let believed = self.span().as_nanos() * (100 + RATE_ERROR_PERCENT);
        let nanos = (believed + MARGIN.as_nanos() * 100).div_ceil(100 - RATE_ERROR_PERCENT);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How long one request to one etcd member may take: a sixth of V, so that the next member is asked while the
    /// session may still be relied on.
    pub fn request_timeout(self) -> Duration {
        self.span() / 6
    }

    /// The TTL of the session's lease.
    pub fn lease_ttl(self) -> Duration {
        self.span().max(SHORTEST_TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_takeover_delay_is_the_documented_one() {
        for (validity, delay) in [(10, 12_222_222_223), (5, 7_121_212_122), (3, 5_080_808_081)] {
            let found = Validity::from_millis(validity * 1000).takeover_delay();
            assert_eq!(found, Duration::from_nanos(delay), "V {validity} s");
        }
        assert!(Validity::LONGEST.takeover_delay() < Duration::from_secs(64));
    }
}
