//! A member: the value of `m/<uid>`, and the session that its key stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::map::ShardMap;
use super::validity::Validity;
use crate::time::UnixMillis;

/// One membership of one pod. A record that was dropped and created again is another session.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct SessionId {
    /// The epoch in which the record was created.
    pub epoch: i64,
    /// The create revision of the record.
    pub revision: i64,
}

/// What a member does with shards and leadership.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Owns nothing.
    #[default]
    Viewer,
    /// May own.
    Participant,
    /// Gives all away and takes nothing.
    Draining,
}

/// A part of coordination that a pod asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees the other members and is seen by them.
    Peers,
    /// May lead.
    Leader,
    /// May own shards.
    Shards,
}

/// A name that the member's pod claims from a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClaimedName {
    /// The pool.
    pub pool: String,
    /// The name.
    pub name: String,
}

/// The value of `m/<uid>`, at most 4 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberRecord {
    /// The pod's name.
    pub pod: String,
    /// The node's name; empty outside Kubernetes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The pod's claims, in the order of its pools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimedName>,
    /// The generation of the workload: members of one rollout have the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub generation: String,
    /// When the pod was admitted.
    pub admitted: UnixMillis,
    /// Its state.
    pub state: MemberState,
    /// How much it takes in proportion to others; 100 by default.
    pub weight: u32,
    /// What it coordinates.
    pub roles: BTreeSet<Role>,
    /// The map that it serves, if it coordinates shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<ShardMap>,
    /// Where it can be reached: `http` → `10.0.0.7:8080`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, String>,
    /// Free words about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// V, fixed for the pod.
    pub validity_ms: Validity,
    /// The random word of the sidecar process that has the session.
    pub nonce: String,
    /// The plan version that the process computes.
    pub plan: u32,
    /// Has resigned the leadership: leads again only if nobody else can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resigned: bool,
}

/// A member as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its value.
    pub record: MemberRecord,
    /// The session.
    pub session: SessionId,
    /// Mod revision of its key.
    pub revision: i64,
}

/// The value of `x/<uid>`: an administrator keeps the pod out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRecord {
    /// When, by the administrator's wall clock.
    pub since: UnixMillis,
}

// === impl Role ===

impl Role {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Peers, Self::Leader, Self::Shards];

    /// As in annotations and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Leader => "leader",
            Self::Shards => "shards",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl MemberState ===

impl MemberState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Participant, Self::Draining];

    /// As in records and on the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Participant => "participant",
            Self::Draining => "draining",
        }
    }
}

// === impl MemberRecord ===

impl MemberRecord {
    /// The name under which lookups over members know this member: its first claim, else its UID. A claim is kept
    /// across rollouts, and so are the keys of a member with one.
    pub fn identity<'m>(&'m self, uid: &'m str) -> &'m str {
        self.claims.first().map_or(uid, |claim| &claim.name)
    }

    /// May own shards of this map.
    pub fn is_eligible(&self, map: &ShardMap) -> bool {
        self.state == MemberState::Participant
            && self.roles.contains(&Role::Shards)
            && self.map.as_ref() == Some(map)
    }

    /// May lead.
    pub fn may_lead(&self) -> bool {
        self.state == MemberState::Participant && self.roles.contains(&Role::Leader)
    }
}
