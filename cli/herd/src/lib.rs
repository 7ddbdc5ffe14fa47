//! Many pods that claim at once on the user's etcd, below a scratch prefix that is removed afterwards.
//!
//! `cairn bench herd` and the benchmark of claims use it. Not for: what is printed, and the interruption by a user.

pub mod claimants;
pub mod figures;
pub mod herd;
pub mod hold_mode;
pub mod pod;
pub mod scratch;

/// Pods share these connections: a thousand connections would measure their opening. With this number, no connection
/// is the bottleneck.
pub const CONNECTIONS: usize = 16;
