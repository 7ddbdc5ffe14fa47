//! The part of etcd that the protocol needs, as plain values and one trait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::ClusterId;
use crate::error::Error;

/// A compare of a transaction. A revision of 0 holds for absent keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: String,
    /// Which of its revisions.
    pub field: Field,
    /// What it must be.
    pub revision: i64,
}

/// The revision that a [`Compare`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// When the key was created.
    Create,
    /// When it was last put.
    Modified,
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read one key.
    Get(String),
    /// Read all keys with a prefix.
    List {
        /// The prefix.
        prefix: String,
        /// Without values.
        keys_only: bool,
    },
    /// Count the keys with a prefix.
    Count(String),
    /// Read all keys with a prefix that were created before a revision, without their values, the
    /// youngest first.
    ListBefore {
        /// The prefix.
        prefix: String,
        /// The first create revision that is too young.
        revision: i64,
    },
    /// Read all keys with a prefix, without their values, as they were at a revision. Any member
    /// answers from what it has; it refuses when it does not have that revision.
    ListAt {
        /// The prefix.
        prefix: String,
        /// The revision.
        revision: i64,
    },
    /// Write one key.
    Put {
        /// The key.
        key: String,
        /// The value.
        value: Vec<u8>,
        /// The lease it hangs on; 0 for none.
        lease: i64,
    },
    /// Delete one key.
    Delete(String),
    /// A transaction within the transaction; its compares see the state before the outer one.
    Txn(Txn),
}

/// If all compares hold then `then` else `otherwise`, atomically.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// Done when they do.
    pub then: Vec<Op>,
    /// Done when they do not.
    pub otherwise: Vec<Op>,
}

/// The answer to a [`Txn`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnReply {
    /// The store's revision; that of all puts, when there were any.
    pub revision: i64,
    /// Which branch was done.
    pub succeeded: bool,
    /// One answer per operation of that branch.
    pub replies: Vec<OpReply>,
}

/// The answer to an [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpReply {
    /// To `Get`, `Count` and the lists.
    Keys {
        /// Those that were asked for; none by `Count`.
        keys: Vec<KeyValue>,
        /// How many keys the key or prefix has, whatever was filtered.
        count: usize,
    },
    /// To `Put` and `Delete`.
    Done,
    /// To `Txn`.
    Txn(TxnReply),
}

/// A key as it stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value; empty when keys alone were asked for.
    pub value: Vec<u8>,
    /// When it was created.
    pub create_revision: i64,
    /// When it was last put.
    pub mod_revision: i64,
    /// The lease it hangs on; 0 for none.
    pub lease: i64,
}

/// Keys to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first key.
    pub from: String,
    /// The first key after the last; `None` for one key alone.
    pub to: Option<String>,
    /// Puts do not matter.
    pub deletions_only: bool,
}

/// A store with transactions and leases: etcd, or its twin in memory.
///
/// Every call has a time limit of its own and may be tried again at another member by calling again.
pub trait Kv: Send + Sync {
    /// Does a transaction.
    fn txn(&self, txn: Txn) -> impl Future<Output = Result<TxnReply, Error>> + Send;
    /// Grants a lease; the answer is its identifier and the TTL that the server granted.
    fn grant(&self, ttl: Duration) -> impl Future<Output = Result<(i64, Duration), Error>> + Send;
    /// Renews a lease; the answer is its TTL, zero when it does not exist.
    fn keep_alive(&self, lease: i64) -> impl Future<Output = Result<Duration, Error>> + Send;
    /// Gives a lease back; the keys on it go.
    fn revoke(&self, lease: i64) -> impl Future<Output = Result<(), Error>> + Send;
    /// How long one attempt at one member may take from now on. A part of V, which is known only once
    /// the pools were read. For stores in which nothing can hang it is of no use.
    fn set_patience(&self, _patience: Duration) {}
    /// How long a lease has left unless it is renewed; `None` when it does not exist, or when the store
    /// does not tell.
    fn time_to_live(
        &self,
        _lease: i64,
    ) -> impl Future<Output = Result<Option<Duration>, Error>> + Send {
        std::future::ready(Ok(None))
    }
    /// The longest lease that the process's pools need: for so long a cluster must have been silent
    /// before another one is believed in its place. For stores that are one cluster it is of no use.
    fn set_longest_lease(&self, _ttl: Duration) {}
    /// The cluster that is believed; `None` before its first answer.
    fn cluster_id(&self) -> Option<ClusterId> {
        None
    }
    /// Answers once something in the spans has changed at this revision or later, however long that
    /// takes; an error means that it cannot tell any more. This alone has no time limit.
    fn changed(
        &self,
        spans: Vec<Span>,
        from: i64,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

// One connection serves several users of a process.
impl<K: Kv> Kv for Arc<K> {
    fn txn(&self, txn: Txn) -> impl Future<Output = Result<TxnReply, Error>> + Send {
        K::txn(self, txn)
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

    fn set_patience(&self, patience: Duration) {
        K::set_patience(self, patience);
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
}

// === impl Compare ===

impl Compare {
    /// The key was created at this revision; 0 for "does not exist".
    pub fn created(key: impl Into<String>, revision: i64) -> Self {
        Self { key: key.into(), field: Field::Create, revision }
    }

    /// The key was last put at this revision; 0 for "does not exist".
    pub fn modified(key: impl Into<String>, revision: i64) -> Self {
        Self { key: key.into(), field: Field::Modified, revision }
    }
}

// === impl Op ===

impl Op {
    /// Read one key.
    pub fn get(key: impl Into<String>) -> Self {
        Self::Get(key.into())
    }

    /// Read all keys with a prefix, with their values.
    pub fn list(prefix: impl Into<String>) -> Self {
        Self::List { prefix: prefix.into(), keys_only: false }
    }

    /// Read all keys with a prefix, without their values.
    pub fn list_keys(prefix: impl Into<String>) -> Self {
        Self::List { prefix: prefix.into(), keys_only: true }
    }

    /// Write one key.
    pub fn put(key: impl Into<String>, value: impl Into<Vec<u8>>, lease: i64) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease }
    }
}

// === impl Span ===

impl Span {
    /// One key.
    pub fn key(key: impl Into<String>) -> Self {
        Self { from: key.into(), to: None, deletions_only: false }
    }

    /// The deletions of all keys from `from` up to, but not including, `to`.
    pub fn deletions(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: Some(to.into()), deletions_only: true }
    }

    /// Whether a key lies in it.
    pub fn contains(&self, key: &str) -> bool {
        match &self.to {
            Some(to) => self.from.as_str() <= key && key < to.as_str(),
            None => self.from == key,
        }
    }
}

// === impl Txn ===

impl Txn {
    /// A transaction that only reads.
    pub fn read(ops: Vec<Op>) -> Self {
        Self { then: ops, ..Self::default() }
    }
}

// === impl TxnReply ===

impl TxnReply {
    /// The keys that the operation at `index` read; empty when it read none.
    pub fn keys(&self, index: usize) -> &[KeyValue] {
        match self.replies.get(index) {
            Some(OpReply::Keys { keys, .. }) => keys,
            _ => &[],
        }
    }

    /// How many keys the operation at `index` met.
    pub fn count(&self, index: usize) -> usize {
        match self.replies.get(index) {
            Some(OpReply::Keys { count, .. }) => *count,
            _ => 0,
        }
    }

    /// The one key that the operation at `index` read.
    pub fn key(&self, index: usize) -> Option<&KeyValue> {
        self.keys(index).first()
    }
}
