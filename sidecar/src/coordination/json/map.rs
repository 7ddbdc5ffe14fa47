//! The map of a group as JSON: who owns which shard.

use std::collections::BTreeMap;

use cairn_core::coordination::map::{KeyHash, Shard};
use cairn_core::coordination::owner::Granted;
use cairn_core::coordination::session::Status;
use serde::{Deserialize, Serialize};

use super::epoch;

/// A map's number of shards and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapOf {
    /// N.
    pub shards: u32,
    /// How a key becomes a shard.
    pub hash: KeyHash,
}

/// `GET /v1/map` and `map.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapJson {
    /// The epoch.
    pub epoch: i64,
    /// The store's revision.
    pub revision: i64,
    /// N of the map in force; 0 when there is none yet.
    pub count: u32,
    /// Its hash.
    pub hash: KeyHash,
    /// Owners by shard; free shards are absent.
    pub owners: BTreeMap<Shard, OwnerOf>,
}

/// The event `change` of `GET /v1/map?watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapChangeJson {
    /// The epoch.
    pub epoch: i64,
    /// The store's revision.
    pub revision: i64,
    /// With another owner, or a new fence.
    pub changed: BTreeMap<Shard, OwnerOf>,
    /// Without an owner.
    pub freed: Vec<Shard>,
}

/// Who owns a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerOf {
    /// The pod's UID.
    pub uid: String,
    /// The fence's revision.
    pub fence: i64,
}

// === impl MapJson ===

impl MapJson {
    /// The whole map.
    pub fn new(status: &Status) -> Self {
        let map = status.picture.map.as_ref().map(|map| map.value);
        let owners = status.picture.shards.iter();
        Self {
            epoch: epoch(status),
            revision: status.picture.revision,
            count: map.map_or(0, |map| map.shards),
            hash: map.map(|map| map.hash).unwrap_or_default(),
            owners: owners.map(|(shard, granted)| (*shard, OwnerOf::from(granted))).collect(),
        }
    }
}

// === impl OwnerOf ===

impl From<&Granted> for OwnerOf {
    fn from(granted: &Granted) -> Self {
        Self { uid: granted.grant.uid.clone(), fence: granted.revision }
    }
}
