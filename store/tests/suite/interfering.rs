//! A store in which something happens right before one request, while that request waits.

use std::sync::Arc;
use std::time::Duration;

use cairn_store::{Deltas, Error, Follow, Kv, Op, Span, Txn, TxnReply};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub(crate) struct Interfering<K> {
    kv: K,
    when: fn(&Txn) -> bool,
    /// Opened by the first request of that kind.
    begun: Arc<Semaphore>,
    /// Opened by the end of what happens.
    done: Arc<Semaphore>,
}

impl<K> Interfering<K> {
    pub(crate) fn on_a_deletion(kv: K) -> Self {
        Self::new(kv, |txn| txn.then.iter().any(|op| matches!(op, Op::Delete(_))))
    }

    pub(crate) fn on_a_later_page(kv: K) -> Self {
        Self::new(kv, |txn| {
            txn.then.iter().any(|op| matches!(op, Op::Page { revision, .. } if *revision > 0))
        })
    }

    fn new(kv: K, when: fn(&Txn) -> bool) -> Self {
        Self { kv, when, begun: Arc::new(Semaphore::new(0)), done: Arc::new(Semaphore::new(0)) }
    }

    /// Does this right before the first request of that kind. Must run beside the requests.
    pub(crate) async fn interfere_with(&self, act: impl Future<Output = ()>) {
        drop(self.begun.acquire().await.unwrap());
        act.await;
        self.done.add_permits(1);
    }
}

impl<K: Kv> Kv for Interfering<K> {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        if (self.when)(&txn) {
            self.begun.add_permits(1);
            drop(self.done.acquire().await.unwrap());
        }
        self.kv.txn(txn).await
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        self.kv.grant(ttl).await
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.kv.keep_alive(lease).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.kv.revoke(lease).await
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        self.kv.changed(spans, from).await
    }

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        self.kv.follow(follow, deltas).await
    }
}
