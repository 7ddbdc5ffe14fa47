//! A real API server with an etcd of its own on loopback, without controllers and kubelet. Both are killed when the
//! handle is dropped.
//!
//! The binary is the one of `e2e/cluster`, or the one that `CAIRN_API_SERVER` names. Without it a test fails with a
//! message that says how to get it. Authorization is off: what accounts may do is checked elsewhere.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cairn_test_etcd::{Pki, PkiError, TestEtcd, TestEtcdError};
use serde_json::json;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use self::client::{ApiError, Kubernetes};

pub mod client;
pub mod metrics;

/// How long a start may take on a busy machine. Otherwise it takes some seconds.
const START_LIMIT: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(100);
/// Who may do everything.
const TOKEN: &str = "administrator";

/// The processes.
#[derive(Debug)]
pub struct ApiServer {
    process: Child,
    kubernetes: Kubernetes,
    kubeconfig: PathBuf,
    etcd: TestEtcd,
    dir: TempDir,
}

/// Why it does not run.
#[derive(Debug, Error)]
pub enum ApiServerError {
    /// There is no binary.
    #[error("there is no API server at {}; run `make tools`, or set CAIRN_API_SERVER", .0.display())]
    Missing(PathBuf),
    /// Its etcd.
    #[error(transparent)]
    Etcd(#[from] TestEtcdError),
    /// A certificate could not be made.
    #[error("could not make a certificate")]
    Certificate(#[from] PkiError),
    /// Its folder or process.
    #[error("could not start the API server")]
    Start(#[from] io::Error),
    /// It is not ready in time.
    #[error("the API server is not ready after {START_LIMIT:?}; its log ends with:\n{0}")]
    Silent(String),
    /// It cannot be asked.
    #[error(transparent)]
    Api(#[from] ApiError),
}

// === impl ApiServer ===

impl ApiServer {
    /// Starts one and waits until it is ready.
    pub async fn start() -> Result<Self, ApiServerError> {
        let binary = binary();
        if !binary.exists() {
            return Err(ApiServerError::Missing(binary));
        }
        let etcd = TestEtcd::start()?;
        let dir = TempDir::new()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let files = Pki::new("kubernetes")?
            .member(&["127.0.0.1", "localhost"])?
            .write(dir.path(), "tls")?;
        let tokens = dir.path().join("tokens.csv");
        fs::write(&tokens, format!("{TOKEN},administrator,1,system:masters\n"))?;
        let kubeconfig = dir.path().join("kubeconfig");
        fs::write(&kubeconfig, config(&address.to_string(), &files.authorities).to_string())?;
        let log = dir.path().join("log");
        let path = |flag: &str, path: &Path| format!("{flag}={}", path.display());
        let process = Command::new(&binary)
            .arg(format!("--etcd-servers={}", etcd.url()))
            .args(["--bind-address=127.0.0.1", "--advertise-address=192.0.2.1"])
            .arg(format!("--secure-port={}", address.port()))
            .args(["--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16"])
            .args(["--allow-privileged=true", "--authorization-mode=AlwaysAllow"])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(path("--service-account-key-file", &files.chain))
            .arg(path("--service-account-signing-key-file", &files.key))
            .arg(path("--token-auth-file", &tokens))
            .arg(path("--tls-cert-file", &files.chain))
            .arg(path("--tls-private-key-file", &files.key))
            .arg(path("--cert-dir", dir.path()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        let kubernetes = Kubernetes::new(&kubeconfig).await?;
        let mut server = Self { process, kubernetes, kubeconfig, etcd, dir };
        server.wait(&log).await?;
        Ok(server)
    }

    /// Asks it.
    pub fn kubernetes(&self) -> &Kubernetes {
        &self.kubernetes
    }

    /// The file with which programs reach it as an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The URL of its etcd.
    pub fn etcd(&self) -> &str {
        self.etcd.url()
    }

    /// A file for the log of another program, which goes when this is dropped.
    pub fn log(&self, name: &str) -> io::Result<File> {
        File::create(self.dir.path().join(name))
    }

    async fn wait(&mut self, log: &Path) -> Result<(), ApiServerError> {
        let begun = Instant::now();
        while !self.kubernetes.is_ready().await {
            let ended = self.process.try_wait().is_ok_and(|code| code.is_some());
            if ended || begun.elapsed() > START_LIMIT {
                let text = fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(20).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                return Err(ApiServerError::Silent(tail.join("\n")));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A kubeconfig; JSON is YAML too.
fn config(address: &str, authorities: &Path) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://{address}"), "certificate-authority": authorities,
        }}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
    })
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CAIRN_API_SERVER") {
        return path.into();
    }
    let home = std::env::var_os("CAIRN_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cairn"));
    home.join("bin/kube-apiserver")
}
