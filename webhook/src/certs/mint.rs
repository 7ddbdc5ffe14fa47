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
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use thiserror::Error;
use time::OffsetDateTime;

use super::authority::{Authority, AuthorityError};
use super::lives::Lives;

/// Clocks of API servers may be this far behind ours.
const BACKDATING: Duration = Duration::from_secs(3600);

/// A leaf, ready to be served.
#[derive(Debug)]
pub struct Minted {
    /// Chain and key.
    pub key: CertifiedKey,
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
    /// A new authority that is none.
    #[error("could not use a new authority")]
    Authority(#[from] AuthorityError),
    /// rustls refuses the result.
    #[error("the certificate and its key do not fit together")]
    Use(#[from] rustls::Error),
}

/// A new authority.
pub fn authority(lives: &Lives, now: UnixMillis) -> Result<Authority, MintError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    // The time distinguishes the authorities of one installation in logs and dumps.
    params.distinguished_name.push(DnType::CommonName, format!("cairn-webhook CA {now}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = life(now, now.after(lives.authority))?;
    let certificate = params.self_signed(&key)?;
    Ok(Authority::read(&certificate.pem(), &key.serialize_pem())?)
}

/// A leaf for these DNS names. It does not outlive its authority.
pub fn leaf(
    authority: &Authority,
    names: &[String],
    lives: &Lives,
    now: UnixMillis,
) -> Result<Minted, MintError> {
    let (certificate, key, not_after) = signed(authority, names, lives, now)?;
    let provider = rustls::crypto::ring::default_provider();
    let pkcs8 = PrivatePkcs8KeyDer::from(key.serialize_der());
    let chain = vec![certificate.der().clone()];
    Ok(Minted { key: CertifiedKey::from_der(chain, pkcs8.into(), &provider)?, not_after })
}

/// A leaf and its key as PEM, as others put them into a Secret.
#[cfg(test)]
pub(super) fn leaf_pem(
    authority: &Authority,
    names: &[String],
    lives: &Lives,
    now: UnixMillis,
) -> Result<(String, String, UnixMillis), MintError> {
    let (certificate, key, not_after) = signed(authority, names, lives, now)?;
    Ok((certificate.pem(), key.serialize_pem(), not_after))
}

fn signed(
    authority: &Authority,
    names: &[String],
    lives: &Lives,
    now: UnixMillis,
) -> Result<(rcgen::Certificate, KeyPair, UnixMillis), MintError> {
    let signer = authority.certificate();
    let issuer = Issuer::from_ca_cert_der(signer.der(), KeyPair::from_pem(authority.key())?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("cairn-webhook", String::as_str);
    // 64 characters at most, as X.520 has it; verifiers look at the alternative names.
    let name: String = name.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let not_after = now.after(lives.leaf).min(signer.not_after());
    (params.not_before, params.not_after) = life(now, not_after)?;
    Ok((params.signed_by(&key, &issuer)?, key, not_after))
}

/// When an authority of ours with this `not_before` was made.
pub fn made(not_before: UnixMillis) -> UnixMillis {
    not_before.after(BACKDATING)
}

/// From before `now`, in whole seconds as X.509 counts.
fn life(
    now: UnixMillis,
    end: UnixMillis,
) -> Result<(OffsetDateTime, OffsetDateTime), time::error::ComponentRange> {
    let at = |time: UnixMillis| OffsetDateTime::from_unix_timestamp(time.0.div_euclid(1000));
    Ok((at(now.before(BACKDATING))?, at(end)?))
}

#[cfg(test)]
mod tests {
    use super::super::verify::verify;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const NAME: &str = "cairn-webhook.cairn.svc";

    #[test]
    fn a_leaf_verifies_against_its_authority_by_name_and_for_its_life() {
        let lives = Lives::default();
        let ours = authority(&lives, NOW).unwrap();
        let minted = leaf(&ours, &[NAME.into()], &lives, NOW).unwrap();
        let pem = ours.certificate().pem();
        let verifies = |pem: &str, name, at| verify(&minted.key.cert, pem.as_bytes(), name, at);
        assert_eq!(verifies(&pem, NAME, NOW), Ok(()));
        let behind = NOW.before(Duration::from_secs(1800));
        assert_eq!(verifies(&pem, NAME, behind), Ok(()), "a clock behind ours");
        assert!(verifies(&pem, "other.cairn.svc", NOW).is_err());
        assert!(verifies(&pem, NAME, minted.not_after.after(Duration::from_secs(1))).is_err());
        let other = authority(&lives, NOW).unwrap().certificate().pem();
        assert!(verifies(&other, NAME, NOW).is_err());
    }

    #[test]
    fn a_leaf_does_not_outlive_its_authority() {
        let lives =
            Lives::parse("authority=36s,leaf=12s,announce=4s,retain=12s,settle=2s").unwrap();
        let ours = authority(&lives, NOW).unwrap();
        assert_eq!(made(ours.certificate().not_before()), NOW);
        let late = NOW.after(Duration::from_secs(30));
        let minted = leaf(&ours, &[NAME.into()], &lives, late).unwrap();
        assert_eq!(minted.not_after, ours.certificate().not_after());
    }
}
