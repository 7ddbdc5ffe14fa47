//! Pools: `Pool` objects watched, checked, written to etcd, and described by their status.
//!
//! The Kubernetes side decides readiness (the first list of pools); etcd never does. All replicas watch
//! and admit; only the leader writes, to etcd as well as to the objects, because a replica whose watch
//! lags would open a pool again that is being deleted.

pub mod backoff;
pub mod builtin;
pub mod catalog;
pub mod controller;
pub mod finalizer;
pub mod holders;
pub mod progress;
pub mod resource;
pub mod specs;
pub mod status;
pub mod sync;
pub mod usage;
pub mod validate;
pub mod watched;
