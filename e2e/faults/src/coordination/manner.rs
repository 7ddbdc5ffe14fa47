//! How the pods of a group take part, where that is not the plain way.

use std::time::Duration;

/// The weight of a pod that has none of its own.
pub const PLAIN_WEIGHT: u32 = 100;

/// How the pods of a group take part. Pods are numbered from 1 in the order of their creation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Only a confirmation lets a shard be handed over. Then the apps that else confirm nothing confirm very late.
    pub confirm_required: bool,
    /// The time within which every app promises to call.
    pub heartbeat: Option<Duration>,
    /// The weights of the pods by their numbers, again and again.
    pub weights: Vec<u32>,
    /// Pods from this number on are of the next release, which has another plan.
    pub newer_from: Option<usize>,
    /// The leader's app puts values.
    pub values: bool,
    /// The first process of a pod dies at a step of its first hand-over: each pod's at the step after the one of the
    /// pod before it.
    pub dies_handing_over: bool,
}

// === impl Manner ===

impl Manner {
    /// The weight of the pod with this number.
    pub fn weight(&self, number: usize) -> u32 {
        let mut weights = self.weights.iter().copied().cycle();
        weights.nth(number.saturating_sub(1)).unwrap_or(PLAIN_WEIGHT)
    }

    /// Whether the pod with this number is of the next release.
    pub fn is_newer(&self, number: usize) -> bool {
        self.newer_from.is_some_and(|from| number >= from)
    }

    /// The half step of its hand-over at which the first process of the pod with this number dies.
    pub fn dies_at(&self, number: usize) -> Option<u32> {
        let half_step = u32::try_from(number.saturating_sub(1)).ok();
        half_step.filter(|_| self.dies_handing_over)
    }
}
