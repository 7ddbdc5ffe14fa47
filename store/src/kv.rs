//! The part of etcd that the protocol needs: one trait, and plain values.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::time_limits::TimeLimits;

use crate::cluster::ClusterId;
use crate::error::Error;

mod batch;
mod follow;
mod pages;
mod span;
mod txn;

pub use batch::{Answer, Batch, Branch, CountHandle, Guarded, KeyHandle, KeysHandle, TxnHandle};
pub use follow::{Change, Delta, Deltas, Follow};
pub use pages::Listing;
pub(crate) use pages::Pages;
pub use span::Span;
pub use txn::{Compare, Expected, KeyValue, Op, OpReply, Txn, TxnReply, prefix_end};

/// A store with transactions and leases.
///
/// Each call has its own time limit. A call that failed may be repeated; it then goes to the next member.
pub trait Kv: Send + Sync {
    /// Does a transaction.
    fn txn(&self, txn: Txn) -> impl Future<Output = Result<TxnReply, Error>> + Send;
    /// Does a transaction whose answer is large: it may take longer.
    fn large_txn(&self, txn: Txn) -> impl Future<Output = Result<TxnReply, Error>> + Send {
        self.txn(txn)
    }
    /// Grants a lease. The answer is its identifier and the TTL that the server granted.
    fn grant(&self, ttl: Duration) -> impl Future<Output = Result<(i64, Duration), Error>> + Send;
    /// Renews a lease. The answer is its TTL, zero when the lease does not exist.
    fn keep_alive(&self, lease: i64) -> impl Future<Output = Result<Duration, Error>> + Send;
    /// Revokes a lease. The keys that are attached to it are deleted.
    fn revoke(&self, lease: i64) -> impl Future<Output = Result<(), Error>> + Send;
    /// Sets the time limits of one attempt at one member, for attempts that run too. They are parts of the validity,
    /// which is known only after the pools were read. A store whose requests cannot hang ignores it.
    fn set_time_limits(&self, _limits: TimeLimits) {}
    /// The time until a lease ends unless it is renewed; `None` when it does not exist, or when the store does not
    /// tell.
    fn time_to_live(
        &self,
        _lease: i64,
    ) -> impl Future<Output = Result<Option<Duration>, Error>> + Send {
        std::future::ready(Ok(None))
    }
    /// Sets the longest lease TTL of the process's pools. The known cluster must have been silent for that long
    /// before another one is accepted in its place. A store that is one cluster for ever ignores it.
    fn set_longest_lease(&self, _ttl: Duration) {}
    /// The known cluster; `None` before its first answer.
    fn cluster_id(&self) -> Option<ClusterId> {
        None
    }
    /// Answers once something in the spans has changed at this revision or later. It has no time limit. An error
    /// means that changes may be missed from now on.
    fn changed(
        &self,
        spans: Vec<Span>,
        from: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Follows the changes in spans: passes them on as they come, until an error ends it. After that, changes may be
    /// missed. It has no time limit. [`Follow`] says in which order they come.
    fn follow(&self, follow: Follow, deltas: Deltas) -> impl Future<Output = Error> + Send;

    /// Does a transaction that is made of batches.
    fn commit(&self, guarded: Guarded) -> impl Future<Output = Result<Branch, Error>> + Send {
        let (txn, branches) = guarded.into_txn();
        async move { self.txn(txn).await.map(|reply| branches.answer(reply)) }
    }

    /// Does the operations of a batch in one transaction without a condition.
    fn read(&self, batch: Batch) -> impl Future<Output = Result<Answer, Error>> + Send {
        async move {
            let (txn, branches) = Guarded::from(batch).into_txn();
            branches.answer_unconditional(self.txn(txn).await?)
        }
    }

    /// The same for a batch whose answer is large.
    fn read_large(&self, batch: Batch) -> impl Future<Output = Result<Answer, Error>> + Send {
        async move {
            let (txn, branches) = Guarded::from(batch).into_txn();
            branches.answer_unconditional(self.large_txn(txn).await?)
        }
    }

    /// Reads one key; `None` when it does not exist.
    fn get(
        &self,
        key: impl Into<String>,
    ) -> impl Future<Output = Result<Option<KeyValue>, Error>> + Send {
        let mut batch = Batch::default();
        let handle = batch.get(key);
        async move { Ok(self.read(batch).await?.key(handle)?.cloned()) }
    }

    /// Reads all keys with a prefix, with their values, in one answer.
    fn read_all(
        &self,
        prefix: impl Into<String>,
    ) -> impl Future<Output = Result<Vec<KeyValue>, Error>> + Send {
        let mut batch = Batch::default();
        let handle = batch.list(prefix);
        async move { Ok(self.read(batch).await?.keys(handle)?.to_vec()) }
    }
}

// One connection serves several users of a process.
impl<K: Kv> Kv for Arc<K> {
    fn txn(&self, txn: Txn) -> impl Future<Output = Result<TxnReply, Error>> + Send {
        K::txn(self, txn)
    }

    fn large_txn(&self, txn: Txn) -> impl Future<Output = Result<TxnReply, Error>> + Send {
        K::large_txn(self, txn)
    }

    fn grant(&self, ttl: Duration) -> impl Future<Output = Result<(i64, Duration), Error>> + Send {
        K::grant(self, ttl)
    }

    fn keep_alive(&self, lease: i64) -> impl Future<Output = Result<Duration, Error>> + Send {
        K::keep_alive(self, lease)
    }

    fn revoke(&self, lease: i64) -> impl Future<Output = Result<(), Error>> + Send {
        K::revoke(self, lease)
    }

    fn set_time_limits(&self, limits: TimeLimits) {
        K::set_time_limits(self, limits);
    }

    fn time_to_live(
        &self,
        lease: i64,
    ) -> impl Future<Output = Result<Option<Duration>, Error>> + Send {
        K::time_to_live(self, lease)
    }

    fn set_longest_lease(&self, ttl: Duration) {
        K::set_longest_lease(self, ttl);
    }

    fn cluster_id(&self) -> Option<ClusterId> {
        K::cluster_id(self)
    }

    fn changed(
        &self,
        spans: Vec<Span>,
        from: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        K::changed(self, spans, from)
    }

    fn follow(&self, follow: Follow, deltas: Deltas) -> impl Future<Output = Error> + Send {
        K::follow(self, follow, deltas)
    }
}
