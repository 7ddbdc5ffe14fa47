//! An administrator's access to the bundled etcd, as `docs/operations.md` describes it: a certificate that the webhook
//! signs when it is asked, valid for an hour.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::Failure;
use crate::cluster::Cluster;
use crate::run::run;
use crate::wait::{Seen, secs, until};
use crate::webhook::{NAMESPACE, WEBHOOK};

/// The folders with certificates, by cluster. A run is shorter than a certificate's life, and a test that takes the
/// webhook away uses the certificate from before.
static KEPT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);

/// A folder with `ca.crt`, `tls.crt` and `tls.key`.
#[derive(Clone, Debug)]
pub struct Access(PathBuf);

impl Access {
    /// The access of this process to the etcd of a cluster.
    pub fn of(cluster: &Cluster) -> Result<Self, Failure> {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_default();
        if let Some(dir) = kept.get(cluster.name()) {
            return Ok(Self(dir.clone()));
        }
        let dir = cluster.state_dir().join(format!("etcd-access-{}", std::process::id()));
        // A webhook pod that is being replaced may be asked.
        until("the webhook signs a certificate for etcd", secs(60), || {
            Self::ask(cluster, &dir, "1h").map(Seen::Yes)
        })?;
        kept.insert(cluster.name().to_owned(), dir.clone());
        Ok(Self(dir))
    }

    /// Asks the webhook for a certificate that is valid for this long.
    pub fn ask(cluster: &Cluster, dir: &Path, valid_for: &str) -> Result<Self, Failure> {
        let deployment = format!("deploy/{WEBHOOK}");
        let exec = ["-n", NAMESPACE, "exec", &deployment, "-c", "webhook", "--"];
        let command = ["cairn-webhook", "etcd-certificate", "--valid-for", valid_for];
        // A tar archive of PEM files is text.
        let archive = cluster.kubectl(&[&exec[..], &command].concat())?.ok()?;
        fs::create_dir_all(dir)
            .map_err(|source| Failure::File { path: dir.to_path_buf(), source })?;
        run(Command::new("tar").args(["-x", "-C"]).arg(dir), Some(&archive))?.ok()?;
        Ok(Self(dir.to_path_buf()))
    }

    /// A folder with these files that somebody else has filled.
    pub fn in_folder(dir: &Path) -> Self {
        Self(dir.to_path_buf())
    }

    /// The flags of `cairn` and of Cairn's other programs.
    pub fn cairn_flags(&self) -> [String; 3] {
        [("etcd-cacert", "ca.crt"), ("etcd-cert", "tls.crt"), ("etcd-key", "tls.key")]
            .map(|(flag, file)| self.flag(flag, file))
    }

    /// The flags of `etcdctl`.
    pub fn etcdctl_flags(&self) -> [String; 3] {
        [("cacert", "ca.crt"), ("cert", "tls.crt"), ("key", "tls.key")]
            .map(|(flag, file)| self.flag(flag, file))
    }

    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.0.join(file).display())
    }
}
