//! A certificate that somebody else makes: chain, key and authority, in the keys that cert-manager uses.
//!
//! Invariant: the key belongs to the certificate, and the authority verifies it for our Service now.

use cairn_core::time::UnixMillis;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;

use super::super::certificate::Certificate;
use super::super::stored::Data;
use super::super::verify::{VerifyError, verify};

const AUTHORITY: &str = "ca.crt";
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";

/// A pair that can be served.
#[derive(Clone, Debug)]
pub struct Pair {
    /// Chain and key.
    pub key: CertifiedKey,
    /// What verifies it, for `caBundle` and sidecars.
    pub authorities: Vec<Certificate>,
    /// When the leaf ends.
    pub not_after: UnixMillis,
}

/// Why a Secret cannot be served.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refusal {
    /// No Secret.
    #[error("there is no such Secret; create it with {AUTHORITY}, {CHAIN} and {KEY}")]
    Missing,
    /// A key without content.
    #[error("it has no {0}; fill {AUTHORITY}, {CHAIN} and {KEY}")]
    Empty(&'static str),
    /// Not PEM of what it should be.
    #[error("its {0} is not readable; write it as PEM")]
    Unreadable(&'static str),
    /// They do not belong together.
    #[error("its {KEY} does not belong to its {CHAIN}; replace both together")]
    Mismatch,
    /// Not for us, or not now.
    #[error(
        "its {AUTHORITY} does not verify its {CHAIN} for {name}; issue a certificate for this name"
    )]
    Untrusted {
        /// The name of our Service.
        name: String,
        /// Why.
        #[source]
        source: VerifyError,
    },
}

// === impl Pair ===

impl Pair {
    /// Reads and checks the data of a Secret.
    pub fn read(data: Option<&Data>, name: &str, now: UnixMillis) -> Result<Self, Refusal> {
        let data = data.ok_or(Refusal::Missing)?;
        let content = |key: &'static str| {
            let bytes = data.get(key).map_or(&[][..], |bytes| bytes.0.as_slice());
            if bytes.is_empty() { Err(Refusal::Empty(key)) } else { Ok(bytes) }
        };
        let authority = content(AUTHORITY)?;
        let chain = Certificate::all(content(CHAIN)?);
        let secret = content(KEY)?;
        let authorities = Certificate::all(authority);
        if authorities.is_empty() {
            return Err(Refusal::Unreadable(AUTHORITY));
        }
        let leaf = chain.first().ok_or(Refusal::Unreadable(CHAIN))?;
        let not_after = leaf.not_after();
        let secret = PrivateKeyDer::from_pem_slice(secret).map_err(|_| Refusal::Unreadable(KEY))?;
        let provider = rustls::crypto::ring::default_provider();
        let chain = chain.iter().map(|certificate| certificate.der().clone()).collect();
        let key = match CertifiedKey::from_der(chain, secret, &provider) {
            Ok(key) => key,
            Err(rustls::Error::InconsistentKeys(_)) => return Err(Refusal::Mismatch),
            Err(_) => return Err(Refusal::Unreadable(KEY)),
        };
        verify(&key.cert, authority, name, now)
            .map_err(|source| Refusal::Untrusted { name: name.to_owned(), source })?;
        Ok(Self { key, authorities, not_after })
    }

    /// When its authority ends; the first one that does, if there are several.
    pub fn authority_not_after(&self) -> UnixMillis {
        self.authorities.iter().map(Certificate::not_after).min().unwrap_or(self.not_after)
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert && self.authorities == other.authorities
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{NAME, NOW, pair_data};
    use super::*;

    fn refusal(data: &Data, name: &str, now: UnixMillis) -> String {
        Pair::read(Some(data), name, now).unwrap_err().to_string()
    }

    #[test]
    fn a_pair_for_our_service_is_taken() {
        let (data, leaf_ends) = pair_data();
        let pair = Pair::read(Some(&data), NAME, NOW).unwrap();
        assert_eq!((pair.not_after, pair.authorities.len()), (leaf_ends, 1));
        assert_eq!(pair, Pair::read(Some(&data), NAME, NOW).unwrap());
        assert_ne!(pair, Pair::read(Some(&pair_data().0), NAME, NOW).unwrap());
    }

    #[test]
    fn a_pair_that_does_not_fit_is_refused_with_what_to_write() {
        let (good, leaf_ends) = pair_data();
        let (other, _) = pair_data();
        let with = |key: &str, value: Option<&str>| {
            let mut data = good.clone();
            data.remove(key);
            if let Some(value) = value {
                data.insert(key.to_owned(), k8s_openapi::ByteString(value.into()));
            }
            data
        };
        let mixed = |key: &str| {
            let mut data = good.clone();
            data.insert(key.to_owned(), other[key].clone());
            data
        };
        assert_eq!(Pair::read(None, NAME, NOW), Err(Refusal::Missing));
        for (data, expected) in [
            (with("ca.crt", None), "it has no ca.crt; fill ca.crt, tls.crt and tls.key"),
            (with("tls.key", Some("")), "it has no tls.key; fill ca.crt, tls.crt and tls.key"),
            (with("tls.crt", Some("x")), "its tls.crt is not readable; write it as PEM"),
            (with("tls.key", Some("x")), "its tls.key is not readable; write it as PEM"),
            (mixed("tls.key"), "its tls.key does not belong to its tls.crt; replace both together"),
            (
                mixed("ca.crt"),
                "its ca.crt does not verify its tls.crt for cairn-webhook.cairn.svc; \
                 issue a certificate for this name",
            ),
        ] {
            assert_eq!(refusal(&data, NAME, NOW), expected);
        }
        let message = refusal(&good, "cairn-webhook.elsewhere.svc", NOW);
        assert!(message.contains("for cairn-webhook.elsewhere.svc;"), "{message}");
        let late = leaf_ends.after(Duration::from_secs(1));
        assert!(refusal(&good, NAME, late).contains("does not verify"), "expired");
    }
}
