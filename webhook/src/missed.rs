//! Pods that asked for the sidecar and run without it: counts them, and says so in Events on the pod and its owner.
//!
//! Such a pod was created while the webhook was not asked, with `webhook.recheck: Warn` or without the policies. It
//! never gets a sidecar, because containers of a pod cannot be added. All replicas count; only the leader publishes.
//!
//! Not for: pods that have the label `cairn.dev/injected` but whose sidecar another webhook removed.

use std::pin::pin;

use cairn_core::opt_in::{NOT_ENDED, WITHOUT_SIDECAR};
use cairn_kit::errors::report;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::events::{Event as Note, EventType};
use kube::runtime::watcher::{Config, Event, metadata_watcher};
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::events;
use metrics::Metrics;
use pods::{MissedPod, MissedPods};

pub mod metrics;
pub mod pods;

/// Events that may wait: one for each pod of a large burst.
const QUEUED: usize = 4096;

/// Objects per request. Only metadata is read.
const PAGE: u32 = 500;

/// The reporting controller, in the form that the API requires.
const CONTROLLER: &str = "cairn.dev/webhook";

/// What the task needs.
pub struct Deps {
    /// For pods and Events.
    pub client: Client,
    /// This replica's name, shown in Events.
    pub instance: String,
    /// Whether this replica publishes.
    pub leader: watch::Receiver<bool>,
    /// The number of such pods.
    pub metrics: Metrics,
}

/// Runs until it is dropped.
pub async fn run(deps: Deps) {
    let Deps { client, instance, leader, metrics } = deps;
    let (found, queued) = mpsc::channel(QUEUED);
    let publishing = publish(client.clone(), instance, queued);
    tokio::join!(follow(client, leader, metrics, found), publishing);
}

async fn follow(
    client: Client,
    mut leader: watch::Receiver<bool>,
    metrics: Metrics,
    found: mpsc::Sender<MissedPod>,
) {
    let all: Api<Pod> = Api::all(client);
    let config = Config::default().labels(WITHOUT_SIDECAR).fields(NOT_ENDED).page_size(PAGE);
    let mut stream = pin!(metadata_watcher(all, config).default_backoff());
    let mut pods = MissedPods::default();
    loop {
        tokio::select! {
            event = stream.next() => match event {
                Some(Ok(event)) => {
                    let listed = matches!(event, Event::InitApply(_) | Event::Init);
                    pods.apply(event);
                    if listed {
                        continue;
                    }
                }
                Some(Err(error)) => {
                    warn!("watching pods without a sidecar: {}", report(&error));
                    continue;
                }
                None => return,
            },
            changed = leader.changed() => if changed.is_err() { return },
        }
        metrics.count(&pods.by_namespace());
        if *leader.borrow_and_update() {
            for pod in pods.unreported() {
                warn!(
                    namespace = pod.namespace,
                    pod = pod.name,
                    "a pod that opted in has no sidecar"
                );
                // Events are best effort. The metric counts every pod.
                let _ = found.try_send(pod);
            }
        }
    }
}

async fn publish(client: Client, instance: String, mut queued: mpsc::Receiver<MissedPod>) {
    while let Some(pod) = queued.recv().await {
        let about = events::pod(&pod.namespace, &pod.name, Some(&pod.uid));
        events::publish(&client, CONTROLLER, &instance, &note(&pod, "this pod"), &about).await;
        if let Some(owner) = &pod.owner {
            let about = events::owner(&pod.namespace, owner);
            let of_pod = note(&pod, &format!("its pod {}", pod.name));
            events::publish(&client, CONTROLLER, &instance, &of_pod, &about).await;
        }
    }
}

fn note(pod: &MissedPod, subject: &str) -> Note {
    Note {
        type_: EventType::Warning,
        reason: "SidecarMissing".to_owned(),
        note: Some(format!(
            "{subject} asks for Cairn (annotation {}) but has no sidecar, so its app has no identity: the webhook was \
             not asked when the pod was created; delete the pod so that it is created again, or remove the annotation",
            pod.asked
        )),
        action: "Inject".to_owned(),
        secondary: None,
    }
}
