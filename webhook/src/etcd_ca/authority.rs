//! One authority: a root, and the issuer that it has signed.
//!
//! The root signs issuers only. It lives much longer than they do, so that nothing that trusts it must be told of a new
//! issuer.

use cairn_core::time::UnixMillis;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use thiserror::Error;
use x509_parser::parse_x509_certificate;

use super::issuer::{self, IssueError, Issuer};
use super::lives::Lives;

/// What an authority signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Clients of etcd.
    Clients,
    /// Members of etcd.
    Members,
}

/// A root and its present issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The root. Its chain is its own certificate.
    pub root: Issuer,
    /// What signs leaves.
    pub issuer: Issuer,
}

/// Why a certificate and a key are no authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// No certificate.
    #[error("the certificate is not readable; it must be PEM (-----BEGIN CERTIFICATE-----)")]
    Certificate,
    /// No key.
    #[error(
        "the key is not readable; it must be PKCS#8 PEM (-----BEGIN PRIVATE KEY-----), \
         as openssl pkcs8 -topk8 -nocrypt writes it"
    )]
    Key,
    /// The key of another certificate.
    #[error("the key does not fit the certificate")]
    OtherKey,
    /// A leaf.
    #[error("the certificate is not an authority; it must be CA:TRUE and may sign certificates")]
    Leaf,
    /// An issuer of another root.
    #[error("the issuer was not signed by the root")]
    OtherRoot,
}

// === impl Side ===

impl Side {
    /// Its name in certificates and in the Secret.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Members => "members",
        }
    }
}

// === impl Authority ===

impl Authority {
    /// A new root and a first issuer.
    pub fn new(side: Side, lives: &Lives, now: UnixMillis) -> Result<Self, IssueError> {
        let key = issuer::new_key()?;
        let mut params = params(&format!("cairn etcd {} root {now}", side.name()), 1)?;
        (params.not_before, params.not_after) = issuer::validity(now, now.after(lives.root))?;
        let certificate = params.self_signed(&key).map_err(IssueError::Make)?;
        let root = Issuer { chain: certificate.pem(), key: key.serialize_pem() };
        let issuer = new_issuer(&root, side, lives, now)?;
        Ok(Self { root, issuer })
    }

    /// From what is stored. Whether the issuer can be used shows [`Self::is_due`]: the root can sign another one.
    pub fn from_parts(root: Issuer, issuer: Issuer) -> Result<Self, Flaw> {
        check(&root)?;
        Ok(Self { root, issuer })
    }

    /// Whether the issuer must be replaced: it ends soon, it was made for a much longer life than is set now, or it
    /// cannot be used.
    pub fn is_due(&self, lives: &Lives, now: UnixMillis) -> bool {
        let rest = lives.issuer_rest();
        let (soon, late) = (now.after(rest), now.after(lives.issuer).after(rest));
        let ends = self.issuer.not_after().is_none_or(|end| end <= soon || end > late);
        ends || check(&self.issuer).and_then(|()| signed_by(&self.issuer, &self.root)).is_err()
    }

    /// The same root with a new issuer.
    pub fn renewed(&self, side: Side, lives: &Lives, now: UnixMillis) -> Result<Self, IssueError> {
        let issuer = new_issuer(&self.root, side, lives, now)?;
        Ok(Self { root: self.root.clone(), issuer })
    }
}

/// Whether a certificate may sign others, and the key is its key.
pub fn check(issuer: &Issuer) -> Result<(), Flaw> {
    let der = issuer.certificate().ok_or(Flaw::Certificate)?;
    let (_, certificate) = parse_x509_certificate(&der).map_err(|_| Flaw::Certificate)?;
    // rcgen reads the content of any PEM block, but the files of etcd's other clients need PKCS#8.
    if !issuer.key.contains("-----BEGIN PRIVATE KEY-----") {
        return Err(Flaw::Key);
    }
    let key = KeyPair::from_pem(&issuer.key).map_err(|_| Flaw::Key)?;
    if *certificate.public_key().subject_public_key.data != *key.der_bytes() {
        return Err(Flaw::OtherKey);
    }
    let signs = match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    if certificate.is_ca() && signs { Ok(()) } else { Err(Flaw::Leaf) }
}

fn signed_by(issuer: &Issuer, root: &Issuer) -> Result<(), Flaw> {
    let (lower, upper) = (issuer.certificate(), root.certificate());
    let (Some(lower), Some(upper)) = (lower, upper) else { return Err(Flaw::Certificate) };
    let (_, lower) = parse_x509_certificate(&lower).map_err(|_| Flaw::Certificate)?;
    let (_, upper) = parse_x509_certificate(&upper).map_err(|_| Flaw::Certificate)?;
    lower.verify_signature(Some(upper.public_key())).map_err(|_| Flaw::OtherRoot)
}

