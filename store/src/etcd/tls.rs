//! TLS for connections to etcd, from files.

use etcd_client::{Certificate, Identity, TlsOptions};

use crate::error::Error;

/// The paths of the files. The authority must be given: system roots do not sign etcd members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file of the authority that signed the members' certificates.
    pub authority: String,
    /// PEM files of the client's certificate and key.
    pub client: Option<(String, String)>,
}

impl TlsFiles {
    pub(super) fn load(&self) -> Result<TlsOptions, Error> {
        let mut options =
            TlsOptions::new().ca_certificate(Certificate::from_pem(read(&self.authority)?));
        if let Some((certificate, key)) = &self.client {
            options = options.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(options)
    }
}

fn read(path: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::ReadTls { path: path.to_owned(), source })
}
