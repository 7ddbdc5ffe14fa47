//! What the machine asks for: actions, and the request that each of them carries.
//!
//! An action is one call of `cairn_store`. Its answer comes back as an [`super::Event`].

use std::time::Duration;

use super::view::{LeaseId, RankGuard};
use crate::claim::{Holder, SlotRecord};
use crate::clock::ClockRecord;
use crate::keys::ClaimPath;
use crate::pool::{Pool, PoolName};
use crate::quarantine::QuarantineRecord;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Grant a lease and read at the same time.
    Begin {
        /// The lease TTL.
        ttl: Duration,
        /// What to read.
        read: ReadRequest,
    },
    /// Read (T0).
    Read(ReadRequest),
    /// Write a built-in pool's spec into the store.
    Define {
        /// The pool.
        pool: Pool,
        /// The epoch to write if the store has none: greater than any that this process knows of.
        epoch: i64,
        /// How long the pool is frozen then. `None` when, as far as this process knows, nobody can believe in
        /// a claim.
        freeze: Option<Duration>,
    },
    /// Claim a slot (T1, T7), or join the queue.
    Claim(Box<ClaimRequest>),
    /// Read which slots were held and quarantined at the revision that created our ticket. Any member may
    /// answer: what was true at that revision does not change.
    ReadAt {
        /// Where.
        path: ClaimPath,
        /// The ticket's create revision.
        revision: i64,
        /// The key of the one name that is asked about; `None` for all names.
        only: Option<String>,
    },
    /// Read what was true at the revision that created our ticket, whose creation had no answer.
    ReadOrigin {
        /// Where.
        path: ClaimPath,
        /// The ticket's create revision.
        revision: i64,
    },
    /// Turn our ticket into a slot (T2).
    Redeem(Box<RedeemRequest>),
    /// Give slots a quarantine that ends.
    Settle(QuarantineRequest),
    /// Leave the queue.
    LeaveQueue(LeaveQueueRequest),
    /// Report a change that a waiting pod must read. Replaces any earlier watch.
    Watch(Watch),
    /// End the watch.
    Unwatch,
    /// Renew a lease that was found on keys of this pod, and read its slots.
    Resume {
        /// The lease.
        lease: LeaseId,
        /// Pool and slot key of each owner record.
        slots: Vec<(PoolName, String)>,
    },
    /// Put this process into a slot of this pod, as its younger incarnation (T3).
    Adopt(Box<AdoptRequest>),
    /// Renew: a keepalive and one linearizable read of all own slots.
    Renew {
        /// The lease.
        lease: LeaseId,
        /// Pool and key of each slot.
        slots: Vec<(PoolName, String)>,
    },
    /// Reserve time under a node ID (T4).
    Reserve(Box<ReserveRequest>),
    /// Release a slot into quarantine (T5).
    Release(Box<ReleaseRequest>),
    /// Revoke a lease on which nothing hangs. Its answer does not matter.
    Revoke(LeaseId),
    /// Nothing more to do.
    Finish(EndReason),
}

/// Why the machine has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Everything that was held is released or left to expire.
    Released,
    /// A younger incarnation of this pod's sidecar has taken over. The message says how that was seen.
    Fenced(String),
    /// There will be no name. The message says why.
    Failed(String),
}

/// What to read (T0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// The pool to claim from next.
    pub path: ClaimPath,
    /// Every pool of the pod: the lease must suit all of them.
    pub pools: Vec<PoolName>,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's UID.
    pub uid: String,
    /// The create revision of our ticket, when we know of one. Then its rank is read.
    pub ticket: Option<i64>,
    /// Whether to read the reservations of time.
    pub clocks: bool,
    /// The key of the slot that this pod had before. Its quarantine record is read.
    pub wanted: Option<String>,
    /// Whether to list slots, quarantines and notes. In a large pool they are nearly all of what a read costs.
    pub lists: bool,
}

