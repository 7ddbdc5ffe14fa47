//! The connection to etcd, which claims and coordination share, and what keeps it open: certificates are renewed, and
//! files that have changed are read again.

use std::sync::Arc;

use cairn_kit::clock::Clock;
use cairn_store::ExpectedCluster;
use cairn_store::etcd::{Connection, Etcd};

use crate::cluster_mark;
use crate::config::{Access, Config};
use crate::enrol;

/// Opens the connection. `uid` chooses the member to ask first. The error is one sentence.
pub async fn open(config: &Config, uid: &str) -> Result<Arc<Etcd>, String> {
    let connection = connection(config, uid);
    Ok(Arc::new(match &config.access {
        Access::Direct(_) => Etcd::open(&connection).await.map_err(|error| error.report())?,
        Access::Enrolled { .. } => Etcd::without_members(&connection),
    }))
}

/// Keeps it open. Runs for ever.
pub async fn keep(config: &Config, etcd: &Etcd, clock: Arc<dyn Clock>) {
    let marking = cluster_mark::keep(config.dir.clone(), etcd.cluster_ids());
    let following = async {
        match &config.access {
            Access::Direct(_) => etcd.follow_tls_files().await,
            Access::Enrolled { agent, .. } => enrol::run(agent, etcd, clock).await,
        }
    };
    tokio::join!(marking, etcd.keep_home(), following);
}

/// The connection. Without `--etcd-cluster` it accepts only the cluster that an earlier process of this pod used.
fn connection(config: &Config, uid: &str) -> Connection {
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
    Connection { cluster, home_of: Some(uid.to_owned()), ..connection }
}
