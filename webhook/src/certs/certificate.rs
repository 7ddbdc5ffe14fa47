//! An X.509 certificate as bytes, with the facts that decisions need, and bundles of them as PEM.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_core::time::UnixMillis;
use ring::digest;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;

/// The length of a line of PEM.
const LINE: usize = 64;

/// A certificate. Two are equal when their bytes are.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    not_before: UnixMillis,
    not_after: UnixMillis,
}

// === impl Certificate ===

impl Certificate {
    /// Reads one; `None` for anything else.
    pub fn read(der: &[u8]) -> Option<Self> {
        let parsed = parse(der)?;
        let millis = |seconds: i64| UnixMillis(seconds.saturating_mul(1000));
        let validity = parsed.validity();
        Some(Self {
            not_before: millis(validity.not_before.timestamp()),
            not_after: millis(validity.not_after.timestamp()),
            der: CertificateDer::from(der.to_vec()),
        })
    }

    /// The certificates of a PEM bundle. What is none is skipped, as the API server does with `caBundle`.
    pub fn all(pem: &[u8]) -> Vec<Self> {
        CertificateDer::pem_slice_iter(pem)
            .filter_map(Result::ok)
            .filter_map(|der| Self::read(&der))
            .collect()
    }

    /// Its bytes.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// When it begins to be valid.
    pub fn not_before(&self) -> UnixMillis {
        self.not_before
    }

    /// When it ceases to be valid.
    pub fn not_after(&self) -> UnixMillis {
        self.not_after
    }

    /// Whether its life is over.
    pub fn is_over(&self, now: UnixMillis) -> bool {
        self.not_after <= now
    }

    /// Whether a verifier takes it at this time.
    pub fn is_valid(&self, now: UnixMillis) -> bool {
        self.not_before <= now && !self.is_over(now)
    }

    /// SHA-256 of its bytes, in hexadecimal: its name in notes and log lines.
    pub fn digest(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.der);
        let mut text = String::new();
        for byte in hash.as_ref() {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Whether it may sign certificates, and its public key is this one, given as `SubjectPublicKeyInfo`.
    pub fn signs_with(&self, public_key: &[u8]) -> bool {
        parse(&self.der)
            .is_some_and(|parsed| parsed.is_ca() && parsed.public_key().raw == public_key)
    }

    /// As PEM. The same certificate always gives the same text.
    pub fn pem(&self) -> String {
        let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
        let encoded = STANDARD.encode(&self.der);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(LINE));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str("-----END CERTIFICATE-----\n");
        text
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:.12}, until {})", self.digest(), self.not_after)
    }
}

/// A bundle in this order.
pub fn bundle<'a>(certificates: impl IntoIterator<Item = &'a Certificate>) -> String {
    certificates.into_iter().map(Certificate::pem).collect()
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    x509_parser::parse_x509_certificate(der).ok().map(|(_, parsed)| parsed)
}

#[cfg(test)]
mod tests {
    use super::super::lives::Lives;
    use super::super::mint;
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_230_000_000);

    #[test]
    fn a_bundle_is_read_back_and_what_is_no_certificate_in_it_is_skipped() {
        let lives = Lives::default();
        let [one, other] =
            [(); 2].map(|()| mint::authority(&lives, NOW).unwrap().certificate().clone());
        let text = bundle([&one, &other]);
        assert_eq!(Certificate::all(text.as_bytes()), [one.clone(), other.clone()]);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let mixed = format!("{}{broken}{}", one.pem(), other.pem());
        assert_eq!(Certificate::all(mixed.as_bytes()), [one.clone(), other]);
        assert!(Certificate::all(b"eA==").is_empty());
        assert!(one.is_valid(NOW) && !one.is_valid(one.not_after()));
    }
}