/// One attempt at a slot (T1, T7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Where.
    pub path: ClaimPath,
    /// The slot's key. `None` when no slot may be claimed out of turn: then this only joins the queue.
    pub key: Option<String>,
    /// The slot's value.
    pub record: SlotRecord,
    /// The lease that all keys are put on.
    pub lease: LeaseId,
    /// What to do about the queue.
    pub queue: QueueMode,
    /// Mod revision of the slot's quarantine note, when the note is of our own claim. Otherwise 0: there must
    /// be none.
    pub note: i64,
    /// Mod revision of the slot's quarantine, when it is our own: the claim ends it. Otherwise 0: there must
    /// be none.
    pub quarantine: i64,
    /// The reservation to put: what this holder knows to have reserved and the store may have lost.
    pub clock: Option<ClockRecord>,
    /// Mod revision of the sentinel as read.
    pub sentinel: i64,
    /// Mod revision of the spec as read.
    pub spec: i64,
}

impl ClaimRequest {
    /// Joins the queue of a path that nobody has read: it expects no slot, note, sentinel or spec.
    pub fn unread(path: ClaimPath, record: SlotRecord, lease: LeaseId) -> Self {
        Self {
            path,
            key: None,
            record,
            lease,
            queue: QueueMode::Join,
            note: 0,
            quarantine: 0,
            clock: None,
            sentinel: 0,
            spec: 0,
        }
    }
}

/// What a claim request does about the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueMode {
    /// Joins it when the slot cannot be had (T1).
    Join,
    /// Claims a name that this pod had before, ahead of the queue (T7). Never joins it.
    Ahead {
        /// Also during a freeze, because the deadline has not passed.
        despite_freeze: bool,
    },
}

/// Turning a ticket into a slot (T2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemRequest {
    /// Where.
    pub path: ClaimPath,
    /// The slot's key.
    pub key: String,
    /// The slot's value.
    pub record: SlotRecord,
    /// The lease that all keys are put on.
    pub lease: LeaseId,
    /// The ticket's create revision.
    pub ticket: i64,
    /// Mod revision of the spec as read.
    pub spec: i64,
    /// From the same read as the rank.
    pub seen: RankGuard,
}

/// Slots to be given a quarantine that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRequest {
    /// Where.
    pub path: ClaimPath,
    /// The slots' keys.
    pub keys: Vec<String>,
}

impl QuarantineRequest {
    /// So many slots at once: etcd takes 128 operations, and each slot needs three reads, and then two puts and two
    /// compares.
    pub const MOST: usize = 42;
}

/// Leaving the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveQueueRequest {
    /// Where.
    pub path: ClaimPath,
    /// Whose ticket.
    pub uid: String,
    /// Its create revision. `None` when the transaction that may have created it had no answer.
    pub ticket: Option<i64>,
}

/// What a waiting pod wants to be told of: changes of the pool's spec and freeze, and either every release and
/// every deleted ticket, or the deletion of one ticket ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Where.
    pub path: ClaimPath,
    /// Changes from this revision on.
    pub from: i64,
    /// The ticket to watch. `None` in the front of the queue.
    pub watched_ticket: Option<String>,
}

/// Adopting a slot (T3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptRequest {
    /// The slot's full key.
    pub slot: String,
    /// The pool. With the holder's namespace and UID it makes the owner record's key.
    pub pool: PoolName,
    /// The new value.
    pub record: SlotRecord,
    /// The slot's create revision as read.
    pub create_revision: i64,
    /// The slot's mod revision as read.
    pub mod_revision: i64,
    /// The lease.
    pub lease: LeaseId,
}

/// Reserving time (T4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveRequest {
    /// Where.
    pub path: ClaimPath,
    /// The slot's key.
    pub key: String,
    /// Our namespace and UID.
    pub holder: Holder,
    /// Mod revision of our own last put of the slot and its owner record.
    pub own_mod_revision: i64,
    /// Mod revision of the reservation as known; 0 for none.
    pub seen: i64,
    /// The new reservation.
    pub record: ClockRecord,
}

/// Releasing a slot (T5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRequest {
    /// Where.
    pub path: ClaimPath,
    /// The slot's key.
    pub key: String,
    /// The quarantine record. By it this pod may claim the name again.
    pub record: QuarantineRecord,
    /// Mod revision of our own last put: an older incarnation must not release a younger one's slot.
    pub own_mod_revision: i64,
    /// How long the slot is quarantined.
    pub quarantine: Duration,
    /// What the reservation of time shrinks to, where it is known what was emitted.
    pub clock: Option<ClockRecord>,
}
