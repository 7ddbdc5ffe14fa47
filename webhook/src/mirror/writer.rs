//! One merge patch on the `status` subresource of one pod.
//!
//! Through `status` because it is the narrowest door: pods need no rights of their own, and a
//! policy of the chart holds this account to its annotations.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;
use thiserror::Error;
use tokio::time::timeout;

use super::pod::PodObject;
use super::state::{Write, WriteOutcome};

/// An API server that is alive answers a patch within milliseconds, and its own limit for one
/// with slow admission is not far above this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a patch was not answered well.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The API server has refused it, or could not be reached.
    #[error("could not patch the pod's annotations")]
    Patch(#[source] kube::Error),
    /// No answer.
    #[error("the API server did not answer a patch within {PATIENCE:?}")]
    Silent,
}

/// Writes; with the reason when that has failed.
pub async fn write(client: &Client, write: &Write) -> (WriteOutcome, Option<WriteError>) {
    let pods: Api<PodObject> = Api::namespaced(client.clone(), &write.pod.namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&write.patch));
    let request = pods.patch_subresource::<&Value>("status", &write.name, &params, &patch);
    match timeout(PATIENCE, request).await {
        Ok(Ok(pod)) => (WriteOutcome::Written(Box::new(pod)), None),
        Ok(Err(error)) if is_gone(&error) => (WriteOutcome::Gone, None),
        Ok(Err(error)) => (WriteOutcome::Failed, Some(WriteError::Patch(error))),
        Err(_) => (WriteOutcome::Failed, Some(WriteError::Silent)),
    }
}

/// Not found, or found with another UID, which is answered with 422. So is a refusal by an
/// admission policy, which must not be taken for it.
fn is_gone(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let names_uid = || {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.field == "metadata.uid")
    };
    status.code == 404 || (status.code == 422 && names_uid())
}
