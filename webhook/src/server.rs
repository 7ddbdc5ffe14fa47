//! The webhook's servers: their names in metrics and their limits.
//!
//! Invariant: the memory of all connections and bodies together stays below the memory limit of the chart, 128 MiB,
//! for any input.

use std::time::Duration;

use axum::Router;
use cairn_kit::serve::{Limits, Metrics, Server, descriptors};

use crate::tls::Tls;

/// An API server opens one connection per review in flight. It admits a few hundred requests at a
/// time, of which creations of opted-in pods are a part; there are at most a few API servers.
const ADMISSION_CONNECTIONS: usize = 512;
/// Far more than the kubelet and scrapers open together, so that a probe gets a connection even while others open many
/// from the kubelet's address.
const ADMIN_CONNECTIONS: usize = 256;
/// A thousand pods that start together enrol within seconds, each on a connection of its own for some milliseconds.
const AGENT_CONNECTIONS: usize = 256;
/// Bytes of reviews in flight: 16 pods of the largest size, or thousands of usual ones. A review is
/// copied once and parsed in place by one of two threads, so memory stays below twice as much.
const BODY_BYTES: usize = 32 * 1024 * 1024;

/// Makes the servers of one process.
#[derive(Clone, Debug)]
pub struct Servers {
    admission: Limits,
    agent: Limits,
    admin: Limits,
    metrics: Metrics,
}

// === impl Servers ===

impl Servers {
    /// Counts into these metrics.
    pub fn new(metrics: Metrics) -> Self {
        let admission = Limits {
            // For 4 MiB that is 3 Mbit/s; an API server is given 3 s for all of it by the chart.
            body: Duration::from_secs(10),
            header_bytes: 16 * 1024,
            body_bytes: BODY_BYTES,
            ..Limits::small(ADMISSION_CONNECTIONS)
        };
        let listeners =
            [admission, Limits::small(AGENT_CONNECTIONS), Limits::small(ADMIN_CONNECTIONS)];
        let [admission, agent, admin] = Limits::within(listeners, descriptors());
        Self { admission, agent, admin, metrics }
    }

    /// Of admission, with TLS.
    pub fn admission(&self, routes: Router, tls: Tls) -> Server<Tls> {
        Server::new("admission", routes, self.admission, &self.metrics).with_handshake(tls)
    }

    /// Of the agent: gRPC with TLS.
    pub fn agent(&self, routes: Router, tls: Tls) -> Server<Tls> {
        let server = Server::new("agent", routes, self.agent, &self.metrics);
        server.with_http2().with_handshake(tls)
    }

    /// Of health and metrics.
    pub fn admin(&self, routes: Router) -> Server {
        Server::new("admin", routes, self.admin, &self.metrics)
    }
}
