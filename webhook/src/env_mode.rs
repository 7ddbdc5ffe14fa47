//! How environment variables can get into app containers in this cluster.
//!
//! `fileKeyRef` is used only where two checks agree: the API server accepts it (a dry run of a probe
//! pod), and every Linux node's kubelet is new enough, because an older one silently gives "".
//! Until both have said yes, and whenever one cannot be asked at first, the way that works everywhere
//! is taken. Looked at again from time to time, because nodes come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PostParams};
use serde_json::json;
use thiserror::Error;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::admission::inject::{EnvFacts, EnvMode};
use crate::ready::Block;
use crate::report::report;

/// The first minor version of Kubernetes 1 whose kubelet has `EnvFiles` on by default.
const MINOR: u32 = 35;
/// A node pool is added a few times a year.
const TICK: Duration = Duration::from_secs(300);
/// While the question could not be answered.
const RETRY: Duration = Duration::from_secs(10);
/// Nodes per page of the list: their status is large.
const PAGE: u32 = 200;

/// The answer of the moment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EnvSupport {
    default: Option<EnvMode>,
    file_works: Arc<AtomicBool>,
}

#[derive(Debug, Error)]
enum CheckError {
    #[error("could not try a probe pod")]
    Probe(#[source] kube::Error),
    #[error("could not list nodes")]
    Nodes(#[source] kube::Error),
}

// === impl EnvSupport ===

impl EnvSupport {
    /// With the operator's decision; `None` is the best that works.
    pub fn new(default: Option<EnvMode>) -> Self {
        // Whoever decides for files knows the nodes; the check is not asked then.
        let file_works = Arc::new(AtomicBool::new(default == Some(EnvMode::File)));
        Self { default, file_works }
    }

    /// For the decision about a pod.
    pub fn facts(&self) -> EnvFacts {
        EnvFacts { default: self.default, file_works: self.file_works.load(Ordering::Relaxed) }
    }

    /// Keeps the answer up to date for ever; `block` is lifted with the first attempt.
    pub async fn run(self, client: Client, namespace: String, block: Block) {
        let mut block = Some(block);
        if self.default == Some(EnvMode::File) {
            return;
        }
        loop {
            let pause = match check(&client, &namespace).await {
                Ok(works) => {
                    if self.file_works.swap(works, Ordering::Relaxed) != works || block.is_some() {
                        info!(file_works = works, "looked at how variables reach containers");
                    }
                    TICK
                }
                Err(error) => {
                    warn!("how variables reach containers: {}", report(&error));
                    RETRY
                }
            };
            block.take();
            sleep(pause).await;
        }
    }
}

async fn check(client: &Client, namespace: &str) -> Result<bool, CheckError> {
    Ok(api_server_accepts(client, namespace).await? && kubelets_know(client).await?)
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

/// Whether there is a Linux node, and none is too old.
async fn kubelets_know(client: &Client) -> Result<bool, CheckError> {
    let nodes: Api<Node> = Api::all(client.clone());
    let mut params = ListParams::default().limit(PAGE);
    let mut any = false;
    loop {
        let page = nodes.list(&params).await.map_err(CheckError::Nodes)?;
        for info in page.items.iter().filter_map(|node| node.status.as_ref()?.node_info.as_ref()) {
            if info.operating_system != "linux" {
                continue;
            }
            any = true;
            if !is_new_enough(&info.kubelet_version) {
                return Ok(false);
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(any),
        }
    }
}

/// `v1.35.4-eks-1a2b3c` and its like.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut number = || parts.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(1), Some(minor)) => minor >= MINOR,
        (Some(major), Some(_)) => major > 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_says_its_age_in_many_dialects() {
        for new in ["v1.35.0", "v1.35.4-eks-1a2b3c", "v1.36.0-gke.1", "v1.40.1+k3s1", "v2.0.0"] {
            assert!(is_new_enough(new), "{new}");
        }
        for old in ["v1.34.9", "v1.30.0-gke.1", "", "v1", "unknown"] {
            assert!(!is_new_enough(old), "{old}");
        }
    }

    #[test]
    fn until_both_checks_said_yes_files_are_not_used() {
        let auto = EnvSupport::new(None).facts();
        assert_eq!(auto, EnvFacts { default: None, file_works: false });
        assert!(EnvSupport::new(Some(EnvMode::File)).facts().file_works);
    }
}
