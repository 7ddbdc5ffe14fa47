//! Pods as admission leaves them: some variables and volumes of the app's own, and the sidecar.

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// The pods are in so many namespaces.
pub(super) const NAMESPACES: usize = 20;

/// The pools. One holds 8,192 names at most.
pub(super) const POOLS: [&str; 2] = ["fleet-a", "fleet-b"];

/// Variables of the app.
const VARIABLES: usize = 30;

/// A pod's name. Its controller's name is the part before the last hyphen.
pub(super) fn name(number: usize) -> String {
    format!("orders-{}-7d9c5b6f4-{number:05}", number % 100)
}

/// The namespace of a pod.
pub(super) fn namespace(number: usize) -> String {
    format!("fleet-{}", number % NAMESPACES)
}

/// The pool that a pod claims from.
pub(super) fn pool(number: usize) -> String {
    POOLS.get(number % POOLS.len()).copied().unwrap_or_default().to_owned()
}

/// The name that it claims there.
pub(super) const fn number_in_pool(number: usize) -> usize {
    number / POOLS.len()
}

/// Its node: a hundred pods on each.
pub(super) fn node(number: usize) -> String {
    format!("node-{}", number / 100)
}

/// A pod with a sidecar.
pub(super) fn injected(number: usize, pool: &str) -> Pod {
    let app = format!("orders-{}", number % 100);
    let owner = format!("{app}-7d9c5b6f4");
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name(number),
            "labels": {
                "app": app, "pod-template-hash": "7d9c5b6f4", "cairn.dev/injected": "true",
                "app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "shop",
            },
            "annotations": {
                "cairn.dev/pool": pool,
                "prometheus.io/scrape": "true", "prometheus.io/port": "8080",
                "checksum/config": "0f343b0931126a20f133d67c2b018a3b5f8b6f6e0c7c3a9d4e2b1a0998877665",
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner,
                "uid": format!("00000000-0000-4000-8000-{:012}", number % 100),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "nodeName": node(number),
            "automountServiceAccountToken": false,
            "containers": [app_container()],
            "initContainers": [sidecar(pool, &app)],
            "volumes": [
                {"name": "cairn", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "config", "configMap": {"name": "orders"}},
            ],
        },
    });
    serde_json::from_value(pod).unwrap_or_default()
}

fn app_container() -> Value {
    let variables: Vec<Value> = (0..VARIABLES)
        .map(|number| {
            json!({"name": format!("ORDERS_SETTING_{number}"), "value": format!("value of setting {number}")})
        })
        .collect();
    json!({
        "name": "app",
        "image": "registry.example/orders:1.2.3",
        "env": variables,
        "ports": [{"containerPort": 8080, "name": "http"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [
            {"name": "cairn", "mountPath": "/var/run/cairn", "readOnly": true},
            {"name": "config", "mountPath": "/etc/orders"},
        ],
    })
}

fn sidecar(pool: &str, group: &str) -> Value {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    json!({
        "name": "cairn",
        "image": "ghcr.io/cairn-dev/cairn-sidecar:0.1.0",
        "restartPolicy": "Always",
        "args": [
            format!("--pool={pool}"), format!("--group={group}"), "--etcd=https://cairn-etcd.cairn-system.svc:2379",
            "--agent=https://cairn-webhook.cairn-system.svc:8443", "--dir=/var/run/cairn",
        ],
        "env": [
            field("POD_NAMESPACE", "metadata.namespace"), field("POD_NAME", "metadata.name"),
            field("POD_UID", "metadata.uid"), field("NODE_NAME", "spec.nodeName"),
        ],
        "startupProbe": {"httpGet": {"path": "/startupz", "port": 24041}, "periodSeconds": 1, "failureThreshold": 600},
        "livenessProbe": {"httpGet": {"path": "/livez", "port": 24041}},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true},
        "volumeMounts": [{"name": "cairn", "mountPath": "/var/run/cairn"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_like_one_that_admission_has_changed() {
        let pod = serde_json::to_value(injected(4711, "fleet-a")).unwrap();
        assert_eq!(pod["metadata"]["name"], name(4711));
        assert_eq!(pod["spec"]["initContainers"][0]["name"], "cairn");
        let bytes = pod.to_string().len();
        assert!((3000..9000).contains(&bytes), "{bytes}");
    }
}
