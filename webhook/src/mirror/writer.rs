//! One merge patch on the `status` subresource of one pod.
//!
//! `status` needs the fewest rights: pods need none, and a policy of the chart limits this account to our annotations.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;
use thiserror::Error;
use tokio::time::timeout;

use super::pod::PodObject;
use super::state::{Write, WriteResult};

/// The request timeout. An API server answers a patch within milliseconds, or within its own timeout if admission is
/// slow, which is not much longer than this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a patch failed.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The API server refused it, or could not be reached.
    #[error("could not patch the pod's annotations")]
    Patch(#[source] kube::Error),
    /// The API server did not answer in time.
    #[error("the API server did not answer a patch within {REQUEST_TIMEOUT:?}")]
    Timeout,
}

/// Writes, and returns the error if that failed.
pub async fn write(client: &Client, write: &Write) -> (WriteResult, Option<WriteError>) {
    let pods: Api<PodObject> = Api::namespaced(client.clone(), &write.pod.namespace);
    let (params, patch) = (PatchParams::default(), Patch::Merge(&write.patch));
    let request = pods.patch_subresource::<&Value>("status", &write.name, &params, &patch);
    match timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(pod)) => (WriteResult::Written(Box::new(pod)), None),
        Ok(Err(error)) if is_gone(&error) => (WriteResult::Gone, None),
        Ok(Err(error)) => (WriteResult::Failed, Some(WriteError::Patch(error))),
        Err(_) => (WriteResult::Failed, Some(WriteError::Timeout)),
    }
}

/// Whether the pod is gone: not found, or found with another UID, which the API server answers with 422. A refusal by
/// an admission policy is answered with 422 too, but does not name the UID.
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
