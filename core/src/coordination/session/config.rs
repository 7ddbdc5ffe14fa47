//! What a member asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::coordination::map::ShardMap;
use crate::coordination::member::Role;
use crate::coordination::validity::Validity;
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
    /// What it coordinates.
    pub roles: BTreeSet<Role>,
    /// The map; with [`Role::Shards`].
    pub map: Option<ShardMap>,
    /// V.
    pub validity: Validity,
    /// How often the app calls, if it promised to.
    pub heartbeat: Option<Duration>,
    /// Whether only a confirmation lets a stopping shard be handed over.
    pub confirm_required: bool,
    /// The endpoints that the pod's annotation names.
    pub endpoints: BTreeMap<String, String>,
    /// The tags that the pod's annotation names.
    pub tags: BTreeMap<String, String>,
    /// The weight.
    pub weight: u32,
    /// Participate at once; else the app asks for it.
    pub participate: bool,
    /// How many participants the first map waits for.
    pub min_participants: u32,
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
