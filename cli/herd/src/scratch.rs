//! A scratch prefix in the user's etcd: the whole layout of keys below a random prefix.
//!
//! It is separate from the claims, pools and epoch of an installation. No webhook sees it: a webhook would remove a
//! pool without a `Pool` object. [`Scratch::clear`] removes all keys and leases; claims that it cannot remove
//! expire with their leases.

use std::collections::HashSet;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use cairn_store::prefix::SCRATCH;
use cairn_store::{Batch, Class, Deltas, Error, Follow, KeyPrefix, Kv, Op, Span, Txn, TxnReply};
use futures::channel::mpsc;
use futures::future::join;
use futures::stream::{self, StreamExt};
use uuid::Uuid;

/// The number of parallel revocations: enough to use etcd well, and few enough for other clients.
const REVOKED_AT_ONCE: usize = 64;

/// Below the default limit of etcd: 128 operations in a transaction.
const DELETED_AT_ONCE: usize = 100;

/// One connection to a scratch prefix.
#[derive(Clone, Debug)]
pub struct Scratch<K> {
    kv: K,
    root: Arc<KeyPrefix>,
    tally: Arc<Tally>,
}

/// The writes and leases of all connections.
#[derive(Debug, Default)]
struct Tally {
    writes: AtomicU64,
    leases: Mutex<HashSet<i64>>,
}

// === impl Scratch ===

impl<K: Kv> Scratch<K> {
    /// A new random prefix.
    pub fn new(kv: K) -> Self {
        let root = KeyPrefix::scratch(Uuid::new_v4().as_u128());
        Self { kv, root: Arc::new(root), tally: Arc::default() }
    }

    /// The same prefix on another connection.
    #[must_use]
    pub fn by(&self, kv: K) -> Self {
        Self { kv, root: Arc::clone(&self.root), tally: Arc::clone(&self.tally) }
    }

    /// The prefix of all its keys.
    pub fn root(&self) -> &str {
        self.root.as_str()
    }

    /// The number of requests that etcd passes through Raft: grants, revocations, and transactions with a put or a
    /// deletion in either branch. Keepalives and reads do not count.
    pub fn writes(&self) -> u64 {
        self.tally.writes.load(Ordering::Relaxed)
    }

    /// Removes all keys below the prefix and revokes all leases.
    pub async fn clear(&self) -> Result<(), Error> {
        let leases = mem::take(&mut *self.leases());
        let mut revoking = stream::iter(leases)
            .map(|lease| self.kv.revoke(lease))
            .buffer_unordered(REVOKED_AT_ONCE);
        while let Some(answer) = revoking.next().await {
            match answer {
                Err(error) if error.class() != Class::LeaseGone => return Err(error),
                _ => {}
            }
        }
        // These have no lease: the spec, the epoch and the sentinel of the queue.
        let mut batch = Batch::default();
        let left = batch.list_keys(self.root());
        let answer = self.kv.read(batch).await?;
        for keys in answer.keys(left)?.chunks(DELETED_AT_ONCE) {
            let deletions: Vec<Op> =
                keys.iter().map(|found| Op::Delete(found.key.clone())).collect();
            self.kv.read(deletions.into()).await?;
        }
        Ok(())
    }

    fn leases(&self) -> MutexGuard<'_, HashSet<i64>> {
        // It is locked for one insertion and never across an await, so a poisoned set is consistent.
        self.tally.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        self.tally.writes.fetch_add(1, Ordering::Relaxed);
    }
}

impl<K: Kv> Kv for Scratch<K> {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        if txn.writes() {
            self.count();
        }
        let reply = self.kv.txn(self.root.outer_txn(txn)).await?;
        Ok(self.root.inner_reply(reply))
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        self.count();
        let granted = self.kv.grant(ttl).await?;
        self.leases().insert(granted.0);
        Ok(granted)
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.kv.keep_alive(lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.count();
        self.kv.revoke(lease).await?;
        self.leases().remove(&lease);
        Ok(())
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        let spans = spans.into_iter().map(|span| self.root.outer_span(span));
        self.kv.changed(spans.collect(), from).await
    }

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        let (sender, mut found) = mpsc::unbounded();
        let passing_on = async {
            while let Some(delta) = found.next().await {
                let _ = deltas.unbounded_send(self.root.inner_delta(delta));
            }
        };
        join(self.kv.follow(self.root.outer_follow(follow), sender), passing_on).await.0
    }
}

#[cfg(test)]
mod tests {
    use cairn_core::keys;
    use cairn_core::pool::Pool;
    use cairn_store::Store;
    use cairn_store::memory::MemoryKv;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn an_installation_sees_no_key_of_the_scratch_prefix_and_clearing_removes_all() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let memory = MemoryKv::default();
            let scratch = Scratch::new(memory.clone());
            let store = Store::new(scratch.clone());
            let pool = Pool::builtin(&"mountains".parse().unwrap()).unwrap();
            store.define(&pool, 5, None).await.unwrap();
            assert_eq!(store.epoch().await.unwrap(), Some(5), "it is there for those inside");
            assert_eq!(Store::new(memory.clone()).epoch().await.unwrap(), None);

            let (lease, _) = scratch.grant(Duration::from_secs(46)).await.unwrap();
            let guarded =
                Txn { otherwise: vec![Op::put(keys::EPOCH, "6", lease)], ..Txn::default() };
            let nested = Txn { otherwise: vec![Op::Txn(guarded)], ..Txn::default() };
            scratch.txn(nested).await.unwrap();
            assert_eq!(scratch.writes(), 3, "a definition, a grant, and what could have written");

            scratch.clear().await.unwrap();
            assert_eq!(memory.read_all("/").await.unwrap(), []);
            assert!(memory.keep_alive(lease).await.unwrap().is_zero());
        });
    }
}
