//! What a session writes: one transaction per value, and its answer (docs/coordination.md, Transactions).
//!
//! Every transaction compares the epoch. A write with an unclear result is sent again unchanged, so these values are
//! complete: they name the lease, the record and every revision that is compared.

use super::map::ShardMap;
use super::member::MemberRecord;
use super::owner::{Grant, Ownable};
use super::picture::Changes;
use crate::lease::LeaseId;

/// How many changes of owners one transaction carries. etcd allows 128 compares by default: two for each change and
/// six others.
pub const MOST_CHANGES: usize = 60;

/// A write of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The epoch that it compares.
    pub epoch: i64,
    /// Our UID.
    pub uid: String,
    /// What it does.
    pub kind: WriteKind,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// C1: create our record, and the first map if there is none.
    Join {
        /// The session's lease.
        lease: LeaseId,
        /// The record.
        record: Box<MemberRecord>,
    },
    /// C3: take our record over from an earlier process, onto our lease.
    Resume {
        /// Our own lease.
        lease: LeaseId,
        /// The record with our nonce.
        record: Box<MemberRecord>,
        /// Create revision of the session.
        session: i64,
        /// Mod revision of the record as read.
        seen: i64,
    },
    /// C2: change our record.
    Update {
        /// The session's lease.
        lease: LeaseId,
        /// The record.
        record: Box<MemberRecord>,
        /// Mod revision of our own last put of it.
        mine: i64,
    },
    /// C4 to C7, several at once: all or none.
    Owners {
        /// Mod revision of our own last put of our record.
        mine: i64,
        /// At most [`MOST_CHANGES`], of different things.
        changes: Vec<OwnerChange>,
    },
    /// C8: delete our record.
    Leave {
        /// Mod revision of our own last put of it.
        mine: i64,
    },
    /// C9: put another map while no shard has an owner.
    Resize {
        /// Mod revision of the map in force; 0 when there is none.
        seen: i64,
        /// The new map.
        map: ShardMap,
    },
    /// Put the leader's value.
    LeaderValue {
        /// The fence's revision: mod revision of `l`.
        fence: i64,
        /// Mod revision of the value as read; 0 when there is none.
        seen: i64,
        /// The new value.
        value: Vec<u8>,
    },
}

/// One change of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerChange {
    /// Of what.
    pub of: Ownable,
    /// How.
    pub how: How,
}

/// How an owner changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// C4: IF create(key) = 0 ∧ mod(c) = map. The leadership has no map: `None`.
    Claim {
        /// Our grant.
        grant: Grant,
        /// Mod revision of the map as read.
        map: Option<i64>,
    },
    /// C5: IF mod(key) = fence ∧ create(m/to) = its session.
    HandOver {
        /// Mod revision of our grant.
        fence: i64,
        /// The grant of the recipient, who may be ourselves.
        to: Grant,
    },
    /// C6: IF mod(key) = seen.
    TakeOver {
        /// Mod revision of the grant of the session that has ended.
        seen: i64,
        /// Our grant.
        grant: Grant,
    },
    /// C7: IF mod(key) = fence THEN delete. Also C6's deletion, by a viewer with another map.
    Free {
        /// Mod revision of the grant.
        fence: i64,
    },
}

/// The answer to a [`Write`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer {
    /// It was done. Everything that it put has this revision. A join's session has this create revision.
    Committed {
        /// That revision.
        revision: i64,
    },
    /// A compare failed, and nothing was written. Everything that was compared, as it stands.
    Refused(Changes),
    /// The lease on which the record was to be put does not exist any more. Nothing was written, and what an earlier
    /// copy of the write may have put on it went with it.
    LeaseGone,
}

// === impl How ===

impl How {
    /// The grant that is put; `None` when the key is deleted.
    pub fn into_grant(self) -> Option<Grant> {
        match self {
            Self::Claim { grant, .. } | Self::TakeOver { grant, .. } => Some(grant),
            Self::HandOver { to, .. } => Some(to),
            Self::Free { .. } => None,
        }
    }
}
