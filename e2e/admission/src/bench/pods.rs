//! The pods that are admitted, as the API server posts them: with defaults and managed fields.

use serde_json::{Value, json};

use super::Size;

/// A Deployment's pod.
pub fn pod(size: Size) -> Value {
    let env: Vec<Value> = (0..size.variables())
        .map(|i| json!({"name": format!("SETTING_{i}"), "value": format!("value of setting {i}")}))
        .collect();
    let probe = json!({
        "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1,
        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "checkout-5d4f7c9b8-", "namespace": "shop",
            "labels": {"app": "checkout", "pod-template-hash": "5d4f7c9b8"},
            "annotations": {"cairn.dev/pool": "mountains", "example.com/team": "shop"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "checkout-5d4f7c9b8",
                "uid": "0b5a2f9e-8f6a-4c1d-9d0e-2b7c5f1a3e4d", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [{
                "name": "app", "image": "registry.example.com/checkout:1.2.3", "env": env,
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                "readinessProbe": probe,
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
            }],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "serviceAccount": "default", "securityContext": {},
            "schedulerName": "default-scheduler", "enableServiceLinks": true,
        },
    })
}
