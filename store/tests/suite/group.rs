//! A group of the namespace `shop`, and pods that coordinate in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cairn_core::coordination::map::{KeyHash, Shard, ShardMap};
use cairn_core::coordination::member::{MemberRecord, MemberState, Role, SessionId};
use cairn_core::coordination::owner::{Grant, Ownable};
use cairn_core::coordination::path::GroupPath;
use cairn_core::coordination::picture::{Change, Changes, Picture};
use cairn_core::coordination::validity::Validity;
use cairn_core::coordination::write::{How, OwnerChange, Write, WriteAnswer, WriteKind};
use cairn_core::keys;
use cairn_core::time::{BootInstant, UnixMillis};
use cairn_store::{Coordination, Kv};

use crate::fixture::Fixture;

pub(crate) const EPOCH: i64 = 5;
pub(crate) const MAP: ShardMap = ShardMap { shards: 16, hash: KeyHash::Xxh64 };

pub(crate) fn group() -> GroupPath {
    GroupPath { namespace: "shop".into(), group: "checkout".parse().unwrap() }
}

/// A pod with a session.
pub(crate) struct Pod<K> {
    pub(crate) coordination: Coordination<K>,
    pub(crate) uid: String,
    pub(crate) lease: i64,
    /// Create revision of the session.
    pub(crate) session: i64,
    /// Mod revision of the last put of the record.
    pub(crate) mine: i64,
}

impl<K: Kv + Clone + 'static> Fixture<K> {
    /// An epoch without a hold: the store is new.
    pub(crate) async fn begin_epoch(&self) {
        self.put(keys::EPOCH, &EPOCH.to_string()).await;
    }

    pub(crate) fn coordination(&self, uid: &str) -> Coordination<K> {
        Coordination::new(Arc::new(self.store.clone()), group(), uid)
    }

    pub(crate) async fn picture(&self) -> Picture {
        self.coordination("nobody").read(true).await.unwrap()
    }

    /// C1 by a pod with the usual map.
    pub(crate) async fn pod(&self, uid: &str) -> Pod<K> {
        let coordination = self.coordination(uid);
        let lease = self.grant(60).await.lease;
        let join = write(uid, join(uid, lease));
        let answer = coordination.write(&join).await.unwrap();
        let WriteAnswer::Committed { revision } = answer else { panic!("{uid}: {answer:?}") };
        let uid = uid.to_owned();
        Pod { coordination, uid, lease, session: revision, mine: revision }
    }
}

impl<K: Kv + 'static> Pod<K> {
    pub(crate) fn write(&self, kind: WriteKind) -> Write {
        write(&self.uid, kind)
    }

    pub(crate) async fn send(&self, kind: WriteKind) -> WriteAnswer {
        self.coordination.write(&self.write(kind)).await.unwrap()
    }

    /// The write is done. Answers with its revision.
    pub(crate) async fn commits(&self, kind: WriteKind) -> i64 {
        match self.send(kind).await {
            WriteAnswer::Committed { revision } => revision,
            other => panic!("{}: {other:?}", self.uid),
        }
    }

    pub(crate) fn grant(&self) -> Grant {
        let session = SessionId { epoch: EPOCH, revision: self.session };
        Grant { uid: self.uid.clone(), session, validity_ms: Validity::DEFAULT }
    }

    pub(crate) fn owners(&self, changes: Vec<OwnerChange>) -> WriteKind {
        WriteKind::Owners { mine: self.mine, changes }
    }

    /// C4 of shards.
    pub(crate) async fn claims(&self, shards: impl IntoIterator<Item = Shard>, map: i64) -> i64 {
        let how = How::Claim { grant: self.grant(), map: Some(map) };
        let change = |shard| OwnerChange { of: Ownable::Shard(shard), how: how.clone() };
        self.commits(self.owners(shards.into_iter().map(change).collect())).await
    }
}

pub(crate) fn write(uid: &str, kind: WriteKind) -> Write {
    Write { epoch: EPOCH, uid: uid.to_owned(), kind }
}

pub(crate) fn join(uid: &str, lease: i64) -> WriteKind {
    WriteKind::Join { lease, record: Box::new(record(uid)) }
}

pub(crate) fn shard(shard: Shard, how: How) -> OwnerChange {
    OwnerChange { of: Ownable::Shard(shard), how }
}

pub(crate) fn leader(how: How) -> OwnerChange {
    OwnerChange { of: Ownable::Leader, how }
}

pub(crate) fn record(uid: &str) -> MemberRecord {
    MemberRecord {
        pod: format!("pod-{uid}"),
        node: "node-1".into(),
        claims: Vec::new(),
        generation: "g1".into(),
        admitted: UnixMillis(1),
        state: MemberState::Participant,
        weight: 100,
        roles: BTreeSet::from([Role::Peers, Role::Leader, Role::Shards]),
        map: Some(MAP),
        endpoints: BTreeMap::new(),
        tags: BTreeMap::new(),
        validity_ms: Validity::DEFAULT,
        nonce: format!("{uid}-1"),
        plan: 1,
        resigned: false,
    }
}

/// What a refused write has read.
#[track_caller]
pub(crate) fn refused(answer: WriteAnswer) -> Changes {
    match answer {
        WriteAnswer::Refused(changes) => changes,
        other => panic!("not refused: {other:?}"),
    }
}

/// Whether changes name this one.
#[track_caller]
pub(crate) fn shows(changes: &Changes, change: &Change) {
    assert!(changes.changes.contains(change), "{change:?} is not in {changes:?}");
}

pub(crate) fn now() -> BootInstant {
    BootInstant::default()
}

/// Longer than any answer takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
