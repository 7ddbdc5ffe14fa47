//! What an enrolment gives, and the file that keeps it for a restarted process.
//!
//! Times are instants of `CLOCK_BOOTTIME`: the file is on a memory volume, which does not outlive a boot of the node.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_store::ClusterId;
use cairn_store::etcd::{ClientPem, TlsPem};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const FILE: &str = "credentials.json";
/// Only this user: the file contains a key.
const MODE: u32 = 0o600;

/// What an enrolment gives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// URLs of etcd's members.
    pub endpoints: Vec<String>,
    /// The etcd cluster that they are; `None` if the agent does not know it yet.
    #[serde(default)]
    pub cluster: Option<ClusterId>,
    /// The roots that verify them, PEM; empty for http.
    pub authorities: String,
    /// The client certificate and its issuers, PEM; empty for none.
    pub chain: String,
    /// Its key, PEM; empty for none.
    pub key: String,
    /// The authorities that verify the agent, PEM.
    pub agent_authorities: String,
    /// When to enrol again.
    pub renew_at: BootInstant,
    /// When the certificate ends; `None` if it has no end that is known.
    pub ends_at: Option<BootInstant>,
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("could not write {}; a restarted sidecar has to enrol before it can renew its claims", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its content is not what an earlier process wrote.
    #[error("{} is damaged; the sidecar enrols anew", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
}

// === impl Credentials ===

impl Credentials {
    /// TLS for etcd; `None` when its members are http.
    pub fn tls(&self) -> Option<TlsPem> {
        let client = ClientPem { chain: self.chain.clone(), key: self.key.clone() };
        let client = (!self.chain.is_empty()).then_some(client);
        (!self.authorities.is_empty())
            .then(|| TlsPem { authorities: self.authorities.clone(), client })
    }

    /// How long the certificate is still valid.
    pub fn valid_for(&self, now: BootInstant) -> Option<Duration> {
        self.ends_at.map(|end| end.since(now))
    }
}

/// Without the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("endpoints", &self.endpoints)
            .field("renew_at", &self.renew_at)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

/// The credentials of an earlier process of this pod. Blocks.
pub fn load(dir: &Path) -> Result<Option<Credentials>, CredentialsError> {
    let path = dir.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CredentialsError::Read { path, source }),
    };
    match serde_json::from_slice(&text) {
        Ok(credentials) => Ok(Some(credentials)),
        Err(source) => Err(CredentialsError::Format { path, source }),
    }
}

/// Keeps the credentials for the next process. Blocks.
pub fn save(dir: &Path, credentials: &Credentials) -> Result<(), CredentialsError> {
    let path = dir.join(FILE);
    let failed = |source| CredentialsError::Write { path: path.clone(), source };
    let text = serde_json::to_vec(credentials).map_err(|error| failed(error.into()))?;
    let temporary = dir.join(".credentials.tmp");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // A new file, so that nobody has it open already.
    let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&temporary);
    file.and_then(|mut file| file.write_all(&text)).map_err(failed)?;
    fs::rename(&temporary, &path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            endpoints: vec!["https://etcd:2379".to_owned()],
            cluster: Some(ClusterId::new(0x1f)),
            authorities: "ca".to_owned(),
            chain: "chain".to_owned(),
            key: "secret".to_owned(),
            agent_authorities: "agent".to_owned(),
            renew_at: BootInstant::from_nanos(7),
            ends_at: Some(BootInstant::from_nanos(9)),
        }
    }

    #[test]
    fn a_restarted_process_finds_what_the_earlier_one_kept_and_nobody_else_may_read_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        save(dir.path(), &credentials()).unwrap();
        let newer = Credentials { ends_at: None, ..credentials() };
        save(dir.path(), &newer).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(newer));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
    }

    #[test]
    fn a_damaged_file_is_reported_with_what_follows() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{").unwrap();
        let message = load(dir.path()).unwrap_err().to_string();
        assert!(message.ends_with("credentials.json is damaged; the sidecar enrols anew"));
        let missing = dir.path().join("missing");
        assert!(matches!(save(&missing, &credentials()), Err(CredentialsError::Write { .. })));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert!(!format!("{:?}", credentials()).contains("secret"));
    }

    #[test]
    fn http_members_need_no_tls_and_https_members_may_need_no_certificate() {
        assert!(credentials().tls().unwrap().client.is_some());
        let without = Credentials { chain: String::new(), ..credentials() };
        assert!(without.tls().unwrap().client.is_none());
        let plain = Credentials { authorities: String::new(), ..credentials() };
        assert!(plain.tls().is_none());
    }
}
