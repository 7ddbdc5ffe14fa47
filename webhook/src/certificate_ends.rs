//! The gauge of when certificates end, in Unix time, by certificate.

use cairn_core::time::UnixMillis;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// A handle into the registry.
#[derive(Clone, Debug, Default)]
pub struct CertificateEnds(Family<Labels, Gauge>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    certificate: &'static str,
}

// === impl CertificateEnds ===

impl CertificateEnds {
    /// Registers the gauge.
    pub fn register(registry: &mut Registry, help: &str) -> Self {
        let ends = Self::default();
        registry.register_with_unit("certificate_not_after", help, Unit::Seconds, ends.0.clone());
        ends
    }

    /// The certificate ends then. `None`: there is none to show.
    pub fn set(&self, certificate: &'static str, end: Option<UnixMillis>) {
        let labels = Labels { certificate };
        match end {
            Some(end) => {
                self.0.get_or_create(&labels).set(end.0.div_euclid(1000));
            }
            None => {
                self.0.remove(&labels);
            }
        }
    }
}
