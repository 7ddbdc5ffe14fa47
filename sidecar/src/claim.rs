//! Drives the claims of one pod.
//!
//! [`driver`] carries out what `cairn_core::lease` decides and decides nothing itself. The protocol is described in
//! `docs/protocol.md`. Not for the connection to etcd, which coordination shares: `crate::drive` opens it.

use std::sync::Arc;

use cairn_core::claim::Holder;
use cairn_kit::clock::Clock;
use cairn_kit::shutdown::Shutdown;
use tokio::sync::watch;

use crate::config::Config;
use crate::coordination::Link;
use crate::ids::Ids;
use crate::metrics::ClaimMetrics;
use crate::snapshot::Snapshot;

pub mod driver;
pub(crate) mod freezes;

/// What a driver depends on.
#[derive(Debug)]
pub struct Deps {
    /// The checked flags.
    pub config: Arc<Config>,
    /// The holder; the driver sets its incarnation.
    pub holder: Holder,
    /// The clock of every deadline.
    pub clock: Arc<dyn Clock>,
    /// Receives each change; starts with [`Snapshot::starting`].
    pub snapshots: watch::Sender<Arc<Snapshot>>,
    /// Mints IDs until the driver closes it.
    pub ids: Ids,
    /// The other ends of coordination, if this pod coordinates.
    pub coordination: Option<Link>,
    /// What the driver counts.
    pub metrics: ClaimMetrics,
    /// Tells the driver to release the claims and return.
    pub shutdown: Shutdown,
}
