//! Admission: from an `AdmissionReview` to its response.
//!
//! Nothing here makes a network call: the controllers keep the needed facts about the cluster in memory. A pod waits
//! only for a pool that is not known yet. Handlers only convert between HTTP and bytes. The rules are in
//! `docs/pods.md`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cairn_kit::clock;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};
use uuid::Uuid;

use crate::certs::trust_bundle::TrustBundle;
use crate::env_mode::EnvSupport;
use crate::installation::verdict::Verdict;
use crate::namespaces::Namespaces;
use crate::pools::catalog::Catalog;
use crate::view::Pod;
use inject::{Facts, Plan};
use metrics::{Metrics, Outcome, UNREADABLE};
use refusal::Refusal;
use review::{AdmissionRequest, AdmissionResponse};
use settings::Settings;

pub mod api_types;
pub mod app_probes;
pub mod inject;
pub mod loss;
pub mod membership;
pub mod metrics;
pub mod patch;
pub mod pool;
pub mod qos;
pub mod refusal;
pub mod review;
pub mod settings;
pub mod sidecar_spec;
pub mod workload;

/// The largest body. The API server accepts requests of up to 3 MiB, and etcd objects of up to 1.5 MiB. A review of a
/// creation carries one object with defaults; a review of a pool's update carries two objects.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// How long a pod waits for a pool that does not exist. `kubectl apply` creates a pool and its pods within
/// milliseconds, and the watch brings the pool some milliseconds later. A misspelt name is refused so much later.
const POOL_WAIT: Duration = Duration::from_millis(500);

/// The state that handlers share.
#[derive(Debug)]
pub struct Admission {
    /// The settings of sidecars.
    pub settings: Settings,
    /// Whose etcd and Kubernetes cluster this is.
    pub installation: watch::Receiver<Verdict>,
    /// The authorities that verify the agent.
    pub trust: watch::Receiver<Arc<TrustBundle>>,
    /// The pools.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// The namespaces.
    pub namespaces: Namespaces,
    /// How variables reach containers.
    pub env: EnvSupport,
    /// The metrics of admission.
    pub metrics: Metrics,
}

/// The routes that the API server calls.
pub fn router(admission: Arc<Admission>) -> Router {
    Router::new()
        .route("/mutate", post(mutate))
        .route("/mutate-workload", post(mutate_workload))
        .route("/validate-pool", post(validate_pool))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(admission)
}

async fn mutate(
    State(admission): State<Arc<Admission>>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match body {
        Ok(body) => answered(admission.mutate(&body).await),
        Err(rejection) => unreadable(&rejection),
    }
}

async fn mutate_workload(body: Result<Bytes, BytesRejection>) -> Response {
    respond(body, mutate_generated)
}

async fn validate_pool(body: Result<Bytes, BytesRejection>) -> Response {
    respond(body, pool::review)
}

/// Answers one review about a workload that creates pods.
fn mutate_generated(body: &[u8]) -> Vec<u8> {
    let (uid, answer) = match review::read(body) {
        Ok(request) => {
            let object = request.object.filter(|_| *request.operation == *"CREATE");
            let patch = object.map(workload::decide).unwrap_or_default();
            (request.uid.to_string(), AdmissionResponse { patch, ..AdmissionResponse::allowed() })
        }
        Err(message) => (String::new(), AdmissionResponse::refused(message)),
    };
    review::write(&uid, &answer)
}

fn respond(body: Result<Bytes, BytesRejection>, answer: impl FnOnce(&[u8]) -> Vec<u8>) -> Response {
    match body {
        Ok(body) => answered(answer(&body)),
        Err(rejection) => unreadable(&rejection),
    }
}

