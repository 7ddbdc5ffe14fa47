//! The release that owns Cairn in this Kubernetes cluster: an annotation on the CRD of pools. The CRD exists once per
//! cluster, and stays when a release is uninstalled.
//!
//! It is written once, by compare-and-swap. A policy of the chart limits the webhook's account to this annotation.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use thiserror::Error;

use super::identity::Identity;

/// The CRD.
pub const CRD: &str = "pools.cairn.dev";
/// The annotation: namespace and release, with a slash between them.
pub const ANNOTATION: &str = "cairn.dev/installation";

/// The release that the CRD names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// This release.
    Ours,
    /// Another release: its namespace and name.
    Other(String),
}

/// Why the release is unknown.
#[derive(Debug, Error)]
pub enum CrdError {
    /// Reading.
    #[error("could not read the CRD {CRD}")]
    Read(#[source] kube::Error),
    /// Writing.
    #[error("could not write the annotation {ANNOTATION} of the CRD {CRD}")]
    Write(#[source] kube::Error),
}

/// Claims the cluster for this release unless another one has.
pub async fn claim(client: &Client, ours: &Identity) -> Result<Release, CrdError> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let wanted = format!("{}/{}", ours.namespace, ours.release);
    let found = crds.get_metadata(CRD).await.map_err(CrdError::Read)?;
    let annotation = found.metadata.annotations.as_ref().and_then(|all| all.get(ANNOTATION));
    match annotation {
        Some(theirs) if *theirs == wanted => Ok(Release::Ours),
        Some(theirs) => Ok(Release::Other(theirs.clone())),
        None => {
            // The resource version is the compare: of two releases that start together one loses.
            let patch = json!({"metadata": {
                "resourceVersion": found.metadata.resource_version,
                "annotations": {ANNOTATION: wanted},
            }});
            let params = PatchParams::default();
            let written = crds.patch_metadata(CRD, &params, &Patch::Merge(&patch)).await;
            written.map(|_| Release::Ours).map_err(CrdError::Write)
        }
    }
}
