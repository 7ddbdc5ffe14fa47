//! How environment variables can get into app containers in this cluster.
//!
//! `fileKeyRef` is used only where two checks agree: the API server accepts it (a dry run of a probe
//! pod), and the kubelet of every Linux node that the pod may run on is new enough, because an older
//! one silently gives "" ([`crate::nodes`]). Until both have said yes, the way that works everywhere is
//! taken. The API server is asked again from time to time, because it may be upgraded.

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

use crate::admission::inject::{EnvFacts, EnvMode, FileSupport};
use crate::nodes::Nodes;
use crate::ready::Block;

/// A control plane is upgraded a few times a year.
const TICK: Duration = Duration::from_secs(300);
/// While the question could not be answered.
const RETRY: Duration = Duration::from_secs(10);
/// The answer of the moment. Cheap to clone.
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
        EnvFacts { default: self.default, files }
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
    fn an_operator_who_decides_for_files_is_believed() {
        let files = EnvSupport::new(Some(EnvMode::File)).facts().files;
        assert!(matches!(files, FileSupport::Assumed));
    }
}
