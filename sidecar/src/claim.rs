//! The claim driver's seam: what it is given and how it ends.

use std::sync::Arc;

use cairn_core::claim::Holder;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::ClaimMetrics;
use crate::shutdown::Shutdown;
use crate::snapshot::Snapshot;

/// What a driver works with.
#[derive(Debug)]
pub struct Seam {
    /// The flags.
    pub config: Arc<Config>,
    /// Who claims; the driver sets the incarnation.
    pub holder: Holder,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where each change goes; starts with [`Snapshot::starting`].
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    /// What the driver counts.
    pub metrics: ClaimMetrics,
    /// When to release and return.
    pub shutdown: Shutdown,
}

/// How a driver ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Asked to stop, and nothing is claimed any more or may be believed any more.
    Released,
    /// A younger sidecar of this pod took the claims over; the sentence says so.
    Fenced(String),
    /// It cannot go on; the sentence says why.
    Failed(String),
}

/// Claims every pool and keeps them until the shutdown.
pub async fn run(seam: Seam) -> Outcome {
    seam.shutdown.draining().await;
    Outcome::Released
}
