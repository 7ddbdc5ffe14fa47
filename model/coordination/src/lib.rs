//! The coordination protocol (C1 to C9) as a model, and its exhaustive check in small bounds.
//!
//! A state is a whole system: the store, the pods' sidecar processes, the writes under way, and what the apps may rely
//! on. A check visits every state that some bounds ([`Config`]) allow, and looks in each whether every [`Promise`]
//! holds. A [`Rule`] that is left out must break one ([`mod@left_out`]), and a [`scenario`] must reach its milestones
//! ([`Milestone`]). Otherwise a model in which nothing happens would pass every check.
//!
//! Invariants: the model is deterministic, reads no clock and keeps nothing outside the states but counters. Every
//! decision of the protocol is in `process.rs` and `transaction.rs`; the other files carry it out. Not for:
//! performance, permissions, etcd's members and elections. `README.md` has the bounds and what is abstracted.

mod action;
mod args;
mod bounds;
mod config;
mod describe;
pub mod entry;
mod left_out;
mod milestone;
mod place;
mod plan;
mod process;
mod property;
mod recovery;
mod rule;
pub mod scenario;
mod store;
mod system;
mod transaction;
mod write;

pub use config::{Config, Faults};
pub use left_out::{Case, left_out};
pub use milestone::Milestone;
pub use property::Promise;
pub use rule::Rule;

/// The result of a check.
pub type Report = cairn_model_check::Report<property::Space>;

/// Visits every state, until one of these promises is broken, or up to so many steps.
pub fn check(config: &Config, promises: &[Promise], limit: Option<usize>) -> Report {
    cairn_model_check::check(config, promises, limit)
}
