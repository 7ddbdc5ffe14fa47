//! The admission listener: TLS on every connection, bounded in time and number.
//!
//! Invariants: a peer that stays silent in the handshake or in its headers is cut off; one that
//! connects without end gets no more than its share; a failing accept does not spin; on
//! shutdown, requests in flight are answered.
//! Not for: the open internet.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::shutdown::{self, Shutdown};

/// How much a peer may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the next request's headers.
    pub headers: Duration,
    /// For requests in flight once the shutdown has begun.
    pub drain: Duration,
}

/// Out of file descriptors: trying again at once would only burn CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The certificate that is served now; replaced as a whole.
#[derive(Debug, Default)]
pub struct Leaf(ArcSwapOption<CertifiedKey>);

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An API server keeps a few dozen; ten of them fit.
            connections: 512,
            // Two round trips take milliseconds; a port scanner takes for ever.
            handshake: Duration::from_secs(5),
            // Also how long an idle connection is kept: longer than the API server keeps it (90 s),
            // so that it is never us who close one just when a request is on its way.
            headers: Duration::from_secs(120),
            // Below the pod's grace period of 30 s, and far above any admission timeout.
            drain: Duration::from_secs(10),
        }
    }
}

// === impl Leaf ===

impl Leaf {
    /// Serves this one from the next handshake on.
    pub fn replace(&self, key: CertifiedKey) {
        self.0.store(Some(Arc::new(key)));
    }
}

impl ResolvesServerCert for Leaf {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

/// TLS 1.2 and 1.3 with the leaf of the moment.
pub fn config(leaf: Arc<Leaf>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(leaf);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Serves until shutdown, then lets requests in flight finish.
pub async fn serve(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    routes: Router,
    limits: Limits,
    mut shutdown: Shutdown,
) {
    let acceptor = TlsAcceptor::from(config);
    let graceful = Arc::new(GracefulShutdown::new());
    let slots = Arc::new(Semaphore::new(limits.connections));
    let accepting = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let Some(stream) = accept(&listener).await else { continue };
            let watcher = graceful.watcher();
            let (acceptor, routes) = (acceptor.clone(), routes.clone());
            tokio::spawn(async move {
                let served = connect(acceptor, stream, routes, limits, watcher).await;
                drop(slot);
                if let Err(error) = served {
                    debug!(error, "connection ended");
                }
            });
        }
    };
    shutdown::until(&mut shutdown, accepting).await;
    drop(listener);
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    if timeout(limits.drain, graceful.shutdown()).await.is_err() {
        warn!("requests were still in flight when the time to drain them was over");
    }
}

async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            warn!(%error, "cannot accept a connection");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

async fn connect(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    routes: Router,
    limits: Limits,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), String> {
    // Answers are small and complete; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let stream = timeout(limits.handshake, acceptor.accept(stream))
        .await
        .map_err(|_| "no TLS handshake in time".to_owned())?
        .map_err(|error| format!("TLS handshake failed: {error}"))?;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.headers);
    let service = TowerToHyperService::new(routes);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    watcher.watch(connection).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
