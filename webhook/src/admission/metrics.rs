//! The metrics of admission. Dry runs are not counted.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::refusal::Refusal;

/// From a tenth of the target for the median to the API server's timeout.
const SECONDS: [f64; 17] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.005,
    0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 3.0,
];

/// The result of a review about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It got a sidecar, or missing parts of it.
    Injected,
    /// It has everything already.
    Complete,
    /// It did not ask for anything.
    NotAsked,
    /// It was refused, for this reason.
    Refused(&'static str),
}

/// The reason of a review that could not be read.
pub const UNREADABLE: Outcome = Outcome::Refused("unreadable");

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
    reason: &'static str,
}

/// Handles into the registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    pods: Family<Labels, Counter>,
    seconds: Histogram,
}

// === impl Metrics ===

impl Metrics {
    /// Handles in a sub-registry of admission's own.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics =
            Self { pods: Family::default(), seconds: Histogram::new(SECONDS.iter().copied()) };
        // A rate can be computed only from a series that was there before its first event.
        let refused = Refusal::REASONS.map(Outcome::Refused);
        let others = [Outcome::Injected, Outcome::Complete, Outcome::NotAsked, UNREADABLE];
        for outcome in refused.into_iter().chain(others) {
            drop(metrics.pods.get_or_create(&outcome.labels()));
        }
        registry.register("pods", "Pods by how they were answered, and why", metrics.pods.clone());
        registry.register_with_unit(
            "decision",
            "Time from the read body to the written answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        metrics
    }

    /// Counts one response.
    pub fn observe(&self, outcome: Outcome, took: Duration) {
        self.pods.get_or_create(&outcome.labels()).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

// === impl Outcome ===

impl Outcome {
    fn labels(self) -> Labels {
        let (outcome, reason) = match self {
            Self::Injected => ("injected", "asked"),
            Self::Complete => ("unchanged", "complete"),
            Self::NotAsked => ("unchanged", "not_asked"),
            Self::Refused(reason) => ("refused", reason),
        };
        Labels { outcome, reason }
    }
}
