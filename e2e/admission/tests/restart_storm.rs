//! 500 pods at once while one of two replicas of the webhook is killed: every pod is there afterwards, with its
//! sidecar.
//!
//! The pods are stored, and nothing schedules them. A refused one is created again, as a controller does.

#![allow(clippy::indexing_slicing, reason = "of JSON values: a field that is not there is null")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cairn_test_admission::api_server::client::Store;
use cairn_test_admission::corpus::Expected;
use cairn_test_admission::in_process::NAMESPACE;
use cairn_test_admission::install::{Installed, LIMIT, Program};
use cairn_test_admission::judge;
use cairn_test_admission::review::Answer;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

type Done = Result<(), Box<dyn Error>>;

const PODS: usize = 500;
/// As many as a controller manager and some people create at a time.
const AT_A_TIME: usize = 32;
/// The replica is killed when so many pods are there.
const KILLED_AT: usize = 200;
/// Controllers wait longer. The load must not break off.
const PAUSE: Duration = Duration::from_millis(100);

#[test]
fn no_pod_is_lost_or_without_a_sidecar_when_a_replica_is_killed() -> Done {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let program = Program::OfTests(Path::new(env!("CARGO_BIN_EXE_cairn-admission")));
        let mut cairn = Installed::start(program, 2).await?;
        let begun = Instant::now();
        let (created, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        let mut storm = JoinSet::new();
        for number in 0..PODS {
            let kubernetes = cairn.kubernetes().clone();
            let (created, refused) = (Arc::clone(&created), Arc::clone(&refused));
            let places = Arc::clone(&places);
            storm.spawn(async move {
                let _place = places.acquire().await;
                while begun.elapsed() < LIMIT {
                    match kubernetes.create(&pod(number), NAMESPACE, Store::Really).await {
                        Ok(Answer::Allowed(..)) => {
                            created.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                        Ok(Answer::Refused(_)) | Err(_) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            sleep(PAUSE).await;
                        }
                    }
                }
            });
        }
        let mut killed = false;
        while let Some(ended) = storm.join_next().await {
            ended?;
            if !killed && created.load(Ordering::Relaxed) >= KILLED_AT {
                cairn.kill_first_webhook()?;
                killed = true;
            }
        }
        println!(
            "{PODS} pods in {:.1} s, {} requests refused",
            begun.elapsed().as_secs_f64(),
            refused.load(Ordering::Relaxed)
        );
        assert!(killed, "fewer than {KILLED_AT} pods were created");
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
        let list = cairn.kubernetes().get(&path).await?.unwrap_or_default();
        let pods = list["items"].as_array().cloned().unwrap_or_default();
        assert_eq!(pods.len(), PODS);
        let expected = Expected::Injected { containers: vec!["app".to_owned()], variables: true };
        for mut stored in pods {
            // The mirror of the webhook may have said by now what the pod waits for.
            if let Some(annotations) = stored["metadata"]["annotations"].as_object_mut() {
                annotations.remove("cairn.dev/status");
            }
            judge::judge(
                &pod_as(&stored),
                &Answer::Allowed(stored.clone(), Vec::new()),
                &expected,
            )?;
        }
        Ok(())
    })
}

fn pod(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("storm-{number}"), "annotations": {"cairn.dev/pool": "mountains"}},
        "spec": {
            "nodeSelector": {"example.com/nowhere": "true"},
            "containers": [{"name": "app", "image": "registry.example.com/app:1"}],
        },
    })
}

/// What its author wrote.
fn pod_as(stored: &Value) -> Value {
    let pod = pod(0);
    let mut metadata = pod["metadata"].clone();
    metadata["name"] = stored["metadata"]["name"].clone();
    json!({"metadata": metadata, "spec": pod["spec"]})
}
