//! What a member asks for.

use std::collections::BTreeMap;

use crate::coordination::terms::Terms;
use crate::time::UnixMillis;

/// What a member asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The pod's UID.
    pub uid: String,
    /// The pod's name.
    pub pod: String,
    /// The node's name; empty outside Kubernetes.
    pub node: String,
    /// The terms on which it takes part.
    pub terms: Terms,
    /// The endpoints that the pod's annotation names.
    pub endpoints: BTreeMap<String, String>,
    /// The generation of the workload.
    pub generation: String,
    /// When the pod was admitted.
    pub admitted: UnixMillis,
    /// The random word of this process.
    pub nonce: String,
    /// Seeds the spread of renewals and joins.
    pub seed: u64,
    /// Without Kubernetes, the first sidecar makes the epoch and a hold of D of its own V.
    pub define_missing: bool,
}
