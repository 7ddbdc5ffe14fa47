//! What a pod gets: etcd's members and authorities, and a client certificate.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::time::UnixMillis;
use cairn_store::etcd::{TlsFiles, TlsPem};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::etcd_ca::{EtcdCa, IssueError as SignError, Issued};

/// How often a pod asks for endpoints and authorities when it has no certificate that ends.
const SHARED_PERIOD: Duration = Duration::from_secs(8 * 3600);

/// Where the client certificates come from.
#[derive(Debug)]
pub enum Source {
    /// One for each pod, with its namespace's user. Signed by the issuer.
    Issuer {
        /// The present issuer; `None` before it is known.
        ca: watch::Receiver<Option<Arc<EtcdCa>>>,
        /// How long a certificate is valid.
        life: Duration,
    },
    /// One for all pods (`isolation: none`): none, or the one in these files.
    Shared(Option<TlsFiles>),
}

/// Makes the part of the answer that is about etcd.
#[derive(Debug)]
pub struct Credentials {
    /// URLs of the members as pods reach them.
    pub endpoints: Vec<String>,
    /// Where certificates come from.
    pub source: Source,
}

/// The part of the answer that is about etcd.
pub struct Etcd {
    /// URLs of the members.
    pub endpoints: Vec<String>,
    /// The roots that verify them, PEM; empty for http.
    pub authorities: String,
    /// The client's certificate and its issuers, PEM; empty for none.
    pub chain: String,
    /// The key, PEM, if all pods share it.
    pub shared_key: String,
    /// How long the certificate is valid; `None` if it has no end that is known here.
    pub valid_for: Option<Duration>,
}

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The request for it is not usable.
    #[error("the request for a certificate is not usable")]
    Request(#[source] SignError),
    /// The issuer is not known yet.
    #[error("the issuer of etcd's client certificates is not known yet; the sidecar tries again")]
    NoIssuer,
    /// A file cannot be read, or is not what it should be.
    #[error(transparent)]
    Files(#[from] cairn_store::Error),
    /// The runtime ends.
    #[error("the webhook is stopping")]
    Stopping(#[from] tokio::task::JoinError),
}

// === impl Etcd ===

impl Etcd {
    /// When the pod shall ask again, before jitter: at two thirds of its certificate's life, which the issuer's end may
    /// have shortened.
    pub fn renew_after(&self) -> Duration {
        self.valid_for.map_or(SHARED_PERIOD, |valid_for| valid_for * 2 / 3)
    }
}

// === impl Credentials ===

impl Credentials {
    /// What the pod gets that sent this request for a certificate.
    pub async fn issue(&self, csr: &str, user: &str, now: UnixMillis) -> Result<Etcd, IssueError> {
        let endpoints = self.endpoints.clone();
        match &self.source {
            Source::Issuer { ca, life } => {
                let ca = ca.borrow().clone().ok_or(IssueError::NoIssuer)?;
                let issued = ca.issuer.sign(csr, user, *life, now).map_err(IssueError::Request)?;
                let Issued { chain, not_after } = issued;
                Ok(Etcd {
                    endpoints,
                    authorities: ca.servers.clone(),
                    chain,
                    shared_key: String::new(),
                    valid_for: Some(not_after.since(now)),
                })
            }
            Source::Shared(files) => {
                let tls = match files.clone() {
                    Some(files) => spawn_blocking(move || files.load()).await??,
                    None => TlsPem::default(),
                };
                let client = tls.client.map(|client| (client.chain, client.key));
                let (authorities, (chain, shared_key)) =
                    (tls.authorities, client.unwrap_or_default());
                Ok(Etcd { endpoints, authorities, chain, shared_key, valid_for: None })
            }
        }
    }
}

/// For log lines.
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Issuer { .. } => "one certificate for each pod",
            Self::Shared(Some(_)) => "one certificate for all pods",
            Self::Shared(None) => "no certificate",
        })
    }
}

#[cfg(test)]
mod tests {
    use cairn_kit::errors::report;

    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----";

    #[tokio::test]
    async fn a_shared_certificate_is_read_anew_for_each_pod() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        for (name, text) in [("ca", CERTIFICATE), ("crt", CERTIFICATE), ("key", KEY)] {
            std::fs::write(file(name), format!("{text} {name}")).unwrap();
        }
        let files = TlsFiles { authority: file("ca"), client: Some((file("crt"), file("key"))) };
        let source = Source::Shared(Some(files));
        let credentials = Credentials { endpoints: vec!["https://a:1".to_owned()], source };
        let now = UnixMillis(0);
        let issued = credentials.issue("", "user", now).await.unwrap();
        assert_eq!(issued.authorities, format!("{CERTIFICATE} ca"));
        assert_eq!(issued.chain, format!("{CERTIFICATE} crt"));
        assert_eq!(issued.shared_key, format!("{KEY} key"));
        let other = format!("{CERTIFICATE} other");
        std::fs::write(file("crt"), &other).unwrap();
        assert_eq!(credentials.issue("", "user", now).await.unwrap().chain, other);
        std::fs::write(file("crt"), "").unwrap();
        assert!(credentials.issue("", "user", now).await.is_err(), "it is being written");
        std::fs::remove_file(file("key")).unwrap();
        std::fs::write(file("crt"), &other).unwrap();
        let error = credentials.issue("", "user", now).await.err().unwrap();
        assert!(report(&error).starts_with("could not read"), "{}", report(&error));
    }
}
