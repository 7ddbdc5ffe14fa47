//! Makes certificates: an authority of our own, and the leaf that one replica serves.
//!
//! Both use P-256: some clouds' API servers refuse Ed25519. Their names differ, because verifiers take a leaf with its
//! issuer's name for self-signed. Pure except for the random keys: the time is passed in.

use std::time::Duration;

use cairn_core::time::UnixMillis;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Long enough for years without maintenance: replicas replace an authority only near its end.
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Short, so that a stolen leaf is useless soon.
const LEAF_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Clocks of API servers may be this far behind ours.
const BACKDATING: Duration = Duration::from_secs(3600);

/// An authority: what signs, and what verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate, PEM.
    pub certificate: String,
    /// Its key, PKCS#8 PEM.
    pub key: String,
}

/// A leaf, ready to be served, and when to replace it.
#[derive(Debug)]
pub struct Minted {
    /// Chain and key.
    pub key: CertifiedKey,
    /// Half of its life, measured on the wall clock.
    pub renew_at: UnixMillis,
    /// The end of its life.
    pub not_after: UnixMillis,
}

/// What failed.
#[derive(Debug, Error)]
pub enum MintError {
    /// A key or certificate could not be made.
    #[error("could not make a certificate")]
    Make(#[from] rcgen::Error),
    /// A time outside of what certificates can say.
    #[error("the system's clock is out of range")]
    Clock(#[from] time::error::ComponentRange),
    /// An authority that is not PEM of what it should be.
    #[error("the authority's certificate is not readable")]
    Read,
    /// rustls refuses the result.
    #[error("the certificate and its key do not fit together")]
    Use(#[from] rustls::Error),
}

/// A new authority.
pub fn authority(now: UnixMillis) -> Result<Authority, MintError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    // The time distinguishes the authorities of one installation in logs and dumps.
    params.distinguished_name.push(DnType::CommonName, format!("cairn-webhook CA {now}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = life(now, AUTHORITY_LIFE)?;
    let certificate = params.self_signed(&key)?;
    Ok(Authority { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// A leaf for these DNS names.
pub fn leaf(authority: &Authority, names: &[String], now: UnixMillis) -> Result<Minted, MintError> {
    let issuer =
        Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("cairn-webhook", String::as_str);
    // 64 characters at most, as X.520 has it; verifiers look at the alternative names.
    let name: String = name.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = life(now, LEAF_LIFE)?;
    let certificate = params.signed_by(&key, &issuer)?;
    let provider = rustls::crypto::ring::default_provider();
    let pkcs8 = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok(Minted {
        key: certified(vec![certificate.der().clone()], pkcs8.into(), &provider)?,
        renew_at: now.after(LEAF_LIFE / 2),
        not_after: now.after(LEAF_LIFE),
    })
}

/// Whether an authority outlives a new leaf by a day.
pub fn is_usable(authority: &Authority, now: UnixMillis) -> bool {
    let signs = KeyPair::from_pem(&authority.key).is_ok();
    signs && not_after(&authority.certificate).is_some_and(|end| end > now.after(LEAF_LIFE + DAY))
}

/// Whether a PEM certificate has not expired.
pub fn is_alive(certificate: &str, now: UnixMillis) -> bool {
    not_after(certificate).is_some_and(|end| end > now)
}

fn not_after(certificate: &str) -> Option<UnixMillis> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    Some(UnixMillis(parsed.validity().not_after.timestamp().saturating_mul(1000)))
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(chain, key, provider)
}

fn life(
    now: UnixMillis,
    span: Duration,
) -> Result<(OffsetDateTime, OffsetDateTime), time::error::ComponentRange> {
    let now = OffsetDateTime::from_unix_timestamp(now.0.div_euclid(1000))?;
    Ok((now - BACKDATING, now + span))
}

/// Leaves the key out of logs.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls_pki_types::{ServerName, UnixTime};

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    fn verifies(authority: &Authority, minted: &Minted, name: &str, at: UnixMillis) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_millis(at.0.unsigned_abs()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(&minted.key.cert[0], &[], &name, &[], at).is_ok()
    }

    #[test]
    fn a_leaf_verifies_against_its_authority_by_name_and_for_its_life() {
        let ours = authority(NOW).unwrap();
        let minted = leaf(&ours, &["cairn-webhook.cairn.svc".into()], NOW).unwrap();
        let name = "cairn-webhook.cairn.svc";
        assert!(verifies(&ours, &minted, name, NOW));
        assert!(
            verifies(&ours, &minted, name, UnixMillis(NOW.0 - 1_800_000)),
            "a clock behind ours"
        );
        assert!(!verifies(&ours, &minted, "other.cairn.svc", NOW));
        assert!(!verifies(&ours, &minted, name, minted.not_after.after(DAY)));
        assert!(!verifies(&authority(NOW).unwrap(), &minted, name, NOW));
        assert!(minted.renew_at < minted.not_after);
    }

    #[test]
    fn an_authority_is_replaced_before_a_leaf_could_outlive_it() {
        let ours = authority(NOW).unwrap();
        assert!(is_usable(&ours, NOW));
        let end = NOW.after(AUTHORITY_LIFE);
        assert!(!is_usable(&ours, UnixMillis(end.0 - 1000)));
        assert!(is_alive(&ours.certificate, UnixMillis(end.0 - 1000)));
        assert!(!is_alive(&ours.certificate, end.after(DAY)));
        let broken = Authority { key: "no".into(), ..ours };
        assert!(!is_usable(&broken, NOW));
    }
}
