//! The Kubernetes cluster of the user's kubeconfig, and Cairn in it. Everything is done with the rights of that user.
//!
//! Invariant: nothing is written, apart from dry runs.

use cairn_kit::errors::report;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt as _};
use thiserror::Error;

use crate::args::access::ClusterArgs;

pub mod etcd_pods;
pub mod exec;
pub mod forward;
pub mod kubeconfig;
pub mod tar;
pub mod webhook_pod;

/// Where the chart is installed when nothing says anything else.
const USUAL_NAMESPACE: &str = "cairn-system";
/// The CRD whose annotation names the release.
pub const CRD: &str = "pools.cairn.dev";
/// Namespace and release, with a slash between them.
const INSTALLATION: &str = "cairn.dev/installation";

/// A Kubernetes cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Requests with the user's rights.
    pub client: Client,
    /// The namespace of Cairn.
    pub namespace: String,
}

/// Why the cluster, or Cairn in it, cannot be reached.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// No kubeconfig.
    #[error(
        "there is no usable kubeconfig ({0}); name one with --kubeconfig; without Kubernetes, claims, pools and ui \
         take --etcd"
    )]
    Config(String),
    /// The API server does not answer, or refuses.
    #[error("could not {what}: {}", words(.source))]
    Request {
        /// What was wanted.
        what: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// No webhook runs.
    #[error(
        "no pod of Cairn's webhook is ready in namespace '{0}'; look with kubectl -n {0} get pods, or give \
         --cairn-namespace, or --etcd"
    )]
    NoWebhook(String),
    /// A program in a pod failed.
    #[error("{program} in pod {pod} failed: {message}")]
    Program {
        /// The program.
        program: String,
        /// Where.
        pod: String,
        /// What it said.
        message: String,
    },
    /// It printed something else.
    #[error(
        "the answer of {program} in pod {pod} has no {part}; use the same version of cairn and webhook"
    )]
    Archive {
        /// The program.
        program: &'static str,
        /// Where.
        pod: String,
        /// What is missing.
        part: &'static str,
    },
    /// No local port.
    #[error("cannot open a local port: {0}")]
    Port(#[source] std::io::Error),
    /// No etcd that could be reached.
    #[error(
        "no pod of etcd is ready in namespace '{0}'; look with kubectl -n {0} get pods, and see cairn check"
    )]
    NoEtcd(String),
    /// The webhook's flags do not say where etcd is.
    #[error("pod {0} does not say where etcd is; give --etcd")]
    UnknownEtcd(String),
}

// === impl Cluster ===

impl Cluster {
    /// The cluster of the flags.
    pub async fn open(args: &ClusterArgs) -> Result<Self, ClusterError> {
        let client = connect(args).await?;
        let given = args.cairn_namespace.as_deref().filter(|text| !text.is_empty());
        let namespace = match given {
            Some(namespace) => namespace.to_owned(),
            None => installed(&client).await.unwrap_or_else(|| USUAL_NAMESPACE.to_owned()),
        };
        Ok(Self { client, namespace })
    }

    /// The pods of Cairn's namespace with these labels.
    pub async fn own_pods(&self, labels: &str) -> Result<Vec<Pod>, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = pods.list(&ListParams::default().labels(labels)).await;
        Ok(found.map_err(request(format!("list pods in namespace '{}'", self.namespace)))?.items)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// A client with the user's rights.
pub async fn connect(args: &ClusterArgs) -> Result<Client, ClusterError> {
    let wrong =
        |error: &(dyn std::error::Error + 'static)| ClusterError::Config(kubeconfig::words(error));
    let options = KubeConfigOptions { context: args.context.clone(), ..Default::default() };
    let config = match &args.kubeconfig {
        Some(file) => {
            let file = Kubeconfig::read_from(file).map_err(|error| wrong(&error))?;
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| wrong(&error))?
        }
        None => match Config::from_kubeconfig(&options).await {
            Ok(config) => config,
            // In a pod there is none, and a context means a kubeconfig.
            Err(error) if args.context.is_some() => return Err(wrong(&error)),
            Err(error) => Config::incluster().map_err(|_| wrong(&error))?,
        },
    };
    Client::try_from(config).map_err(|error| wrong(&error))
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The namespace of the release that the CRD names. Without the right to read it, nothing is known.
async fn installed(client: &Client) -> Option<String> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = crds.get_metadata(CRD).await.ok()?;
    let (namespace, _) = crd.annotations().get(INSTALLATION)?.split_once('/')?;
    Some(namespace.to_owned())
}

/// A request that failed.
pub(crate) fn request(what: String) -> impl FnOnce(kube::Error) -> ClusterError {
    |source| ClusterError::Request { what, source: Box::new(source) }
}

/// The API server's sentence; the words of the library repeat it with all of its fields.
pub(crate) fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.contains("page not found") => {
            "the API server does not know them; is Cairn installed?".to_owned()
        }
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Service(_) => format!(
            "{}; does the API server of the kubeconfig run? Look with kubectl cluster-info",
            report(error)
        ),
        kube::Error::UpgradeConnection(error) => {
            format!(
                "{error}; the user must be allowed to get and create pods/exec and pods/portforward there"
            )
        }
        other => report(other),
    }
}
