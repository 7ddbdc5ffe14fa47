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

use crate::claim::Holder;
use crate::clock::MintCheckpoint;
use crate::group::Group;
use crate::pool::{Pool, PoolName, Scope};
use crate::prefix::Template;

mod action;
mod claim;
mod claiming;
mod decide;
mod defining;
mod doubt;
mod event;
mod freeze;
mod inherited;
mod machine;
mod regaining;
mod release;
mod renewing;
mod reservation;
mod reserving;
mod resuming;
mod settling;
mod show;
mod tickets;
mod track;
mod waiting;

pub use action::{
    Action, AdoptRequest, ClaimRequest, EndReason, QuarantineRequest, QueueMode, ReadRequest,
    ReleaseRequest, ReserveRequest,
};
pub use event::{
    Adopted, Event, Failure, FoundOwner, FoundSlot, Granted, PoolView, Renewal, ReserveAnswer,
    Resumed, SeenSlot, SlotsRead, Won,
};
pub use inherited::{Deadline, Inherited};
pub use machine::Machine;
pub use reserving::Minting;
pub use show::ClaimStatus;
pub use tickets::{
    ClaimAnswer, FRONT, LeaveQueueRequest, PastView, Queued, RankGuard, RedeemRequest, Ticket,
    TicketsAhead, Watch,
};

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
    /// What earlier processes of this holder have published, for an app that may run on with it.
    pub inherited: Vec<Inherited>,
    /// Where an earlier process of this holder has stopped emitting timestamps.
    pub mint_checkpoints: Vec<(PoolName, MintCheckpoint)>,
    /// Define built-in pools that are not in the store. True without Kubernetes, where no webhook does.
    pub define_missing: bool,
    /// Runs in a pod, where a SIGTERM is no proof that the app has ended: what is released rests until it
    /// certainly has, and only this pod has it back before.
    pub in_pod: bool,
    /// The user says that nobody holds a name of these pools from before: a pool that is defined here
    /// need not be frozen.
    pub new_store: bool,
}

/// The scope to look in before the spec was seen. A wrong guess costs one more round trip.
fn scope_guess(pool: &PoolName) -> Scope {
    Pool::builtin(pool).map_or(Scope::Namespace, |pool| pool.spec.scope)
}

#[cfg(test)]
mod tests;
