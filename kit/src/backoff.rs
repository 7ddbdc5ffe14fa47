//! Growing and random pauses between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Pauses that double from failure to failure.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

// === impl Backoff ===

impl Backoff {
    /// The pause after this many failures in a row, with jitter.
    pub fn after(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        around(doubled.min(self.longest))
    }
}

/// A random pause of 50 to 150 % of the given one, so that replicas and pods that failed together do not retry
/// together.
pub fn around(pause: Duration) -> Duration {
    spread(pause, 0.5)
}

/// A random time that differs from the given one by at most this share of it.
pub fn spread(span: Duration, share: f64) -> Duration {
    // Every `RandomState` has random keys, which is random enough for a pause.
    let [low, high, ..] = RandomState::new().hash_one(0_u8).to_le_bytes();
    let unit = f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX);
    span.mul_f64(1.0 - share + 2.0 * share * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_near_the_given_one_and_differ() {
        let pause = Duration::from_secs(10);
        let drawn: Vec<Duration> = (0..100).map(|_| around(pause)).collect();
        assert!(drawn.iter().all(|drawn| *drawn >= pause / 2 && *drawn <= pause * 3 / 2));
        assert!(drawn.iter().any(|other| *other != drawn[0]));
    }

    #[test]
    fn a_spread_time_stays_within_its_share() {
        let span = Duration::from_secs(100);
        let drawn: Vec<_> = (0..100).map(|_| spread(span, 0.05)).collect();
        assert!(drawn.iter().all(|d| *d >= span.mul_f64(0.95) && *d <= span.mul_f64(1.05)));
        assert!(drawn.iter().any(|other| *other != drawn[0]));
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        let (first, longest) = (Duration::from_secs(1), Duration::from_secs(5));
        let backoff = Backoff { first, longest };
        assert!(backoff.after(1) <= first * 3 / 2);
        assert!(backoff.after(3) >= first * 2);
        assert!(backoff.after(u32::MAX) <= longest * 3 / 2);
    }
}
