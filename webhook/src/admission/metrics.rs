//! The metrics of admission. Dry runs are not counted.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// From a tenth of the target for the median to the API server's timeout.
const SECONDS: [f64; 12] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.01, 0.1,
    3.0,
];

/// The result of a review about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// It got a sidecar, or missing parts of it.
    Injected,
    /// It was refused.
    Refused,
    /// It needed no change.
    Unchanged,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
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
        registry.register("pods", "Pods by how they were answered", metrics.pods.clone());
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
        self.pods.get_or_create(&Labels { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
