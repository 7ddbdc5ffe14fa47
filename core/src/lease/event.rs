//! What the machine is told: events, and the answers that they carry.
//!
//! What an answer says was true at one revision of the store. A deadline may start only at the send instant in a
//! [`Granted`] or a [`Renewal`]; a [`Resumed`] carries the send instant of its keepalive.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::claim::{Fence, OwnerRecord, SlotRecord};
use crate::clock::Reservation;
use crate::pool::PoolName;
use crate::quarantine::Quarantine;
use crate::time::{BootInstant, UnixMillis};

/// etcd's identifier of a lease.
pub type LeaseId = i64;

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The machine may begin.
    Start,
    /// [`super::Action::Begin`] answered: a lease, and the first read.
    Begun(Granted, Box<PoolView>),
    /// [`super::Action::Read`] answered.
    Viewed(Box<PoolView>),
    /// [`super::Action::Define`] answered.
    Defined,
    /// [`super::Action::Claim`] or [`super::Action::Redeem`] won.
    Claimed(Won),
    /// [`super::Action::Claim`], [`super::Action::Redeem`] or [`super::Action::Adopt`] lost a compare.
    Conflict,
    /// [`super::Action::Claim`] left us with a ticket.
    Queued(Queued),
    /// [`super::Action::ReadAt`] answered. `None` when the store does not have that revision yet, or any more.
    Past(Option<PastView>),
    /// [`super::Action::Settle`] answered.
    Settled,
    /// [`super::Action::LeaveQueue`] answered: the ticket does not exist any more.
    LeftQueue,
    /// Something that [`super::Action::Watch`] asked for has changed.
    Woken,
    /// The watch broke off.
    WatchEnded,
    /// [`super::Action::Resume`] answered.
    Resumed(Resumed),
    /// [`super::Action::Adopt`] won.
    Adopted(Adopted),
    /// [`super::Action::Renew`] answered. A lease that is gone is no failure: its renewal has a TTL of zero.
    Renewed(Renewal),
    /// [`super::Action::Renew`] failed.
    RenewingFailed,
    /// [`super::Action::Reserve`] answered.
    Reserved(ReserveAnswer),
    /// [`super::Action::Reserve`] failed without an answer from a compare.
    ReservingFailed,
    /// [`super::Action::Release`] answered; false when a compare failed.
    Released(bool),
    /// An action of the claiming track failed without an answer from a compare.
    ClaimingFailed(Failure),
    /// The instant of [`super::Machine::wake_at`] has come.
    Tick,
    /// The app has exited, or must be taken to have: release.
    Terminate,
}

/// A granted lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// When the request was sent.
    pub sent: BootInstant,
    /// The lease.
    pub lease: LeaseId,
    /// The lease TTL, as the server granted it.
    pub ttl: Duration,
}

/// The answer to a [`super::ReadRequest`]; all of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolView {
    /// That revision.
    pub revision: i64,
    /// The specs of the pod's pools, as JSON with their mod revisions.
    pub specs: Vec<(PoolName, Vec<u8>, i64)>,
    /// Whether the pool is frozen.
    pub frozen: bool,
    /// How long the freeze still lasts, where that is known.
    pub frozen_for: Option<Duration>,
    /// The epoch, when the store has one.
    pub epoch: Option<i64>,
    /// The epoch's mod revision. It moves with every freeze.
    pub epoch_revision: i64,
    /// Owner records of this pod.
    pub owners: Vec<FoundOwner>,
    /// Keys of held slots.
    pub held: HashSet<String>,
    /// Keys of slots in quarantine, or that must still go into it.
    pub quarantined: HashSet<String>,
    /// The greatest mod revision among the keys of held and quarantined slots.
    pub newest: i64,
    /// Mod revision of the queue's sentinel; 0 when nobody ever queued.
    pub sentinel: i64,
    /// Mod revision of the key that every re-claim moves; 0 before the first.
    pub reclaims: i64,
    /// Quarantined slots, by key, whose quarantine does not end by itself yet.
    pub unsettled: Vec<String>,
    /// Quarantine notes whose slot is gone: by key, the mod revision, which is the claim's revision. These slots
    /// are among the quarantined ones.
    pub notes: HashMap<String, i64>,
    /// How many tickets there are.
    pub queued: usize,
    /// Our own ticket.
    pub ticket: Option<Ticket>,
    /// The tickets before ours, when the request asked for them.
    pub ahead: Option<TicketsAhead>,
    /// The quarantine of the wanted slot, when it names a holder.
    pub wanted_quarantine: Option<Quarantine>,
    /// By the slots' keys: until when time is reserved. Empty when the request did not ask for it.
    pub clocks: HashMap<String, UnixMillis>,
}

