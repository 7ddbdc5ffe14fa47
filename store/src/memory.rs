//! [`Kv`] in memory: etcd's semantics for tests, with faults that a real etcd cannot be made to have,
//! on tokio's clock, so that a paused runtime runs hours of lease time in no time.
//!
//! Held to the same suite as the real etcd. Not for: production.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cluster::ClusterId;
use crate::error::{Class, Error};
use crate::kv::{Kv, Span, Txn, TxnReply};

mod inner;

use inner::Inner;

/// A store in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
    /// Speaks after every request.
    beat: Arc<watch::Sender<()>>,
}

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not applied, and fails with this class.
    Refuse(Class),
    /// It is applied, but the answer is lost.
    LoseAnswer,
    /// The answer is lost, and nothing is applied before [`Memory::land`]. Transactions only.
    Late,
    /// It is applied and answered, and applied once more by [`Memory::land`]. Transactions only.
    Repeat,
}

// === impl Memory ===

impl Memory {
    /// The next request meets this; several are met in order.
    pub fn inject(&self, fault: Fault) {
        self.inject_after(0, fault);
    }

    /// So many requests pass, the next one meets this.
    pub fn inject_after(&self, passing: usize, fault: Fault) {
        let mut inner = self.lock();
        inner.faults.extend(std::iter::repeat_n(None, passing));
        inner.faults.push_back(Some(fault));
    }

    /// Applies what is still on its way. Nobody sees the answers.
    pub fn land(&self) {
        let mut inner = self.lock();
        inner.expire();
        for txn in std::mem::take(&mut inner.late) {
            let _ = inner.txn(&txn);
        }
        drop(inner);
        self.beat.send_replace(());
    }

    /// While down, every request fails and leases do not run out: like etcd, which starts all leases
    /// afresh when a new leader is elected.
    pub fn set_down(&self, down: bool) {
        let mut inner = self.lock();
        inner.down = down;
        inner.renew_all();
        drop(inner);
        self.beat.send_replace(());
    }

    /// Requests take about this long, there and back, each one its own time. None without it.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Becomes the data of another cluster, as a snapshot does that is restored.
    pub fn set_cluster_id(&self, id: ClusterId) {
        self.lock().cluster = Some(id);
    }

    /// Forgets the past, as etcd's compaction does.
    pub fn compact(&self) {
        self.lock().compact();
    }

    /// Deletes keys as an administrator would, behind the protocol's back.
    pub fn delete(&self, key: &str) {
        self.lock().delete(key);
        self.beat.send_replace(());
    }

    /// How many requests would have been Raft entries.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One way of a request.
    async fn travel(&self) {
        let delay = self.lock().next_delay() / 2;
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    /// Runs one request under the fault that is due, if one is.
    async fn request<T>(
        &self,
        txn: Option<&Txn>,
        act: impl FnOnce(&mut Inner) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.travel().await;
        let answer = self.serve(txn, act);
        self.beat.send_replace(());
        self.travel().await;
        answer
    }

    fn serve<T>(
        &self,
        txn: Option<&Txn>,
        act: impl FnOnce(&mut Inner) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut inner = self.lock();
        if inner.down {
            return Err(Error::Injected(Class::Ambiguous));
        }
        inner.expire();
        let fault = inner.faults.pop_front().flatten();
        if matches!(fault, Some(Fault::Late | Fault::Repeat)) {
            inner.late.extend(txn.cloned());
        }
        match fault {
            Some(Fault::Refuse(class)) => Err(Error::Injected(class)),
            Some(Fault::Late) => Err(Error::Injected(Class::Ambiguous)),
            Some(Fault::LoseAnswer) => act(&mut inner).and(Err(Error::Injected(Class::Ambiguous))),
            Some(Fault::Repeat) | None => act(&mut inner),
        }
    }
}

impl Kv for Memory {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        self.request(Some(&txn), |inner| inner.txn(&txn)).await
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        self.request(None, |inner| Ok((inner.grant(ttl), ttl))).await
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.request(None, |inner| Ok(inner.keep_alive(lease))).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.request(None, |inner| {
            inner.revoke(lease);
            Ok(())
        })
        .await
    }

    async fn time_to_live(&self, lease: i64) -> Result<Option<Duration>, Error> {
        self.request(None, |inner| Ok(inner.time_to_live(lease))).await
    }

    fn cluster_id(&self) -> Option<ClusterId> {
        Some(self.lock().cluster.unwrap_or(ClusterId::new(1)))
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        let mut beat = self.beat.subscribe();
        loop {
            let expiry = {
                let mut inner = self.lock();
                if inner.down {
                    return Err(Error::Injected(Class::Ambiguous));
                }
                inner.expire();
                if inner.has_changed(&spans, from) {
                    return Ok(());
                }
                inner.next_expiry()
            };
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                _ = beat.changed() => {}
                () = sleep_until(expiry.unwrap_or(far)) => {}
            }
        }
    }
}
