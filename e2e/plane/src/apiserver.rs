//! A real kube-apiserver on loopback with an etcd of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cairn_test_etcd::{Pki, TestEtcd};
use tempfile::TempDir;

use crate::failure::Failure;
use crate::process::{Process, free_port, run, tool};

const HOW: &str = "make tools";

/// The administrator's token. The API server is reached from this machine only, and lives as long as the test.
const TOKEN: &str = "plane-administrator";

/// A running API server.
#[derive(Debug)]
pub struct ApiServer {
    process: Process,
    dir: TempDir,
    port: u16,
    kubectl: PathBuf,
    _etcd: TestEtcd,
}

// === impl ApiServer ===

impl ApiServer {
    /// Starts it and waits until it is ready.
    pub fn start() -> Result<Self, Failure> {
        let (server, kubectl) = (tool("kube-apiserver", HOW)?, tool("kubectl", HOW)?);
        let etcd = TestEtcd::start()?;
        let dir = TempDir::new().map_err(Failure::io("make a folder"))?;
        let at = |name: &str| dir.path().join(name);
        let pki = Pki::new("plane")?;
        let files = pki.member(&["localhost", "127.0.0.1", "kubernetes.default.svc"])?;
        let files = files.write(dir.path(), "server").map_err(Failure::io("write certificates"))?;
        let tokens = format!("{TOKEN},admin,admin,system:masters\n");
        fs::write(at("tokens"), tokens).map_err(Failure::io("write the tokens"))?;
        let port = free_port()?;
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let mut command = Command::new(server);
        command
            .arg(format!("--etcd-servers={}", etcd.url()))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg(format!("--secure-port={port}"))
            .args(["--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC"])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(flag("service-account-signing-key-file", &files.key))
            // The public key is read from the certificate.
            .arg(flag("service-account-key-file", &files.chain))
            .arg(flag("tls-cert-file", &files.chain))
            .arg(flag("tls-private-key-file", &files.key))
            .arg(flag("token-auth-file", &at("tokens")))
            // No controller makes the accounts of namespaces.
            .arg("--disable-admission-plugins=ServiceAccount");
        let process = Process::start(&mut command, at("log"))?;
        let mut server = Self { process, dir, port, kubectl, _etcd: etcd };
        let admin = server.kubeconfig("admin", TOKEN)?;
        let kubectl = server.kubectl.clone();
        let ready = || {
            let mut ask = Command::new(&kubectl);
            run(ask.arg("--kubeconfig").arg(&admin).args(["get", "--raw", "/readyz"])).is_ok()
        };
        server.process.wait("the start of the API server", ready)?;
        Ok(server)
    }

    /// Writes a kubeconfig with a token.
    pub fn kubeconfig(&self, name: &str, token: &str) -> Result<PathBuf, Failure> {
        let path = self.dir.path().join(format!("{name}.conf"));
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: plane\n\
             clusters: [{{name: plane, cluster: {{server: 'https://127.0.0.1:{port}', \
             certificate-authority: {ca}}}}}]\n\
             users: [{{name: user, user: {{token: {token}}}}}]\n\
             contexts: [{{name: plane, context: {{cluster: plane, user: user}}}}]\n",
            port = self.port,
            ca = self.dir.path().join("server-ca.crt").display(),
        );
        fs::write(&path, text).map_err(Failure::io("write a kubeconfig"))?;
        Ok(path)
    }

    /// The administrator's kubeconfig.
    pub fn admin(&self) -> PathBuf {
        self.dir.path().join("admin.conf")
    }

    /// kubectl as the administrator.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, Failure> {
        run(Command::new(&self.kubectl).arg("--kubeconfig").arg(self.admin()).args(args))
    }

    /// Creates or changes objects.
    pub fn apply(&self, manifest: &str) -> Result<(), Failure> {
        let path = self.dir.path().join("manifest.yaml");
        fs::write(&path, manifest).map_err(Failure::io("write a manifest"))?;
        self.kubectl(&["apply", "--server-side", "-f", &path.to_string_lossy()]).map(drop)
    }
}
