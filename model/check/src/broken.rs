//! Which promises were found broken so far.

use std::sync::atomic::{AtomicBool, Ordering};

/// The promises that are looked at, and which of them were found broken so far.
#[derive(Debug)]
pub struct Broken<P>(Vec<(P, AtomicBool)>);

// === impl Broken ===

impl<P: Copy + PartialEq> Broken<P> {
    /// None is broken yet.
    pub fn new(promises: &[P]) -> Self {
        Self(promises.iter().map(|promise| (*promise, AtomicBool::new(false))).collect())
    }

    /// The promises that are looked at.
    pub fn promises(&self) -> impl Iterator<Item = P> {
        self.0.iter().map(|(promise, _)| *promise)
    }

    /// Whether a promise holds, or was broken by an earlier state. The checker would report the last of many states
    /// that break it, and the first one has the shortest path.
    pub fn first(&self, promise: P, holds: impl FnOnce() -> bool) -> bool {
        let Some((_, broken)) = self.0.iter().find(|(other, _)| *other == promise) else {
            return true;
        };
        if broken.load(Ordering::Relaxed) || holds() {
            return true;
        }
        broken.store(true, Ordering::Relaxed);
        false
    }
}
