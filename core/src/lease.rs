//! The life of one pod's lease and of the claims on it, as a pure state machine.
//!
//! [`Machine::step`] takes an instant and an [`Event`] and answers with [`Action`]s. It never waits,
//! reads no clock and sees no socket; a driver carries out the actions and reports what came of
//! them. Three tracks run beside each other, at most one action of each in flight: *claiming* (pools
//! one at a time, in byte order, so that two pods never wait for each other), *renewing*, and, in pools
//! that ask for it, *reserving* time. Beside them a watch may be open; it only says when looking
//! again is worth while.
//!
//! Invariants (PROTOCOL, Time):
//! - a deadline comes only from the send instant of a grant or of a renew pair, never from a claim;
//! - only a failed compare means "taken"; every other error is retried or read back;
//! - a running pod never moves to another name in a `Keep` pool;
//! - whoever finds no name, or others before it, joins the queue and takes the name that its rank
//!   gives it, so that nobody is overtaken and nobody tries what another is about to take.

use std::time::Duration;

use crate::claim::{Fence, Holder, OwnerRecord, SlotRecord};
use crate::clock::{ClockRecord, Mark, Reservation};
use crate::group::Group;
use crate::keys::ClaimPath;
use crate::pool::{Pool, PoolName, Scope};
use crate::prefix::Template;
use crate::time::{BootInstant, UnixMillis};

mod claiming;
mod decide;
mod doubt;
mod machine;
mod release;
mod renewing;
mod reserving;
mod show;
mod tickets;
mod waiting;

pub use machine::Machine;
pub use reserving::Minting;
pub use show::Shown;
pub use tickets::{Ahead, Claimed, FRONT, Past, Queued, Redemption, Ticket, Watch, Withdrawal};

/// etcd's identifier of a lease.
pub type LeaseId = i64;

/// What a pod asks for.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who asks. Its incarnation is found out, not given.
    pub holder: Holder,
    /// The workload's group.
    pub group: Option<Group>,
    /// The pools, in the user's order; the first is the one with the plain names.
    pub pools: Vec<PoolName>,
    /// The user's own prefix template.
    pub prefix: Option<Template>,
    /// Tells the attempts of this process from those of others under the same UID. Kept for the
    /// process's whole life, so that an attempt that lands late is recognised as ours.
    pub nonce: String,
    /// What an earlier process of this holder published, for an app that may have run on with it.
    pub inherited: Vec<Inherited>,
    /// Where an earlier process of this holder has stopped emitting timestamps.
    pub marks: Vec<(PoolName, Mark)>,
    /// Define built-in pools that are not in the store. True without Kubernetes, where no webhook does.
    pub define_missing: bool,
}

