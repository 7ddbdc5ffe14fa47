//! The claim protocol on etcd: each transaction of PROTOCOL.md is one typed operation of [`Store`].
//!
//! This is the only crate that names `etcd_client`. [`Store`] is written against the small trait
//! [`Kv`], which has two implementations: [`etcd::Etcd`] and, for tests with faults and virtual
//! time, [`memory::Memory`]. Both are held to the same suite (`tests/suite.rs`).
//!
//! Not for: deciding anything. What to do next is `cairn_core::lease`'s.

pub mod admin;
mod clock;
pub mod cluster;
pub mod error;
pub mod etcd;
pub mod freeze;
pub mod installation;
pub mod kv;
pub mod memory;
pub mod perform;
pub mod prefix;
pub mod protocol;
mod queue;
mod rest;
pub mod setup;
pub mod shape;

pub use cluster::{ClusterId, ExpectedCluster};
pub use error::{Class, Error};
pub use kv::{Compare, KeyValue, Kv, Op, OpReply, Span, Txn, TxnReply};
pub use perform::Performed;
pub use prefix::KeyPrefix;
pub use protocol::Store;
