//! Pauses that differ a little, so that many who failed together do not try again together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A pause of 50 to 150 % of the given one.
pub fn around(pause: Duration) -> Duration {
    // Every `RandomState` has keys of its own; nothing that needs better chance depends on this.
    let [low, high, ..] = RandomState::new().hash_one(0_u8).to_le_bytes();
    pause.mul_f64(0.5 + f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX))
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
}
