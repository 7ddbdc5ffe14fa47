//! Admission: from an `AdmissionReview` to its answer.
//!
//! Nothing here waits or calls out: everything that is known about the cluster was gathered before
//! and is read from memory. HTTP never meets policy: handlers take and give bytes.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info};
use uuid::Uuid;

use crate::env_mode::EnvSupport;
use crate::installation::verdict::Verdict;
use crate::namespaces::Namespaces;
use crate::pools::catalog::Catalog;
use crate::pools::validate;
use inject::{Facts, Plan, Settings};
use metrics::{Metrics, Outcome};
use review::{Answer, Question};
use view::Pod;

pub mod inject;
pub mod metrics;
pub mod patch;
pub mod refusal;
pub mod review;
pub mod sidecar_spec;
pub mod view;
pub mod workload;

/// The API server takes requests of up to 3 MiB, and etcd objects of up to 1.5 MiB. A review of a
/// creation carries one object with its defaults filled in; a review of a pool's update carries two
/// objects that etcd takes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// What handlers share.
#[derive(Debug)]
pub struct Admission {
    /// The operator's decisions.
    pub settings: Settings,
    /// Whose etcd and Kubernetes cluster this is.
    pub installation: watch::Receiver<Verdict>,
    /// The pools.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// The namespaces.
    pub namespaces: Namespaces,
    /// How variables reach containers.
    pub env: EnvSupport,
    /// What is counted.
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
    respond(body, |body| admission.mutate(body))
}

async fn mutate_workload(body: Result<Bytes, BytesRejection>) -> Response {
    respond(body, mutate_generated)
}

async fn validate_pool(body: Result<Bytes, BytesRejection>) -> Response {
    respond(body, validate::review)
}

/// Answers one review about a workload that makes pods.
fn mutate_generated(body: &[u8]) -> Vec<u8> {
    let (uid, answer) = match review::read(body) {
        Ok(question) => {
            let object = question.object.filter(|_| *question.operation == *"CREATE");
            let patch = object.map(workload::decide).unwrap_or_default();
            (question.uid.to_string(), Answer { patch, ..Answer::allowed() })
        }
        Err(sentence) => (String::new(), Answer::refused(sentence)),
    };
    review::write(&uid, &answer)
}

/// 200 whatever happens: another status reaches users without its body.
fn respond(body: Result<Bytes, BytesRejection>, answer: impl FnOnce(&[u8]) -> Vec<u8>) -> Response {
    let body = match body {
        Ok(body) => answer(&body),
        Err(rejection) => {
            let sentence = format!("the request could not be read: {rejection}");
            review::write("", &Answer::refused(sentence))
        }
    };
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

// === impl Admission ===

impl Admission {
    /// Answers one review about a pod.
    pub fn mutate(&self, body: &[u8]) -> Vec<u8> {
        let begun = Instant::now();
        let (uid, outcome, dry_run, answer) = match review::read(body) {
            Ok(question) => {
                let dry_run = question.dry_run == Some(true);
                let (outcome, answer) = self.answer(&question);
                (question.uid.to_string(), outcome, dry_run, answer)
            }
            Err(sentence) => (String::new(), Outcome::Refused, false, Answer::refused(sentence)),
        };
        if !dry_run {
            self.metrics.observe(outcome, begun.elapsed());
        }
        review::write(&uid, &answer)
    }

    fn answer(&self, question: &Question<'_>) -> (Outcome, Answer) {
        // Only creation asks; whoever changed the rules of our configuration gets no surprises.
        let Some(object) = question.object.filter(|_| *question.operation == *"CREATE") else {
            return (Outcome::Unchanged, Answer::allowed());
        };
        let pod: Pod<'_> = match serde_json::from_str(object.get()) {
            Ok(pod) => pod,
            Err(error) => {
                let sentence = format!("this is not a pod that Cairn can read: {error}");
                return (Outcome::Refused, Answer::refused(sentence));
            }
        };
        let (namespace, name) = (&*question.namespace, pod.metadata.shown_name());
        match self.decide(&pod, namespace) {
            Ok(Plan { patch, warnings, injected }) => {
                let changed = injected && !patch.is_empty();
                debug!(namespace, name, injected, "admitted");
                let outcome = if changed { Outcome::Injected } else { Outcome::Unchanged };
                (outcome, Answer { refusal: None, patch, warnings })
            }
            Err(refusal) => {
                let sentence = refusal.to_string();
                info!(namespace, name, sentence, "refused");
                (Outcome::Refused, Answer::refused(sentence))
            }
        }
    }

    fn decide(&self, pod: &Pod<'_>, namespace: &str) -> Result<Plan, refusal::Refusal> {
        let cluster = match &*self.installation.borrow() {
            Verdict::NotOurs(message) => {
                return Err(refusal::Refusal::NotInstalled(message.clone()));
            }
            Verdict::Ours(cluster) => Some(*cluster),
            Verdict::Unknown | Verdict::Open => self.settings.etcd_cluster_id,
        };
        let settings = Settings { etcd_cluster_id: cluster, ..self.settings.clone() };
        let catalog = Arc::clone(&self.catalog.borrow());
        let probe_token = Uuid::new_v4().simple().to_string();
        inject::decide(
            pod,
            &Facts {
                settings: &settings,
                catalog: &catalog,
                namespace,
                namespace_facts: &self.namespaces.get(namespace),
                env: &self.env.facts(),
                probe_token: &probe_token,
            },
        )
    }
}

#[cfg(test)]
mod tests;
