//! Who gets in at all.

use std::time::Duration;

use cairn_core::keys;
use cairn_store::etcd::{ClientPem, Connection, Etcd, Tls, TlsPem};
use cairn_store::{Error, Kv};

use crate::office::{Office, is_denied};
use crate::users;

async fn opened(office: &Office, tls: Option<TlsPem>) -> Result<Etcd, Error> {
    let request_timeout = Duration::from_secs(2);
    let endpoints = [office.process.url().to_owned()];
    let connection = Connection { request_timeout, ..Connection::new(&endpoints) };
    Etcd::open(&Connection { tls: tls.map(Tls::Pem), ..connection }).await
}

/// A client that etcd does not let in. Its answer, if there is any, is not one of etcd's.
async fn is_kept_out(what: &str, office: &Office, tls: TlsPem) {
    let etcd = opened(office, Some(tls)).await.unwrap();
    let Err(error) = etcd.get(keys::EPOCH).await else { panic!("{what} was let in") };
    assert!(error.is_transient() && !error.is_lease_gone(), "{what}: {}", error.report());
    assert!(etcd.grant(Duration::from_secs(9)).await.is_err(), "{what}");
    assert!(etcd.keep_alive(7).await.is_err(), "{what}");
}

#[tokio::test]
async fn only_a_valid_certificate_of_the_own_authority_is_let_in() {
    let office = Office::open().await;
    let process = &office.process;
    let pem = |certificate: &cairn_test_etcd::Certificate| users::pem(certificate);
    let good = pem(&process.client("cairn:shop").unwrap());
    let nobody = TlsPem { client: None, ..good.clone() };
    is_kept_out("a client without a certificate", &office, nobody).await;
    for user in ["cairn:shop", "root"] {
        let foreign = pem(&process.foreign_client(user).unwrap());
        is_kept_out("a foreign authority", &office, foreign).await;
        let expired = pem(&process.expired_client(user).unwrap());
        is_kept_out("an expired certificate", &office, expired).await;
    }
    let client = good.client.clone().unwrap();
    let leaf_only = client.chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let chain = leaf_only.to_owned();
    let without_issuer = TlsPem { client: Some(ClientPem { chain, ..client }), ..good.clone() };
    is_kept_out("a leaf without its issuer", &office, without_issuer).await;
    let etcd = opened(&office, Some(good)).await.unwrap();
    assert!(etcd.get(keys::EPOCH).await.unwrap().is_some());
}

#[tokio::test]
async fn a_member_is_reached_and_verified_by_its_address_of_ipv6() {
    let process = cairn_test_etcd::TestEtcd::start_secure_on_v6().unwrap();
    assert!(process.url().starts_with("https://[::1]:"), "{}", process.url());
    let root = users::user(&process, "root").await;
    root.grant_namespace("shop", &[]).await.unwrap();
    let (lease, _) = root.grant(Duration::from_secs(9)).await.unwrap();
    assert!(root.keep_alive(lease).await.is_ok());
}

#[tokio::test]
async fn a_member_that_the_authorities_do_not_verify_is_not_talked_to() {
    let office = Office::open().await;
    let good = users::pem(&office.process.client("cairn:shop").unwrap());
    let other = cairn_test_etcd::Pki::new("other").unwrap();
    let authorities = other.root().to_owned();
    is_kept_out("a member of another authority", &office, TlsPem { authorities, ..good }).await;
}

#[tokio::test]
async fn a_certificate_of_a_user_that_does_not_exist_is_good_for_nothing() {
    let office = Office::open().await;
    let stranger = users::user(&office.process, "cairn:unheard-of").await;
    is_denied("reading", stranger.get(keys::EPOCH).await);
    is_denied("writing", stranger.read(crate::office::put("/cairn/v1/ns/unheard-of/x", 0)).await);
}

#[tokio::test]
async fn certificates_that_do_not_fit_together_are_refused_before_anything_is_sent() {
    let office = Office::open().await;
    let good = users::pem(&office.process.client("cairn:shop").unwrap());
    let other = users::pem(&office.process.client("cairn:shop").unwrap());
    let (ours, theirs) = (good.client.clone().unwrap(), other.client.unwrap());
    let with = |client| TlsPem { client: Some(client), ..good.clone() };
    let half = &ours.chain[..ours.chain.len() / 3];
    let table = [
        (with(ClientPem { key: theirs.key.clone(), ..ours.clone() }), "KeyMismatch"),
        (with(ClientPem { key: String::new(), ..ours.clone() }), "client key for etcd has no"),
        (with(ClientPem { chain: String::new(), ..ours.clone() }), "client certificate for etcd"),
        (with(ClientPem { chain: half.to_owned(), ..ours.clone() }), "Error parsing TLS"),
        (TlsPem { authorities: String::new(), ..good.clone() }, "the authorities of etcd has no"),
        (TlsPem { authorities: half.to_owned(), ..good.clone() }, "Error parsing TLS"),
    ];
    for (tls, expected) in table {
        let error = opened(&office, Some(tls)).await.unwrap_err().report();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let shown = format!("{:?}", Tls::Pem(good));
    assert!(shown.contains("BEGIN CERTIFICATE") && !shown.contains("PRIVATE"), "{shown}");
}
