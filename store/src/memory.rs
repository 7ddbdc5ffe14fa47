//! [`Kv`] in memory: etcd's semantics for tests, with faults that a real etcd cannot be made to have. It runs on
//! tokio's clock, so that a paused runtime passes hours of lease time at once.
//!
//! It passes the same suite as a real etcd. Not for: production. The feature `testing` adds it; no released binary has
//! that feature.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::cluster::ClusterId;
use crate::error::{Class, Error};
use crate::kv::{Delta, Deltas, Follow, Kv, Span, Txn, TxnReply};

mod inner;

use inner::Inner;

/// A key-value store in memory. Clones share the same keys.
#[derive(Clone, Debug, Default)]
pub struct MemoryKv {
    inner: Arc<Mutex<Inner>>,
    /// Notifies watches after every request.
    requests: Arc<watch::Sender<()>>,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not applied and fails with this class.
    Refuse(Class),
    /// It is applied, but the answer is lost.
    LoseAnswer,
    /// The answer is lost, and [`MemoryKv::land`] applies the request later. Transactions only.
    Late,
    /// It is applied and answered, and [`MemoryKv::land`] applies it once more. Transactions only.
    Repeat,
}

// === impl MemoryKv ===

impl MemoryKv {
    /// The next request has this fault. Several faults are applied in order.
    pub fn inject(&self, fault: Fault) {
        self.inject_after(0, fault);
    }

    /// The request after `passing` further ones has this fault.
    pub fn inject_after(&self, passing: usize, fault: Fault) {
        let mut inner = self.lock();
        inner.faults.extend(std::iter::repeat_n(None, passing));
        inner.faults.push_back(Some(fault));
    }

    /// Applies the requests that are late. Their answers are lost.
    pub fn land(&self) {
        let mut inner = self.lock();
        inner.expire();
        for txn in std::mem::take(&mut inner.late) {
            let _ = inner.txn(&txn);
        }
        drop(inner);
        self.requests.send_replace(());
    }

    /// While it is down, every request fails and no lease expires. etcd does the same: a new leader restarts the TTL of
    /// every lease.
    pub fn set_down(&self, down: bool) {
        let mut inner = self.lock();
        inner.down = down;
        inner.renew_all();
        drop(inner);
        self.requests.send_replace(());
    }

    /// Sets the round-trip time of requests. It varies between half of this and one and a half. Zero by default.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Forgets all earlier revisions, as etcd's compaction does.
    pub fn compact(&self) {
        self.lock().compact();
    }

    /// Deletes a key without the protocol, as an administrator could.
    pub fn delete(&self, key: &str) {
        self.lock().delete(key);
        self.requests.send_replace(());
    }

    /// The number of requests that would have been Raft entries.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for one half of the round trip.
    async fn delay(&self) {
        let delay = self.lock().next_delay() / 2;
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    /// Does one request with the next fault, if there is one.
    async fn request<T>(
        &self,
        txn: Option<&Txn>,
        act: impl FnOnce(&mut Inner) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.delay().await;
        let answer = self.serve(txn, act);
        self.requests.send_replace(());
        self.delay().await;
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

impl Kv for MemoryKv {
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
        Some(ClusterId::new(1))
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        let mut requests = self.requests.subscribe();
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
            tokio::select! {
                _ = requests.changed() => {}
                () = sleep_until(expiry.unwrap_or_else(far)) => {}
            }
        }
    }

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        let Follow { spans, mut from, progress, elsewhere: _ } = follow;
        let mut requests = self.requests.subscribe();
        let mut progress = interval(progress.max(SHORTEST_PERIOD));
        progress.reset();
        loop {
            let (found, revision, expiry) = {
                let mut inner = self.lock();
                if inner.down {
                    return Error::Injected(Class::Ambiguous);
                }
                inner.expire();
                (inner.deltas(&spans, from), inner.revision, inner.next_expiry())
            };
            let Some(found) = found else {
                return Error::Injected(Class::NotApplied);
            };
            from = from.max(revision + 1);
            for delta in found {
                let _ = deltas.unbounded_send(delta);
            }
            tokio::select! {
                _ = requests.changed() => {}
                () = sleep_until(expiry.unwrap_or_else(far)) => {}
                _ = progress.tick() => {
                    // Of what was passed on, not of what has happened since.
                    let _ = deltas.unbounded_send(Delta { revision, changes: Vec::new() });
                }
            }
        }
    }
}

/// A period of zero would never end.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);

/// Later than anything happens.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
