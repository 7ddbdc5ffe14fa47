//! Whole reviews, as the API server posts them.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cairn_core::pool::Pool as CorePool;
use cairn_store::ClusterId;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::pools::catalog::CatalogEntry;

fn admission() -> (Arc<Admission>, Registry) {
    let mut registry = Registry::default();
    let builtin = CorePool::builtin_names().into_iter();
    let catalog: Catalog = builtin
        .map(|name| {
            (name.clone(), CatalogEntry::Ready(Arc::new(CorePool::builtin(&name).unwrap())))
        })
        .collect();
    let admission = Admission {
        settings: Settings::of_tests(),
        trust: tokio::sync::watch::channel(std::sync::Arc::default()).1,
        installation: tokio::sync::watch::channel(crate::installation::verdict::Verdict::Open).1,
        catalog: watch::channel(Arc::new(catalog)).1,
        namespaces: Namespaces::default(),
        env: EnvSupport::new(None),
        metrics: Metrics::register(&mut registry),
    };
    (Arc::new(admission), registry)
}

async fn post_to(admission: &Arc<Admission>, path: &str, body: String) -> (StatusCode, Value) {
    let request = Request::post(path).body(Body::from(body)).unwrap();
    let response = router(Arc::clone(admission)).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

fn review(pool: &str, dry_run: bool) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "0b5", "operation": "CREATE", "namespace": "shop", "dryRun": dry_run,
            "object": {
                "metadata": {"annotations": {"cairn.dev/pool": pool}},
                "spec": {"containers": [{"name": "app"}]},
            },
        },
    })
    .to_string()
}

fn counted(registry: &Registry) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    text
}

#[tokio::test]
async fn an_opted_in_pod_gets_a_patch_under_the_uid_of_its_review() {
    let (admission, registry) = admission();
    let (status, answer) = post_to(&admission, "/mutate", review("mountains", false)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["response"]["uid"], "0b5");
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    assert!(
        counted(&registry).contains("pods_total{outcome=\"injected\",reason=\"asked\"} 1"),
        "{}",
        counted(&registry)
    );
}

