//! Whether a pod may hold a claim from before etcd was wiped.

use cairn_core::contract::annotation::{CLAIM_PREFIX, INJECTED_LABEL};
use cairn_core::contract::pod::CONTAINER;
use cairn_kit::errors::report;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, Error};
use tracing::warn;

/// An unscheduled pod has never claimed, and an ended pod holds nothing.
const MAY_HOLD: &str = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed";

/// Pods per request: a response stays below ten megabytes.
const PAGE: u32 = 200;

/// Knows whether pods may hold claims.
pub trait Holders {
    /// Whether any pod may hold a claim; true when in doubt.
    fn exist(&self) -> impl Future<Output = bool> + Send;
}

/// Looks for pods that carry our sidecar.
#[derive(Clone)]
pub struct InjectedPods {
    pods: Api<Pod>,
}

// === impl InjectedPods ===

impl InjectedPods {
    /// The pods of all namespaces.
    pub fn new(client: Client) -> Self {
        Self { pods: Api::all(client) }
    }

    /// Reads page by page: an etcd is empty rarely, and a cluster has many pods.
    async fn any(&self) -> Result<bool, Error> {
        let mut page = ListParams::default()
            .labels(&format!("{INJECTED_LABEL}=true"))
            .fields(MAY_HOLD)
            .limit(PAGE);
        loop {
            let pods = self.pods.list(&page).await?;
            if pods.items.iter().any(has_held) {
                return Ok(true);
            }
            match pods.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(false),
            }
        }
    }
}

/// Whether a pod has held a name: its sidecar's startup probe has passed, or its claim was mirrored. A pod that waits
/// for its first name does not count. Otherwise the first pods of a new installation, which exist before etcd does,
/// would cause a freeze and wait for it.
fn has_held(pod: &Pod) -> bool {
    let annotations = pod.metadata.annotations.as_ref();
    let mirrored =
        annotations.is_some_and(|all| all.keys().any(|key| key.starts_with(CLAIM_PREFIX)));
    let statuses = pod.status.as_ref().and_then(|status| status.init_container_statuses.as_ref());
    let started = statuses.into_iter().flatten().any(|status| {
        status.name == CONTAINER && (status.started == Some(true) || status.restart_count > 0)
    });
    mirrored || started
}

impl Holders for InjectedPods {
    async fn exist(&self) -> bool {
        self.any().await.unwrap_or_else(|error| {
            warn!(
                "asking for pods with a sidecar, assuming that there are some: {}",
                report(&error)
            );
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_pod_that_waits_for_its_first_name_holds_nothing_up() {
        let waiting = json!({"status": {"initContainerStatuses":
            [{"name": "cairn", "started": false, "restartCount": 0, "ready": false, "image": "", "imageID": ""}]}});
        assert!(!has_held(&pod(waiting)));
        assert!(!has_held(&pod(json!({}))));
    }

    #[test]
    fn a_pod_whose_sidecar_has_started_or_whose_claim_was_mirrored_may_hold_a_name() {
        let started = json!({"status": {"initContainerStatuses":
            [{"name": "cairn", "started": true, "restartCount": 0, "ready": true, "image": "", "imageID": ""}]}});
        assert!(has_held(&pod(started)));
        let mirrored =
            json!({"metadata": {"annotations": {"claim.cairn.dev/mountains": "Denali"}}});
        assert!(has_held(&pod(mirrored)));
    }
}
