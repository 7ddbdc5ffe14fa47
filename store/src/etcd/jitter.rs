//! Random pauses, so that many processes do not do the same thing at the same instant.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// A random time, from the first to before the last number of milliseconds.
pub(super) fn between(millis: std::ops::Range<u64>) -> Duration {
    let random = RandomState::new().hash_one(millis.start);
    Duration::from_millis(millis.start + random % (millis.end - millis.start).max(1))
}
