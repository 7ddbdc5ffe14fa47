//! The terms on which a pod takes part in its group: what annotations and flags say, and what its session keeps to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::map::ShardMap;
use super::member::Role;
use super::validity::Validity;

/// The terms on which a pod takes part in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it coordinates.
    pub roles: BTreeSet<Role>,
    /// The map; with [`Role::Shards`].
    pub map: Option<ShardMap>,
    /// V.
    pub validity: Validity,
    /// How often the app calls at least, if it promises to.
    pub heartbeat: Option<Duration>,
    /// Whether only a confirmation lets a stopping shard be handed over.
    pub confirm_required: bool,
    /// Free words.
    pub tags: BTreeMap<String, String>,
    /// How much it takes in proportion to others.
    pub weight: u32,
    /// Participate at once; else the app asks for it.
    pub participate: bool,
    /// How many participants the first map waits for.
    pub min_participants: u32,
}

// === impl Terms ===

/// What a pod gets that says nothing more; docs/coordination.md has the same defaults.
impl Default for Terms {
    fn default() -> Self {
        Self {
            roles: BTreeSet::new(),
            map: None,
            validity: Validity::DEFAULT,
            heartbeat: None,
            confirm_required: false,
            tags: BTreeMap::new(),
            weight: 100,
            participate: false,
            min_participants: 1,
        }
    }
}
