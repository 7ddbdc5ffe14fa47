//! The agent: gives the sidecar of a pod what it needs to reach etcd (`proto/cairn/v1/agent.proto`).
//!
//! Invariants: namespace, pod and UID come from the API server's review of the caller's token and never from the
//! request. A certificate is issued after etcd's role of the namespace is known to exist. No key is made here, and
//! no review is cached: a token of a deleted pod is refused as soon as the API server refuses it.
//!
//! Not for: what a role may do ([`cairn_store::access`]), and when a sidecar asks again.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cairn_kit::clock;
use cairn_kit::errors::report;
use cairn_proto::v1::agent_server::{self, AgentServer};
use cairn_proto::v1::{EnrolRequest, EnrolResponse};
use cairn_store::KeyPrefix;
use cairn_store::access::UserName;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tracing::{debug, info};

use crate::certs::trust_bundle::TrustBundle;
use crate::etcd_access::Access;
use crate::installation::verdict::Verdict;
use caller::{Caller, Reviewer};
use credentials::{Credentials, Etcd};
use error::EnrolError;
use metrics::Metrics;
use rates::Rates;

pub mod caller;
pub mod credentials;
pub mod error;
pub mod metrics;
pub mod rates;

/// A request with one P-256 key takes less than 1 KiB.
const MAX_MESSAGE: usize = 16 * 1024;

/// What the service needs.
#[derive(Debug)]
pub struct Agent {
    /// Asks the API server whose token it is.
    pub reviewer: Reviewer,
    /// How many enrolments each namespace may ask for.
    pub rates: Rates,
    /// The users and roles of etcd.
    pub access: Option<Arc<Access>>,
    /// Makes the answer.
    pub credentials: Credentials,
    /// Whose etcd and Kubernetes cluster this is.
    pub installation: watch::Receiver<Verdict>,
    /// The authorities that verify this agent.
    pub trust: watch::Receiver<Arc<TrustBundle>>,
    /// The prefix of all keys in etcd.
    pub prefix: KeyPrefix,
    /// What is counted.
    pub metrics: Metrics,
}

/// The routes of the agent's port.
pub fn router(agent: Agent) -> Router {
    let service = AgentServer::new(agent).max_decoding_message_size(MAX_MESSAGE);
    Routes::new(service).into_axum_router()
}

// === impl Agent ===

impl Agent {
    async fn answer(&self, request: &Request<EnrolRequest>) -> Result<EnrolResponse, EnrolError> {
        let token = caller::bearer(request.metadata()).ok_or(EnrolError::NoToken)?;
        let caller = self.reviewer.review(token).await?;
        let now = clock::now();
        if !self.rates.admit(&caller.namespace, now.boot) {
            return Err(EnrolError::TooMany(caller.namespace));
        }
        let cluster = match &*self.installation.borrow() {
            Verdict::NotOurs(message) => return Err(EnrolError::NotInstalled(message.clone())),
            Verdict::Ours(cluster) => Some(*cluster),
            Verdict::Unknown | Verdict::Open => None,
        };
        if let Some(access) = &self.access {
            access.ensure(&caller.namespace).await?;
        }
        let user = UserName::of(&self.prefix, &caller.namespace);
        let csr = &request.get_ref().certificate_request;
        let etcd = self.credentials.issue(csr, user.as_str(), now.wall).await?;
        let renew_after = etcd.renew_after();
        let Etcd { endpoints, authorities, chain, shared_key, valid_for } = etcd;
        log(&caller, valid_for);
        Ok(EnrolResponse {
            etcd_endpoints: endpoints,
            etcd_authorities: authorities,
            certificate_chain: chain,
            shared_key,
            etcd_cluster_id: cluster.map(|id| id.to_string()).unwrap_or_default(),
            agent_authorities: self.trust.borrow().pem().to_owned(),
            valid_for_ms: millis(valid_for.unwrap_or_default()),
            renew_after_ms: millis(renew_after),
        })
    }
}

#[tonic::async_trait]
impl agent_server::Agent for Agent {
    async fn enrol(
        &self,
        request: Request<EnrolRequest>,
    ) -> Result<Response<EnrolResponse>, Status> {
        let begun = clock::now().boot;
        let answer = self.answer(&request).await;
        let took = clock::now().boot.since(begun);
        self.metrics.observe(answer.as_ref().err(), took);
        answer.map(Response::new).map_err(|error| {
            debug!("an enrolment was refused: {}", report(&error));
            error.status()
        })
    }
}

fn log(caller: &Caller, valid_for: Option<Duration>) {
    let Caller { namespace, pod, uid } = caller;
    info!(namespace, pod, uid, ?valid_for, "enrolled");
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
