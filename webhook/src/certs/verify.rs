//! Verifies a served chain as the API server does: path, names, usage and time.

use cairn_core::time::UnixMillis;
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error;

use super::certificate::Certificate;

/// Why a chain does not verify.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum VerifyError {
    /// No chain.
    #[error("there is no certificate")]
    Nothing,
    /// No authority in the bundle that is valid now.
    #[error("the CA bundle has no certificate that is valid now")]
    NoAuthority,
    /// A name that is none.
    #[error("'{0}' is not a DNS name")]
    Name(String),
    /// Refused.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
}

/// Verifies that a server with this chain is `name` for a client that trusts the PEM bundle `authorities`.
pub fn verify(
    chain: &[CertificateDer<'_>],
    authorities: &[u8],
    name: &str,
    now: UnixMillis,
) -> Result<(), VerifyError> {
    let [leaf, intermediates @ ..] = chain else { return Err(VerifyError::Nothing) };
    let mut roots = RootCertStore::empty();
    for authority in Certificate::all(authorities) {
        // Go, in which API servers are written, checks the time of a root too; webpki does not.
        if authority.is_valid(now) {
            // One that webpki cannot use verifies nothing, as if it were not there.
            let _ = roots.add(authority.der().clone());
        }
    }
    if roots.is_empty() {
        return Err(VerifyError::NoAuthority);
    }
    let server = ServerName::try_from(name).map_err(|_| VerifyError::Name(name.to_owned()))?;
    let seconds = u64::try_from(now.0.div_euclid(1000)).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let parsed = ParsedCertificate::try_from(leaf)?;
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, at, algorithms.all)?;
    Ok(verify_server_name(&parsed, &server)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::lives::Lives;
    use super::super::mint;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const NAME: &str = "cairn-webhook.cairn.svc";

    #[test]
    fn a_bundle_verifies_when_any_of_its_certificates_does_and_an_empty_one_never() {
        let lives = Lives::default();
        let [ours, other] = [(); 2].map(|()| mint::authority(&lives, NOW).unwrap());
        let leaf = mint::leaf(&ours, &[NAME.to_owned()], &lives, NOW).unwrap();
        let both = format!("{}{}", other.certificate().pem(), ours.certificate().pem());
        assert_eq!(verify(&leaf.key.cert, both.as_bytes(), NAME, NOW), Ok(()));
        assert_eq!(verify(&leaf.key.cert, b"", NAME, NOW), Err(VerifyError::NoAuthority));
        assert_eq!(verify(&[], both.as_bytes(), NAME, NOW), Err(VerifyError::Nothing));
    }

    #[test]
    fn an_authority_whose_life_is_over_verifies_nothing_as_for_an_api_server() {
        let lives =
            Lives::parse("authority=36s,leaf=12s,announce=4s,retain=12s,settle=2s").unwrap();
        let ours = mint::authority(&lives, NOW).unwrap();
        let leaf = mint::leaf(&ours, &[NAME.to_owned()], &lives, NOW).unwrap();
        let later = NOW.after(Duration::from_secs(40));
        let bundle = ours.certificate().pem();
        assert_eq!(
            verify(&leaf.key.cert, bundle.as_bytes(), NAME, later),
            Err(VerifyError::NoAuthority)
        );
    }
}
