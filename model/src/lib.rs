//! The claim protocol as a model, and its exhaustive check in small bounds.

mod action;
mod belief;
mod clock;
mod config;
mod key;
mod left_out;
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
pub use left_out::left_out;
pub use property::Promise;
pub use report::{Counterexample, Report, check};
pub use rule::Rule;
pub use spec::Spec;
