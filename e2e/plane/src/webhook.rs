//! The webhook as a process on loopback.

use std::path::Path;
use std::process::Command;

use cairn_test_etcd::TestEtcd;
use tempfile::TempDir;

use crate::failure::Failure;
use crate::http::get;
use crate::install::{Installation, NAMESPACE};
use crate::process::{Process, built, free_port};

/// A running webhook.
#[derive(Debug)]
pub struct Webhook {
    process: Process,
    /// The port of health and metrics.
    pub admin: u16,
    _dir: TempDir,
}

// === impl Webhook ===

impl Webhook {
    /// Starts it with its own account and waits until it is ready. It makes users and roles in etcd.
    pub fn start(installed: &Installation, etcd: &TestEtcd) -> Result<Self, Failure> {
        let dir = TempDir::new().map_err(Failure::io("make a folder"))?;
        let issuer = etcd.pki()?.issuer();
        let issuer = issuer.write(dir.path(), "issuer").map_err(Failure::io("write the issuer"))?;
        let (admission, agent, admin) = (free_port()?, free_port()?, free_port()?);
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut command = Command::new(built("cairn-webhook", "cargo build -p cairn-webhook")?);
        command
            .env("KUBECONFIG", &installed.kubeconfig)
            .arg(format!("--admission-listen=127.0.0.1:{admission}"))
            .arg(format!("--agent-listen=127.0.0.1:{agent}"))
            .arg(format!("--admin-listen=127.0.0.1:{admin}"))
            .arg(format!("--namespace={NAMESPACE}"))
            .args(["--pod-name=cairn-webhook-0", "--service=cairn-webhook"])
            .args(["--webhook-config=cairn-webhook", "--pool-webhook-config=cairn-webhook"])
            .args(["--secret=cairn-webhook-ca", "--mirror-lease=cairn-webhook-mirror"])
            .args(["--installation-record=cairn-installation", "--sidecar-image=sidecar:dev"])
            .arg(format!("--etcd={}", etcd.url()))
            .arg(format!("--sidecar-etcd={}", etcd.url()))
            .arg(flag("etcd-cacert", &issuer.authorities))
            .arg(flag("etcd-issuer-cert", &issuer.chain))
            .arg(flag("etcd-issuer-key", &issuer.key));
        let mut process = Process::start(&mut command, dir.path().join("log"))?;
        process.wait("readiness of the webhook", || get(admin, "/readyz").is_some())?;
        Ok(Self { process, admin, _dir: dir })
    }

    /// The text of a scrape.
    pub fn metrics(&self) -> String {
        get(self.admin, "/metrics").unwrap_or_default()
    }

    /// The value of one series, as it stands in a scrape: `name{label="value"}`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    /// Ends it at once, as a lost node would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
