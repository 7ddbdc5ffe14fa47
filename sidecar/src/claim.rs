//! Runs the claim driver on the real etcd.
//!
//! [`driver`] carries out what `cairn_core::lease` decides and decides nothing itself. The protocol is described in
//! `docs/protocol.md`.

use std::sync::Arc;

use cairn_core::claim::Holder;
use cairn_core::lease::EndReason;
use cairn_kit::clock::Clock;
use cairn_kit::shutdown::Shutdown;
use cairn_store::etcd::{Connection, Etcd};
use cairn_store::{ExpectedCluster, Store};
use tokio::sync::watch;

use crate::config::{Access, Config};
use crate::enrol;
use crate::ids::Ids;
use crate::metrics::ClaimMetrics;
use crate::snapshot::Snapshot;

mod cluster_mark;
pub mod driver;
mod failures;
mod freezes;

use driver::Driver;

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
    /// What the driver counts.
    pub metrics: ClaimMetrics,
    /// Tells the driver to release the claims and return.
    pub shutdown: Shutdown,
}

/// Claims from every pool and renews the claims until the shutdown.
pub async fn run(deps: Deps) -> EndReason {
    let connection = connection(&deps);
    let etcd = match &deps.config.access {
        Access::Direct(_) => match Etcd::open(&connection).await {
            Ok(etcd) => etcd,
            Err(error) => return EndReason::Failed(error.report()),
        },
        Access::Enrolled { .. } => Etcd::without_members(&connection),
    };
    let etcd = Arc::new(etcd);
    let driving = Driver::new(&deps, Store::new(Arc::clone(&etcd))).run(&deps);
    let keeping = cluster_mark::keep(deps.config.dir.clone(), etcd.cluster_ids());
    let freezing = freezes::maintain(&deps.config, Store::new(Arc::clone(&etcd)));
    // These run as long as the driver.
    let beside = async {
        tokio::join!(keeping, freezing, etcd.keep_home(), access(&deps, &etcd));
        std::future::pending::<EndReason>().await
    };
    tokio::select! {
        reason = Box::pin(driving) => reason,
        reason = Box::pin(beside) => reason,
    }
}

/// Keeps the way to etcd open: certificates are renewed, and files that have changed are read again.
async fn access(deps: &Deps, etcd: &Etcd) {
    match &deps.config.access {
        Access::Direct(_) => etcd.follow_tls_files().await,
        Access::Enrolled { agent, .. } => enrol::run(agent, etcd, Arc::clone(&deps.clock)).await,
    }
}

/// The connection. Without `--etcd-cluster` it accepts only the cluster that an earlier process of this pod used.
fn connection(deps: &Deps) -> Connection {
    let config = &deps.config;
    let remembered = || cluster_mark::read(&config.dir).map(ExpectedCluster::Remembered);
    let connection = match &config.access {
        Access::Direct(target) => target.connection(),
        Access::Enrolled { identity, .. } => Connection {
            prefix: identity.prefix.clone(),
            cluster: identity.cluster.map(ExpectedCluster::Required).unwrap_or_default(),
            ..Connection::new(&[])
        },
    };
    let cluster = match connection.cluster {
        ExpectedCluster::Any => remembered().unwrap_or_default(),
        configured => configured,
    };
    Connection { cluster, home_of: Some(deps.holder.uid.clone()), ..connection }
}
