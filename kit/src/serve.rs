//! Serves a router to peers that may be idle, slow or hostile.
//!
//! Invariants: a new connection is always accepted. The number of connections, the number per peer,
//! the bytes of headers and bodies, and the time of each step are bounded. When a place is needed, the
//! [eviction rule](self::eviction) closes another connection. An accept that fails does not spin.
//!
//! So a health probe is answered at once however many connections others hold: it has `connections`
//! (or, behind a shared address, `per_peer`) accepts of time to send its request.
//! While a declared stream is open on an HTTP/2 connection with several requests, the others have no deadline of their
//! own. Not for: upgrades. It does not bound the CPU that handshakes and valid requests take.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use self::connection::Protocol;
use self::table::Table;

pub use self::connection::{Handshake, Plain, Stream};
pub use self::limits::{Limits, descriptors};
pub use self::listen::{BindError, Listen, bind};
pub use self::metrics::Metrics;
pub use self::peer::Peer;

mod body;
mod connection;
mod entry;
mod eviction;
mod io_watch;
mod limits;
mod listen;
pub mod local;
mod metrics;
mod peer;
mod phase;
mod table;

/// After an accept that failed for want of a resource. Short: a connection was evicted meanwhile, and
/// a probe waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A server of one router.
#[derive(Clone, Debug)]
pub struct Server<H = Plain> {
    name: &'static str,
    limits: Limits,
    metrics: Metrics,
    handshake: H,
    protocol: Protocol,
    routes: Router,
}

// === impl Server ===

impl Server {
    /// A server without TLS; `name` is its listener's in metrics.
    pub fn new(name: &'static str, routes: Router, limits: Limits, metrics: &Metrics) -> Self {
        Self {
            name,
            limits,
            metrics: metrics.clone(),
            handshake: Plain,
            protocol: Protocol::Http1,
            routes,
        }
    }
}

impl<H: Clone> Server<H> {
    /// The same server with something between accept and HTTP.
    pub fn with_handshake<T>(self, handshake: T) -> Server<T> {
        let Self { name, limits, metrics, protocol, routes, handshake: _ } = self;
        Server { name, limits, metrics, handshake, protocol, routes }
    }

    /// The same server with HTTP/2 without an upgrade, as gRPC needs it, in place of HTTP/1.1.
    #[cfg(feature = "serve-http2")]
    #[must_use]
    pub fn with_http2(self) -> Self {
        Self { protocol: Protocol::Http2, ..self }
    }

    /// The same server with HTTP/1.1 or HTTP/2, as each client begins, and with several requests at a time on one
    /// HTTP/2 connection.
    #[cfg(feature = "serve-http2")]
    #[must_use]
    pub fn with_either_http(self) -> Self {
        Self { protocol: Protocol::Either, ..self }
    }

    /// Accepts and answers for ever. Dropping the future closes every connection.
    pub async fn run<L: Listen>(self, listener: L) -> Infallible
    where
        H: Handshake<L::Io>,
    {
        let (_open, closing) = watch::channel(false);
        let mut tasks = JoinSet::new();
        self.accept(&listener, &mut tasks, &closing).await
    }

    /// Accepts and answers until `closing` turns true or its sender is gone; then closes the
    /// listener and gives requests in flight the time of [`Limits::drain`].
    pub async fn run_until<L: Listen>(self, listener: L, mut closing: watch::Receiver<bool>)
    where
        H: Handshake<L::Io>,
    {
        let mut tasks = JoinSet::new();
        let of_connections = closing.clone();
        tokio::select! {
            never = self.accept(&listener, &mut tasks, &of_connections) => match never {},
            _ = closing.wait_for(|closing| *closing) => {}
        }
        drop(listener);
        let drained =
            timeout(self.limits.drain, async { while tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            warn!(
                listener = self.name,
                requests = tasks.len(),
                "requests were cut off by the shutdown"
            );
        }
    }

    async fn accept<L: Listen>(
        &self,
        listener: &L,
        tasks: &mut JoinSet<()>,
        closing: &watch::Receiver<bool>,
    ) -> Infallible
    where
        H: Handshake<L::Io>,
    {
        let table = Table::new(self.limits, self.metrics.listener(self.name));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            let (io, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.recover(&table, &error).await;
                    continue;
                }
            };
            while tasks.len() >= self.limits.connections {
                table.make_room();
                // The evicted connection's task ends as soon as it is polled.
                tasks.join_next().await;
            }
            let place = table.enter(peer, Instant::now());
            let progress = place.progress().clone();
            let served = connection::serve(
                io,
                self.handshake.clone(),
                (self.protocol, self.routes.clone()),
                place,
                closing.clone(),
            );
            progress.served_by(&tasks.spawn(served));
            // The new connection reads what has arrived, and a request that was waiting in the
            // backlog is answered, before any other connection can evict this one.
            yield_now().await;
        }
    }

    async fn recover(&self, table: &Table, error: &io::Error) {
        table.metrics().refused(metrics::Refusal::AcceptFailed);
        if listen::concerns_one_connection(error) {
            return;
        }
        warn!(listener = self.name, %error, "cannot accept a connection; closing an idle one");
        table.evict_one();
        sleep(ACCEPT_PAUSE).await;
    }
}
