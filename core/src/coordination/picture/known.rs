//! What one process knows of its group: a picture merged from reads, watch changes, own writes and refused writes.
//!
//! Invariants:
//! - every key has the revision at which it is known; what is known at a higher revision stays, absence included;
//! - within an epoch. Revisions of two epochs are never compared: [`Known::forget`] begins anew.
//!
//! Not for: what a picture means for a session (`session`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Change, Changes, Grants, Picture, Revised};
use crate::coordination::map::{Shard, ShardMap};
use crate::coordination::member::Member;
use crate::coordination::owner::{Granted, Ownable};
use crate::coordination::path::GroupKey;

/// The picture of one process, and how new each part of it is.
#[derive(Clone, Debug)]
pub(in crate::coordination) struct Known {
    uid: String,
    picture: Picture,
    /// Every key is known at this revision at least: that of the last read or of the watch since then.
    floor: i64,
    /// Keys that are known at a higher revision.
    newer: BTreeMap<GroupKey, i64>,
    /// Epoch and hold are not watched, so their revisions are apart.
    epoch_at: i64,
    hold_at: i64,
    /// Grants to our UID, of whatever session.
    own: BTreeMap<Ownable, Granted>,
    grants: Grants,
    /// Counts changes of anything.
    version: u64,
    /// Counts changes of what a plan rests on.
    basis: u64,
}

// === impl Known ===

impl Known {
    pub(in crate::coordination) fn new(uid: String) -> Self {
        Self {
            uid,
            picture: Picture::default(),
            floor: 0,
            newer: BTreeMap::new(),
            epoch_at: 0,
            hold_at: 0,
            own: BTreeMap::new(),
            grants: Grants::default(),
            version: 0,
            basis: 0,
        }
    }

    pub(in crate::coordination) const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The revision up to which reads and the watch have shown everything.
    pub(in crate::coordination) const fn floor(&self) -> i64 {
        self.floor
    }

    /// Differs when anything has changed. That the same is known at a higher revision is no change.
    pub(in crate::coordination) const fn version(&self) -> u64 {
        self.version
    }

    /// Differs when something has changed on which a plan rests: a member, the map, an owner, the epoch, the hold.
    pub(in crate::coordination) const fn basis(&self) -> u64 {
        self.basis
    }

    /// Grants to our UID, of whatever session.
    pub(in crate::coordination) const fn own(&self) -> &BTreeMap<Ownable, Granted> {
        &self.own
    }

    /// The revision at which a member's key is known.
    pub(in crate::coordination) fn member_at(&self, uid: &str) -> i64 {
        if self.newer.is_empty() {
            return self.floor;
        }
        self.at(&GroupKey::Member(uid.to_owned()))
    }

    /// Another epoch: nothing that is known counts any more.
    pub(in crate::coordination) fn forget(&mut self, epoch: Option<i64>) {
        let (version, basis) = (self.version + 1, self.basis + 1);
        let uid = std::mem::take(&mut self.uid);
        *self = Self { version, basis, ..Self::new(uid) };
        self.picture.epoch = epoch;
    }

    /// Takes in a read.
    pub(in crate::coordination) fn read(&mut self, read: Picture) {
        let revision = read.revision;
        self.set_epoch(read.epoch, revision);
        self.set_hold(read.hold, revision);
        if revision < self.floor {
            return;
        }
        let before = std::mem::replace(&mut self.picture, read);
        self.picture.epoch = before.epoch;
        self.picture.hold = before.hold;
        let newer = std::mem::take(&mut self.newer);
        self.newer = newer.into_iter().filter(|(_, at)| *at > revision).collect();
        for key in self.newer.keys() {
            keep(&mut self.picture, &before, key);
        }
        self.raise(revision);
        for granted in self.picture.shards.values_mut() {
            self.grants.share(granted);
        }
        let of_ours = |of: Ownable, granted: &Granted| {
            (granted.grant.uid == self.uid).then(|| (of, granted.clone()))
        };
        let shards = self.picture.shards.iter();
        let shards = shards.filter_map(|(shard, granted)| of_ours(Ownable::Shard(*shard), granted));
        let leader = self.picture.leader.iter();
        let leader = leader.filter_map(|granted| of_ours(Ownable::Leader, granted));
        self.own = shards.chain(leader).collect();
        self.count(differs(&before, &self.picture));
        self.version += u64::from(before.leader_value != self.picture.leader_value);
    }

    /// Takes in what the watch shows. It has shown everything up to this revision.
    pub(in crate::coordination) fn watched(&mut self, changes: Changes) {
        let revision = changes.revision;
        self.changed(changes);
        self.raise(revision);
    }

    /// Takes in single keys.
    pub(in crate::coordination) fn changed(&mut self, changes: Changes) {
        let revision = changes.revision;
        for change in changes.changes {
            match change {
                Change::Epoch(epoch) => self.set_epoch(epoch, revision),
                Change::Hold(hold) => self.set_hold(hold, revision),
                Change::Map(map) => self.put_map(map, revision),
                Change::LeaderValue(value) => self.set_leader_value(value, revision),
                Change::Member(uid, member) => self.set_member(uid, member.map(|m| *m), revision),
                Change::Owner(of, granted) => self.set_owner(of, granted, revision),
                Change::Dropped(..) => {}
            }
        }
    }

