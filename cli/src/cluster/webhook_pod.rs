//! A pod of the webhook: what its flags say about etcd, and a certificate that it signs.

use cairn_store::etcd::{ClientPem, TlsPem};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::exec::output;
use super::tar::files;
use super::{Cluster, ClusterError, is_ready};

/// Labels of the webhook's pods in every release.
const LABELS: &str = "app.kubernetes.io/part-of=cairn,app.kubernetes.io/component=webhook";
/// The container with the webhook.
const CONTAINER: &str = "webhook";
/// The program that signs, and how long the certificate is valid: longer than any command runs.
const SIGN: [&str; 4] = ["cairn-webhook", "etcd-certificate", "--valid-for", "15m"];

/// A ready pod of the webhook.
#[derive(Clone, Debug)]
pub struct WebhookPod(pub Pod);

// === impl WebhookPod ===

impl WebhookPod {
    /// One that is ready.
    pub async fn find(cluster: &Cluster) -> Result<Self, ClusterError> {
        let mut pods = cluster.own_pods(LABELS).await?.into_iter();
        let found = pods.find(is_ready);
        found.map(Self).ok_or_else(|| ClusterError::NoWebhook(cluster.namespace.clone()))
    }

    /// All of them.
    pub async fn all(cluster: &Cluster) -> Result<Vec<Self>, ClusterError> {
        Ok(cluster.own_pods(LABELS).await?.into_iter().map(Self).collect())
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.0.name_any()
    }

    /// The value of a flag, such as `--etcd`.
    pub fn flag(&self, flag: &str) -> Option<&str> {
        let containers = self.0.spec.as_ref().map(|spec| spec.containers.as_slice());
        let webhook = containers?.iter().find(|container| container.name == CONTAINER)?;
        let mut args = webhook.args.iter().flatten();
        args.find_map(|arg| arg.strip_prefix(flag)?.strip_prefix('='))
    }

    /// Asks it for a certificate of etcd's user root. It makes key and certificate, and keeps neither.
    pub async fn certificate(&self, cluster: &Cluster) -> Result<TlsPem, ClusterError> {
        let pod = self.name();
        let archive = output(cluster, &pod, CONTAINER, &SIGN).await?;
        let mut files = files(&archive);
        let mut take = |part: &'static str| {
            files.remove(part).ok_or_else(|| ClusterError::Archive {
                program: "cairn-webhook etcd-certificate",
                pod: pod.clone(),
                part,
            })
        };
        let authorities = take("ca.crt")?;
        let client = ClientPem { chain: take("tls.crt")?, key: take("tls.key")? };
        Ok(TlsPem { authorities, client: Some(client) })
    }
}
