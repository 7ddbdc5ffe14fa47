//! What is counted per listener: connections open, accepted, evicted, timed out and refused.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::phase::Phase;
use crate::metrics::register;

/// The counters of all listeners of a process.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    open: Family<ByListener, Gauge>,
    accepted: Family<ByListener, Counter>,
    evicted: Family<ByEviction, Counter>,
    timed_out: Family<ByPhase, Counter>,
    refused: Family<ByRefusal, Counter>,
}

/// The counters of one listener.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    name: &'static str,
    metrics: Metrics,
    open: Gauge,
    accepted: Counter,
}

/// Why a connection had to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Eviction {
    /// Its peer opened more connections than a peer may have.
    PeerLimit,
    /// All places were taken.
    ListenerFull,
    /// Its body held more of the bytes in flight than any other's.
    BodyBudget,
}

/// Why a connection or a request was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The accept failed, for example for want of file descriptors.
    AcceptFailed,
    /// The TLS handshake failed.
    HandshakeFailed,
    /// Its body exceeds what is left for bodies in flight.
    BodyBudget,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByListener {
    listener: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByEviction {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByPhase {
    listener: &'static str,
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRefusal {
    listener: &'static str,
    reason: &'static str,
}

// === impl Eviction ===

impl Eviction {
    fn name(self) -> &'static str {
        match self {
            Self::PeerLimit => "peer_limit",
            Self::ListenerFull => "listener_full",
            Self::BodyBudget => "body_budget",
        }
    }
}

// === impl Refusal ===

impl Refusal {
    fn name(self) -> &'static str {
        match self {
            Self::AcceptFailed => "accept_failed",
            Self::HandshakeFailed => "handshake_failed",
            Self::BodyBudget => "body_budget",
        }
    }
}

// === impl Metrics ===

impl Metrics {
    /// Registers them as `connections_…`.
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            open: register(registry, "connections_open", "Connections open now"),
            accepted: register(registry, "connections_accepted", "Connections accepted"),
            evicted: register(
                registry,
                "connections_evicted",
                "Connections closed because another needed their place or their bytes",
            ),
            timed_out: register(
                registry,
                "connections_timed_out",
                "Connections closed because the peer was too slow, by what it was slow in",
            ),
            refused: register(
                registry,
                "connections_refused",
                "Connections and requests that were not served",
            ),
        }
    }

    pub(super) fn listener(&self, name: &'static str) -> Listener {
        let label = ByListener { listener: name };
        Listener {
            name,
            metrics: self.clone(),
            open: self.open.get_or_create_owned(&label),
            accepted: self.accepted.get_or_create_owned(&label),
        }
    }
}

// === impl Listener ===

impl Listener {
    pub(super) fn opened(&self) {
        self.accepted.inc();
        self.open.inc();
    }

    pub(super) fn closed(&self) {
        self.open.dec();
    }

    pub(super) fn evicted(&self, reason: Eviction) {
        let label = ByEviction { listener: self.name, reason: reason.name() };
        self.metrics.evicted.get_or_create(&label).inc();
    }

    pub(super) fn timed_out(&self, phase: Phase) {
        let label = ByPhase { listener: self.name, phase: phase.name() };
        self.metrics.timed_out.get_or_create(&label).inc();
    }

    pub(super) fn refused(&self, reason: Refusal) {
        let label = ByRefusal { listener: self.name, reason: reason.name() };
        self.metrics.refused.get_or_create(&label).inc();
    }
}