fn new_issuer(
    root: &Issuer,
    side: Side,
    lives: &Lives,
    now: UnixMillis,
) -> Result<Issuer, IssueError> {
    let root_ends = root.not_after().ok_or(IssueError::NoCertificate)?;
    if root_ends <= now {
        return Err(IssueError::Ended(root_ends));
    }
    let key = issuer::new_key()?;
    let mut params = params(&format!("cairn etcd {} issuer {now}", side.name()), 0)?;
    let end = now.after(lives.issuer).min(root_ends);
    (params.not_before, params.not_after) = issuer::validity(now, end)?;
    params.use_authority_key_identifier_extension = true;
    let chain = root.authority(&params, &key)?;
    Ok(Issuer { chain, key: key.serialize_pem() })
}

/// An authority below which at most `below` others stand.
fn params(common_name: &str, below: u8) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = issuer::name(common_name)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(issuer::serial()?);
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn authority() -> Authority {
        Authority::new(Side::Clients, &Lives::default(), NOW).unwrap()
    }

    #[test]
    fn an_issuer_is_replaced_at_a_third_of_its_life_and_its_root_never() {
        let (first, lives) = (authority(), Lives::default());
        assert!(!first.is_due(&lives, NOW));
        assert!(!first.is_due(&lives, NOW.after(59 * DAY)));
        let later = NOW.after(60 * DAY);
        assert!(first.is_due(&lives, later));
        let second = first.renewed(Side::Clients, &lives, later).unwrap();
        assert_eq!(second.root, first.root);
        assert_ne!(second.issuer, first.issuer);
        assert!(!second.is_due(&lives, later));
        assert_eq!(signed_by(&second.issuer, &second.root), Ok(()));
        assert!(first.issuer.not_after().unwrap() > later, "leaves of the former issuer verify on");
        assert!(!first.is_due(&lives, NOW.before(DAY)), "a clock that is behind");
        assert!(first.is_due(&Lives { issuer: DAY, ..lives }, NOW), "a shorter life was set");
    }

    #[test]
    fn no_issuer_outlives_its_root_and_a_root_that_has_ended_signs_none() {
        let (first, lives) = (authority(), Lives::default());
        let end = first.root.not_after().unwrap();
        let last = first.renewed(Side::Clients, &lives, end.before(DAY)).unwrap();
        assert_eq!(last.issuer.not_after(), Some(end));
        let refused = first.renewed(Side::Clients, &lives, end).unwrap_err();
        assert!(matches!(refused, IssueError::Ended(at) if at == end), "{refused}");
    }

    #[test]
    fn certificate_and_key_must_be_an_authority_and_fit_each_other() {
        let (one, other) = (authority(), authority());
        assert_eq!(check(&one.root), Ok(()));
        assert_eq!(check(&one.issuer), Ok(()));
        let with = |chain: &str, key: &str| Issuer { chain: chain.to_owned(), key: key.to_owned() };
        let leaf = one.issuer.client("root", DAY, NOW).unwrap();
        // The same key as openssl ecparam and cert-manager's default write it.
        let sec1 = one.root.key.replace("PRIVATE KEY", "EC PRIVATE KEY");
        for (broken, flaw) in [
            (with("", &one.root.key), Flaw::Certificate),
            (with(&one.root.chain, ""), Flaw::Key),
            (with(&one.root.chain, &sec1), Flaw::Key),
            (with(&one.root.chain, &other.root.key), Flaw::OtherKey),
            (with(&leaf.chain, &leaf.key), Flaw::Leaf),
        ] {
            assert_eq!(check(&broken), Err(flaw));
        }
        assert_eq!(signed_by(&other.issuer, &one.root), Err(Flaw::OtherRoot));
        assert!(Flaw::Key.to_string().contains("openssl pkcs8 -topk8 -nocrypt"));
    }

    #[test]
    fn an_issuer_that_cannot_be_used_is_due_and_a_root_that_cannot_be_used_is_refused() {
        let (one, other, lives) = (authority(), authority(), Lives::default());
        let foreign = Authority::from_parts(one.root.clone(), other.issuer).unwrap();
        assert!(foreign.is_due(&lives, NOW));
        let half = Issuer { key: String::new(), ..one.issuer.clone() };
        assert!(Authority::from_parts(one.root.clone(), half).unwrap().is_due(&lives, NOW));
        let rootless = Issuer { key: other.root.key, ..one.root };
        assert_eq!(Authority::from_parts(rootless, one.issuer), Err(Flaw::OtherKey));
    }
}
