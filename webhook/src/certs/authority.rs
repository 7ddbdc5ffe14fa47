//! An authority: a certificate and the key that belongs to it. Invariant: they fit together, and it may sign.

use std::fmt;

use rcgen::{KeyPair, PublicKeyData as _};
use thiserror::Error;

use super::certificate::Certificate;

/// A certificate that verifies and the key that signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    certificate: Certificate,
    key: String,
}

/// Why a certificate and a key are no authority.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AuthorityError {
    /// The certificate is none.
    #[error("the authority's certificate is not readable")]
    Certificate,
    /// The key is none.
    #[error("the authority's key is not readable")]
    Key,
    /// They do not belong together, or the certificate is not one of an authority.
    #[error("the authority's certificate and key do not belong together")]
    Mismatch,
}

// === impl Authority ===

impl Authority {
    /// Reads both from PEM.
    pub fn read(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        let found = Certificate::all(certificate.as_bytes());
        let [certificate] = found.as_slice() else { return Err(AuthorityError::Certificate) };
        let pair = KeyPair::from_pem(key).map_err(|_| AuthorityError::Key)?;
        if !certificate.signs_with(&pair.subject_public_key_info()) {
            return Err(AuthorityError::Mismatch);
        }
        Ok(Self { certificate: certificate.clone(), key: key.to_owned() })
    }

    /// What verifies its leaves.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What signs its leaves, PKCS#8 PEM.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Leaves the key out of logs.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
