//! The part of a pod's metadata that the mirror reads.
//!
//! `managedFields` is skipped without being built: it is a tree of small maps, which takes several times as much memory
//! as the rest of a list of pods.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::{Deserialize, Deserializer};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Needed {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    deletion_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
}

/// Reads only what is needed; everything else is as if it were absent.
pub(super) fn needed<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    let found = Needed::deserialize(from)?;
    Ok(ObjectMeta {
        name: found.name,
        namespace: found.namespace,
        uid: found.uid,
        resource_version: found.resource_version,
        labels: found.labels,
        annotations: found.annotations,
        owner_references: found.owner_references,
        deletion_timestamp: found.deletion_timestamp,
        deletion_grace_period_seconds: found.deletion_grace_period_seconds,
        ..ObjectMeta::default()
    })
}
