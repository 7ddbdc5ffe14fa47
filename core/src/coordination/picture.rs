//! What a member knows of its group.
//!
//! Invariant: a picture never goes back. Every key has the revision at which it was last known; what is known at a
//! higher revision stays.

mod grants;
mod known;

use std::sync::Arc;

use grants::Grants;
pub(super) use known::Known;

use super::map::{Shard, ShardMap};
use super::member::{Member, SessionId};
use super::owner::{Granted, Ownable};
use crate::shared_map::SharedMap;

/// A group at one revision, as a read or a watch shows it. Copies share what neither of them has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// The store's revision.
    pub revision: i64,
    /// The epoch; `None` when the store has none, and then nothing is written.
    pub epoch: Option<i64>,
    /// No owner may change.
    pub hold: bool,
    /// The map in force.
    pub map: Option<Revised<ShardMap>>,
    /// The leader.
    pub leader: Option<Granted>,
    /// The leader's value: its mod revision and its bytes.
    pub leader_value: Option<Revised<Vec<u8>>>,
    /// Members by UID.
    pub members: SharedMap<String, Arc<Member>>,
    /// Owners by shard; free shards are absent.
    pub shards: SharedMap<Shard, Granted>,
}

/// A value with the mod revision of its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revised<T> {
    /// The value.
    pub value: T,
    /// Mod revision of its key.
    pub revision: i64,
}

/// One change of a group, or one key that a refused write has read. `None`: the key does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The epoch.
    Epoch(Option<i64>),
    /// Whether a hold exists.
    Hold(bool),
    /// `c`
    Map(Option<Revised<ShardMap>>),
    /// `lv`
    LeaderValue(Option<Revised<Vec<u8>>>),
    /// `m/<uid>`
    Member(String, Option<Box<Member>>),
    /// `s/<k>` or `l`
    Owner(Ownable, Option<Granted>),
    /// `x/<uid>`
    Dropped(String, bool),
}

/// Changes that were all true at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// That revision. Empty changes with a revision are a watch's progress.
    pub revision: i64,
    /// In the order of the store.
    pub changes: Vec<Change>,
}

// === impl Picture ===

impl Picture {
    /// The member with this UID, if this is its session.
    pub fn session(&self, uid: &str, session: SessionId) -> Option<&Member> {
        self.members.get(uid).map(Arc::as_ref).filter(|member| member.session == session)
    }

    /// The owner of a shard or of the leadership.
    pub fn owner(&self, of: Ownable) -> Option<&Granted> {
        match of {
            Ownable::Leader => self.leader.as_ref(),
            Ownable::Shard(shard) => self.shards.get(&shard),
        }
    }
}

// === impl Changes ===

impl Changes {
    /// The record that they show for this UID.
    pub fn member(&self, uid: &str) -> Option<Member> {
        self.changes.iter().rev().find_map(|change| match change {
            Change::Member(of, member) if of == uid => Some(member.as_deref().cloned()),
            _ => None,
        })?
    }
}
