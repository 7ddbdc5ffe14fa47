//! Connections of etcd users with certificates.

use std::sync::Arc;

use cairn_store::etcd::{ClientPem, Connection, Etcd, Tls, TlsPem};
use cairn_test_etcd::{Certificate, TestEtcd};
use etcd_client::{Certificate as Root, Client, ConnectOptions, Identity, TlsOptions};

pub(crate) fn pem(certificate: &Certificate) -> TlsPem {
    let Certificate { authorities, chain, key } = certificate.clone();
    TlsPem { authorities, client: Some(ClientPem { chain, key }) }
}

/// A connection with a certificate.
pub(crate) async fn with(process: &TestEtcd, certificate: &Certificate) -> Arc<Etcd> {
    let connection = Connection {
        tls: Some(Tls::Pem(pem(certificate))),
        ..Connection::new(&[process.url().to_owned()])
    };
    Arc::new(Etcd::open(&connection).await.unwrap())
}

/// A connection as a user.
pub(crate) async fn user(process: &TestEtcd, name: &str) -> Arc<Etcd> {
    with(process, &process.client(name).unwrap()).await
}

/// The client library itself, as a user.
pub(crate) async fn raw(process: &TestEtcd, name: &str) -> Client {
    let certificate = process.client(name).unwrap();
    let tls = TlsOptions::new()
        .ca_certificate(Root::from_pem(&certificate.authorities))
        .identity(Identity::from_pem(&certificate.chain, &certificate.key));
    let options = ConnectOptions::new().with_tls(tls);
    Client::connect([process.url()], Some(options)).await.unwrap()
}
