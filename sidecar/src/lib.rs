//! Everything of `cairn-sidecar` but its entry point: a library, so that tests run the real servers.
//!
//! A walk: [`claim`] drives the lease and sends a [`snapshot::Snapshot`] at each change;
//! [`publish`] writes the files and only then hands it on as [`applied::Applied`], which is what
//! [`api`], [`admin`] and [`probe`] read. Nothing is said to be held before its files are there.

pub mod admin;
pub mod api;
pub mod app;
pub mod app_probes;
pub mod applied;
pub mod args;
pub mod claim;
pub mod config;
pub mod entry;
pub mod exchange;
pub mod gate;
pub mod ids;
pub mod instance;
pub mod metrics;
pub mod probe;
pub mod publish;
pub mod server;
pub mod snapshot;
