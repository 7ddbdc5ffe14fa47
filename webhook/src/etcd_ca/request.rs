//! Reads a certificate signing request.
//!
//! Only its public key is used. Subject, alternative names and extensions of the request are ignored: the caller says
//! for whom the certificate is. The signature proves that the sender has the private key.

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

/// A request with a P-256 key has about 400 bytes. The rest is room for what its sender adds.
const MAX_BYTES: usize = 8 * 1024;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// It is too long to be parsed.
    #[error(
        "the certificate request is longer than {MAX_BYTES} bytes; send one without extensions"
    )]
    Long,
    /// It is not a request.
    #[error(
        "the certificate request is not readable; send a PKCS#10 request in PEM \
         (-----BEGIN CERTIFICATE REQUEST-----)"
    )]
    Unreadable,
    /// A key that is not taken.
    #[error("the key of the certificate request is not ECDSA P-256; make a P-256 key")]
    KeyType,
    /// Its sender does not have the private key.
    #[error("the signature of the certificate request does not fit its key; sign it with that key")]
    Signature,
}

/// The public key of a request.
pub fn public_key(csr_pem: &str) -> Result<SubjectPublicKeyInfo, RequestError> {
    if csr_pem.len() > MAX_BYTES {
        return Err(RequestError::Long);
    }
    let der = CertificateSigningRequestDer::from_pem_slice(csr_pem.as_bytes())
        .map_err(|_| RequestError::Unreadable)?;
    let (rest, request) =
        X509CertificationRequest::from_der(&der).map_err(|_| RequestError::Unreadable)?;
    if !rest.is_empty() {
        return Err(RequestError::Unreadable);
    }
    let raw = request.certification_request_info.subject_pki.raw;
    let key = SubjectPublicKeyInfo::from_der(raw).map_err(|_| RequestError::KeyType)?;
    if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(RequestError::KeyType);
    }
    request.verify_signature().map_err(|_| RequestError::Signature)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm,
    };
    use rustls_pki_types::CertificateSigningRequestDer;

    use super::*;

    fn pem_of(key: &KeyPair) -> String {
        CertificateParams::default().serialize_request(key).unwrap().pem().unwrap()
    }

    fn key_of(algorithm: &'static SignatureAlgorithm) -> KeyPair {
        KeyPair::generate_for(algorithm).unwrap()
    }

    #[test]
    fn the_public_key_of_a_request_is_the_one_that_signed_it() {
        let key = key_of(&PKCS_ECDSA_P256_SHA256);
        let found = public_key(&pem_of(&key)).unwrap();
        assert_eq!(found.der_bytes(), key.public_key_raw());
    }

    #[test]
    fn other_kinds_of_keys_are_refused() {
        for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
            let refused = public_key(&pem_of(&key_of(algorithm))).unwrap_err();
            assert_eq!(refused, RequestError::KeyType);
        }
        // An RSA request of openssl: `openssl req -new -newkey rsa:2048 -nodes -subj /CN=root`.
        let rsa = include_str!("testdata/rsa.csr");
        assert_eq!(public_key(rsa).unwrap_err(), RequestError::KeyType);
    }

    #[test]
    fn a_request_with_a_foreign_key_or_a_changed_subject_is_refused() {
        let key = key_of(&PKCS_ECDSA_P256_SHA256);
        let pem = pem_of(&key);
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
        let replace = |from: &[u8], to: &[u8]| {
            let at = der.windows(from.len()).position(|window| window == from).unwrap();
            let mut changed = der.clone();
            changed.splice(at..at + from.len(), to.iter().copied());
            changed
        };
        let other = key_of(&PKCS_ECDSA_P256_SHA256);
        let foreign_key = replace(key.public_key_raw(), other.public_key_raw());
        let other_subject = replace(b"rcgen self signed cert", b"rcgen self signed root");
        for changed in [foreign_key, other_subject] {
            assert_eq!(public_key(&armour(&changed)).unwrap_err(), RequestError::Signature);
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_what_to_send() {
        let key = key_of(&PKCS_ECDSA_P256_SHA256);
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        let der = CertificateSigningRequestDer::from_pem_slice(pem_of(&key).as_bytes()).unwrap();
        let longer = armour(&[&der, &[0; 7][..]].concat());
        for wrong in ["", "-----BEGIN CERTIFICATE REQUEST-----", &certificate, &longer] {
            assert_eq!(public_key(wrong).unwrap_err(), RequestError::Unreadable, "{wrong}");
        }
        assert_eq!(public_key(&"x".repeat(MAX_BYTES + 1)).unwrap_err(), RequestError::Long);
        let message = RequestError::Unreadable.to_string();
        assert!(
            message
                .ends_with("send a PKCS#10 request in PEM (-----BEGIN CERTIFICATE REQUEST-----)")
        );
    }

    fn armour(der: &[u8]) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
    }
}
