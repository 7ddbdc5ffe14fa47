//! How long a decision takes, from the body of a review to the bytes of its answer, in percentiles:
//! a mean would hide the pod that waited.
//!
//! `cargo bench -p cairn-webhook` prints a table beside the targets.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::pool::Pool;
use cairn_webhook::admission::Admission;
use cairn_webhook::admission::metrics::Metrics;
use cairn_webhook::admission::settings::Settings;
use cairn_webhook::env_mode::EnvMode;
use cairn_webhook::env_mode::EnvSupport;
use cairn_webhook::namespaces::Namespaces;
use cairn_webhook::pools::catalog::{Catalog, CatalogEntry};
use futures::FutureExt as _;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

/// Enough for a stable 99th percentile, and a second or two altogether.
const ROUNDS: usize = 5000;
/// Caches and branch predictors are warm in a process that serves.
const WARM_UP: usize = 500;

fn main() {
    let admission = admission();
    let mut table =
        String::from("pod                         p50        p99        target p50 / p99\n");
    for (name, variables, target) in
        [("typical, 12 variables", 12, "50 µs / 250 µs"), ("2,000 variables", 2000, "- / 2 ms")]
    {
        let body = review(variables);
        let (median, slow) = measure(&admission, body.as_bytes());
        let _ = writeln!(table, "{name:<24} {median:>10.1?} {slow:>10.1?}        {target}");
    }
    println!("{table}");
}

/// The 50th and the 99th percentile.
fn measure(admission: &Admission, body: &[u8]) -> (Duration, Duration) {
    for _ in 0..WARM_UP {
        black_box(admission.mutate(black_box(body)).now_or_never());
    }
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            black_box(admission.mutate(black_box(body)).now_or_never());
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    let at = |share: usize| took.get(ROUNDS * share / 100).copied().unwrap_or_default();
    (at(50), at(99))
}

fn admission() -> Admission {
    let ready = |name| {
        Some((Pool::builtin(&name)?.name, CatalogEntry::Ready(Arc::new(Pool::builtin(&name)?))))
    };
    let catalog: Catalog = Pool::builtin_names().into_iter().filter_map(ready).collect();
    Admission {
        settings: Settings {
            image: "ghcr.io/cairn-dev/cairn-sidecar:0.1.0".to_owned(),
            pull_policy: Some("IfNotPresent".to_owned()),
            agent: "https://cairn-webhook.cairn.svc:8443".to_owned(),
            agent_ca: "QUJD".to_owned(),
            outbound_ports: vec![2379, 8443],
            etcd_cluster_id: None,
            etcd_prefix: cairn_store::KeyPrefix::default(),
            log_level: cairn_kit::log::LogFilter::default(),
            container: std::sync::Arc::default(),
            dns: cairn_webhook::admission::settings::DnsNeed::Search,
        },
        trust: tokio::sync::watch::channel(Arc::default()).1,
        installation: tokio::sync::watch::channel(
            cairn_webhook::installation::verdict::Verdict::Open,
        )
        .1,
        catalog: watch::channel(Arc::new(catalog)).1,
        namespaces: Namespaces::default(),
        env: EnvSupport::new(Some(EnvMode::File)),
        metrics: Metrics::register(&mut Registry::default()),
    }
}

/// A review as the API server posts it, managed fields and all.
fn review(variables: usize) -> String {
    let env: Vec<Value> = (0..variables)
        .map(|i| json!({"name": format!("SETTING_{i}"), "value": format!("value of setting {i}")}))
        .collect();
    let probe = json!({
        "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "timeoutSeconds": 1,
        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop", "operation": "CREATE", "dryRun": false,
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": {
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {
                    "generateName": "checkout-5d4f7c9b6-", "namespace": "shop", "creationTimestamp": null,
                    "labels": {"app": "checkout", "pod-template-hash": "5d4f7c9b6", "team": "payments"},
                    "annotations": {"cairn.dev/pool": "mountains", "prometheus.io/scrape": "true"},
                    "ownerReferences": [{
                        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "checkout-5d4f7c9b6",
                        "uid": "9a", "controller": true, "blockOwnerDeletion": true,
                    }],
                    "managedFields": [{"manager": "kube-controller-manager", "operation": "Update",
                        "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}}],
                },
                "spec": {
                    "volumes": [{"name": "kube-api-access-x", "projected": {"defaultMode": 420}}],
                    "containers": [{
                        "name": "app", "image": "example.com/checkout:1.2.3", "env": env,
                        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
                        "readinessProbe": probe,
                        "volumeMounts": [{"name": "kube-api-access-x", "readOnly": true,
                            "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
                    }],
                    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
                    "serviceAccountName": "default", "securityContext": {},
                },
            },
        },
    })
    .to_string()
}
