//! The mirror's metrics. Label values are bounded: pools and states.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Census;

/// From one round trip to a burst of pods at a slow API server.
const LAG_BUCKETS: [f64; 9] = [0.005, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0];

/// Handles into the registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    patches: Counter,
    failures: Counter,
    lag: Histogram,
    claims: Family<Labels, Gauge>,
    leading: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    pool: String,
    state: &'static str,
}

// === impl Metrics ===

impl Metrics {
    /// Handles in a sub-registry of the mirror's own.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            patches: Counter::default(),
            failures: Counter::default(),
            lag: Histogram::new(LAG_BUCKETS),
            claims: Family::default(),
            leading: Gauge::default(),
        };
        let Self { patches, failures, lag, claims, leading } = &metrics;
        registry.register("patches", "Pods whose annotations were written", patches.clone());
        registry.register(
            "patch_failures",
            "Patches that were not answered well",
            failures.clone(),
        );
        registry.register_with_unit(
            "lag",
            "From a claim's change in etcd being seen to its being shown on the pod",
            Unit::Seconds,
            lag.clone(),
        );
        registry.register("claims", "Names and pods by pool and state", claims.clone());
        registry.register("leading", "Whether this replica writes", leading.clone());
        metrics
    }

    pub(super) fn patched(&self, lag: Option<Duration>) {
        self.patches.inc();
        if let Some(lag) = lag {
            self.lag.observe(lag.as_secs_f64());
        }
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    pub(super) fn lead(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }

    pub(super) fn count(&self, census: &Census) {
        // Deleted pools must not be exported any more.
        self.claims.clear();
        for (pool, counts) in census {
            let states = [
                ("held", counts.held),
                ("waiting", counts.waiting),
                ("quarantined", counts.quarantined),
            ];
            for (state, count) in states {
                let labels = Labels { pool: pool.to_string(), state };
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.claims.get_or_create(&labels).set(count);
            }
        }
    }
}
