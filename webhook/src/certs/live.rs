//! What the API server uses now: `caBundle` of each webhook in the configurations that exist.

use super::certificate::Certificate;

/// The bundles of all webhooks of all configurations that exist. A configuration that does not exist is not in the way
/// of anything: no API server calls because of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    bundles: Vec<Bundle>,
}

/// One `caBundle`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Which one, for messages.
    pub place: String,
    /// Its content; empty when the field is.
    pub pem: Vec<u8>,
    certificates: Vec<Certificate>,
}

// === impl Live ===

impl Live {
    /// Adds one.
    pub fn push(&mut self, place: String, pem: Vec<u8>) {
        let certificates = Certificate::all(&pem);
        self.bundles.push(Bundle { place, pem, certificates });
    }

    /// All of them.
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// Whether every one contains the certificate.
    pub fn carries(&self, certificate: &Certificate) -> bool {
        self.bundles.iter().all(|bundle| bundle.certificates.contains(certificate))
    }
}

// === impl Bundle ===

impl Bundle {
    /// The certificates in it.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}
