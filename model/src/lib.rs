//! The claim protocol (T0 to T7) as a model, and its exhaustive check in small bounds.
//!
//! A state is a whole world: an etcd with revisions and leases, the pods' sidecars, the messages under
//! way between them, and what the apps believe. A check visits every state that some bounds
//! ([`Config`]) allow, and looks in each whether every [`Promise`] holds. A [`Rule`] that is left out must
//! break one ([`mod@left_out`]), and a [`scenario`] must come past the troubles that it is about ([`Milestone`]):
//! that is what keeps a check from being passed by a model in which nothing happens.
//!
//! Invariants: the model is deterministic, reads no clock and keeps nothing outside the states but
//! counters; every protocol decision is in `protocol.rs` and `process.rs`, everything else carries it
//! around. Not for: performance, permissions, etcd's members and elections. `README.md` has the bounds, what is
//! abstracted, and the table of rules.

mod action;
mod args;
mod belief;
mod clock;
mod config;
mod counterexample;
pub mod entry;
mod key;
mod left_out;
mod milestone;
mod process;
mod property;
mod protocol;
mod recovery;
mod report;
mod request;
mod rule;
pub mod scenario;
mod spec;
mod store;
mod txn;
mod view;
mod world;

pub use config::{Config, Faults};
pub use counterexample::Counterexample;
pub use left_out::left_out;
pub use milestone::Milestone;
pub use property::Promise;
pub use report::{Report, check};
pub use rule::Rule;
pub use spec::Spec;
