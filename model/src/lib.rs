//! The claim protocol (T0 to T7) as a model, and its exhaustive check in small bounds.
//!
//! A state is a whole system: an etcd with revisions and leases, the pods' sidecars, the messages in
//! flight between them, and what the apps believe. A check visits every state that some bounds
//! ([`Config`]) allow, and looks in each whether every [`Promise`] holds. A [`Rule`] that is left out must
//! break one ([`mod@left_out`]), and a [`scenario`] must reach its milestones ([`Milestone`]). Otherwise a model
//! in which nothing happens would pass every check.
//!
//! Invariants: the model is deterministic, reads no clock and keeps nothing outside the states but
//! counters. Every decision of the protocol is in `protocol.rs` and `process.rs`; the other files carry it
//! out. Not for: performance, permissions, etcd's members and elections. `README.md` has the bounds, what is
//! abstracted, and the table of rules.

mod action;
mod args;
mod belief;
mod clock;
mod config;
mod describe;
pub mod entry;
mod key;
mod left_out;
mod milestone;
mod pool_view;
mod process;
mod property;
mod protocol;
mod recovery;
mod request;
mod rule;
pub mod scenario;
mod spec;
mod store;
mod system;
mod txn;

pub use config::{Config, Faults};
pub use left_out::left_out;
pub use milestone::Milestone;
pub use property::Promise;
pub use rule::Rule;
pub use spec::Spec;

/// The result of a check.
pub type Report = cairn_model_check::Report<property::Space>;

/// Visits every state, until a promise is broken, or up to so many steps.
pub fn check(config: &Config, limit: Option<usize>) -> Report {
    cairn_model_check::check(config, Promise::ALL, limit)
}
