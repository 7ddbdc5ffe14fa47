//! Whether somebody may believe in a claim that an empty etcd knows nothing of.

use cairn_core::contract::annotation::INJECTED_LABEL;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, Error};
use tracing::warn;

use crate::report::report;

/// A pod that was never scheduled has never claimed, and one that has ended holds nothing.
const MAY_HOLD: &str = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed";

/// Who knows.
pub trait Holders {
    /// Whether any pod may hold a claim; true when in doubt.
    fn exist(&self) -> impl Future<Output = bool> + Send;
}

/// Asks the cluster for a pod that carries our sidecar.
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

    async fn any(&self) -> Result<bool, Error> {
        let one = ListParams::default()
            .labels(&format!("{INJECTED_LABEL}=true"))
            .fields(MAY_HOLD)
            .limit(1);
        Ok(!self.pods.list_metadata(&one).await?.items.is_empty())
    }
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
