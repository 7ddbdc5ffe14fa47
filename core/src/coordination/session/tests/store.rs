//! A store that carries the transactions out exactly, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::coordination::map::ShardMap;
use crate::coordination::member::{Member, MemberRecord, MemberState, SessionId};
use crate::coordination::owner::{Granted, Ownable};
use crate::coordination::picture::{Change, Changes, Picture, Revised};
use crate::coordination::write::{How, OwnerChange, Write, WriteAnswer, WriteKind};
use crate::lease::LeaseId;

#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub(super) picture: Picture,
    pub(super) log: Vec<Changes>,
    pub(super) dropped: BTreeSet<String>,
    /// By lease: when it expires, and its TTL.
    leases: BTreeMap<i64, (u64, u64)>,
    on: BTreeMap<String, LeaseId>,
    next_lease: i64,
    pub(super) writes: u64,
    /// Owners that changed against a promise.
    pub(super) broken: Vec<String>,
}

// === impl Store ===

impl Store {
    pub(super) fn new(epoch: i64) -> Self {
        let picture = Picture { revision: 10, epoch: Some(epoch), ..Picture::default() };
        Self { picture, ..Self::default() }
    }

    pub(super) fn grant(&mut self, now: u64, ttl: u64) -> LeaseId {
        self.next_lease += 1;
        self.leases.insert(self.next_lease, (now + ttl, ttl));
        self.next_lease
    }

    /// The TTL in nanoseconds; 0 when the lease is gone.
    pub(super) fn keep_alive(&mut self, now: u64, lease: LeaseId) -> u64 {
        let Some((expires, ttl)) = self.leases.get_mut(&lease) else { return 0 };
        *expires = now + *ttl;
        *ttl
    }

    pub(super) fn revoke(&mut self, lease: LeaseId) {
        self.leases.remove(&lease);
        let gone: Vec<String> =
            self.on.iter().filter(|(_, on)| **on == lease).map(|(uid, _)| uid.clone()).collect();
        for uid in gone {
            self.delete_member(&uid);
        }
    }

    pub(super) fn expire(&mut self, now: u64) {
        let over: Vec<i64> =
            self.leases.iter().filter(|(_, (at, _))| *at <= now).map(|(id, _)| *id).collect();
        for lease in over {
            self.revoke(lease);
        }
    }

    pub(super) fn lease_of(&self, uid: &str) -> Option<LeaseId> {
        self.on.get(uid).copied()
    }

    pub(super) fn delete_member(&mut self, uid: &str) {
        self.on.remove(uid);
        if self.picture.members.remove(uid).is_some() {
            let revision = self.bump();
            self.tell(revision, vec![Change::Member(uid.to_owned(), None)]);
        }
    }

    /// The same, and no watch is told.
    pub(super) fn forget_member(&mut self, uid: &str) {
        self.picture.revision += 1;
        self.on.remove(uid);
        self.picture.members.remove(uid);
    }

    /// An administrator moves the epoch: nothing is lost.
    pub(super) fn move_epoch(&mut self, epoch: i64) {
        self.bump();
        self.picture.epoch = Some(epoch);
        self.picture.hold = true;
        for member in self.picture.members.values_mut() {
            Arc::make_mut(member).session.epoch = epoch;
        }
    }

    /// Everything is lost.
    pub(super) fn wipe(&mut self) {
        *self = Self {
            writes: self.writes,
            broken: std::mem::take(&mut self.broken),
            next_lease: self.next_lease,
            ..Self::default()
        };
        self.picture.revision = 1;
    }

    pub(super) fn end_hold(&mut self) {
        self.bump();
        self.picture.hold = false;
    }

    pub(super) fn put_owner(&mut self, of: Ownable, granted: Option<Granted>) {
        match of {
            Ownable::Leader => self.picture.leader = granted,
            Ownable::Shard(shard) => match granted {
                Some(granted) => drop(self.picture.shards.insert(shard, granted)),
                None => drop(self.picture.shards.remove(&shard)),
            },
        }
    }

    pub(super) fn read(&self, shards: bool) -> Picture {
        let mut picture = self.picture.clone();
        if !shards {
            picture.shards.clear();
        }
        picture
    }

    /// Carries a write out.
    pub(super) fn write(&mut self, write: &Write) -> WriteAnswer {
        let lease = match &write.kind {
            WriteKind::Join { lease, .. }
            | WriteKind::Resume { lease, .. }
            | WriteKind::Update { lease, .. } => Some(*lease),
            _ => None,
        };
        if self.picture.epoch != Some(write.epoch) || !self.compare(write) {
            return WriteAnswer::Refused(self.compared(write));
        }
        if lease.is_some_and(|lease| !self.leases.contains_key(&lease)) {
            return WriteAnswer::LeaseGone;
        }
        self.writes += 1;
        let revision = self.bump();
        self.put(write, revision);
        WriteAnswer::Committed { revision }
    }

    fn compare(&self, write: &Write) -> bool {
        let me = self.picture.members.get(&write.uid);
        let mine = |mine: i64| me.is_some_and(|me| me.revision == mine);
        match &write.kind {
            WriteKind::Join { .. } => me.is_none() && !self.dropped.contains(&write.uid),
            WriteKind::Resume { session, seen, .. } => {
                me.is_some_and(|me| me.session.revision == *session && me.revision == *seen)
            }
            WriteKind::Update { mine: m, .. } | WriteKind::Leave { mine: m } => mine(*m),
            WriteKind::Owners { mine: m, changes } => {
                mine(*m) && changes.iter().all(|change| self.compare_owner(change))
            }
            WriteKind::Resize { seen, .. } => {
                self.map_revision() == *seen && self.picture.shards.is_empty()
            }
            WriteKind::LeaderValue { fence, seen, .. } => {
                self.picture.leader.as_ref().map_or(0, |l| l.revision) == *fence
                    && self.picture.leader_value.as_ref().map_or(0, |v| v.revision) == *seen
            }
        }
    }

