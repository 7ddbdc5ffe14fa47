//! The life of one member's session, as a pure state machine: join, renew, own, hand over, take over, leave.
//!
//! `Machine::step` takes an instant and an [`Event`] and answers with [`Action`]s. It never waits, reads no clock and
//! opens no socket. A driver carries out the actions and reports what came of them. The rules are those of
//! `docs/coordination.md`.
//!
//! Three tracks run beside each other, each with at most one action in flight: *reading* (C0 and the watch), *writing*
//! (C1 to C9), *renewing*. A command of the app or of an administrator changes what the machine wants; the tracks
//! carry it out.
//!
//! `machine.rs` routes events and lets idle tracks go on; `answers.rs` and `written.rs` say what answers mean, always
//! in one order; `commands.rs` what the app asks for and is shown. To follow a shard, read `survey.rs` (what there is),
//! `part.rs` (our part of the plan), `owners.rs` (stop, hand over, take), `stops.rs`.
//!
//! Invariants:
//! - a deadline comes only from the send instant of a good read, and is never later than the heartbeat's;
//! - an answer of another epoch ends the session before anything else in it is used;
//! - one write is under way at a time, and an unclear one is repeated unchanged;
//! - a watch may only make something faster.
//!
//! Not for: carrying anything out (`cairn-store`), telling anybody (`cairn-sidecar`), the plan itself
//! ([`super::plan`]).

mod action;
mod answers;
mod calm;
mod command;
mod commands;
mod config;
mod deadline;
mod ended;
mod event;
mod joining;
mod leaving;
mod machine;
mod membership;
mod offers;
mod owners;
mod part;
mod reading;
mod record;
mod renewing;
mod resize;
mod shown;
mod status;
mod stop_id;
mod stops;
mod survey;
#[cfg(test)]
mod tests;
mod track;
mod value;
mod wake;
mod written;

pub use action::{Action, EndReason};
pub use command::{Command, Refusal};
pub use config::Config;
pub use event::{Event, Renewal, SessionLease};
pub use machine::Machine;
pub use status::{LeaderStatus, Owned, Status, Stopping};
pub use stop_id::StopId;
