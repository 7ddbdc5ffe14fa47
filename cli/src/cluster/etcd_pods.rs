//! The members of the bundled etcd.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::Value;

use super::webhook_pod::WebhookPod;
use super::{Cluster, ClusterError};

/// The port for clients.
pub const CLIENTS: u16 = 2379;
/// The webhook has this flag beside the bundled etcd.
pub const BUNDLED: &str = "--etcd-record";

/// Their pods.
pub async fn all(cluster: &Cluster, webhook: &WebhookPod) -> Result<Vec<Pod>, ClusterError> {
    let label = |key: &str| {
        let value = webhook.0.labels().get(key).map(String::as_str).unwrap_or_default();
        format!("{key}={value}")
    };
    let labels = format!(
        "{},{},app.kubernetes.io/component=etcd",
        label("app.kubernetes.io/name"),
        label("app.kubernetes.io/instance")
    );
    cluster.own_pods(&labels).await
}

/// The size in bytes at which a member refuses writes, from the configuration that its init container writes.
pub fn quota(pod: &Pod) -> Option<u64> {
    let inits = pod.spec.as_ref()?.init_containers.as_ref()?;
    let mut args = inits.iter().filter_map(|container| container.args.as_ref()).flatten();
    let config = args.find_map(|arg| arg.strip_prefix("--etcd-config="))?;
    let config: Value = serde_json::from_str(config).ok()?;
    config.get("quota-backend-bytes")?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_quota_is_in_the_configuration() {
        let config = r#"--etcd-config={"quota-backend-bytes":1073741824}"#;
        let pod = json!({"spec": {"containers": [], "initContainers": [
            {"name": "start", "args": ["etcd-member", "start", config]},
        ]}});
        assert_eq!(quota(&serde_json::from_value(pod).unwrap()), Some(1 << 30));
    }
}
