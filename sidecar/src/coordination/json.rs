//! The JSON of coordination, in files and on the API. gRPC says the same (`proto/cairn/v1/coordination.proto`).

use std::collections::{BTreeMap, BTreeSet};

use cairn_core::coordination::map::Shard;
use cairn_core::coordination::member::{
    ClaimedName, Member, MemberRecord, MemberState, Role, SessionId,
};
use cairn_core::coordination::owner::{Granted, Ownable};
use cairn_core::coordination::session::{Status, Stopping};
use serde::{Deserialize, Serialize};

use super::Own;

mod map;

pub use map::{MapChangeJson, MapJson, MapOf, OwnerOf};

/// A grant's fence: the epoch first, then the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceJson {
    /// The epoch.
    pub epoch: i64,
    /// Mod revision of the key.
    pub revision: i64,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerJson {
    /// The pod's UID.
    pub uid: String,
    /// The pod's name.
    pub pod: String,
    /// The node's name; empty outside Kubernetes.
    pub node: String,
    /// The pod's claims.
    pub claims: Vec<ClaimedName>,
    /// The name under which lookups know it.
    pub identity: String,
    /// The generation of the workload.
    pub generation: String,
    /// When the pod was admitted, RFC 3339.
    pub admitted: String,
    /// Its state.
    pub state: MemberState,
    /// Its weight.
    pub weight: u32,
    /// What it coordinates.
    pub coordinates: BTreeSet<Role>,
    /// The map that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapOf>,
    /// Where it can be reached.
    pub endpoints: BTreeMap<String, String>,
    /// Free words.
    pub tags: BTreeMap<String, String>,
    /// V in milliseconds.
    pub validity_ms: u64,
    /// The session.
    pub session: SessionId,
    /// Mod revision of the record.
    pub revision: i64,
    /// Whether it is this pod.
    pub me: bool,
}

/// `GET /v1/peers`, `peers.json` and the event `snapshot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeersJson {
    /// The epoch.
    pub epoch: i64,
    /// The store's revision.
    pub revision: i64,
    /// In the order of UIDs.
    pub peers: Vec<PeerJson>,
}

/// The event `change` of `GET /v1/peers?watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeersChangeJson {
    /// The epoch.
    pub epoch: i64,
    /// The store's revision.
    pub revision: i64,
    /// New, or with another record.
    pub changed: Vec<PeerJson>,
    /// UIDs of those that are gone.
    pub removed: Vec<String>,
}

/// `GET /v1/leader` and `leader.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderJson {
    /// The epoch.
    pub epoch: i64,
    /// The store's revision.
    pub revision: i64,
    /// The leader; null when nobody leads.
    pub leader: Option<LeaderOf>,
    /// Of the leadership.
    pub fence: Option<FenceJson>,
    /// Whether this pod may lead until the deadline.
    pub me: bool,
    /// While `me`: the deadline, in nanoseconds on `CLOCK_BOOTTIME`; else 0.
    pub valid_until_boottime_ns: u64,
    /// While this pod has to stop leading.
    pub stopping: Option<StoppingJson>,
    /// Why this pod may not lead although it would.
    pub reason: Option<String>,
}

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderOf {
    /// The pod's UID.
    pub uid: String,
    /// Its record; null for a moment after the member has gone.
    pub member: Option<PeerJson>,
}

/// `GET /v1/shards` and `shards.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardsJson {
    /// The epoch.
    pub epoch: i64,
    /// The store's revision.
    pub revision: i64,
    /// Our state.
    pub state: MemberState,
    /// N.
    pub count: u32,
    /// What may be served until the deadline.
    pub shards: Vec<Shard>,
    /// The revision of each one's fence.
    pub fences: BTreeMap<Shard, i64>,
    /// Why nothing, or not everything, may be served.
    pub reason: Option<String>,
    /// The deadline, in nanoseconds on `CLOCK_BOOTTIME`; 0 without a session.
    pub valid_until_boottime_ns: u64,
    /// What has to stop.
    pub stopping: Vec<StoppingJson>,
}

/// Something that has to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppingJson {
    /// The shard; absent for the leadership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Confirms it.
    pub stop: String,
    /// The last deadline told.
    pub valid_until_boottime_ns: u64,
    /// The fence's revision under which it was served.
    pub fence: i64,
}

