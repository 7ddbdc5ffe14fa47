//! The claim protocol on etcd: each transaction of `docs/protocol.md` is one typed operation of [`Store`].
//!
//! This is the only crate that names `etcd_client`. [`Store`] is written against the trait [`Kv`], and
//! [`etcd::Etcd`] implements it. The feature `testing` adds `memory::MemoryKv`, which keeps keys in memory and has
//! faults and virtual time for tests. Both pass the same suite (`tests/suite.rs`).
//!
//! Not for: decisions. `cairn_core::lease` decides what to do next.

pub mod access;
pub mod cluster;
pub mod coordination;
pub mod error;
pub mod etcd;
pub mod freeze;
pub mod installation;
pub mod kv;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod perform;
pub mod prefix;
pub mod protocol;
mod records;
pub mod setup;
pub mod shape;
mod store;

pub use access::UserName;
pub use cluster::{ClusterId, ExpectedCluster};
pub use coordination::Coordination;
pub use error::{Class, Error};
pub use kv::{
    Batch, Branch, Change, Compare, Delta, Deltas, Follow, Guarded, KeyValue, Kv, Listing, Op,
    OpReply, Span, Txn, TxnReply,
};
pub use perform::Performed;
pub use prefix::KeyPrefix;
pub use protocol::Forced;
pub use store::Store;
