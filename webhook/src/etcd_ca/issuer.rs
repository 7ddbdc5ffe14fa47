//! Signs leaves. Pure except for random keys and serial numbers: the time is passed in.

use std::fmt;
use std::time::Duration;

use cairn_core::time::UnixMillis;
use cairn_store::etcd::ClientPem;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::parse_x509_certificate;

use super::request::{self, RequestError};

/// Clocks of etcd's members may be this far behind ours.
const BACKDATING: Duration = Duration::from_secs(300);
/// X.520 limits common names to it, and OpenSSL refuses longer ones.
const MAX_NAME: usize = 64;
/// At most 20 are allowed. 16 random bytes never repeat.
const SERIAL_BYTES: usize = 16;

/// A certificate and the key that signs with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Issuer {
    /// Certificates in PEM, the signing one first, without the root.
    pub chain: String,
    /// The key of the first certificate, PKCS#8 PEM.
    pub key: String,
}

/// A signed certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate and its issuers, PEM, without the root.
    pub chain: String,
    /// Its end.
    pub not_after: UnixMillis,
}

/// Why nothing was signed.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The name of the user.
    #[error("'{0}' cannot be a common name; it must have 1 to {MAX_NAME} printable characters")]
    Name(String),
    /// The issuer.
    #[error("the issuer of etcd's certificates is not readable")]
    Issuer(#[source] rcgen::Error),
    /// The issuer's certificate is not PEM.
    #[error("the issuer of etcd's certificates has no certificate")]
    NoCertificate,
    /// The issuer is too old.
    #[error("the issuer of etcd's certificates has ended at {0}; replace it")]
    Ended(UnixMillis),
    /// A key or certificate could not be made.
    #[error("could not make a certificate")]
    Make(#[source] rcgen::Error),
    /// A time outside of what certificates can say.
    #[error("the system's clock is out of range")]
    Clock(#[from] time::error::ComponentRange),
    /// No randomness for a serial number.
    #[error("the system has no random numbers")]
    Random,
}

/// What a leaf is for.
enum Usage<'a> {
    /// A client of etcd.
    Client,
    /// A member of etcd: a server of clients, and both sides between members.
    Member(&'a [String]),
}

// === impl Issuer ===

impl Issuer {
    /// Signs a client's certificate for the public key of a request. Everything else in the request is ignored.
    pub fn sign(
        &self,
        csr_pem: &str,
        common_name: &str,
        life: Duration,
        now: UnixMillis,
    ) -> Result<Issued, IssueError> {
        let key = request::public_key(csr_pem)?;
        self.leaf(&key, common_name, &Usage::Client, life, now)
    }

    /// A client's certificate with a new key.
    pub fn client(
        &self,
        common_name: &str,
        life: Duration,
        now: UnixMillis,
    ) -> Result<ClientPem, IssueError> {
        let key = new_key()?;
        let issued = self.leaf(&key, common_name, &Usage::Client, life, now)?;
        Ok(ClientPem { chain: issued.chain, key: key.serialize_pem() })
    }

    /// A member's certificate for these DNS names and addresses, and its new key.
    pub fn member(
        &self,
        common_name: &str,
        hosts: &[String],
        life: Duration,
        now: UnixMillis,
    ) -> Result<(Issued, String), IssueError> {
        let key = new_key()?;
        let issued = self.leaf(&key, common_name, &Usage::Member(hosts), life, now)?;
        Ok((issued, key.serialize_pem()))
    }

    /// The end of its life.
    pub fn not_after(&self) -> Option<UnixMillis> {
        ends_at(&self.certificate()?)
    }

    /// The signing certificate.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).ok()
    }

    /// Signs an authority below this one.
    pub(super) fn authority(
        &self,
        params: &CertificateParams,
        key: &KeyPair,
    ) -> Result<String, IssueError> {
        let certificate = params.signed_by(key, &self.signer()?).map_err(IssueError::Make)?;
        Ok(certificate.pem())
    }

    fn signer(&self) -> Result<rcgen::Issuer<'static, KeyPair>, IssueError> {
        let certificate = self.certificate().ok_or(IssueError::NoCertificate)?;
        let key = KeyPair::from_pem(&self.key).map_err(IssueError::Issuer)?;
        rcgen::Issuer::from_ca_cert_der(&certificate, key).map_err(IssueError::Issuer)
    }

    fn leaf(
        &self,
        key: &impl PublicKeyData,
        common_name: &str,
        usage: &Usage<'_>,
        life: Duration,
        now: UnixMillis,
    ) -> Result<Issued, IssueError> {
        let issuer_ends = self.not_after().ok_or(IssueError::NoCertificate)?;
        if issuer_ends <= now {
            return Err(IssueError::Ended(issuer_ends));
        }
        let hosts: &[String] = match usage {
            Usage::Client => &[],
            Usage::Member(hosts) => hosts,
        };
        let mut params = CertificateParams::new(hosts).map_err(IssueError::Make)?;
        params.distinguished_name = name(common_name)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match usage {
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Member(_) => {
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
            }
        };
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        let not_after = whole_seconds(now.after(life).min(issuer_ends));
        (params.not_before, params.not_after) = validity(now, not_after)?;
        let certificate = params.signed_by(key, &self.signer()?).map_err(IssueError::Make)?;
        Ok(Issued { chain: format!("{}{}", certificate.pem(), self.chain), not_after })
    }
}

/// Leaves the key out of logs.
impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// A subject with this common name.
pub(super) fn name(common_name: &str) -> Result<DistinguishedName, IssueError> {
    let length = common_name.chars().count();
    if !(1..=MAX_NAME).contains(&length) || common_name.chars().any(char::is_control) {
        return Err(IssueError::Name(common_name.escape_debug().to_string()));
    }
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    Ok(subject)
}

/// A new P-256 key: some clouds' load balancers and older clients refuse Ed25519.
pub(super) fn new_key() -> Result<KeyPair, IssueError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IssueError::Make)
}

/// A random serial number. The default of rcgen is a hash of the key, and two certificates of one key must differ.
pub(super) fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; SERIAL_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| IssueError::Random)?;
    // Neither negative nor with a leading zero, both of which some parsers refuse.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// The end of a certificate's life.
pub(super) fn ends_at(certificate: &CertificateDer<'_>) -> Option<UnixMillis> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    Some(UnixMillis(parsed.validity().not_after.timestamp().saturating_mul(1000)))
}

/// From a little earlier than now.
pub(super) fn validity(
    now: UnixMillis,
    until: UnixMillis,
) -> Result<(OffsetDateTime, OffsetDateTime), IssueError> {
    Ok((instant(now.before(BACKDATING))?, instant(until)?))
}

fn instant(at: UnixMillis) -> Result<OffsetDateTime, time::error::ComponentRange> {
    OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000))
}

/// Certificates say whole seconds.
fn whole_seconds(at: UnixMillis) -> UnixMillis {
    UnixMillis(at.0.div_euclid(1000).saturating_mul(1000))
}

#[cfg(test)]
mod tests;
