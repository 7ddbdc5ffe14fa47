//! The messages of gRPC, made from the JSON of coordination.

use cairn_core::coordination::map::KeyHash;
use cairn_core::coordination::member::MemberState;
use cairn_core::time::UnixMillis;
use cairn_proto::v1::{self as proto, map_event, peers_event};
use tonic::Status;

use crate::api::coordination::heartbeat::Beaten;
use crate::api::coordination::owner::OwnerJson;
use crate::coordination::json::{
    LeaderJson, MapChangeJson, MapJson, MapOf, OwnerOf, PeerJson, PeersChangeJson, PeersJson,
    ShardsJson, StoppingJson,
};

/// An instant on `CLOCK_BOOTTIME`. The kernel's own is signed, too.
pub(super) fn nanos(instant: u64) -> i64 {
    i64::try_from(instant).unwrap_or(i64::MAX)
}

/// A state that a request names.
pub(super) fn state_of(state: proto::MemberState) -> Result<MemberState, Status> {
    match state {
        proto::MemberState::Viewer => Ok(MemberState::Viewer),
        proto::MemberState::Participant => Ok(MemberState::Participant),
        proto::MemberState::Draining => Ok(MemberState::Draining),
        proto::MemberState::Unspecified => Err(Status::invalid_argument(
            "a state is not set; name viewer, participant or draining",
        )),
    }
}

pub(super) fn peers_snapshot(peers: PeersJson) -> peers_event::Event {
    let peers = peers.peers.into_iter().map(proto::Member::from).collect();
    peers_event::Event::Snapshot(proto::PeersSnapshot { peers })
}

pub(super) fn peers_change(change: PeersChangeJson) -> peers_event::Event {
    let changed = change.changed.into_iter().map(proto::Member::from).collect();
    peers_event::Event::Change(proto::PeersChange { changed, removed: change.removed })
}

pub(super) fn map_snapshot(map: MapJson) -> map_event::Event {
    map_event::Event::Snapshot(proto::MapSnapshot {
        map: (map.count > 0).then(|| shard_map(MapOf { shards: map.count, hash: map.hash })),
        owners: map.owners.into_iter().map(owner).collect(),
    })
}

pub(super) fn map_change(change: MapChangeJson) -> map_event::Event {
    let changed = change.changed.into_iter().map(owner).collect();
    map_event::Event::Change(proto::MapChange { changed, freed: change.freed })
}

fn owner((shard, owner): (u32, OwnerOf)) -> proto::ShardOwner {
    proto::ShardOwner { shard, uid: owner.uid, fence: owner.fence }
}

fn shard_map(map: MapOf) -> proto::ShardMap {
    let hash = match map.hash {
        KeyHash::Xxh64 => proto::KeyHash::Xxh64,
        KeyHash::Fnv1a64 => proto::KeyHash::Fnv1a64,
        KeyHash::Crc64Iso => proto::KeyHash::Crc64Iso,
        KeyHash::Int => proto::KeyHash::Int,
    };
    proto::ShardMap { shards: map.shards, hash: hash.into() }
}

fn state(state: MemberState) -> i32 {
    let state = match state {
        MemberState::Viewer => proto::MemberState::Viewer,
        MemberState::Participant => proto::MemberState::Participant,
        MemberState::Draining => proto::MemberState::Draining,
    };
    state.into()
}

impl From<PeerJson> for proto::Member {
    fn from(peer: PeerJson) -> Self {
        let claim = |claim: cairn_core::coordination::member::ClaimedName| proto::ClaimedName {
            pool: claim.pool,
            name: claim.name,
        };
        let session = peer.session;
        Self {
            uid: peer.uid,
            pod: peer.pod,
            node: peer.node,
            claims: peer.claims.into_iter().map(claim).collect(),
            identity: peer.identity,
            generation: peer.generation,
            admitted_unix_ms: UnixMillis::parse(&peer.admitted).map_or(0, |instant| instant.0),
            state: state(peer.state),
            weight: peer.weight,
            coordinates: peer.coordinates.iter().map(|role| role.as_str().to_owned()).collect(),
            map: peer.map.map(shard_map),
            endpoints: peer.endpoints.into_iter().collect(),
            tags: peer.tags.into_iter().collect(),
            validity_ms: peer.validity_ms,
            session: Some(proto::Fence { epoch: session.epoch, revision: session.revision }),
            revision: peer.revision,
            me: peer.me,
        }
    }
}

impl From<LeaderJson> for proto::Leader {
    fn from(leader: LeaderJson) -> Self {
        let (uid, member) = leader.leader.map(|of| (of.uid, of.member)).unwrap_or_default();
        Self {
            epoch: leader.epoch,
            revision: leader.revision,
            uid,
            member: member.map(proto::Member::from),
            fence: leader
                .fence
                .map(|fence| proto::Fence { epoch: fence.epoch, revision: fence.revision }),
            me: leader.me,
            valid_until_boottime_ns: nanos(leader.valid_until_boottime_ns),
            stopping: leader.stopping.map(proto::Stopping::from),
            reason: leader.reason.unwrap_or_default(),
        }
    }
}

impl From<ShardsJson> for proto::Shards {
    fn from(shards: ShardsJson) -> Self {
        Self {
            epoch: shards.epoch,
            revision: shards.revision,
            state: state(shards.state),
            count: shards.count,
            shards: shards.shards,
            fences: shards.fences.into_iter().collect(),
            valid_until_boottime_ns: nanos(shards.valid_until_boottime_ns),
            stopping: shards.stopping.into_iter().map(proto::Stopping::from).collect(),
            reason: shards.reason.unwrap_or_default(),
        }
    }
}

impl From<StoppingJson> for proto::Stopping {
    fn from(stopping: StoppingJson) -> Self {
        Self {
            shard: stopping.shard,
            stop: stopping.stop,
            valid_until_boottime_ns: nanos(stopping.valid_until_boottime_ns),
            fence: stopping.fence,
        }
    }
}

impl From<OwnerJson> for proto::OwnerResponse {
    fn from(owner: OwnerJson) -> Self {
        Self {
            epoch: owner.epoch,
            revision: owner.revision,
            owners: owner.owners.into_iter().map(proto::Member::from).collect(),
            shard: owner.shard,
            fence: owner.fence.unwrap_or_default(),
            agreed: owner.agreed,
        }
    }
}

impl From<Beaten> for proto::HeartbeatResponse {
    fn from(beaten: Beaten) -> Self {
        Self {
            state: state(beaten.state),
            name: beaten.name.unwrap_or_default(),
            node_id: beaten.node_id.and_then(|id| i64::try_from(id).ok()),
            fence: beaten
                .fence
                .map(|fence| proto::Fence { epoch: fence.epoch, revision: fence.revision }),
            valid_until_boottime_ns: nanos(beaten.valid_until_boottime_ns),
            next_within_ms: beaten.next_within_ms,
        }
    }
}
