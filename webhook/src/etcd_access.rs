//! etcd's users and roles: one for each namespace whose pods have enrolled.
//!
//! Invariants: a role is made before the first certificate of its user is issued. A role is never narrowed while
//! something of the namespace is below what it would lose. Authentication is switched on again after etcd was wiped,
//! when the roles of the namespaces known to this process exist again. Every replica does all of this except the
//! clean-up, which only the leader does: each step may be repeated.
//!
//! Not for: what a role contains ([`cairn_store::access`]); certificates ([`crate::etcd_ca`]).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cairn_core::pool::{PoolName, Scope};
use cairn_core::time::BootInstant;
use cairn_kit::clock;
use cairn_store::Error;
use cairn_store::etcd::Etcd;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::installation::verdict::Verdict;
use crate::namespaces::Namespaces;
use crate::pools::catalog::Catalog;
use crate::selector;

pub mod connect;

/// How long a role counts as complete without a look at etcd. The role of a namespace that was deleted and made again
/// under the same name is missed for no longer than this.
const TRUSTED: Duration = Duration::from_secs(60);
/// The period in which authentication and version are checked. Until it is on again after a wipe, any holder of a
/// client certificate may write every key.
const CHECK: Duration = Duration::from_secs(5);
/// The period after a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How many checks come between two clean-ups: five minutes.
const CHECKS_PER_CLEANUP: u32 = 60;

/// The users and roles.
#[derive(Debug)]
pub struct Access {
    etcd: Arc<Etcd>,
    catalog: watch::Receiver<Arc<Catalog>>,
    namespaces: Namespaces,
    /// Held while etcd is asked about a namespace: etcd's auth store takes one write at a time.
    granting: Mutex<()>,
    known: std::sync::Mutex<HashMap<String, Known>>,
}

/// What a namespace's role is known to allow.
#[derive(Clone, Debug)]
struct Known {
    pools: Vec<PoolName>,
    seen: BootInstant,
}

// === impl Access ===

impl Access {
    /// Access to this etcd. `etcd` is connected with the certificate of its root user.
    pub fn new(
        etcd: Arc<Etcd>,
        catalog: watch::Receiver<Arc<Catalog>>,
        namespaces: Namespaces,
    ) -> Self {
        Self {
            etcd,
            catalog,
            namespaces,
            granting: Mutex::default(),
            known: std::sync::Mutex::default(),
        }
    }

    /// Makes sure that the namespace's user exists and may do what its pods need.
    pub async fn ensure(&self, namespace: &str) -> Result<(), Error> {
        let pools = self.pools_open_to(namespace);
        if self.is_known(namespace, &pools) {
            return Ok(());
        }
        let _one_at_a_time = self.granting.lock().await;
        // Another pod of the namespace may have waited for the same.
        if self.is_known(namespace, &pools) {
            return Ok(());
        }
        self.etcd.require_version().await?;
        self.etcd.grant_namespace(namespace, &pools).await?;
        self.remember(namespace, pools);
        Ok(())
    }

    /// Keeps authentication on once etcd is known to be ours, and cleans up while this replica leads. Runs for ever.
    pub async fn keep(
        &self,
        mut verdict: watch::Receiver<Verdict>,
        leading: watch::Receiver<bool>,
    ) {
        let mut said = String::new();
        let mut checks = 0_u32;
        loop {
            if verdict.wait_for(Verdict::is_ours).await.is_err() {
                return;
            }
            let pause = match self.check().await {
                Ok(()) => {
                    said.clear();
                    CHECK
                }
                Err(error) => {
                    let line = error.report();
                    if line == said {
                        debug!("etcd's users: {line}");
                    } else {
                        warn!("etcd's users: {line}");
                        said = line;
                    }
                    RETRY
                }
            };
            checks = checks.wrapping_add(1);
            if checks.is_multiple_of(CHECKS_PER_CLEANUP) && *leading.borrow() {
                self.clean_up().await;
            }
            sleep(pause).await;
        }
    }

    async fn check(&self) -> Result<(), Error> {
        self.etcd.require_version().await?;
        if self.etcd.is_auth_marked().await? {
            return Ok(());
        }
        let _one_at_a_time = self.granting.lock().await;
        for (namespace, known) in self.all_known() {
            self.etcd.grant_namespace(&namespace, &known.pools).await?;
        }
        self.etcd.enable_auth().await?;
        info!("authentication of etcd is on");
        Ok(())
    }

    /// Removes the users of namespaces that are gone, and takes back what is closed to others.
    async fn clean_up(&self) {
        let namespaces = match self.etcd.namespaces_with_access().await {
            Ok(namespaces) => namespaces,
            Err(error) => return debug!("etcd's users: {}", error.report()),
        };
        for namespace in namespaces {
            let _one_at_a_time = self.granting.lock().await;
            let cleaned = if self.namespaces.is_gone(&namespace) {
                self.forget(&namespace);
                self.etcd.remove_namespace(&namespace).await.map(drop)
            } else {
                let pools = self.pools_open_to(&namespace);
                self.etcd.narrow_namespace(&namespace, &pools).await.map(drop)
            };
            if let Err(error) = cleaned {
                warn!(namespace, "etcd's users: {}", error.report());
            }
        }
    }

    /// The cluster pools that the namespace may claim from.
    fn pools_open_to(&self, namespace: &str) -> Vec<PoolName> {
        let catalog = Arc::clone(&self.catalog.borrow());
        let labels = &self.namespaces.get(namespace).labels;
        let open = catalog.ready().filter(|pool| {
            pool.spec.scope == Scope::Cluster
                && selector::matches(&pool.spec.allowed_namespaces, namespace, labels)
        });
        open.map(|pool| pool.name.clone()).collect()
    }

    fn is_known(&self, namespace: &str, pools: &[PoolName]) -> bool {
        let now = clock::now().boot;
        self.with_known(|known| {
            known.get(namespace).is_some_and(|known| {
                now.since(known.seen) < TRUSTED
                    && pools.iter().all(|pool| known.pools.contains(pool))
            })
        })
    }

    fn remember(&self, namespace: &str, pools: Vec<PoolName>) {
        let known = Known { pools, seen: clock::now().boot };
        self.with_known(|all| all.insert(namespace.to_owned(), known));
    }

    fn forget(&self, namespace: &str) {
        self.with_known(|known| known.remove(namespace));
    }

    fn all_known(&self) -> Vec<(String, Known)> {
        self.with_known(|known| known.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    fn with_known<T>(&self, act: impl FnOnce(&mut HashMap<String, Known>) -> T) -> T {
        // No code panics while it is locked.
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