/// Always answers 200: the API server does not show the body of another status to users.
fn answered(body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// A random token, which distinguishes the kubelet's probes of one pod from other requests.
pub fn probe_token() -> String {
    Uuid::new_v4().simple().to_string()
}

fn unreadable(rejection: &BytesRejection) -> Response {
    let message = format!("the request could not be read: {rejection}");
    answered(review::write("", &AdmissionResponse::refused(message)))
}

// === impl Admission ===

impl Admission {
    /// Answers one review about a pod.
    pub async fn mutate(&self, body: &[u8]) -> Vec<u8> {
        let begun = Instant::now();
        let (uid, outcome, dry_run, answer) = match review::read(body) {
            Ok(request) => {
                let dry_run = request.dry_run == Some(true);
                let (outcome, answer) = self.answer(&request, begun + POOL_WAIT).await;
                (request.uid.to_string(), outcome, dry_run, answer)
            }
            Err(message) => (String::new(), UNREADABLE, false, AdmissionResponse::refused(message)),
        };
        if !dry_run {
            self.metrics.observe(outcome, begun.elapsed());
        }
        review::write(&uid, &answer)
    }

    async fn answer(
        &self,
        request: &AdmissionRequest<'_>,
        pools_known_by: Instant,
    ) -> (Outcome, AdmissionResponse) {
        // The configuration selects only CREATE. If somebody changed it, other operations pass.
        let Some(object) = request.object.filter(|_| *request.operation == *"CREATE") else {
            return (Outcome::NotAsked, AdmissionResponse::allowed());
        };
        let pod: Pod<'_> = match serde_json::from_str(object.get()) {
            Ok(pod) => pod,
            Err(error) => {
                let message = format!("this is not a pod that Cairn can read: {error}");
                return (UNREADABLE, AdmissionResponse::refused(message));
            }
        };
        let (namespace, name) = (&*request.namespace, pod.metadata.shown_name());
        match self.decide_with_pools(&pod, namespace, pools_known_by).await {
            Ok(Plan { patch, warnings, injected }) => {
                debug!(namespace, name, injected, "admitted");
                let outcome = match (injected, patch.is_empty()) {
                    (true, false) => Outcome::Injected,
                    (true, true) => Outcome::Complete,
                    (false, _) => Outcome::NotAsked,
                };
                (outcome, AdmissionResponse { refusal: None, patch, warnings })
            }
            Err(refusal) => {
                let message = refusal.to_string();
                info!(namespace, name, reason = message, "refused");
                (Outcome::Refused(refusal.reason()), AdmissionResponse::refused(message))
            }
        }
    }

    /// Decides again whenever the pools change, while a pool of the pod is not known.
    async fn decide_with_pools(
        &self,
        pod: &Pod<'_>,
        namespace: &str,
        known_by: Instant,
    ) -> Result<Plan, Refusal> {
        let mut pools = self.catalog.clone();
        loop {
            let catalog = Arc::clone(&pools.borrow_and_update());
            let decision = self.decide(pod, namespace, &catalog);
            if !matches!(decision, Err(Refusal::UnknownPool { .. })) {
                return decision;
            }
            match timeout_at(known_by, pools.changed()).await {
                Ok(Ok(())) => {}
                // The time is over, or the webhook stops.
                Err(_) | Ok(Err(_)) => return decision,
            }
        }
    }

    fn decide(&self, pod: &Pod<'_>, namespace: &str, catalog: &Catalog) -> Result<Plan, Refusal> {
        let cluster = match &*self.installation.borrow() {
            Verdict::NotOurs(message) => return Err(Refusal::NotInstalled(message.clone())),
            Verdict::Ours(cluster) => Some(*cluster),
            Verdict::Unknown | Verdict::Open => self.settings.etcd_cluster_id,
        };
        let trust = Arc::clone(&self.trust.borrow());
        inject::decide(
            pod,
            &Facts {
                settings: &self.settings,
                etcd_cluster_id: cluster,
                agent_ca: trust.argument(),
                catalog,
                namespace,
                namespace_facts: &self.namespaces.get(namespace),
                env: &self.env.facts(),
                probe_token,
                now: clock::now().wall,
            },
        )
    }
}

#[cfg(test)]
mod tests;