/// A claim as an earlier process of the same holder published it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The pool.
    pub pool: PoolName,
    /// The name's place in the pool's list.
    pub index: usize,
    /// Its fence.
    pub fence: Fence,
    /// Since when it was held.
    pub since: UnixMillis,
    /// The earlier process's incarnation.
    pub incarnation: u32,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The machine may begin.
    Start,
    /// [`Action::Begin`] answered: a lease, and the first look at the store.
    Begun(Granted, Box<View>),
    /// [`Action::Read`] answered.
    Viewed(Box<View>),
    /// [`Action::Define`] answered.
    Defined,
    /// [`Action::Claim`] or [`Action::Redeem`] won.
    Claimed(Won),
    /// [`Action::Claim`], [`Action::Redeem`] or [`Action::Adopt`] lost a compare.
    Outrun,
    /// [`Action::Claim`] left us with a ticket.
    Queued(Queued),
    /// [`Action::ReadAt`] answered; `None` when the store does not know that revision, or not any more.
    Past(Option<Past>),
    /// [`Action::Settle`] answered.
    Settled,
    /// [`Action::Withdraw`] answered: the ticket does not exist any more.
    Withdrawn,
    /// Something that [`Action::Watch`] asked for has changed.
    Woken,
    /// The watch broke off.
    WatchEnded,
    /// [`Action::Resume`] answered.
    Resumed(Resumed),
    /// [`Action::Adopt`] won.
    Adopted(Adopted),
    /// [`Action::Renew`] answered.
    Renewed(Renewal),
    /// [`Action::Reserve`] answered.
    Extended(Extended),
    /// [`Action::Reserve`] failed without an answer from a compare.
    ExtendingFailed,
    /// [`Action::Release`] answered; false when a compare failed.
    Released(bool),
    /// An action of the claiming track failed without an answer from a compare.
    ClaimingFailed(Trouble),
    /// A renew pair did not answer well. A lease that is gone is no failure but a
    /// [`Renewal`] with a TTL of zero.
    RenewingFailed,
    /// A wake-up that was asked for.
    Tick,
    /// The app has exited (or must be taken to have): release.
    Terminate,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Grant a lease and, at the same time, read.
    Begin {
        /// S.
        ttl: Duration,
        /// The look at the store.
        read: Look,
    },
    /// Read (T0).
    Read(Look),
    /// Write a built-in pool's spec into the store.
    Define(Pool),
    /// Claim a slot, or join the queue (T1).
    Claim(Box<Order>),
    /// Read which slots were held and resting at the revision that made our ticket. Any member will
    /// do: what was true then does not change.
    ReadAt {
        /// Where.
        path: ClaimPath,
        /// The ticket's create revision.
        revision: i64,
    },
    /// Turn our ticket into a slot (T2).
    Redeem(Box<Redemption>),
    /// Give a quarantine that a force release has left without an end the lease that ends it.
    Settle(String),
    /// Leave the queue.
    Withdraw(Withdrawal),
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
    Adopt(Box<Adoption>),
    /// Renew: a keepalive and one linearizable read of all own slots.
    Renew {
        /// The lease.
        lease: LeaseId,
        /// Pool and key of each slot.
        slots: Vec<(PoolName, String)>,
    },
    /// Reserve time under a node ID (T4).
    Reserve(Box<Extension>),
    /// Release a slot into quarantine (T5).
    Release(Box<Surrender>),
    /// Give a lease back on which nothing hangs. Its answer does not matter.
    Revoke(LeaseId),
    /// Nothing more to do.
    Finish(Outcome),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that was held is released or left to run out.
    Released,
    /// A younger incarnation of this pod's sidecar has taken over.
    Fenced(String),
    /// It cannot succeed; the sentence says why.
    Failed(String),
}

/// What a read (T0) should cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
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

/// The answer to a [`Look`]; all of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// That revision.
    pub revision: i64,
    /// The specs of the pod's pools, as JSON with their mod revisions.
    pub specs: Vec<(PoolName, Vec<u8>, i64)>,
    /// Whether a hold lies on the pool.
    pub on_hold: bool,
    /// The epoch, when the store has one.
    pub epoch: Option<i64>,
    /// Owner records of this pod.
    pub owners: Vec<Owner>,
    /// Keys of held slots.
    pub held: std::collections::HashSet<String>,
    /// Keys of slots in quarantine.
    pub resting: std::collections::HashSet<String>,
    /// The greatest mod revision among the keys of held and resting slots.
    pub newest: i64,
    /// Mod revision of the queue's sentinel; 0 when nobody ever queued.
    pub sentinel: i64,
    /// Mod revision of the key that every re-claim ahead of the queue moves; 0 before the first.
    pub reclaims: i64,
    /// Full keys of quarantines that a force release has left without an end.
    pub unsettled: Vec<String>,
    /// How many tickets there are.
    pub queued: usize,
    /// Our own ticket.
    pub ticket: Option<Ticket>,
    /// Who waits before us, when the look asked for it.
    pub ahead: Option<Ahead>,
    /// By the slots' keys: until when time is reserved. Empty when the look did not ask for it.
    pub clocks: std::collections::HashMap<String, UnixMillis>,
}

/// An owner record as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
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

