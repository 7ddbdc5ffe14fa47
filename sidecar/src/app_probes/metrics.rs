//! Counts the results of the apps' own probes.

use cairn_kit::metrics::register;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::health::Kind;

/// The counters; clones count into the same family.
#[derive(Clone, Debug, Default)]
pub struct AppProbeMetrics(Family<Labels, Counter>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    container: String,
    probe: &'static str,
    result: &'static str,
}

// === impl AppProbeMetrics ===

impl AppProbeMetrics {
    /// Registers the family.
    pub fn register(registry: &mut Registry) -> Self {
        let help =
            "Answers of apps to their own probes, which the sidecar asks in the kubelet's place";
        Self(register(registry, "app_probes", help))
    }

    /// Counts one result. A probe without an answer is a failure.
    pub fn answered(&self, container: &str, kind: Kind, success: bool) {
        let labels = Labels {
            container: container.to_owned(),
            probe: kind.as_str(),
            result: if success { "success" } else { "failure" },
        };
        self.0.get_or_create_owned(&labels).inc();
    }
}
