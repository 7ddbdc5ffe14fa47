//! The claims mirror: what etcd says about claims, shown on the pods that hold them.
//!
//! Level-triggered: it lists everything below `/cairn/v1/` and follows the watch, watches the pods
//! that carry our sidecar, and patches a pod only when its annotations differ from what they should
//! be. So it heals whatever it missed, and whatever somebody else wrote. Per-pool counts for the
//! `Pool` status come from the same view.
//!
//! Invariants: only the replica that holds the Lease writes; a patch carries the pod's UID, so that
//! a successor of the same name is never written to; while etcd cannot be read nothing is concluded
//! from its silence. Readiness does not depend on any of this.
//!
//! Not for: deciding who holds what. That happened in etcd, between the sidecars.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_core::pool::PoolName;
use cairn_core::time::UnixMillis;
use cairn_kit::shutdown::Shutdown;
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use kube::Client;
use tokio::sync::{mpsc, watch};

pub mod carriers;
pub mod chores;
pub mod claims;
pub mod claims_watch;
pub mod desired;
pub mod events;
pub mod jitter;
pub mod metrics;
pub mod place;
pub mod pod;
pub mod queue;
pub mod reconciler;
pub mod state;
#[cfg(test)]
mod testing;
pub mod upkeep;
pub mod writer;

pub use metrics::Metrics;

/// Updates between etcd and the loop: enough for the loop to be busy for a moment, and a brake when
/// it is for longer.
const UPDATES: usize = 64;

/// Events that may wait to be told: one for each pod of a large herd.
const TOLD: usize = 4096;

/// What the mirror works with.
pub struct Deps {
    /// For pods and Events.
    pub client: Client,
    /// Where the claims are.
    pub etcd: Arc<Etcd>,
    /// This replica's name, shown in Events.
    pub instance: String,
    /// Whether this replica writes; see [`crate::leader`].
    pub leader: watch::Receiver<bool>,
    /// Where the counts go; both replicas know them.
    pub counts: watch::Sender<Counted>,
    /// What is counted.
    pub metrics: Metrics,
    /// When to end.
    pub shutdown: Shutdown,
}

/// How every pool is used that is defined or claimed from.
pub type Census = BTreeMap<PoolName, Counts>;

/// The latest census; `None` until etcd and the pods have been read.
pub type Counted = Arc<Option<Census>>;

/// How a pool is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Names that are held.
    pub held: u64,
    /// Pods that ask for a name and have none.
    pub waiting: u64,
    /// Pods that asked for a name, have none, and are being deleted.
    pub leaving: u64,
    /// Freed names that rest before they are given out again, those whose rest has yet to begin included.
    pub quarantined: u64,
    /// Slots in etcd, those without an owner record included: no claims, but names that nobody else can have.
    pub slots: u64,
    /// Tickets in etcd, those of pods that are gone included.
    pub tickets: u64,
    /// The first few holders in byte order, as `namespace/pod: name`.
    pub holders: Vec<String>,
    /// The first few pods that wait or leave, as `namespace/pod`.
    pub waiters: Vec<String>,
    /// The latest instant up to which a holder, past or present, may have emitted timestamps.
    pub reserved_until: Option<UnixMillis>,
    /// The pool's spec in etcd when all this was seen.
    pub spec: SpecSeen,
}

/// The spec of a pool, as the mirror has seen it in etcd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecSeen {
    /// There is none.
    #[default]
    Absent,
    /// Names are granted from it.
    Open,
    /// Nothing new is granted from it; its mod revision.
    Closed(i64),
}

/// How far apart the wall clocks of this machine and of a later holder are taken to be at most.
const SKEW_MILLIS: i64 = 30_000;

/// How many holders and waiting pods are named.
pub const NAMED: usize = 3;

// === impl Counts ===

impl Counts {
    /// The mod revision that proves that nothing of the pool is in use: the counts are zero, no reserved time lies
    /// ahead, and the spec was closed when that was seen, so that nothing can have been granted since.
    pub fn unused_at(&self, now: UnixMillis) -> Option<i64> {
        let used = self.slots + self.waiting + self.leaving + self.quarantined + self.tickets > 0;
        let reserved =
            self.reserved_until.is_some_and(|until| until.0.saturating_add(SKEW_MILLIS) >= now.0);
        match self.spec {
            _ if used || reserved => None,
            SpecSeen::Open => None,
            SpecSeen::Absent => Some(0),
            SpecSeen::Closed(revision) => Some(revision),
        }
    }
}

/// Runs until shutdown.
pub async fn run(deps: Deps) {
    let Deps { client, etcd, instance, leader, counts, metrics, shutdown } = deps;
    let (updates, followed) = mpsc::channel(UPDATES);
    let (told, to_tell) = mpsc::channel(TOLD);
    let telling = events::tell(client.clone(), instance, to_tell);
    let store = Store::new(Arc::clone(&etcd));
    let reconciler =
        reconciler::Reconciler { client, store, updates: followed, leader, told, counts, metrics };
    // Nothing needs an orderly end: a patch that was cut off is made again by the next leader.
    tokio::select! {
        () = claims_watch::follow(&etcd, &updates) => {}
        () = telling => {}
        () = reconciler.run() => {}
        () = shutdown.draining() => {}
    }
}
