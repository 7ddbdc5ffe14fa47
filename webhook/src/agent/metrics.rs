//! The metrics of the agent.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::error::EnrolError;

/// From a review on an idle API server to the timeout of a sidecar.
const SECONDS: [f64; 10] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

const ENROLLED: &str = "enrolled";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

/// Handles into the registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    enrolments: Family<Labels, Counter>,
    seconds: Histogram,
}

// === impl Metrics ===

impl Metrics {
    /// Handles in a sub-registry of the agent's own.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            enrolments: Family::default(),
            seconds: Histogram::new(SECONDS.iter().copied()),
        };
        // A rate can be computed only from a series that was there before its first event.
        for outcome in EnrolError::NAMES.into_iter().chain([ENROLLED]) {
            drop(metrics.enrolments.get_or_create(&Labels { outcome }));
        }
        let enrolments = metrics.enrolments.clone();
        registry.register("enrolments", "Enrolments by how they were answered", enrolments);
        registry.register_with_unit(
            "enrolment",
            "Time from a request to its answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        metrics
    }

    /// Counts one answer.
    pub fn observe(&self, error: Option<&EnrolError>, took: Duration) {
        let outcome = error.map_or(ENROLLED, EnrolError::name);
        self.enrolments.get_or_create(&Labels { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}
