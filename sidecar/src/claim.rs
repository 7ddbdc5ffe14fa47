//! The claim driver: what it is given, and how it ends.
//!
//! [`driver`] carries out what `cairn_core::lease` decides; it decides nothing itself.

use std::sync::Arc;

use cairn_core::claim::Holder;
use cairn_store::Store;
use cairn_store::etcd::{Etcd, TlsFiles};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::ids::Ids;
use crate::metrics::ClaimMetrics;
use crate::shutdown::Shutdown;
use crate::snapshot::Snapshot;

pub mod driver;

use driver::Driver;

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
    /// Mints IDs until it is closed.
    pub ids: Ids,
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
    let etcd = &seam.config.etcd;
    let tls = etcd.tls.as_ref().map(files);
    match Etcd::connect(&etcd.endpoints, tls.as_ref(), Etcd::PATIENCE).await {
        Ok(connected) => Driver::new(&seam, Store::new(connected)).run(&seam).await,
        Err(error) => Outcome::Failed(error.report()),
    }
}

fn files(tls: &config::TlsFiles) -> TlsFiles {
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    TlsFiles {
        authority: text(&tls.ca),
        client: tls.client.as_ref().map(|(certificate, key)| (text(certificate), text(key))),
    }
}
