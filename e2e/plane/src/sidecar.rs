//! A sidecar as a process on loopback, which claims a name as a pod would.

use std::path::Path;
use std::process::Command;

use cairn_test_etcd::TestEtcd;
use tempfile::TempDir;

use crate::failure::Failure;
use crate::http::get;
use crate::process::{Process, built, free_port};

/// A running sidecar.
#[derive(Debug)]
pub struct Sidecar {
    /// The port of health and metrics.
    pub admin: u16,
    _process: Process,
    _dir: TempDir,
}

// === impl Sidecar ===

impl Sidecar {
    /// Starts one for the pod `namespace/name` with this UID, and waits until it is ready.
    pub fn start(
        etcd: &TestEtcd,
        (namespace, name, uid): (&str, &str, &str),
        flags: &[&str],
    ) -> Result<Self, Failure> {
        let dir = TempDir::new().map_err(Failure::io("make a folder"))?;
        let client = etcd.client("root")?;
        let client = client.write(dir.path(), "etcd").map_err(Failure::io("write certificates"))?;
        let admin = free_port()?;
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut command = Command::new(built("cairn-sidecar", "cargo build -p cairn-sidecar")?);
        command
            .arg(format!("--etcd={}", etcd.url()))
            .arg(flag("etcd-cacert", &client.authorities))
            .arg(flag("etcd-cert", &client.chain))
            .arg(flag("etcd-key", &client.key))
            .args([format!("--namespace={namespace}"), format!("--pod={name}")])
            .args([format!("--instance={uid}"), format!("--admin=127.0.0.1:{admin}")])
            .arg(flag("dir", &dir.path().join("files")))
            .args(["--node=none", "--api=off"])
            .args(flags);
        let mut process = Process::start(&mut command, dir.path().join("log"))?;
        process.wait("readiness of a sidecar", || get(admin, "/readyz").is_some())?;
        Ok(Self { admin, _process: process, _dir: dir })
    }

    /// The text of a scrape.
    pub fn metrics(&self) -> String {
        get(self.admin, "/metrics").unwrap_or_default()
    }
}
