//! The connection of one process to etcd: requests and answers may be lost or late, and writes may land twice.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use cairn_store::etcd::Etcd;
use cairn_store::{Class, Deltas, Error, Follow, Kv, Span, Txn, TxnReply};
use futures::StreamExt as _;
use futures::channel::mpsc;
use tokio::time::sleep;

use super::bug::Bug;
use super::switches::{Switches, Way};

/// One of so many writes lands a second time.
const ECHO_IN: u32 = 12;
/// How long a request without an answer takes: as long as the product's own timeout for V = 3 s.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often an open watch is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A faulty connection.
pub struct Link {
    inner: Arc<Etcd>,
    switches: Arc<Switches>,
    bug: Option<Bug>,
}

// === impl Link ===

impl Link {
    /// A connection with these switches.
    pub fn new(inner: Arc<Etcd>, switches: Arc<Switches>, bug: Option<Bug>) -> Self {
        Self { inner, switches, bug }
    }

    async fn send<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match self.switches.way() {
            Way::Open => return request.await,
            Way::Slow(span) => {
                let answer = request.await;
                sleep(span).await;
                return answer;
            }
            Way::Cut => {}
            // The sender does not learn the result.
            Way::Deaf => drop(request.await),
        }
        sleep(PATIENCE).await;
        Err(Error::Injected(Class::Ambiguous))
    }

    /// Sends a write a second time later, as a network may.
    fn echo(&self, txn: &Txn) {
        if txn.compares.is_empty() || fastrand::u32(0..ECHO_IN) != 0 {
            return;
        }
        let (inner, mut txn) = (Arc::clone(&self.inner), txn.clone());
        if self.bug == Some(Bug::LooseValue) {
            let of_leader = |key: &str| key.ends_with("/l") || key.ends_with("/lv");
            txn.compares.retain(|compare| !of_leader(&compare.key));
        }
        tokio::spawn(async move {
            sleep(Duration::from_millis(fastrand::u64(200..4_000))).await;
            // Nothing waits for this answer.
            let _ = inner.txn(txn).await;
        });
    }

    fn is_cut(&self) -> bool {
        matches!(self.switches.way(), Way::Cut | Way::Deaf)
    }

    async fn cut(&self) -> Error {
        while !self.is_cut() {
            sleep(LOOK).await;
        }
        sleep(PATIENCE).await;
        Error::Injected(Class::Ambiguous)
    }
}

impl Kv for Link {
    async fn txn(&self, txn: Txn) -> Result<TxnReply, Error> {
        self.echo(&txn);
        Box::pin(self.send(self.inner.txn(txn))).await
    }

    async fn grant(&self, ttl: Duration) -> Result<(i64, Duration), Error> {
        self.send(self.inner.grant(ttl)).await
    }

    async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        self.send(self.inner.keep_alive(lease)).await
    }

    async fn revoke(&self, lease: i64) -> Result<(), Error> {
        self.send(self.inner.revoke(lease)).await
    }

    async fn changed(&self, spans: Vec<Span>, from: i64) -> Result<(), Error> {
        tokio::select! {
            answer = self.inner.changed(spans, from) => answer,
            lost = self.cut() => Err(lost),
        }
    }

    async fn follow(&self, follow: Follow, deltas: Deltas) -> Error {
        let (sender, mut received) = mpsc::unbounded();
        // Once something was lost nothing more comes: it would look as if nothing had happened between.
        let passing = async {
            while let Some(delta) = received.next().await.filter(|_| !self.is_cut()) {
                // Nobody listens to a watch that was closed.
                let _ = deltas.unbounded_send(delta);
            }
            pending().await
        };
        tokio::select! {
            error = self.inner.follow(follow, sender) => error,
            lost = self.cut() => lost,
            error = passing => error,
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("switches", &self.switches).finish_non_exhaustive()
    }
}
