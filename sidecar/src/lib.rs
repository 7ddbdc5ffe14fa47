//! The sidecar as a library, so that tests can run its servers.
//!
//! [`claim`] drives the lease and sends a [`snapshot::Snapshot`] at each change. [`publish`] writes the files and then
//! sends it on as [`applied::Applied`], which [`api`] and [`admin`] show. A claim is shown as held only after its files
//! are written. `docs/protocol.md` describes the claims, and `docs/pods.md` what happens in a pod.

pub mod admin;
pub mod api;
pub mod app;
pub mod app_probes;
pub mod applied;
pub mod args;
pub mod claim;
mod cluster_mark;
pub mod config;
pub mod coordination;
pub mod drain;
pub mod drive;
pub mod enrol;
pub mod entry;
pub mod etcd_access;
pub mod exchange;
mod failures;
pub mod gate;
pub mod ids;
pub mod instance;
pub mod metrics;
pub mod probe;
pub mod program;
pub mod publish;
pub mod server;
pub mod session;
pub mod snapshot;