    pub(in crate::coordination) fn set_epoch(&mut self, epoch: Option<i64>, revision: i64) {
        if revision >= self.epoch_at {
            self.epoch_at = revision;
            self.count(self.picture.epoch != epoch);
            self.picture.epoch = epoch;
        }
    }

    pub(in crate::coordination) fn set_hold(&mut self, hold: bool, revision: i64) {
        if revision >= self.hold_at {
            self.hold_at = revision;
            self.count(self.picture.hold != hold);
            self.picture.hold = hold;
        }
    }

    pub(in crate::coordination) fn set_member(
        &mut self,
        uid: String,
        member: Option<Member>,
        revision: i64,
    ) {
        if !self.note(GroupKey::Member(uid.clone()), revision)
            || self.picture.members.get(&uid).map(Arc::as_ref) == member.as_ref()
        {
            return;
        }
        self.count(true);
        match member {
            Some(member) => self.picture.members.insert(uid, Arc::new(member)),
            None => self.picture.members.remove(&uid),
        };
    }

    pub(in crate::coordination) fn set_owner(
        &mut self,
        of: Ownable,
        mut granted: Option<Granted>,
        revision: i64,
    ) {
        let key = match of {
            Ownable::Leader => GroupKey::Leader,
            Ownable::Shard(shard) => GroupKey::Shard(shard),
        };
        if !self.note(key, revision) || self.picture.owner(of) == granted.as_ref() {
            return;
        }
        self.count(true);
        if let Some(granted) = &mut granted {
            self.grants.share(granted);
        }
        match granted.as_ref().filter(|granted| granted.grant.uid == self.uid) {
            Some(granted) => self.own.insert(of, granted.clone()),
            None => self.own.remove(&of),
        };
        put_owner(&mut self.picture, of, granted);
    }

    pub(in crate::coordination) fn set_map(&mut self, map: ShardMap, revision: i64) {
        self.put_map(Some(Revised { value: map, revision }), revision);
    }

    pub(in crate::coordination) fn set_leader_value(
        &mut self,
        value: Option<Revised<Vec<u8>>>,
        revision: i64,
    ) {
        if self.note(GroupKey::LeaderValue, revision) && self.picture.leader_value != value {
            self.version += 1;
            self.picture.leader_value = value;
        }
    }

    fn put_map(&mut self, map: Option<Revised<ShardMap>>, revision: i64) {
        if self.note(GroupKey::Map, revision) {
            self.count(self.picture.map != map);
            self.picture.map = map;
        }
    }

    /// Counts a change of what a plan rests on.
    fn count(&mut self, changed: bool) {
        self.version += u64::from(changed);
        self.basis += u64::from(changed);
    }

    fn at(&self, key: &GroupKey) -> i64 {
        self.newer.get(key).copied().unwrap_or(self.floor)
    }

    /// True when what is known of the key at this revision counts.
    fn note(&mut self, key: GroupKey, revision: i64) -> bool {
        if revision < self.at(&key) {
            return false;
        }
        if revision > self.floor {
            self.newer.insert(key, revision);
        }
        self.picture.revision = self.picture.revision.max(revision);
        true
    }

    fn raise(&mut self, revision: i64) {
        if revision > self.floor {
            self.floor = revision;
            self.newer.retain(|_, at| *at > revision);
        }
        self.picture.revision = self.picture.revision.max(revision);
    }
}

/// Whether two pictures differ in what a plan rests on, beside epoch and hold.
fn differs(one: &Picture, other: &Picture) -> bool {
    one.map != other.map
        || one.leader != other.leader
        || one.members != other.members
        || one.shards != other.shards
}

/// Keeps of one key what was known before.
fn keep(picture: &mut Picture, before: &Picture, key: &GroupKey) {
    match key {
        GroupKey::Map => picture.map.clone_from(&before.map),
        GroupKey::LeaderValue => picture.leader_value.clone_from(&before.leader_value),
        GroupKey::Leader => put_owner(picture, Ownable::Leader, before.leader.clone()),
        GroupKey::Shard(shard) => {
            put_owner(picture, Ownable::Shard(*shard), before.shards.get(shard).cloned());
        }
        GroupKey::Member(uid) => match before.members.get(uid) {
            Some(member) => {
                picture.members.insert(uid.clone(), Arc::clone(member));
            }
            None => {
                picture.members.remove(uid);
            }
        },
        GroupKey::Dropped(_) => {}
    }
}

fn put_owner(picture: &mut Picture, of: Ownable, granted: Option<Granted>) {
    let shard: Shard = match of {
        Ownable::Leader => {
            picture.leader = granted;
            return;
        }
        Ownable::Shard(shard) => shard,
    };
    match granted {
        Some(granted) => picture.shards.insert(shard, granted),
        None => picture.shards.remove(&shard),
    };
}

#[cfg(test)]
mod tests;