/// An owner record as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOwner {
    /// The pool.
    pub pool: PoolName,
    /// The record.
    pub record: OwnerRecord,
    /// Shared with the slot.
    pub create_revision: i64,
    /// Shared with the slot.
    pub mod_revision: i64,
    /// The lease that it hangs on.
    pub lease: LeaseId,
}

/// Our own ticket as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its create revision.
    pub revision: i64,
    /// The lease that it hangs on.
    pub lease: LeaseId,
}

/// The tickets that were created before ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketsAhead {
    /// How many.
    pub rank: usize,
    /// The key of the one that is [`super::FRONT`] tickets ahead.
    pub watched_ticket: Option<String>,
}

/// What makes a rank invalid although no slot and no ticket ahead has changed: mod revisions, 0 for absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RankGuard {
    /// Of the key that every re-claim moves: a re-claim shifts the free names against the tickets.
    pub reclaims: i64,
    /// Of the epoch, which moves with every freeze: an effective rank that idle time has lowered is invalid
    /// after a freeze.
    pub epoch: i64,
}

/// The answer to [`super::Action::Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// The slot is ours.
    Won(Won),
    /// A compare failed, and there is no ticket: read again.
    Conflict,
    /// We wait.
    Queued(Queued),
}

/// A slot that was won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Won {
    /// The fence.
    pub fence: Fence,
    /// Mod revision of our put of the slot.
    pub own_mod_revision: i64,
    /// The time that earlier holders reserved, read by the same transaction.
    pub clock: Option<Reservation>,
}

/// A ticket that was created, or existed already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The ticket's create revision.
    pub revision: i64,
    /// Its rank at that revision. `None` when it existed already.
    pub rank: Option<usize>,
}

/// The answer to [`super::Action::ReadAt`]: which slots were not free at that revision, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PastView {
    /// Held slots.
    pub held: HashSet<String>,
    /// Slots in quarantine.
    pub quarantined: HashSet<String>,
    /// What must not have changed since.
    pub seen: RankGuard,
}

/// A slot found on our own lease after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSlot {
    /// The pool.
    pub pool: PoolName,
    /// The slot's full key.
    pub slot: String,
    /// Its value.
    pub record: SlotRecord,
    /// Its create revision.
    pub create_revision: i64,
    /// Its mod revision.
    pub mod_revision: i64,
}

/// The answer to [`super::Action::Resume`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The keepalive's send instant and the lease; the TTL is zero when the lease is gone.
    pub granted: Granted,
    /// The slots that exist.
    pub found: Vec<FoundSlot>,
    /// The epoch.
    pub epoch: i64,
    /// No slot was asked for: the lease carries a ticket.
    pub waiting: bool,
}

/// A slot that was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The slot's new mod revision.
    pub own_mod_revision: i64,
    /// The time reserved so far, read by the same transaction.
    pub clock: Option<Reservation>,
}

/// The answer to [`super::Action::Reserve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveAnswer {
    /// Reserved, at this revision.
    Reserved(i64),
    /// A compare failed. This is the reservation in the store.
    Refused(Option<Reservation>),
}

/// The answer to [`super::Action::Renew`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The lease that was renewed.
    pub lease: LeaseId,
    /// When keepalive and read were sent.
    pub sent: BootInstant,
    /// The lease TTL that the server granted; zero when the lease is gone.
    pub ttl: Duration,
    /// What the read saw. `None` when no slot was asked for.
    pub read: Option<SlotsRead>,
}

/// The reading half of a renew pair; all of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotsRead {
    /// That revision.
    pub revision: i64,
    /// The epoch.
    pub epoch: Option<i64>,
    /// Every asked slot by its full key; `None` when it is gone.
    pub slots: Vec<(String, Option<SeenSlot>)>,
    /// Those of the slots' pools that are frozen.
    pub frozen_pools: Vec<PoolName>,
}

/// A slot as a renewal saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSlot {
    /// Its create revision.
    pub create_revision: i64,
    /// Its mod revision.
    pub mod_revision: i64,
    /// The holder's UID.
    pub uid: String,
    /// The nonce of the process that put it.
    pub nonce: String,
}

/// An action that failed without a clear answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The lease is known to be gone.
    pub lease_gone: bool,
    /// What to tell people.
    pub message: String,
}

// === impl ClaimAnswer ===

impl ClaimAnswer {
    /// The slot, if it is ours.
    pub fn won(self) -> Option<Won> {
        match self {
            Self::Won(won) => Some(won),
            Self::Conflict | Self::Queued(_) => None,
        }
    }
}

// === impl PoolView ===

impl PoolView {
    /// What a rank of this read depends on beside the tickets and the slots.
    pub fn rank_guard(&self) -> RankGuard {
        RankGuard { reclaims: self.reclaims, epoch: self.epoch_revision }
    }
}
