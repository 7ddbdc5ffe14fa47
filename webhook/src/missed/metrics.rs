//! How many pods opted in and run without a sidecar.

use std::collections::BTreeMap;

use cairn_kit::metrics::register;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    namespace: String,
}

/// A handle into the registry.
#[derive(Clone, Debug)]
pub struct Metrics {
    pods: Family<Labels, Gauge>,
}

// === impl Metrics ===

impl Metrics {
    /// A handle in this registry.
    pub fn register(registry: &mut Registry) -> Self {
        let help = "Pods that opted in and run without a sidecar, by namespace";
        Self { pods: register(registry, "missed_pods", help) }
    }

    /// Replaces all numbers.
    pub(super) fn count(&self, namespaces: &BTreeMap<String, usize>) {
        self.pods.clear();
        for (namespace, pods) in namespaces {
            let labels = Labels { namespace: namespace.clone() };
            let pods = i64::try_from(*pods).unwrap_or(i64::MAX);
            self.pods.get_or_create_owned(&labels).set(pods);
        }
    }
}
