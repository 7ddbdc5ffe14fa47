//! What the mirror counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Handles into the registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Patches that were answered well.
    pub patches: Counter,
}

// === impl Metrics ===

impl Metrics {
    /// Handles in a sub-registry of the mirror's own.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("patches", "Pods whose annotations were written", metrics.patches.clone());
        metrics
    }
}
