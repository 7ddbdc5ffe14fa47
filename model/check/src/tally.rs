//! How often each milestone was reached.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::names::Named;

/// How often each milestone was reached. It is counted beside the states, so that it makes no two states differ.
#[derive(Debug)]
pub struct Tally<M> {
    counts: Vec<AtomicU64>,
    of: PhantomData<M>,
}

// === impl Tally ===

impl<M: Named> Default for Tally<M> {
    fn default() -> Self {
        Self { counts: M::ALL.iter().map(|_| AtomicU64::new(0)).collect(), of: PhantomData }
    }
}

impl<M: Named> Tally<M> {
    /// Counts a milestone.
    pub fn count(&self, milestone: M) {
        if let Some(count) = self.counts.get(milestone.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The milestones that were reached, and how often.
    pub fn passed(&self) -> Vec<(M, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        M::ALL.iter().copied().zip(counts).filter(|(_, count)| *count > 0).collect()
    }
}