/// One attempt at a slot (T1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where.
    pub path: ClaimPath,
    /// Which slot, by key. `None` when one may not be had out of turn: then this only joins the queue.
    pub key: Option<String>,
    /// The slot's value.
    pub record: SlotRecord,
    /// The lease that all keys hang on.
    pub lease: LeaseId,
    /// What to do about the queue.
    pub queue: Queue,
    /// The sentinel as read.
    pub sentinel: i64,
    /// The spec's mod revision as read.
    pub spec: i64,
}

/// How an order stands to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Join it when the slot cannot be had.
    Join,
    /// A name that a running pod had before (T7): that name, ahead of the queue, or none.
    Ahead {
        /// Also during a hold, because the deadline that was in force has not passed.
        despite_hold: bool,
    },
}

/// A slot that was won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Won {
    /// The fence.
    pub fence: Fence,
    /// Mod revision of the slot: "mine".
    pub mine: i64,
    /// The time that earlier holders reserved, read by the same transaction.
    pub clock: Option<Reservation>,
}

/// A slot found on our own lease after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
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

/// The answer to [`Action::Resume`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The renewal's send instant and the lease; ttl zero when the lease is gone.
    pub granted: Granted,
    /// The slots that exist.
    pub found: Vec<Found>,
    /// The epoch.
    pub epoch: i64,
    /// No slot was asked for: the lease carries a waiting ticket.
    pub waiting: bool,
}

/// T3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
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

/// A slot that was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The slot's new mod revision.
    pub mine: i64,
    /// The time reserved so far, read by the same transaction.
    pub clock: Option<Reservation>,
}

/// T4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Where.
    pub path: ClaimPath,
    /// Under which slot, by key.
    pub key: String,
    /// Our namespace and UID.
    pub holder: Holder,
    /// Mod revision of our own last put of the slot and its owner record.
    pub mine: i64,
    /// Mod revision of the reservation as known; 0 for none.
    pub seen: i64,
    /// The new reservation.
    pub record: ClockRecord,
}

/// The answer to [`Action::Reserve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// Reserved, at this revision.
    Done(i64),
    /// A compare failed; the reservation is this one.
    Refused(Option<Reservation>),
}

/// The answer to [`Action::Renew`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The lease that was renewed.
    pub lease: LeaseId,
    /// When the pair was sent.
    pub sent: BootInstant,
    /// What the server granted; zero when the lease is gone.
    pub ttl: Duration,
    /// What the read saw; `None` when no slot was asked for.
    pub read: Option<Proof>,
}

/// The reading half of a renew pair; all of one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// That revision.
    pub revision: i64,
    /// The epoch.
    pub epoch: Option<i64>,
    /// Every asked slot by its full key; `None` when it is gone.
    pub slots: Vec<(String, Option<Seen>)>,
    /// Those of the slots' pools on which a hold lies.
    pub on_hold: Vec<PoolName>,
}

/// A slot as a renewal saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its create revision.
    pub create_revision: i64,
    /// Its mod revision.
    pub mod_revision: i64,
    /// Whose it is.
    pub uid: String,
    /// Which process put it.
    pub nonce: String,
}

/// T5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surrender {
    /// Where.
    pub path: ClaimPath,
    /// Which slot, by key.
    pub key: String,
    /// Our namespace and UID.
    pub holder: Holder,
    /// Mod revision of our own last put: an older incarnation must not release a younger one's slot.
    pub mine: i64,
    /// How long the slot rests.
    pub quarantine: Duration,
    /// What the reservation of time shrinks to, where it is known what was emitted.
    pub clock: Option<ClockRecord>,
}

/// An action that failed without a clear answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The lease is known to be gone.
    pub lease_gone: bool,
    /// For people.
    pub sentence: String,
}

/// The scope to look in before the spec was seen. A wrong guess costs one more round trip.
fn scope_guess(pool: &PoolName) -> Scope {
    Pool::builtin(pool).map_or(Scope::Namespace, |pool| pool.spec.scope)
}

#[cfg(test)]
mod tests;
