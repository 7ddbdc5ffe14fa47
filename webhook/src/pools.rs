//! Pools: watches and checks `Pool` objects, writes their specs to etcd, and writes their status.
//!
//! Readiness waits for the first list of pools, and never for etcd. All replicas watch and admit. Only the leader
//! writes to etcd and to the objects: a replica with a late watch would open a pool again that is being deleted. The
//! rules are in `docs/protocol.md`, "Pools and upkeep".

use std::time::Duration;

use cairn_kit::backoff::Backoff;

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
pub mod watched;

/// The pauses after failed writes. They are short, because etcd often starts at the same time as the webhook, and pods
/// of a new installation wait for the pools.
const RETRIES: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(5) };
