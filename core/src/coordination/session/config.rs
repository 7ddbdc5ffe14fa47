//! What a member asks for.

use std::collections::BTreeMap;

use crate::coordination::member::{MemberRecord, MemberState};
use crate::coordination::plan;
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

// === impl Config ===

impl Config {
    /// The record with which the member joins.
    pub fn record(&self) -> MemberRecord {
        let terms = &self.terms;
        MemberRecord {
            pod: self.pod.clone(),
            node: self.node.clone(),
            claims: Vec::new(),
            generation: self.generation.clone(),
            admitted: self.admitted,
            state: if terms.participate { MemberState::Participant } else { MemberState::Viewer },
            weight: terms.weight,
            roles: terms.roles.clone(),
            map: terms.map,
            endpoints: self.endpoints.clone(),
            tags: terms.tags.clone(),
            validity_ms: terms.validity,
            nonce: self.nonce.clone(),
            plan: plan::CURRENT,
            resigned: false,
        }
    }
}
