//! When the certificates end.

use cairn_core::time::UnixMillis;
use prometheus_client::registry::Registry;

use crate::certificate_ends::CertificateEnds;

/// Handles into the registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    ends: CertificateEnds,
}

// === impl Metrics ===

impl Metrics {
    /// Handles in this registry.
    pub fn register(registry: &mut Registry) -> Self {
        let help = "End of the webhook's certificates, in Unix time: the served one, and its CA";
        Self { ends: CertificateEnds::register(registry, help) }
    }

    /// The served certificate and its authority end then.
    pub fn set(&self, serving: UnixMillis, authority: UnixMillis) {
        for (certificate, end) in [("serving", serving), ("ca", authority)] {
            self.ends.set(certificate, Some(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_certificate_has_its_end() {
        let mut registry = Registry::with_prefix("cairn_webhook");
        Metrics::register(&mut registry).set(UnixMillis(7_000), UnixMillis(9_999));
        let text = cairn_kit::metrics::render(&registry);
        for line in ["{certificate=\"serving\"} 7", "{certificate=\"ca\"} 9"] {
            let line = format!("cairn_webhook_certificate_not_after_seconds{line}\n");
            assert!(text.contains(&line), "{text}");
        }
    }
}
