//! The claim driver: what it is given, and how it ends.
//!
//! [`driver`] carries out what `cairn_core::lease` decides; it decides nothing itself.

use std::sync::Arc;

use cairn_core::claim::Holder;
use cairn_kit::clock::Clock;
use cairn_kit::shutdown::Shutdown;
use cairn_store::etcd::{Connection, Etcd};
use cairn_store::{ExpectedCluster, Store};
use tokio::sync::watch;

use crate::config::Config;
use crate::ids::Ids;
use crate::metrics::ClaimMetrics;
use crate::snapshot::Snapshot;

mod cluster_mark;
pub mod driver;
mod freezes;
mod trouble;

use driver::Driver;

/// What a driver works with.
#[derive(Debug)]
pub struct Deps {
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
pub enum DriverEnd {
    /// Asked to stop, and nothing is claimed any more or may be believed any more.
    Released,
    /// A younger sidecar of this pod took the claims over; the sentence says so.
    Fenced(String),
    /// It cannot go on; the sentence says why.
    Failed(String),
}

/// Claims every pool and keeps them until the shutdown.
pub async fn run(deps: Deps) -> DriverEnd {
    let etcd = match Etcd::open(&connection(&deps)).await {
        Ok(etcd) => Arc::new(etcd),
        Err(error) => return DriverEnd::Failed(error.report()),
    };
    let driving = Driver::new(&deps, Store::new(Arc::clone(&etcd))).run(&deps);
    let keeping = cluster_mark::keep(deps.config.dir.clone(), etcd.cluster_ids());
    let freezing = freezes::attend(&deps.config, Store::new(Arc::clone(&etcd)));
    // These have no end of their own; what they do is for as long as there are claims.
    let beside = async {
        tokio::join!(keeping, freezing, etcd.keep_home());
        std::future::pending::<DriverEnd>().await
    };
    tokio::select! {
        outcome = Box::pin(driving) => outcome,
        outcome = Box::pin(beside) => outcome,
    }
}

/// Where etcd is, and which one it was for an earlier process of this pod.
fn connection(deps: &Deps) -> Connection {
    let config = &deps.config;
    let remembered = || cluster_mark::read(&config.dir).map(ExpectedCluster::Remembered);
    let required = config.etcd.cluster.map(ExpectedCluster::Required);
    Connection {
        cluster: required.or_else(remembered).unwrap_or_default(),
        home_of: Some(deps.holder.uid.clone()),
        ..config.etcd.connection()
    }
}
