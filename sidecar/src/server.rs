//! The sidecar's listeners: their names in metrics and their limits.
//!
//! Not for checks of clients, such as one of the `Host` header: `api/guard.rs`.

use std::time::Duration;

use axum::Router;
use cairn_kit::serve::{Limits, Listen, Metrics, Server, descriptors};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Far more than the containers of an app use. Each costs 20 KiB of the 32 MiB that the sidecar has.
const API_CONNECTIONS: usize = 64;
/// Far more than a kubelet and a scraper use: with many slots, a probe has time to send its request although other
/// clients open connections from the kubelet's address.
const ADMIN_CONNECTIONS: usize = 256;
/// The preStop hook of an app waits for the end of the drain, at most for the pod's grace period. Other answers of the
/// admin server come from memory.
const LONGEST_HOOK: Duration = Duration::from_mins(10);
/// A pod's sidecar has one second after SIGTERM, and the release of its claims may take 850 ms.
const DRAIN_TIME: Duration = Duration::from_millis(100);

/// The servers of one process. Its drop closes every connection.
#[derive(Debug)]
pub struct Serving {
    admin: Limits,
    api: Limits,
    metrics: Metrics,
    servers: JoinSet<()>,
    close: watch::Sender<bool>,
}

// === impl Serving ===

impl Serving {
    /// No servers yet. They will count into these metrics.
    pub fn new(metrics: &Metrics) -> Self {
        let admin =
            Limits { drain: DRAIN_TIME, answer: LONGEST_HOOK, ..Limits::small(ADMIN_CONNECTIONS) };
        let api = Limits {
            // All processes of the app count as one peer, so the app may use the whole listener. The startup probe is
            // another peer and evicts an idle connection of the app.
            connections: API_CONNECTIONS,
            per_peer: API_CONNECTIONS,
            // A probe may wait for a minute.
            answer: Duration::from_secs(70),
            // Two of the longest bodies at a time.
            body_bytes: 256 * 1024,
            ..admin
        };
        let [admin, api, _] = Limits::within([admin, api, api], descriptors());
        let (close, _) = watch::channel(false);
        Self { admin, api, metrics: metrics.clone(), servers: JoinSet::new(), close }
    }

    /// Serves the socket in the published directory.
    pub fn socket(&mut self, listener: UnixListener, routes: Router) {
        let server = Server::new("socket", routes, self.api, &self.metrics);
        self.spawn(listener, server.with_either_http());
    }

    /// Serves the claims API on loopback.
    pub fn api(&mut self, listener: TcpListener, routes: Router) {
        let server = Server::new("api", routes, self.api, &self.metrics);
        self.spawn(listener, server.with_either_http());
    }

    /// Serves health and metrics on the pod's address.
    pub fn admin(&mut self, listener: TcpListener, routes: Router) {
        self.spawn(listener, Server::new("admin", routes, self.admin, &self.metrics));
    }

    /// Stops accepting and gives open requests 100 ms.
    pub async fn close(mut self) {
        self.close.send_replace(true);
        while self.servers.join_next().await.is_some() {}
    }

    fn spawn(&mut self, listener: impl Listen, server: Server) {
        self.servers.spawn(server.run_until(listener, self.close.subscribe()));
    }
}
