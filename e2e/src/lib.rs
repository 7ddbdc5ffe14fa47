//! The harness of the end-to-end tests: a real cluster with the chart installed, namespaces that
//! come and go, workloads, and readers for what users would look at.
//!
//! Everything goes through the tools that users have: `kubectl`, `helm` and files. Nothing here
//! knows the code of sidecar and webhook; what is asserted is what the documentation promises.

pub mod app;
pub mod carbon;
pub mod clock;
pub mod cluster;
pub mod demo;
pub mod etcd;
pub mod failure;
pub mod install;
pub mod journal;
pub mod json;
pub mod local_volumes;
pub mod members;
pub mod node;
pub mod ns;
pub mod place;
pub mod pod;
pub mod pool;
pub mod progress;
pub mod run;
pub mod runs;
pub mod wait;
pub mod webhook;

pub use failure::Failure;

/// What a sentence returns.
pub type Done = Result<(), Failure>;
