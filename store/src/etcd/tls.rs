//! TLS for connections to etcd, from files or from PEM text.
//!
//! The authorities must be given: system roots do not sign etcd members. Invariant: clients are made only from text
//! that has every part. A file that another process is writing gives an error, and so does a key that does not match
//! its certificate, because the client library checks that when it is set up.

use std::fmt;

use etcd_client::{Certificate, Identity, TlsOptions};

use crate::error::Error;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// PKCS#8, PKCS#1 and SEC1 keys begin differently and have this in common.
const KEY: &str = "PRIVATE KEY-----";

/// Where the certificates of a connection come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// From files, which [`Etcd::follow_tls_files`](super::Etcd::follow_tls_files) reads again when they change.
    Files(TlsFiles),
    /// From text, until [`Etcd::replace`](super::Etcd::replace) is given another one.
    Pem(TlsPem),
}

/// The paths of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file of the authority that signed the members' certificates.
    pub authority: String,
    /// PEM files of the client's certificate and key.
    pub client: Option<(String, String)>,
}

/// Certificates as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPem {
    /// The roots that verify the members' certificates.
    pub authorities: String,
    /// What proves our identity to the members.
    pub client: Option<ClientPem>,
}

/// A client certificate as text. Its common name is the etcd user.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientPem {
    /// The certificate, and the intermediate authorities up to, but not including, the root.
    pub chain: String,
    /// Its key.
    pub key: String,
}

// === impl Tls ===

impl Tls {
    pub(super) fn load(&self) -> Result<TlsPem, Error> {
        match self {
            Self::Files(files) => files.load(),
            Self::Pem(pem) => Ok(pem.clone()),
        }
    }

    pub(super) fn files(&self) -> Option<&TlsFiles> {
        match self {
            Self::Files(files) => Some(files),
            Self::Pem(_) => None,
        }
    }
}

// === impl TlsFiles ===

impl TlsFiles {
    /// What the files contain. Blocks.
    pub fn load(&self) -> Result<TlsPem, Error> {
        let authorities = read(&self.authority, CERTIFICATE)?;
        let client = self.client.as_ref().map(|(certificate, key)| {
            let (chain, key) = (read(certificate, CERTIFICATE)?, read(key, KEY)?);
            Ok(ClientPem { chain, key })
        });
        Ok(TlsPem { authorities, client: client.transpose()? })
    }
}

// === impl TlsPem ===

impl TlsPem {
    pub(super) fn options(&self) -> Result<TlsOptions, Error> {
        require(&self.authorities, CERTIFICATE, || "the authorities of etcd".to_owned())?;
        let options = TlsOptions::new().ca_certificate(Certificate::from_pem(&self.authorities));
        let Some(ClientPem { chain, key }) = &self.client else {
            return Ok(options);
        };
        require(chain, CERTIFICATE, || "the client certificate for etcd".to_owned())?;
        require(key, KEY, || "the client key for etcd".to_owned())?;
        Ok(options.identity(Identity::from_pem(chain, key)))
    }
}

// === impl ClientPem ===

/// Leaves the key out of logs.
impl fmt::Debug for ClientPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPem").field("chain", &self.chain).finish_non_exhaustive()
    }
}

fn read(path: &str, part: &str) -> Result<String, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::ReadTls { path: path.to_owned(), source })?;
    require(&text, part, || path.to_owned())?;
    Ok(text)
}

fn require(text: &str, part: &str, what: impl FnOnce() -> String) -> Result<(), Error> {
    if text.contains(part) { Ok(()) } else { Err(Error::NoPem { what: what() }) }
}
