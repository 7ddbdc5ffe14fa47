use rcgen::CertificateSigningRequest;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use super::*;
use crate::etcd_ca::{Authorities, Lives};

const NOW: UnixMillis = UnixMillis(1_795_230_000_500);
const HOUR: Duration = Duration::from_secs(3600);

fn issuer() -> Issuer {
    Authorities::new(&Lives::default(), NOW).unwrap().clients.issuer
}

/// A request that asks for everything that it must not get.
fn greedy(key: &KeyPair) -> String {
    let mut params = CertificateParams::new(["etcd.cairn-system.svc".to_owned()]).unwrap();
    params.distinguished_name = name("root").unwrap();
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let request: CertificateSigningRequest = params.serialize_request(key).unwrap();
    request.pem().unwrap()
}

fn first(chain: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()
}

fn parsed<T>(chain: &str, look: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
    let der = first(chain);
    look(&parse_x509_certificate(&der).unwrap().1)
}

#[test]
fn only_the_public_key_of_a_request_is_used() {
    let (issuer, key) = (issuer(), new_key().unwrap());
    let leaf = issuer.sign(&greedy(&key), "cairn:shop", HOUR, NOW).unwrap();
    assert!(leaf.chain.ends_with(&issuer.chain), "the issuer follows its leaf");
    parsed(&leaf.chain, |leaf| {
        assert_eq!(leaf.subject().to_string(), "CN=cairn:shop");
        assert!(leaf.subject_alternative_name().unwrap().is_none());
        assert!(!leaf.is_ca());
        let usage = leaf.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature() && usage.flags == 1, "{usage:?}");
        let extended = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.client_auth && !extended.server_auth && !extended.any);
        assert_eq!(*leaf.public_key().subject_public_key.data, *key.der_bytes());
    });
}

#[test]
fn a_leaf_begins_five_minutes_early_and_ends_when_it_was_asked_to() {
    let issued = issuer().sign(&greedy(&new_key().unwrap()), "u", HOUR, NOW).unwrap();
    assert_eq!(issued.not_after, UnixMillis(NOW.0 - 500).after(HOUR));
    parsed(&issued.chain, |leaf| {
        let seconds = NOW.0 / 1000;
        assert_eq!(leaf.validity().not_before.timestamp(), seconds - 300);
        assert_eq!(leaf.validity().not_after.timestamp(), seconds + 3600);
    });
}

#[test]
fn no_leaf_outlives_its_issuer_and_an_issuer_that_has_ended_signs_none() {
    let issuer = issuer();
    let end = issuer.not_after().unwrap();
    let late = end.before(HOUR / 2);
    let leaf = issuer.sign(&greedy(&new_key().unwrap()), "u", HOUR, late).unwrap();
    assert_eq!(leaf.not_after, end);
    let refused = issuer.client("u", HOUR, end).unwrap_err();
    assert!(refused.to_string().ends_with("; replace it"), "{refused}");
}

#[test]
fn two_certificates_of_one_key_have_different_positive_serial_numbers() {
    let (issuer, request) = (issuer(), greedy(&new_key().unwrap()));
    let serial = || {
        let leaf = issuer.sign(&request, "u", HOUR, NOW).unwrap();
        parsed(&leaf.chain, |leaf| leaf.raw_serial().to_vec())
    };
    let (one, other) = (serial(), serial());
    assert_ne!(one, other);
    for serial in [one, other] {
        assert_eq!(serial.len(), SERIAL_BYTES);
        assert!((0x40..0x80).contains(&serial[0]), "{serial:x?}");
    }
}

#[test]
fn names_that_openssl_would_refuse_are_refused() {
    let issuer = issuer();
    assert!(issuer.client(&"x".repeat(64), HOUR, NOW).is_ok());
    for wrong in ["", &"x".repeat(65), "a\nb"] {
        let refused = issuer.client(wrong, HOUR, NOW).unwrap_err().to_string();
        assert!(refused.ends_with("it must have 1 to 64 printable characters"), "{refused}");
    }
}

#[test]
fn a_member_is_server_and_client_under_all_its_names() {
    let members = Authorities::new(&Lives::default(), NOW).unwrap().members;
    let hosts = ["cairn-etcd-0.peers.svc".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let (issued, key) = members.issuer.member("cairn-etcd-0", &hosts, HOUR, NOW).unwrap();
    assert!(key.contains("BEGIN PRIVATE KEY"));
    parsed(&issued.chain, |leaf| {
        let extended = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(extended.client_auth && extended.server_auth);
        let names = leaf.subject_alternative_name().unwrap().unwrap();
        assert!(
            names.value.general_names.contains(&GeneralName::DNSName("cairn-etcd-0.peers.svc"))
        );
        assert!(names.value.general_names.contains(&GeneralName::IPAddress(&[127, 0, 0, 1])));
    });
}

#[test]
fn keys_are_not_shown() {
    let issuer = issuer();
    let client = issuer.client("u", HOUR, NOW).unwrap();
    assert!(client.key.contains("PRIVATE"));
    assert!(!format!("{issuer:?}{client:?}").contains("PRIVATE"));
}
