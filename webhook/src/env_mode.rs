//! How environment variables can get into app containers in this cluster.
//!
//! `fileKeyRef` is used only where two checks agree: the API server accepts it (a dry run of a probe
//! pod), and the kubelet of every Linux node that the pod may run on is new enough, because an older
//! one silently gives "" ([`crate::nodes`]). Until both checks pass, annotations are used, which work everywhere.
//! The API server is checked again from time to time, because it may be upgraded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cairn_kit::errors::report;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::json;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::nodes::{Known, Nodes};
use crate::ready::Block;

/// A control plane is upgraded a few times a year.
const TICK: Duration = Duration::from_secs(300);
/// The pause after a failed check.
const RETRY: Duration = Duration::from_secs(10);

/// How variables get into app containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvMode {
    /// `fileKeyRef` on the env file.
    File,
    /// `fieldRef` on the claim annotations.
    Annotation,
    /// Not at all.
    None,
}

/// How variables can get into app containers in this cluster.
#[derive(Clone, Debug)]
pub struct EnvFacts {
    /// What `auto` means, when the operator decided it; otherwise the best that works.
    pub default: Option<EnvMode>,
    /// Whether `fileKeyRef` works.
    pub files: FileSupport,
    /// The nodes. None are known where the operator decided for files.
    pub nodes: Arc<Known>,
}

/// Whether `fileKeyRef` works in this cluster.
#[derive(Clone, Debug)]
pub enum FileSupport {
    /// The operator says that it does.
    Assumed,
    /// The API server does not accept it, or was not asked yet.
    Refused,
    /// The API server accepts it; it works on nodes with a kubelet that is new enough.
    ByNode(Arc<Known>),
}

/// The present result. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EnvSupport {
    default: Option<EnvMode>,
    /// Whether the API server accepts `fileKeyRef`.
    accepted: Arc<AtomicBool>,
    nodes: Nodes,
}

#[derive(Debug, Error)]
enum CheckError {
    #[error("could not try a probe pod")]
    Probe(#[source] kube::Error),
}

// === impl EnvSupport ===

impl EnvSupport {
    /// With the operator's decision; `None` is the best that works.
    pub fn new(default: Option<EnvMode>) -> Self {
        Self { default, accepted: Arc::default(), nodes: Nodes::default() }
    }

    /// For the decision about a pod.
    pub fn facts(&self) -> EnvFacts {
        let files = if self.is_decided() {
            FileSupport::Assumed
        } else if self.accepted.load(Ordering::Relaxed) {
            FileSupport::ByNode(self.nodes.known())
        } else {
            FileSupport::Refused
        };
        EnvFacts { default: self.default, files, nodes: self.nodes.known() }
    }

    /// Keeps the answer up to date for ever. `asked` is lifted with the first attempt at the API server,
    /// `listed` with the first complete list of nodes.
    pub async fn run(self, client: Client, namespace: String, asked: Block, listed: Block) {
        if self.is_decided() {
            return;
        }
        let nodes = self.nodes.clone().run(client.clone(), listed);
        tokio::join!(nodes, self.ask(client, namespace, asked));
    }

    /// An operator who decides for files knows the nodes; nothing is checked then.
    fn is_decided(&self) -> bool {
        self.default == Some(EnvMode::File)
    }

    async fn ask(&self, client: Client, namespace: String, block: Block) {
        let mut block = Some(block);
        loop {
            let pause = match api_server_accepts(&client, &namespace).await {
                Ok(accepts) => {
                    if self.accepted.swap(accepts, Ordering::Relaxed) != accepts || block.is_some()
                    {
                        info!(accepts, "asked the API server for fileKeyRef");
                    }
                    TICK
                }
                Err(error) => {
                    warn!("asking the API server for fileKeyRef: {}", report(&error));
                    RETRY
                }
            };
            block.take();
            sleep(pause).await;
        }
    }
}

/// Asks with a dry run, because the published schema lists the field also where it is switched off.
async fn api_server_accepts(client: &Client, namespace: &str) -> Result<bool, CheckError> {
    let resource = ApiResource::erase::<Pod>(&());
    let pods: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match pods.create(&params, &probe_pod(&resource)).await {
        // Kept, and not silently dropped.
        Ok(pod) => Ok(pod.data.pointer("/spec/containers/0/env/0/valueFrom/fileKeyRef").is_some()),
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Ok(false),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            info!(reason = status.message, "the probe pod was refused, so files are not used");
            Ok(false)
        }
        Err(source) => Err(CheckError::Probe(source)),
    }
}

fn probe_pod(resource: &ApiResource) -> DynamicObject {
    let mut pod = DynamicObject::new("", resource);
    pod.metadata.name = None;
    pod.metadata.generate_name = Some("cairn-env-probe-".to_owned());
    pod.data = json!({"spec": {
        "automountServiceAccountToken": false,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{
            "name": "probe",
            "image": "never-run",
            "env": [{"name": "PROBE", "valueFrom": {"fileKeyRef": {
                "volumeName": "files", "path": "env", "key": "PROBE",
            }}}],
            "resources": {
                "requests": {"cpu": "10m", "memory": "16Mi"},
                "limits": {"cpu": "10m", "memory": "16Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "files", "mountPath": "/files"}],
        }],
        "volumes": [{"name": "files", "emptyDir": {}}],
    }});
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_the_api_server_has_accepted_files_they_are_not_used() {
        let auto = EnvSupport::new(None);
        assert!(matches!(auto.facts().files, FileSupport::Refused));
        auto.accepted.store(true, Ordering::Relaxed);
        assert!(matches!(auto.facts().files, FileSupport::ByNode(_)));
    }

    #[test]
    fn an_operators_choice_of_files_is_not_checked() {
        let files = EnvSupport::new(Some(EnvMode::File)).facts().files;
        assert!(matches!(files, FileSupport::Assumed));
    }
}
