//! What the machine is told: events, and the answers that they carry.
//!
//! What an answer says was true at one revision of the store. A deadline may start only at the send instant in a
//! [`Granted`] or a [`Renewal`]; a [`Resumed`] carries the send instant of its keepalive.

use std::time::Duration;

use super::view::{LeaseId, PastView, PoolView};
use crate::claim::{Fence, SlotRecord};
use crate::clock::Reservation;
use crate::pool::PoolName;
use crate::time::BootInstant;

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
    /// [`super::Action::ReadOrigin`] answered. `None` when the store does not have that revision any more.
    Origin(Option<Origin>),
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
    /// [`super::Action::Renew`] failed. `overloaded`: the store has answered that it cannot keep up.
    RenewingFailed {
        /// Asking again costs the store what others need.
        overloaded: bool,
    },
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
    /// Whether the app has missed the heartbeat that it promised (docs/coordination.md). It may still run.
    Silent(bool),
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
    /// What was true at that revision. `None` when it existed already.
    pub origin: Option<Origin>,
}

/// What was true at the revision that created a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The ticket's rank.
    pub rank: usize,
    /// How many names were held or rested. A name that must still begin to rest may count twice.
    pub in_use: usize,
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
    /// When the keepalive was sent. The read follows its answer.
    pub sent: BootInstant,
    /// The lease TTL that the server granted; zero when the lease is gone.
    pub ttl: Duration,
    /// What the read saw. `None` when no slot was asked for, or the lease is gone.
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
