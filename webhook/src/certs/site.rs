//! What both modes of certificates share: the configurations, what is served, and who is told.

use std::sync::Arc;

use cairn_core::time::UnixMillis;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tracing::info;

use super::configurations::Configurations;
use super::live::Live;
use super::metrics::Metrics;
use super::trust_bundle::TrustBundle;
use super::trusted::{self, Untrusted};
use crate::tls::Leaf;

/// The surroundings of one replica.
pub struct Site {
    /// The webhook configurations.
    pub configurations: Configurations,
    /// The DNS names of the Service. The API server asks for the first one, and sidecars for any.
    pub names: Vec<String>,
    /// Receives new leaves.
    pub leaf: Arc<Leaf>,
    /// What is served now.
    pub served: Option<CertifiedKey>,
    /// Receives the bundle that verifies the agent.
    pub trust: watch::Sender<Arc<TrustBundle>>,
    /// When certificates end.
    pub metrics: Metrics,
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something was done or has changed: read everything again.
    Again,
    /// Nothing is to be done before this time.
    Rest(UnixMillis),
}

// === impl Site ===

impl Site {
    /// Serves another certificate from the next handshake on.
    pub fn serve(&mut self, key: CertifiedKey, not_after: UnixMillis, authority: UnixMillis) {
        self.leaf.replace(key.clone());
        self.served = Some(key);
        self.metrics.set(not_after, authority);
        info!(until = %not_after, "serving a new certificate");
    }

    /// Tells the agent and admission what verifies this Service.
    pub fn announce(&self, bundle: &str) {
        self.trust.send_if_modified(|known| {
            let differs = known.pem() != bundle;
            if differs {
                *known = Arc::new(TrustBundle::from(bundle));
            }
            differs
        });
    }

    /// Whether every live bundle verifies what is served.
    pub fn check(&self, live: &Live, now: UnixMillis) -> Result<(), Untrusted> {
        self.accepts(self.served.as_ref().ok_or(Untrusted::Nothing)?, live, now)
    }

    /// Whether every live bundle verifies this certificate.
    pub fn accepts(
        &self,
        key: &CertifiedKey,
        live: &Live,
        now: UnixMillis,
    ) -> Result<(), Untrusted> {
        trusted::check(key, live, self.names.first().map_or("", String::as_str), now)
    }
}

/// The DNS names of a Service: as the API server and sidecars call it, and as people do.
pub fn names(service: &str, namespace: &str, domain: &str) -> Vec<String> {
    let short = format!("{service}.{namespace}");
    vec![format!("{short}.svc"), format!("{short}.svc.{domain}"), short, service.to_owned()]
}
