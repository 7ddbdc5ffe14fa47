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
use cairn_store::etcd::Etcd;
use kube::Client;
use tokio::sync::{mpsc, watch};

pub mod board;
pub mod claims;
pub mod desired;
pub mod desk;
pub mod events;
pub mod feed;
pub mod jitter;
pub mod metrics;
pub mod pod;
pub mod queue;
pub mod writer;

pub use metrics::Metrics;

/// Updates between etcd and the loop: enough for the loop to be busy for a moment, and a brake when
/// it is for longer.
const UPDATES: usize = 64;

/// Events that may wait to be told: one for each pod of a large herd.
const TOLD: usize = 4096;

/// What the mirror works with.
pub struct Seam {
    /// For pods and Events.
    pub client: Client,
    /// Where the claims are.
    pub etcd: Arc<Etcd>,
    /// This replica's name, shown in Events.
    pub instance: String,
    /// Whether this replica writes; see [`crate::leader`].
    pub leader: watch::Receiver<bool>,
    /// Where the counts go; both replicas know them.
    pub counts: watch::Sender<Arc<Census>>,
    /// What is counted.
    pub metrics: Metrics,
    /// True once the process is to end.
    pub shutdown: watch::Receiver<bool>,
}

/// The counts of every pool that is defined or claimed from.
pub type Census = BTreeMap<PoolName, Counts>;

/// How a pool is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Names that are held.
    pub held: u64,
    /// Pods that ask for a name and have none.
    pub waiting: u64,
    /// Freed names that rest before they are given out again.
    pub quarantined: u64,
}

/// Runs until shutdown.
pub async fn run(seam: Seam) {
    let Seam { client, etcd, instance, leader, counts, metrics, mut shutdown } = seam;
    let (updates, followed) = mpsc::channel(UPDATES);
    let (told, to_tell) = mpsc::channel(TOLD);
    let telling = events::tell(client.clone(), instance, to_tell);
    let desk = desk::Desk { client, updates: followed, leader, told, counts, metrics };
    // Nothing needs an orderly end: a patch that was cut off is made again by the next leader.
    tokio::select! {
        () = feed::follow(&etcd, &updates) => {}
        () = telling => {}
        () = desk.run() => {}
        // An error means that the sender is gone, which is the end too.
        _ = shutdown.wait_for(|stop| *stop) => {}
    }
}