    fn compare_owner(&self, change: &OwnerChange) -> bool {
        let found = self.picture.owner(change.of).map_or(0, |granted| granted.revision);
        match &change.how {
            How::Claim { map, .. } => found == 0 && map.is_none_or(|m| m == self.map_revision()),
            How::HandOver { fence, to } => {
                let member = self.picture.members.get(&to.uid);
                found == *fence && member.is_some_and(|m| m.session.revision == to.session.revision)
            }
            How::TakeOver { seen: fence, .. } | How::Free { fence } => found == *fence,
        }
    }

    pub(super) fn member(&self, uid: &str) -> Option<Member> {
        self.picture.members.get(uid).map(|member| (**member).clone())
    }

    fn compared(&self, write: &Write) -> Changes {
        let member = |uid: &String| Change::Member(uid.clone(), self.member(uid).map(Box::new));
        let mut changes = vec![Change::Epoch(self.picture.epoch), member(&write.uid)];
        match &write.kind {
            WriteKind::Join { .. } => {
                changes.push(Change::Dropped(write.uid.clone(), self.dropped.contains(&write.uid)));
            }
            WriteKind::Owners { changes: owners, .. } => {
                changes.push(Change::Map(self.picture.map.clone()));
                for change in owners {
                    let owner = self.picture.owner(change.of).cloned();
                    changes.push(Change::Owner(change.of, owner));
                    if let How::HandOver { to, .. } = &change.how {
                        changes.push(member(&to.uid));
                    }
                }
            }
            WriteKind::Resize { .. } => changes.push(Change::Map(self.picture.map.clone())),
            WriteKind::LeaderValue { .. } => {
                changes.push(Change::Owner(Ownable::Leader, self.picture.leader.clone()));
                changes.push(Change::LeaderValue(self.picture.leader_value.clone()));
            }
            WriteKind::Resume { .. } | WriteKind::Update { .. } | WriteKind::Leave { .. } => {}
        }
        Changes { revision: self.picture.revision, changes }
    }

    fn put(&mut self, write: &Write, revision: i64) {
        match &write.kind {
            WriteKind::Join { lease, record } => {
                let session = SessionId { epoch: write.epoch, revision };
                self.put_member(&write.uid, session, record, *lease, revision);
                if self.picture.map.is_none()
                    && let Some(map) = record.map
                {
                    self.put_map(map, revision);
                }
            }
            WriteKind::Resume { lease, record, .. } | WriteKind::Update { lease, record, .. } => {
                let session = self.member(&write.uid).unwrap().session;
                self.put_member(&write.uid, session, record, *lease, revision);
            }
            WriteKind::Owners { changes, .. } => self.put_owners(write, changes, revision),
            WriteKind::Leave { .. } => {
                self.on.remove(&write.uid);
                self.picture.members.remove(&write.uid);
                self.tell(revision, vec![Change::Member(write.uid.clone(), None)]);
            }
            WriteKind::Resize { map, .. } => self.put_map(*map, revision),
            WriteKind::LeaderValue { value, .. } => {
                self.picture.leader_value = Some(Revised { value: value.clone(), revision });
                let change = Change::LeaderValue(self.picture.leader_value.clone());
                self.tell(revision, vec![change]);
            }
        }
    }

    fn put_owners(&mut self, write: &Write, changes: &[OwnerChange], revision: i64) {
        let state = self.member(&write.uid).unwrap().record.state;
        let mut told = Vec::new();
        for OwnerChange { of, how } in changes {
            if self.picture.hold {
                self.broken.push(format!("P6: {of} changed its owner during a hold"));
            }
            let granted = match how {
                How::Claim { grant, .. } | How::TakeOver { grant, .. } => {
                    if state != MemberState::Participant {
                        self.broken.push(format!("P7: a {state:?} took {of}"));
                    }
                    Some(Granted { grant: grant.clone().into(), revision })
                }
                How::HandOver { to, .. } => Some(Granted { grant: to.clone().into(), revision }),
                How::Free { .. } => None,
            };
            self.put_owner(*of, granted.clone());
            told.push(Change::Owner(*of, granted));
        }
        self.tell(revision, told);
    }

    fn put_member(
        &mut self,
        uid: &str,
        session: SessionId,
        record: &MemberRecord,
        lease: LeaseId,
        revision: i64,
    ) {
        let member = Member { record: record.clone(), session, revision };
        self.on.insert(uid.to_owned(), lease);
        self.picture.members.insert(uid.to_owned(), member.clone().into());
        self.tell(revision, vec![Change::Member(uid.to_owned(), Some(Box::new(member)))]);
    }

    fn put_map(&mut self, map: ShardMap, revision: i64) {
        self.picture.map = Some(Revised { value: map, revision });
        self.tell(revision, vec![Change::Map(self.picture.map.clone())]);
    }

    fn map_revision(&self) -> i64 {
        self.picture.map.as_ref().map_or(0, |map| map.revision)
    }

    fn bump(&mut self) -> i64 {
        self.picture.revision += 1;
        self.picture.revision
    }

    fn tell(&mut self, revision: i64, changes: Vec<Change>) {
        match self.log.last_mut().filter(|last| last.revision == revision) {
            Some(last) => last.changes.extend(changes),
            None => self.log.push(Changes { revision, changes }),
        }
    }
}
