//! The certificates of a history, and the users and roles of its etcd.
//!
//! Members ask each other and all clients for certificates. The pods have the certificate of their namespace, as in a
//! cluster; the harness has root's. A store that was wiped has no users, so they are set up again after each wipe.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_store::etcd::{ClientPem, Etcd, Tls, TlsPem};
use cairn_store::{KeyPrefix, UserName};
use cairn_test_etcd::{Certificate, Pki, pki};
use etcd_client::{Certificate as Root, ConnectOptions, Identity, TlsOptions};

use crate::failure::Failure;
use crate::pools::{NAMESPACE, NODES};
use crate::wait::until;

/// How long a request may take before another member is asked.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the set-up may take: a new store has to elect a leader first.
const SETTING_UP: Duration = Duration::from_mins(1);

/// Who may talk to the etcd of a history.
#[derive(Debug)]
pub struct Access {
    pki: Pki,
    dir: PathBuf,
    root: Certificate,
    pod: Certificate,
    pods: pki::Files,
}

// === impl Access ===

impl Access {
    /// Makes an authority, and the files of the pods in a folder.
    pub fn new(dir: &Path) -> Result<Self, Failure> {
        let pki = Pki::new("faults")?;
        let root = pki.client(UserName::root().as_str())?;
        let pod = pki.client(UserName::of(&KeyPrefix::default(), NAMESPACE).as_str())?;
        let pods = written(&pod, dir, "pods")?;
        Ok(Self { pki, dir: dir.to_owned(), root, pod, pods })
    }

    /// The files of the pods.
    pub fn pods(&self) -> &pki::Files {
        &self.pods
    }

    /// The files of a member with these addresses.
    pub fn member(&self, name: &str, addresses: &[&str]) -> Result<pki::Files, Failure> {
        written(&self.pki.member(addresses)?, &self.dir, name)
    }

    /// The certificate of the harness, for the store.
    pub fn tls(&self) -> Tls {
        tls(&self.root)
    }

    /// The certificate of the pods, for the store.
    pub fn pod_tls(&self) -> Tls {
        tls(&self.pod)
    }

    /// The certificate of the harness, for the client library.
    pub fn options(&self) -> ConnectOptions {
        let tls = TlsOptions::new()
            .ca_certificate(Root::from_pem(&self.root.authorities))
            .identity(Identity::from_pem(&self.root.chain, &self.root.key));
        ConnectOptions::new().with_tls(tls)
    }

    /// Turns authentication on in a new store, and gives the pods' namespace its role.
    pub async fn set_up(&self, urls: &[String]) -> Result<(), Failure> {
        let etcd = self.connect(urls, REQUEST_TIMEOUT).await?;
        let pools = [NODES.parse()?];
        until("authentication to be set up", SETTING_UP, async || {
            let report = |error: cairn_store::Error| error.report();
            etcd.enable_auth().await.map_err(report)?;
            etcd.grant_namespace(NAMESPACE, &pools).await.map_err(report)
        })
        .await
    }

    /// A connection of the harness.
    pub async fn connect(&self, urls: &[String], timeout: Duration) -> Result<Etcd, Failure> {
        Etcd::connect(urls, Some(&self.tls()), timeout)
            .await
            .map_err(|source| Failure::Store { what: "connecting", source })
    }
}

fn tls(certificate: &Certificate) -> Tls {
    let Certificate { authorities, chain, key } = certificate.clone();
    Tls::Pem(TlsPem { authorities, client: Some(ClientPem { chain, key }) })
}

fn written(certificate: &Certificate, dir: &Path, name: &str) -> Result<pki::Files, Failure> {
    certificate
        .write(dir, name)
        .map_err(|source| Failure::system(format!("writing the certificate of {name}"), source))
}
