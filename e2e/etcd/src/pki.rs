//! Certificates for an etcd in a test: a root, an issuer below it, and leaves for members and clients.
//!
//! Leaves carry the issuer in their chain, and etcd trusts only the root, as in an installation. Not for production:
//! the keys are thrown away with the value.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use time::{Duration, OffsetDateTime};

/// Longer than any test, and short enough for every verifier.
const LIFE: Duration = Duration::days(30);

/// A root with its issuer.
pub struct Pki {
    root: String,
    issuer_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM, and what verifies the other side.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The root that verifies the other side.
    pub authorities: String,
    /// The leaf and the issuer.
    pub chain: String,
    /// The key, PKCS#8.
    pub key: String,
}

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The root that verifies the other side.
    pub authorities: PathBuf,
    /// The leaf and the issuer.
    pub chain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

// === impl Pki ===

impl Pki {
    /// A new root and issuer. No other one verifies what it signs, whatever it is called.
    pub fn new(name: &str) -> Result<Self, rcgen::Error> {
        let authority = |common_name: String, depth: u8| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, common_name);
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(depth));
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            (params.not_before, params.not_after) = life(LIFE);
            params
        };
        let root_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let root_params = authority(format!("{name} root"), 1);
        let root = root_params.self_signed(&root_key)?.pem();
        let root_issuer = Issuer::new(root_params, root_key);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = authority(format!("{name} issuer"), 0);
        params.use_authority_key_identifier_extension = true;
        let issuer_pem = params.signed_by(&key, &root_issuer)?.pem();
        Ok(Self { root, issuer_pem, issuer: Issuer::new(params, key) })
    }

    /// The root's certificate, PEM.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The certificate of a member with these names and addresses. Members use it for clients and for each other.
    pub fn member(&self, names: &[&str]) -> Result<Certificate, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "member");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = life(LIFE);
        self.sign(params)
    }

    /// The certificate of a client. The common name is its etcd user.
    pub fn client(&self, common_name: &str) -> Result<Certificate, rcgen::Error> {
        self.client_until(common_name, LIFE)
    }

    /// The certificate of a client that has expired an hour ago.
    pub fn expired_client(&self, common_name: &str) -> Result<Certificate, rcgen::Error> {
        self.client_until(common_name, -Duration::hours(1))
    }

    fn client_until(&self, name: &str, until: Duration) -> Result<Certificate, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = life(until);
        self.sign(params)
    }

    /// The issuer itself, for a program that signs clients.
    pub fn issuer(&self) -> Certificate {
        Certificate {
            authorities: self.root.clone(),
            chain: self.issuer_pem.clone(),
            key: self.issuer.key().serialize_pem(),
        }
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Certificate, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Certificate {
            authorities: self.root.clone(),
            chain: format!("{leaf}{}", self.issuer_pem),
            key: key.serialize_pem(),
        })
    }
}

fn life(until: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::days(1), now + until)
}

impl fmt::Debug for Pki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pki")
    }
}

// === impl Certificate ===

impl Certificate {
    /// Writes it to files in a folder. Files of the same name are replaced.
    pub fn write(&self, dir: &Path, name: &str) -> io::Result<Files> {
        let files = Files {
            authorities: dir.join(format!("{name}-ca.crt")),
            chain: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        };
        fs::write(&files.authorities, &self.authorities)?;
        fs::write(&files.chain, &self.chain)?;
        fs::write(&files.key, &self.key)?;
        Ok(files)
    }
}
