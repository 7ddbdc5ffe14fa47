//! The claims mirror: it copies claims from etcd to annotations of the pods that hold them.
//!
//! It is level-triggered. It lists and watches everything below `/cairn/v1/`, watches the pods that carry our sidecar,
//! and patches a pod only when its annotations differ from the desired ones. This repairs missed events and changes by
//! others. The per-pool counts of the `Pool` status come from the same state.
//!
//! Invariants: only the replica that holds the Lease writes. A patch carries the pod's UID, so that it never changes a
//! later pod of the same name. While etcd cannot be read, no claim is taken for missing. Readiness does not depend on
//! the mirror.
//!
//! Not for: deciding who holds a name. The sidecars decide that in etcd; see `docs/protocol.md`.

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
pub mod limit;
pub mod members;
pub mod metrics;
pub mod path_keys;
pub mod pod;
pub mod queue;
pub mod reconciler;
mod record;
pub mod state;
#[cfg(test)]
mod testing;
pub mod upkeep;
pub mod writer;

use limit::Limits;
pub use metrics::Metrics;

/// Updates between the watch and the loop. They are pages of a list, too, so few fit; the watch waits for the loop.
const UPDATES: usize = 2;

/// Events that may wait to be published: one for each pod of a large burst.
const QUEUED_EVENTS: usize = 4096;

/// What the mirror needs.
pub struct Deps {
    /// For pods and Events.
    pub client: Client,
    /// The etcd that has the claims.
    pub etcd: Arc<Etcd>,
    /// This replica's name, shown in Events.
    pub instance: String,
    /// Whether this replica writes; see [`crate::leader`].
    pub leader: watch::Receiver<bool>,
    /// Receives the counts, on all replicas.
    pub counts: watch::Sender<Counted>,
    /// How many requests the API server gets.
    pub limits: Limits,
    /// The mirror's metrics.
    pub metrics: Metrics,
    /// Ends the mirror.
    pub shutdown: Shutdown,
}

/// The usage of every pool that is defined or has keys.
pub type Census = BTreeMap<PoolName, Counts>;

/// The latest census; `None` until etcd and the pods have been read.
pub type Counted = Arc<Option<Census>>;

/// The usage of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Names that are held.
    pub held: u64,
    /// Pods that ask for a name and have none.
    pub waiting: u64,
    /// Pods that asked for a name, have none, and are being deleted.
    pub leaving: u64,
    /// Names in quarantine, and names whose quarantine note has yet to be settled.
    pub quarantined: u64,
    /// Slots in etcd, including those without an owner record: nobody can claim their names.
    pub slots: u64,
    /// Tickets in etcd, including those of deleted pods.
    pub tickets: u64,
    /// The first few holders in byte order, as `namespace/pod: name`.
    pub holders: Vec<String>,
    /// The first few pods that wait or leave, as `namespace/pod`.
    pub waiters: Vec<String>,
    /// The latest instant until which a current or earlier holder reserved time.
    pub reserved_until: Option<UnixMillis>,
    /// How many names the pool has; `None` without a readable spec.
    pub capacity: Option<u64>,
    /// How many names can be claimed now. In a pool of scope Namespace each group has all names; then it is the number
    /// of the group with the fewest.
    pub free: Option<u64>,
    /// The pool's spec in etcd at the time of the count.
    pub spec: SpecSeen,
}

/// The spec of a pool, as the mirror found it in etcd.
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

/// The assumed largest difference between the wall clocks of this machine and of a later holder.
const SKEW_MILLIS: i64 = 30_000;

/// How many holders and waiting pods the counts list by name.
pub const NAMED: usize = 3;

// === impl Counts ===

impl Counts {
    /// The mod revision of the spec, if nothing of the pool is in use: all counts are zero, no reserved time lies in
    /// the future, and the spec was closed at the count, so that nothing was granted since.
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
    let Deps { client, etcd, instance, leader, counts, limits, metrics, shutdown } = deps;
    let (updates, followed) = mpsc::channel(UPDATES);
    let (events, queued) = mpsc::channel(QUEUED_EVENTS);
    let publishing = events::publish(client.clone(), instance, limits.of_events(), queued);
    let store = Store::new(Arc::clone(&etcd));
    let reconciler = reconciler::Reconciler {
        client,
        store,
        updates: followed,
        leader,
        events,
        counts,
        limit: Arc::new(limits.of_requests()),
        metrics,
    };
    // Nothing is finished on shutdown: the next leader repeats a patch that was interrupted.
    tokio::select! {
        () = claims_watch::follow(&etcd, &updates) => {}
        () = publishing => {}
        () = reconciler.run() => {}
        () = shutdown.draining() => {}
    }
}
