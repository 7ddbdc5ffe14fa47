//! Serves a router on a listener, for a bounded number of clients.
//!
//! Fine for the handful of clients that a pod has; not for the open internet. Dropping the future
//! of [`serve`] closes every connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::debug;

/// Far more than the app containers, a kubelet and a scraper open together; each costs one buffer.
const MAX_CONNECTIONS: usize = 64;
/// A client that opens a connection and says nothing would otherwise hold one of those for ever.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// The smallest that hyper takes; requests here have no bodies.
const BUFFER: usize = 8192;

/// Accepts connections and answers them; never returns.
pub async fn serve<L: Listener>(mut listener: L, router: Router) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Never closed, so never an error; without a permit there is nothing to serve with.
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let (io, _) = listener.accept().await;
        while connections.try_join_next().is_some() {}
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(io), service)
                .await;
            if let Err(error) = served {
                debug!(%error, "connection ended");
            }
            drop(permit);
        });
    }
}

/// Binds a TCP address; `[::]` falls back to `0.0.0.0` on machines without IPv6.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() => {
            let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            TcpListener::bind(v4).await.map_err(|_| error)
        }
        bound => bound,
    }
}
