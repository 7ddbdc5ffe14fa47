//! The harness of the end-to-end tests: a real cluster with the chart installed, a namespace per test, workloads, and
//! readers of what users see.
//!
//! The harness uses the tools that users have: `kubectl`, `helm` and files. It does not know the code of sidecar and
//! webhook. The tests assert what the documentation promises.

pub mod access;
pub mod admissions;
pub mod app;
pub mod app_log;
pub mod carbon;
pub mod certificates;
pub mod clock;
pub mod cluster;
pub mod cut_off;
pub mod demo;
pub mod enrolment;
pub mod etcd;
pub mod failure;
pub mod install;
pub mod issued;
pub mod journal;
pub mod json;
pub mod kept_logs;
pub mod local_volumes;
pub mod manifest;
pub mod members;
pub mod minted;
pub mod node;
pub mod ns;
pub mod operator;
pub mod paths;
pub mod pod;
pub mod pool;
pub mod progress;
pub mod run;
pub mod runs;
mod second;
pub mod secrets;
pub mod served;
pub mod sharded;
pub mod situation;
pub mod turn;
pub mod wait;
pub mod webhook;

pub use failure::Failure;

/// The result of a test.
pub type Done = Result<(), Failure>;
