//! The life of one pod's lease and of the claims on it, as a pure state machine.
//!
//! [`Machine::step`] takes an instant and an [`Event`] and answers with [`Action`]s. It never waits, reads no clock
//! and opens no socket. A driver carries out the actions and reports what came of them. The rules are those of
//! `docs/protocol.md`.
//!
//! Three tracks run beside each other, each with at most one action in flight: *claiming* (pools one at a time, in
//! byte order, so that two pods never wait for each other), *renewing*, and, in pools that ask for it, *reserving*
//! time. Beside them a watch may be open. It only says when another read is worth while.
//!
//! `machine.rs` routes each event to a handler. A handler borrows the fields that it needs; its comment says what
//! it may change of a claim. A phase is changed in `claim.rs` alone. To follow a claim, read `machine.rs`,
//! `claiming.rs`, `decide.rs`, `claim.rs`.
//!
//! Invariants:
//! - a deadline comes only from the send instant of a grant or of a renewal, never from a claim;
//! - only a failed compare means "taken"; every other error is retried or read back;
//! - a running pod never moves to another name in a `Keep` pool;
//! - a pod that finds no name, or other pods before it, joins the queue and takes the name that its rank gives it, so
//!   that no live pod is overtaken and no pod tries what another is about to take.
//!
//! Not for: carrying anything out (`cairn-store`), and telling anybody (`cairn-sidecar`).

mod action;
mod claim;
mod claiming;
mod config;
mod decide;
mod define;
mod event;
mod evidence;
mod inherited;
mod known_pool;
mod look;
mod machine;
mod phase;
mod queue;
mod reason;
mod regain;
mod release;
mod renewing;
mod reservation;
mod reserving;
mod resume;
mod settle;
mod silence;
mod status;
mod ticket;
mod together;
mod track;
mod view;

pub(crate) use track::Track;

pub use action::{
    Action, AdoptRequest, ClaimRequest, EndReason, LeaveQueueRequest, QuarantineRequest, QueueMode,
    ReadRequest, RedeemRequest, ReleaseRequest, ReserveRequest, Watch,
};
pub use config::Config;
pub use event::{
    Adopted, ClaimAnswer, Event, Failure, FoundSlot, Granted, Origin, Queued, Renewal,
    ReserveAnswer, Resumed, SeenSlot, SlotsRead, Won,
};
pub use inherited::{Deadline, Inherited};
pub use machine::Machine;
pub use reservation::Minting;
pub use status::ClaimStatus;
pub use ticket::FRONT;
pub use view::{FoundOwner, LeaseId, PastView, PoolView, RankGuard, Ticket, TicketsAhead};

#[cfg(test)]
mod tests;
