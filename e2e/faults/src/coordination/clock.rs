//! A member's clock: the machine's boot clock at a rate of its own. The judge converts its instants back.

use cairn_core::time::{BootInstant, Now, UnixMillis};

use crate::boottime::{self, Nanos};

/// The rate of a correct clock.
const CORRECT: u128 = 1_000_000;

/// A clock whose error stays below the bound that the takeover delay allows for.
#[derive(Clone, Copy, Debug)]
pub struct MemberClock {
    origin: Nanos,
    rate: u32,
}

// === impl MemberClock ===

impl MemberClock {
    /// A clock that is correct now. `rate`: how much of it passes in a million.
    pub fn new(rate: u32) -> Self {
        Self { origin: boottime::now(), rate }
    }

    /// What it shows at an instant.
    pub fn shown(self, at: Nanos) -> BootInstant {
        let passed = u128::from(at.saturating_sub(self.origin));
        let shown = passed * u128::from(self.rate) / CORRECT;
        BootInstant::from_nanos(self.origin.saturating_add(nanos(shown)))
    }

    /// The first instant at which it shows this.
    pub fn at(self, shown: BootInstant) -> Nanos {
        let passed = u128::from(shown.as_nanos().saturating_sub(self.origin));
        let at = (passed * CORRECT).div_ceil(u128::from(self.rate.max(1)));
        self.origin.saturating_add(nanos(at))
    }

    /// What it shows now.
    pub fn now(self) -> Now {
        let boot = self.shown(boottime::now());
        let wall = i64::try_from(boot.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Now { boot, wall: UnixMillis(wall) }
    }
}

fn nanos(wide: u128) -> Nanos {
    Nanos::try_from(wide).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_converted_there_and_back() {
        for rate in [990_000, 1_000_000, 1_010_000] {
            let clock = MemberClock { origin: 5_000, rate };
            for at in [5_000, 5_001, 3_000_000_777] {
                let shown = clock.shown(at);
                assert!(clock.at(shown) <= at && at - clock.at(shown) < 3, "{rate} {at}");
                assert_eq!(clock.shown(clock.at(shown)), shown, "{rate} {at}");
            }
        }
    }
}
