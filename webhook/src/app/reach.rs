//! The webhook's way to etcd, and what it gives to sidecars.

use std::sync::Arc;
use std::time::Duration;

use cairn_store::etcd::{Connection, Etcd, Tls};
use cairn_store::{ClusterId, Error, ExpectedCluster};
use kube::Client;
use tokio::sync::watch;

use super::tasks::Tasks;
use crate::agent::credentials::Source;
use crate::args::etcd::{Certificates, EtcdAccess};
use crate::etcd_access::{Access, connect};
use crate::etcd_ca::{self, EtcdCa, Lives};
use crate::installation::verdict::Verdict;
use crate::namespaces::Namespaces;
use crate::pools::catalog::Catalog;

/// The way to etcd, by the flags.
pub(super) struct Reach {
    /// The connection. With certificates that are issued here it has no member before the first one.
    pub(super) etcd: Arc<Etcd>,
    access: EtcdAccess,
    life: Duration,
    lives: Lives,
    ca: watch::Sender<Option<Arc<EtcdCa>>>,
}

// === impl Reach ===

impl Reach {
    /// A connection to the expected cluster. `life` is that of the pods' certificates, `lives` those of the bundled
    /// etcd.
    pub(super) async fn open(
        access: EtcdAccess,
        cluster: Option<ClusterId>,
        pod: &str,
        (life, lives): (Duration, Lives),
    ) -> Result<Self, Error> {
        let (members, tls) = match &access.certificates {
            Certificates::Issued(_) => (&[][..], None),
            Certificates::Shared(files) => (access.endpoints.urls(), files.clone().map(Tls::Files)),
        };
        let connection = Connection {
            tls,
            prefix: access.identity.prefix.clone(),
            cluster: cluster.map_or(ExpectedCluster::Any, ExpectedCluster::Required),
            home_of: Some(pod.to_owned()),
            ..Connection::new(members)
        };
        let etcd = match &access.certificates {
            Certificates::Issued(_) => Etcd::without_members(&connection),
            Certificates::Shared(_) => Etcd::open(&connection).await?,
        };
        let etcd = Arc::new(etcd);
        Ok(Self { etcd, access, life, lives, ca: watch::Sender::new(None) })
    }

    /// Where the pods' certificates come from.
    pub(super) fn source(&self) -> Source {
        match &self.access.certificates {
            Certificates::Issued(_) => Source::Issuer { ca: self.ca.subscribe(), life: self.life },
            Certificates::Shared(files) => Source::Shared(files.clone()),
        }
    }

    /// The users and roles, if each namespace has its own.
    pub(super) fn users(
        &self,
        catalog: watch::Receiver<Arc<Catalog>>,
        namespaces: Namespaces,
    ) -> Option<Arc<Access>> {
        match self.access.certificates {
            Certificates::Issued(_) => {
                Some(Arc::new(Access::new(Arc::clone(&self.etcd), catalog, namespaces)))
            }
            Certificates::Shared(_) => None,
        }
    }

    /// Starts what keeps the way open.
    pub(super) fn start(
        self,
        tasks: &mut Tasks,
        client: &Client,
        users: Option<Arc<Access>>,
        metrics: etcd_ca::metrics::Metrics,
        (verdict, leading): (watch::Receiver<Verdict>, watch::Receiver<bool>),
    ) {
        let Self { etcd, access, life: _, lives, ca } = self;
        match access.certificates {
            Certificates::Shared(_) => {
                tasks.start("etcd files", async move { etcd.follow_tls_files().await });
            }
            Certificates::Issued(source) => {
                let issuer = ca.subscribe();
                let following = etcd_ca::follow(source, lives, client.clone(), metrics, ca);
                tasks.start("etcd authorities", following);
                let members = access.endpoints.urls().to_vec();
                tasks.start("etcd connection", connect::keep_connected(etcd, members, issuer));
            }
        }
        if let Some(users) = users {
            tasks.start("etcd users", async move { users.keep(verdict, leading).await });
        }
    }
}
