//! The authority of an external etcd, in files of a mounted Secret.
//!
//! The content is compared and not the time of change: a mounted Secret changes by swapping a link, and a copy by hand
//! changes one file after the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::authorities::EtcdCa;
use super::authority::{self, Flaw};
use super::issuer::Issuer;

/// The files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The roots that verify members, PEM.
    pub ca: PathBuf,
    /// The certificate that signs clients, PEM, followed by those between it and the root that etcd trusts.
    pub issuer_cert: PathBuf,
    /// Its key, PKCS#8 PEM.
    pub issuer_key: PathBuf,
}

/// Why the files cannot be used.
#[derive(Debug, Error)]
pub enum FilesError {
    /// One cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No roots.
    #[error("{} has no certificate; it must be PEM (-----BEGIN CERTIFICATE-----)", .0.display())]
    Roots(PathBuf),
    /// No issuer.
    #[error("{} and {}: {flaw}", certificate.display(), key.display())]
    Issuer {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        flaw: Flaw,
    },
}

// === impl Files ===

impl Files {
    /// Reads and checks them.
    pub fn read(&self) -> Result<EtcdCa, FilesError> {
        let servers = read(&self.ca)?;
        let issuer = Issuer { chain: read(&self.issuer_cert)?, key: read(&self.issuer_key)? };
        let roots = Issuer { chain: servers.clone(), key: String::new() };
        if roots.not_after().is_none() {
            return Err(FilesError::Roots(self.ca.clone()));
        }
        authority::check(&issuer).map_err(|flaw| FilesError::Issuer {
            certificate: self.issuer_cert.clone(),
            key: self.issuer_key.clone(),
            flaw,
        })?;
        Ok(EtcdCa { servers, issuer })
    }
}

fn read(path: &Path) -> Result<String, FilesError> {
    fs::read_to_string(path).map_err(|source| FilesError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use cairn_core::time::UnixMillis;
    use cairn_kit::errors::report;

    use super::*;
    use crate::etcd_ca::{Authorities, Lives};

    #[test]
    fn files_are_checked_and_each_problem_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let files =
            Files { ca: path("ca.crt"), issuer_cert: path("tls.crt"), issuer_key: path("tls.key") };
        let ours = Authorities::new(&Lives::default(), UnixMillis(1_795_230_000_000)).unwrap();
        let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
        assert!(report(&files.read().unwrap_err()).contains("ca.crt: No such file"));
        write("ca.crt", "");
        write("tls.crt", &ours.clients.issuer.chain);
        write("tls.key", &ours.members.issuer.key);
        assert!(files.read().unwrap_err().to_string().contains("ca.crt has no certificate"));
        write("ca.crt", &ours.members.root.chain);
        let refused = files.read().unwrap_err().to_string();
        assert!(refused.ends_with("tls.key: the key does not fit the certificate"), "{refused}");
        write("tls.key", &ours.clients.issuer.key);
        assert_eq!(files.read().unwrap(), EtcdCa::from(&ours));
    }
}
