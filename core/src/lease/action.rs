//! What the machine asks for: actions, and what each of them carries.
//!
//! An action is one call of `cairn_store`; its answer comes back as an [`super::Event`].

use std::time::Duration;

use super::{LeaseId, LeaveQueueRequest, RedeemRequest, Watch};
use crate::claim::{Holder, SlotRecord};
use crate::clock::ClockRecord;
use crate::keys::ClaimPath;
use crate::pool::{Pool, PoolName};
use crate::quarantine::QuarantineRecord;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Grant a lease and, at the same time, read.
    Begin {
        /// S.
        ttl: Duration,
        /// The look at the store.
        read: ReadRequest,
    },
    /// Read (T0).
    Read(ReadRequest),
    /// Write a built-in pool's spec into the store.
    Define {
        /// The pool.
        pool: Pool,
        /// The epoch, in case the store has none: greater than any that this process knows of.
        epoch: i64,
        /// How long nothing may be granted then; `None` when nobody can believe in anything, as far as
        /// this process knows.
        freeze: Option<Duration>,
    },
    /// Claim a slot, or join the queue (T1).
    Claim(Box<ClaimRequest>),
    /// Read which slots were held and quarantined at the revision that made our ticket. Any member will
    /// do: what was true then does not change.
    ReadAt {
        /// Where.
        path: ClaimPath,
        /// The ticket's create revision.
        revision: i64,
    },
    /// Turn our ticket into a slot (T2).
    Redeem(Box<RedeemRequest>),
    /// Give slots that are gone, or were taken by force, the quarantine that ends by itself.
    Settle(QuarantineRequest),
    /// Leave the queue.
    LeaveQueue(LeaveQueueRequest),
    /// Say when something changes that a waiting pod should look at; replaces any earlier watch.
    Watch(Watch),
    /// End the watch.
    Unwatch,
    /// Renew a lease found on our own keys and read its slots.
    Resume {
        /// The lease found.
        lease: LeaseId,
        /// Pool and slot key of each owner record.
        slots: Vec<(PoolName, String)>,
    },
    /// Put ourselves into a slot of ours as its younger incarnation (T3).
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
    /// Give a lease back on which nothing hangs. Its answer does not matter.
    Revoke(LeaseId),
    /// Nothing more to do.
    Finish(EndReason),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Everything that was held is released or left to run out.
    Released,
    /// A younger incarnation of this pod's sidecar has taken over.
    Fenced(String),
    /// It cannot succeed; the sentence says why.
    Failed(String),
}

/// What a read (T0) should cover.
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
    /// The create revision of our ticket, when we know that we have one: then its rank is asked for.
    pub ticket: Option<i64>,
    /// Whether to read the reservations of time.
    pub clocks: bool,
    /// The key of the slot that this pod held before: whose quarantine it is in is asked for.
    pub wanted: Option<String>,
}

/// One attempt at a slot (T1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Where.
    pub path: ClaimPath,
    /// Which slot, by key. `None` when one may not be had out of turn: then this only joins the queue.
    pub key: Option<String>,
    /// The slot's value.
    pub record: SlotRecord,
    /// The lease that all keys hang on.
    pub lease: LeaseId,
    /// What to do about the queue.
    pub queue: QueueMode,
    /// Revision of the claim after which the slot must still rest, when that was ours; otherwise 0.
    pub note: i64,
    /// Mod revision of the slot's quarantine, when that is our own: the claim ends it. Otherwise 0: there
    /// must be none.
    pub quarantine: i64,
    /// What is put under the slot's key as reserved time: what this holder knows to have reserved and the
    /// store may have forgotten.
    pub clock: Option<ClockRecord>,
    /// The sentinel as read.
    pub sentinel: i64,
    /// The spec's mod revision as read.
    pub spec: i64,
}

/// Slots to be given a quarantine that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRequest {
    /// Where.
    pub path: ClaimPath,
    /// Which slots, by key.
    pub keys: Vec<String>,
}

/// How an order stands to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueMode {
    /// Join it when the slot cannot be had.
    Join,
    /// A name that a running pod had before (T7): that name, ahead of the queue, or none.
    Ahead {
        /// Also during a hold, because the deadline that was in force has not passed.
        despite_freeze: bool,
    },
}

/// T3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptRequest {
    /// The slot's full key.
    pub slot: String,
    /// The owner's namespace, UID and pool make its key.
    pub pool: PoolName,
    /// The new value.
    pub record: SlotRecord,
    /// The slot's create revision as seen.
    pub create_revision: i64,
    /// The slot's mod revision as seen.
    pub mod_revision: i64,
    /// The lease.
    pub lease: LeaseId,
}

/// T4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveRequest {
    /// Where.
    pub path: ClaimPath,
    /// Under which slot, by key.
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

/// T5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRequest {
    /// Where.
    pub path: ClaimPath,
    /// Which slot, by key.
    pub key: String,
    /// What the quarantine says of us: by it this pod takes the name back.
    pub record: QuarantineRecord,
    /// Mod revision of our own last put: an older incarnation must not release a younger one's slot.
    pub own_mod_revision: i64,
    /// How long the slot rests.
    pub quarantine: Duration,
    /// What the reservation of time shrinks to, where it is known what was emitted.
    pub clock: Option<ClockRecord>,
}
