//! Growing pauses between attempts, each a little different.

use std::time::Duration;

use crate::mirror::jitter;

/// Short enough that a component which starts a moment later than we do is not waited for.
const FIRST: Duration = Duration::from_secs(1);
/// Pods of a fresh installation wait for this: etcd often starts after us, and asking costs next to
/// nothing.
const LONGEST: Duration = Duration::from_secs(5);

/// The pause after this many failures in a row.
pub fn after(failures: u32) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    jitter::around(doubled.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!(after(1) <= FIRST * 3 / 2);
        assert!(after(3) >= FIRST * 2);
        assert!(after(u32::MAX) <= LONGEST * 3 / 2);
    }
}