// === impl PeerJson ===

impl PeerJson {
    /// A member as everybody sees it.
    pub fn new(uid: &str, member: &Member, own: &Own) -> Self {
        let MemberRecord {
            pod,
            node,
            claims,
            generation,
            admitted,
            state,
            weight,
            roles,
            map,
            endpoints,
            tags,
            validity_ms,
            nonce: _,
            plan: _,
            resigned: _,
        } = &member.record;
        Self {
            uid: uid.to_owned(),
            pod: pod.clone(),
            node: node.clone(),
            claims: claims.clone(),
            identity: member.record.identity(uid).to_owned(),
            generation: generation.clone(),
            admitted: admitted.to_string(),
            state: *state,
            weight: *weight,
            coordinates: roles.clone(),
            map: map.map(|map| MapOf { shards: map.shards, hash: map.hash }),
            endpoints: endpoints.clone(),
            tags: tags.clone(),
            validity_ms: u64::try_from(validity_ms.span().as_millis()).unwrap_or(u64::MAX),
            session: member.session,
            revision: member.revision,
            me: uid == own.uid,
        }
    }
}

// === impl PeersJson ===

impl PeersJson {
    /// The members that a filter lets through.
    pub fn new(status: &Status, own: &Own, filter: impl Fn(&Member) -> bool) -> Self {
        let members = status.picture.members.iter().filter(|(_, member)| filter(member));
        Self {
            epoch: epoch(status),
            revision: status.picture.revision,
            peers: members.map(|(uid, member)| PeerJson::new(uid, member, own)).collect(),
        }
    }
}

// === impl LeaderJson ===

impl LeaderJson {
    /// Who leads.
    pub fn new(status: &Status, own: &Own) -> Self {
        let granted = status.picture.leader.as_ref();
        let leader = granted.map(|granted| {
            let uid = &granted.grant.uid;
            let member = status.picture.members.get(uid);
            LeaderOf {
                uid: uid.clone(),
                member: member.map(|member| PeerJson::new(uid, member, own)),
            }
        });
        let me = status.leader.own.is_some();
        let stopping = status.stopping.iter().find(|stopping| stopping.of == Ownable::Leader);
        Self {
            epoch: epoch(status),
            revision: status.picture.revision,
            leader,
            fence: granted.map(fence),
            me,
            valid_until_boottime_ns: if me { status.valid_until.as_nanos() } else { 0 },
            stopping: stopping.map(StoppingJson::from),
            reason: status.reason.clone().filter(|_| !me),
        }
    }
}

// === impl ShardsJson ===

impl ShardsJson {
    /// The own shards.
    pub fn new(status: &Status, own: &Own) -> Self {
        let of_shards = |stopping: &&Stopping| stopping.of != Ownable::Leader;
        Self {
            epoch: epoch(status),
            revision: status.picture.revision,
            state: status.state,
            count: own.config.terms.map.map_or(0, |map| map.shards),
            shards: status.shards.keys().copied().collect(),
            fences: status.shards.clone(),
            reason: status.reason.clone(),
            valid_until_boottime_ns: valid_until(status),
            stopping: status.stopping.iter().filter(of_shards).map(StoppingJson::from).collect(),
        }
    }
}

// === impl StoppingJson ===

impl From<&Stopping> for StoppingJson {
    fn from(stopping: &Stopping) -> Self {
        Self {
            shard: match stopping.of {
                Ownable::Leader => None,
                Ownable::Shard(shard) => Some(shard),
            },
            stop: stopping.stop.to_string(),
            valid_until_boottime_ns: stopping.valid_until.as_nanos(),
            fence: stopping.owned.fence,
        }
    }
}

/// The epoch of what is shown; 0 before one is known.
pub fn epoch(status: &Status) -> i64 {
    status.session.map(|session| session.epoch).or(status.picture.epoch).unwrap_or_default()
}

/// The deadline of all that is served; 0 without a session.
pub fn valid_until(status: &Status) -> u64 {
    status.session.map_or(0, |_| status.valid_until.as_nanos())
}

fn fence(granted: &Granted) -> FenceJson {
    FenceJson { epoch: granted.grant.session.epoch, revision: granted.revision }
}
