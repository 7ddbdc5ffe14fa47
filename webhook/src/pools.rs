//! Pools: `Pool` objects watched, checked, written to etcd, and described by their status.
//!
//! The Kubernetes side decides readiness (the first list of pools); etcd never does. Both replicas
//! do all of this, because all of it is idempotent; only the leader writes status.

pub mod backoff;
pub mod builtin;
pub mod catalog;
pub mod controller;
pub mod holders;
pub mod resource;
pub mod specs;
pub mod status;
pub mod validate;
pub mod watched;
