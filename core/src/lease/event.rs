//! What the machine is told: events, and the answers that they carry.
//!
//! What an answer says held at one revision of the store; a deadline may start only at the send
//! instant in a [`Granted`], a [`Resumed`] or a [`Renewal`].

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{LeaseId, PastView, Queued, Ticket, TicketsAhead};
use crate::claim::{Fence, OwnerRecord, SlotRecord};
use crate::clock::Reservation;
use crate::pool::PoolName;
use crate::quarantine::Quarantine;
use crate::time::{BootInstant, UnixMillis};

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The machine may begin.
    Start,
    /// [`super::Action::Begin`] answered: a lease, and the first look at the store.
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
    /// [`super::Action::ReadAt`] answered; `None` when the store does not know that revision, or not any more.
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
    /// [`super::Action::Renew`] answered.
    Renewed(Renewal),
    /// [`super::Action::Reserve`] answered.
    Reserved(ReserveAnswer),
    /// [`super::Action::Reserve`] failed without an answer from a compare.
    ReservingFailed,
    /// [`super::Action::Release`] answered; false when a compare failed.
    Released(bool),
    /// An action of the claiming track failed without an answer from a compare.
    ClaimingFailed(Failure),
    /// A renew pair did not answer well. A lease that is gone is no failure but a
    /// [`Renewal`] with a TTL of zero.
    RenewingFailed,
    /// A wake-up that was asked for.
    Tick,
    /// The app has exited (or must be taken to have): release.
    Terminate,
}

/// A granted lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// When the request was sent.
    pub sent: BootInstant,
    /// The lease.
    pub lease: LeaseId,
    /// S, as the server granted it.
    pub ttl: Duration,
}

/// The answer to a [`super::ReadRequest`]; all of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolView {
    /// That revision.
    pub revision: i64,
    /// The specs of the pod's pools, as JSON with their mod revisions.
    pub specs: Vec<(PoolName, Vec<u8>, i64)>,
    /// Whether a hold lies on the pool.
    pub frozen: bool,
    /// How long that hold still lasts, where it is known.
    pub frozen_for: Option<Duration>,
    /// The epoch, when the store has one.
    pub epoch: Option<i64>,
    /// The epoch's mod revision; it moves with every hold.
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
    /// Mod revision of the key that every re-claim ahead of the queue moves; 0 before the first.
    pub reclaims: i64,
    /// Of these quarantined slots, by key, nobody has said yet when their rest ends.
    pub unsettled: Vec<String>,
    /// Slots that are gone and must still rest, by key, with the revision of the claim that they were;
    /// they are among the quarantined ones.
    pub notes: HashMap<String, i64>,
    /// How many tickets there are.
    pub queued: usize,
    /// Our own ticket.
    pub ticket: Option<Ticket>,
    /// Who waits before us, when the look asked for it.
    pub ahead: Option<TicketsAhead>,
    /// The quarantine of the wanted slot, when it names a holder.
    pub wanted_quarantine: Option<Quarantine>,
    /// By the slots' keys: until when time is reserved. Empty when the look did not ask for it.
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
    /// The lease it hangs on.
    pub lease: LeaseId,
}

/// A slot that was won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Won {
    /// The fence.
    pub fence: Fence,
    /// Mod revision of the slot: "mine".
    pub own_mod_revision: i64,
    /// The time that earlier holders reserved, read by the same transaction.
    pub clock: Option<Reservation>,
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
    /// The renewal's send instant and the lease; ttl zero when the lease is gone.
    pub granted: Granted,
    /// The slots that exist.
    pub found: Vec<FoundSlot>,
    /// The epoch.
    pub epoch: i64,
    /// No slot was asked for: the lease carries a waiting ticket.
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
    /// A compare failed; the reservation is this one.
    Refused(Option<Reservation>),
}

/// The answer to [`super::Action::Renew`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The lease that was renewed.
    pub lease: LeaseId,
    /// When the pair was sent.
    pub sent: BootInstant,
    /// What the server granted; zero when the lease is gone.
    pub ttl: Duration,
    /// What the read saw; `None` when no slot was asked for.
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
    /// Those of the slots' pools on which a hold lies.
    pub frozen_pools: Vec<PoolName>,
}

/// A slot as a renewal saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenSlot {
    /// Its create revision.
    pub create_revision: i64,
    /// Its mod revision.
    pub mod_revision: i64,
    /// Whose it is.
    pub uid: String,
    /// Which process put it.
    pub nonce: String,
}

/// An action that failed without a clear answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The lease is known to be gone.
    pub lease_gone: bool,
    /// For people.
    pub message: String,
}
