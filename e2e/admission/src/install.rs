//! Cairn on an API server alone: what the chart installs there, and the webhook as a process of its own.
//!
//! `deploy/cairn.yaml` has the objects, as people install them. One thing differs: there are no addresses of Services,
//! so the webhook's Service leads to this machine, under the port on which the webhook listens.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, io};

use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::api_server::client::{ApiError, Kubernetes, Store};
use crate::api_server::{ApiServer, ApiServerError};
use crate::balancer::Balancer;
use crate::corpus::{self, CorpusError};
use crate::in_process::NAMESPACE;
use crate::review::Answer;

/// Cairn's own namespace.
pub const OWN: &str = "cairn-system";
/// The kinds that an API server alone can use.
const KINDS: [&str; 6] = [
    "Namespace",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];
/// Generous, because the machine may be busy. Nothing waits for it unless something fails.
pub const LIMIT: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(100);

/// The program that is the webhook.
#[derive(Clone, Copy, Debug)]
pub enum Program<'p> {
    /// `cairn-webhook` itself.
    Webhook(&'p Path),
    /// `cairn-admission`, which does the same when it is called with `webhook`.
    OfTests(&'p Path),
}

/// An API server with Cairn.
#[derive(Debug)]
pub struct Installed {
    server: ApiServer,
    webhooks: Vec<Child>,
    files: bool,
    _balancer: Balancer,
}

/// Why there is none.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The API server.
    #[error(transparent)]
    Server(#[from] ApiServerError),
    /// A request.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The manifest, or the pools.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The manifest or the process.
    #[error("could not start the webhook")]
    Start(#[from] io::Error),
    /// An object was refused.
    #[error("{what} was refused: {message}")]
    Refused {
        /// Its kind and name.
        what: String,
        /// The API server's words.
        message: String,
    },
    /// Something did not happen.
    #[error("{0} did not happen within {LIMIT:?}")]
    Late(&'static str),
}

// === impl Program ===

impl Program<'_> {
    fn command(self) -> Command {
        match self {
            Self::Webhook(path) => Command::new(path),
            Self::OfTests(path) => {
                let mut command = Command::new(path);
                command.arg("webhook");
                command
            }
        }
    }
}

// === impl Installed ===

impl Installed {
    /// Starts everything.
    pub async fn start(program: Program<'_>, replicas: usize) -> Result<Self, InstallError> {
        let server = ApiServer::start().await?;
        let kubernetes = server.kubernetes().clone();
        let endpoints: Vec<SocketAddr> =
            (0..replicas).map(|_| free()).collect::<io::Result<_>>()?;
        let (balancer, address) = Balancer::start(&endpoints).await?;
        for object in manifest(address.port())? {
            create(&kubernetes, &object, OWN).await?;
        }
        create(&kubernetes, &service(), OWN).await?;
        create(&kubernetes, &node(), "").await?;
        let shop =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        create(&kubernetes, &shop, "").await?;
        for namespace in [NAMESPACE, OWN] {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
            create(&kubernetes, &account, namespace).await?;
        }
        let mut installed =
            Self { server, webhooks: Vec::new(), files: false, _balancer: balancer };
        for (number, endpoint) in endpoints.into_iter().enumerate() {
            installed.webhooks.push(installed.webhook(program, number, endpoint)?);
        }
        installed.wait_for_pools().await?;
        installed.files = installed.takes_files().await?;
        Ok(installed)
    }

    fn webhook(
        &self,
        program: Program<'_>,
        number: usize,
        endpoint: SocketAddr,
    ) -> io::Result<Child> {
        program
            .command()
            .env("KUBECONFIG", self.server.kubeconfig())
            .args(["--namespace", OWN, "--pod-name", &format!("cairn-webhook-{number}")])
            .args(["--webhook-config", "cairn-webhook", "--pool-webhook-config", "cairn-webhook"])
            .args(["--isolation", "none", "--etcd", self.server.etcd()])
            .args(["--sidecar-image", "registry.example.com/cairn-sidecar:1"])
            .args(["--admission-listen", &endpoint.to_string(), "--agent-listen", "127.0.0.1:0"])
            .args(["--admin-listen", "127.0.0.1:0"])
            .args(["--agent-url", "https://cairn-webhook.cairn-system.svc:8443"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.server.log(&format!("webhook-{number}"))?)
            .spawn()
    }

    /// Kills the first replica of the webhook with SIGKILL.
    pub fn kill_first_webhook(&mut self) -> io::Result<()> {
        self.webhooks.first_mut().map_or(Ok(()), Child::kill)
    }

    /// The process ID of the first replica of the webhook.
    pub fn first_webhook(&self) -> Option<u32> {
        self.webhooks.first().map(Child::id)
    }

    /// The API server.
    pub fn api_server(&self) -> &ApiServer {
        &self.server
    }

    /// Asks the API server.
    pub fn kubernetes(&self) -> &Kubernetes {
        self.server.kubernetes()
    }

    /// Whether this API server takes variables from files.
    pub fn files(&self) -> bool {
        self.files
    }

    /// The API server's version, as `v1.35.4`.
    pub async fn version(&self) -> Result<String, InstallError> {
        let version = self.kubernetes().get("/version").await?.unwrap_or_default();
        Ok(version["gitVersion"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until pods of every pool of the corpus are admitted.
    async fn wait_for_pools(&self) -> Result<(), InstallError> {
        until("the first admission", async || Ok(self.asks("mountains", "auto").await?.is_some()))
            .await?;
        for pool in corpus::pools()? {
            create(self.kubernetes(), &pool, "").await?;
        }
        until("the last pool", async || Ok(self.asks("many-16", "auto").await?.is_some())).await
    }

    /// The webhook asks the API server itself, and may do so after its first admission.
    async fn takes_files(&self) -> Result<bool, InstallError> {
        let version = self.version().await?;
        let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        if minor.is_none_or(|minor| minor < 35) {
            return Ok(false);
        }
        until("the use of files", async || Ok(self.asks("mountains", "file").await?.is_some()))
            .await?;
        Ok(true)
    }

    /// A pod of a pool after admission; `None` if it is refused.
    async fn asks(&self, pool: &str, env: &str) -> Result<Option<Value>, InstallError> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "look", "annotations": {"cairn.dev/pool": pool, "cairn.dev/env": env}},
            "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]},
        });
        // Until the webhook has put its certificate there, the API server cannot call it.
        Ok(match self.kubernetes().create(&pod, NAMESPACE, Store::DryRun).await {
            Ok(Answer::Allowed(pod, _)) => Some(pod),
            Ok(Answer::Refused(_)) | Err(_) => None,
        })
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        // Both fail only when the process has already ended.
        for webhook in &mut self.webhooks {
            let _ = webhook.kill();
            let _ = webhook.wait();
        }
    }
}

/// Looks until it is true.
pub async fn until(
    what: &'static str,
    mut look: impl AsyncFnMut() -> Result<bool, InstallError>,
) -> Result<(), InstallError> {
    let begun = Instant::now();
    while !look().await? {
        if begun.elapsed() > LIMIT {
            return Err(InstallError::Late(what));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Creates an object that must be accepted.
pub async fn create(
    kubernetes: &Kubernetes,
    object: &Value,
    namespace: &str,
) -> Result<(), InstallError> {
    match kubernetes.create(object, namespace, Store::Really).await? {
        Answer::Allowed(..) => Ok(()),
        Answer::Refused(message) => {
            let what = format!("{} {}", object["kind"], object["metadata"]["name"]);
            Err(InstallError::Refused { what, message })
        }
    }
}

/// The objects of the manifest that an API server alone can use; `port` is the webhook's.
pub fn manifest(port: u16) -> Result<Vec<Value>, InstallError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/cairn.yaml");
    let mut objects = corpus::documents("cairn.yaml", &fs::read_to_string(path)?)?;
    objects.retain(|object| object["kind"].as_str().is_some_and(|kind| KINDS.contains(&kind)));
    for webhook in objects.iter_mut().filter_map(|object| object.get_mut("webhooks")) {
        for webhook in webhook.as_array_mut().into_iter().flatten() {
            webhook["clientConfig"]["service"]["port"] = json!(port);
        }
    }
    Ok(objects)
}

/// The API server calls the name that such a Service has, and expects the certificate of the Service.
fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "cairn-webhook"},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    })
}

/// A node whose kubelet takes files.
fn node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "node-1", "labels": {"kubernetes.io/os": "linux"}},
        "status": {"nodeInfo": {
            "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "",
            "containerRuntimeVersion": "", "kubeletVersion": "v1.36.0", "kubeProxyVersion": "",
            "operatingSystem": "linux", "architecture": "amd64",
        }},
    })
}

fn free() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