/// As by one `kubectl apply` of a pool and its pods.
#[tokio::test(start_paused = true)]
async fn a_pod_waits_half_a_second_for_a_pool_that_is_not_known_yet() {
    let (admission, registry) = admission();
    let (pools, catalog) = watch::channel(Arc::new(Catalog::default()));
    let admission = Arc::new(Admission { catalog, ..Arc::into_inner(admission).unwrap() });
    let entry = |pool: &str| {
        let pool = CorePool::builtin(&pool.parse().unwrap()).unwrap();
        (pool.name.clone(), CatalogEntry::Ready(Arc::new(pool)))
    };
    let begun = Instant::now();
    let creating = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // A change that brings another pool ends no waiting.
        pools.send_replace(Arc::new([entry("snowflake")].into_iter().collect()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        pools.send_replace(Arc::new(["snowflake", "mountains"].map(entry).into_iter().collect()));
    };
    let posting = post_to(&admission, "/mutate", review("mountains", false));
    let ((_, answer), ()) = tokio::join!(posting, creating);
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    assert_eq!(begun.elapsed(), Duration::from_millis(400));
    assert!(counted(&registry).contains("pods_total{outcome=\"injected\",reason=\"asked\"} 1"));

    let begun = Instant::now();
    let (_, answer) = post_to(&admission, "/mutate", review("montains", false)).await;
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(begun.elapsed(), POOL_WAIT);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_well_formed_response_with_the_message() {
    let (admission, _) = admission();
    let (status, answer) = post_to(&admission, "/mutate", review("montains", false)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer["response"],
        json!({"uid": "0b5", "allowed": false, "status": {
            "code": 422, "reason": "Invalid",
            "message": "pool 'montains' does not exist; did you mean 'mountains'?",
        }})
    );
}

#[tokio::test]
async fn the_sidecar_gets_the_agents_authorities_and_the_etcd_cluster_of_this_moment() {
    let (admission, _) = admission();
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (_trust, trust) = watch::channel(Arc::new(TrustBundle::from(pem)));
    let (verdict, installation) = watch::channel(Verdict::Open);
    let admission =
        Arc::new(Admission { installation, trust, ..Arc::into_inner(admission).unwrap() });
    let args = async || {
        let (_, answer) = post_to(&admission, "/mutate", review("mountains", false)).await;
        let patch = STANDARD.decode(answer["response"]["patch"].as_str().unwrap()).unwrap();
        let patch: Vec<Value> = serde_json::from_slice(&patch).unwrap();
        let sidecar = patch.iter().find(|one| one["path"] == "/spec/initContainers").unwrap();
        sidecar["value"][0]["args"].as_array().unwrap().clone()
    };
    let (authorities, cluster) = (json!("--agent-ca=AAAA"), json!("--etcd-cluster-id=1f"));
    assert!(args().await.contains(&authorities));
    assert!(!args().await.contains(&cluster));
    verdict.send_replace(Verdict::Ours(ClusterId::new(0x1f)));
    assert!(args().await.contains(&cluster), "{:?}", args().await);
}

#[tokio::test]
async fn no_pod_is_admitted_where_another_installation_was_first() {
    let (admission, registry) = admission();
    let installation = watch::channel(Verdict::NotOurs("another one was first".into())).1;
    let admission = Arc::new(Admission { installation, ..Arc::into_inner(admission).unwrap() });
    let (_, answer) = post_to(&admission, "/mutate", review("mountains", false)).await;
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["message"], "another one was first");
    assert!(counted(&registry).contains("reason=\"not_installed\"} 1"), "{}", counted(&registry));
}

/// The configuration asks for no updates, but may have been changed by hand.
#[tokio::test]
async fn an_update_of_a_pod_passes_without_a_patch() {
    let (admission, _) = admission();
    let update = review("mountains", false).replace("CREATE", "UPDATE");
    let (_, answer) = post_to(&admission, "/mutate", update).await;
    assert_eq!(answer["response"], json!({"uid": "0b5", "allowed": true}));
}

#[tokio::test]
async fn a_dry_run_is_answered_and_not_counted() {
    let (admission, registry) = admission();
    let (_, answer) = post_to(&admission, "/mutate", review("mountains", true)).await;
    assert_eq!(answer["response"]["allowed"], true);
    let text = counted(&registry);
    let of_pods = text.lines().filter(|line| line.starts_with("pods_total{"));
    assert!(
        of_pods.clone().count() > 0 && of_pods.clone().all(|line| line.ends_with("} 0")),
        "{text}"
    );
}

#[tokio::test]
async fn nonsense_gets_a_review_and_not_an_error_status() {
    let (admission, _) = admission();
    for path in ["/mutate"] {
        let (status, answer) = post_to(&admission, path, "{".to_owned()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["response"]["allowed"], false);
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_with_a_message() {
    let (admission, _) = admission();
    let (status, answer) = post_to(&admission, "/mutate", " ".repeat(MAX_BODY + 1)).await;
    assert_eq!(status, StatusCode::OK);
    let message = answer["response"]["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("the request could not be read: "), "{message}");
}

#[tokio::test]
async fn a_workload_that_is_created_with_generate_name_is_patched_and_never_refused() {
    let review = |operation: &str| {
        json!({"request": {
            "uid": "0b5", "operation": operation, "namespace": "shop",
            "object": {
                "metadata": {"generateName": "mail-"},
                "spec": {"template": {"metadata": {"annotations": {"cairn.dev/pool": "montains"}}}},
            },
        }})
        .to_string()
    };
    let (admission, _) = admission();
    let (_, answer) = post_to(&admission, "/mutate-workload", review("CREATE")).await;
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let (_, answer) = post_to(&admission, "/mutate-workload", review("UPDATE")).await;
    assert_eq!(answer["response"], json!({"uid": "0b5", "allowed": true}));
}
