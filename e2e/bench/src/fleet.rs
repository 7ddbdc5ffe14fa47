//! Many pods on one etcd: a whole fleet with a rollout and restarts of etcd ([`rolling`]), and herds on an etcd with
//! half of its CPU ([`squeezed`]).
//!
//! A pod is the lease machine of the sidecar with the sidecar's store, on a connection of its own, as in `pod`.
//! Pods run on a thread for each CPU.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cairn_core::names::{NamesSpec, Range};
use cairn_core::pool::{Pool, PoolError, PoolSpec};
use cairn_herd::pod::machine;
use cairn_kit::clock;
use cairn_store::etcd::{Connection, Etcd};
use cairn_store::{Error, Store};
use thiserror::Error as ThisError;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::hosts::Hosts;
use crate::members::{Members, MembersError};
use crate::quota::QuotaError;

pub mod page;
mod pod;
pub mod roll;
pub mod rolling;
pub mod squeezed;

use pod::Place;
use roll::Roll;

/// The namespace of all pods. Pools have this name with a number.
const NAME: &str = "fleet";

/// A pool has at most 8,192 names. A fleet is divided among so many pools that none has more than this.
const MOST_NAMES: usize = 5000;

/// Between two looks at all pods.
const LOOK: Duration = Duration::from_millis(20);

/// Why a fleet could not be measured.
#[derive(Debug, ThisError)]
pub enum FleetError {
    /// etcd did not start, or did not tell its counters.
    #[error("could not run etcd")]
    Etcd(#[from] MembersError),
    /// A request of the harness failed.
    #[error("could not prepare etcd")]
    Store(#[from] Error),
    /// More pods than a pool can have names.
    #[error("the fleet is too large")]
    Pool(#[from] PoolError),
    /// There is no thread for pods.
    #[error("could not start a thread for pods")]
    Thread(#[source] io::Error),
    /// There is no limit of CPU time.
    #[error("could not limit etcd's CPU")]
    Quota(#[from] QuotaError),
    /// It did not happen.
    #[error("{what} has not happened within {limit:?}; failed requests:{failed}")]
    Silent {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
        /// What pods were told.
        failed: String,
    },
}

/// An etcd with pools, and the pods that use it.
#[derive(Debug)]
pub struct Fleet {
    /// The etcd.
    pub etcd: Members,
    /// Who holds which name.
    pub roll: Arc<Roll>,
    /// The pod with number n is in the pool with number n modulo their count.
    pools: Vec<Pool>,
    /// By number. Dropped, it tells the pod to end.
    pods: Vec<Option<oneshot::Sender<()>>>,
    hosts: Hosts,
}

// === impl Fleet ===

impl Fleet {
    /// Starts an etcd of so many members, and pools with so many names together.
    pub async fn start(members: usize, names: usize) -> Result<Self, FleetError> {
        let etcd = Members::start(members).await?;
        let count = names.div_ceil(MOST_NAMES).max(1);
        let to = u32::try_from(names.div_ceil(count).saturating_sub(1)).unwrap_or(u32::MAX);
        let range = Range { from: 0, to, prefix: String::new(), width: 0 };
        let spec = PoolSpec {
            names: NamesSpec { range: Some(range), ..NamesSpec::default() },
            ..PoolSpec::default()
        };
        let store = Etcd::connect(&etcd.urls(), None, Etcd::DEFAULT_REQUEST_TIMEOUT).await?;
        let store = Store::new(store);
        let mut pools = Vec::with_capacity(count);
        for number in 0..count {
            let pool = Pool::new(format!("{NAME}-{number}").parse()?, spec.clone())?;
            store.define(&pool, clock::now().wall.0 / 1000, None).await?;
            pools.push(pool);
        }
        let hosts = Hosts::start().map_err(FleetError::Thread)?;
        Ok(Self { etcd, roll: Arc::default(), pools, pods: Vec::new(), hosts })
    }

    /// Starts pods, all at once.
    pub fn add(&mut self, count: usize) {
        for _ in 0..count {
            let number = self.roll.enter();
            let (end, ended) = oneshot::channel();
            let index = number % self.pools.len().max(1);
            let Some(pool) = self.pools.get(index) else { return };
            let machine = machine(NAME, &pool.name, number);
            let place = Place { number, pool: index };
            let uid = Some(format!("pod-{number}"));
            let connection = Connection { home_of: uid, ..Connection::new(&self.etcd.urls()) };
            let roll = Arc::clone(&self.roll);
            // The connection and the pod's tasks stay on the thread on which they are made.
            if let Some(host) = self.hosts.of(number) {
                host.spawn(async move {
                    match Etcd::open(&connection).await {
                        Ok(etcd) => {
                            let store = Arc::new(Store::new(etcd));
                            pod::live(store, machine, place, roll, ended).await;
                        }
                        Err(error) => roll.failed(&error),
                    }
                });
            }
            self.pods.push(Some(end));
        }
    }

    /// The validity of the pools.
    pub fn validity(&self) -> Duration {
        self.pools.first().map(|pool| pool.spec.validity).unwrap_or_default()
    }

    /// Tells a pod to end.
    pub fn end(&mut self, number: usize) {
        if let Some(pod) = self.pods.get_mut(number) {
            drop(pod.take());
        }
    }

    /// Waits until so many pods hold a name. The answer is how long it took.
    pub async fn held(&self, pods: usize, limit: Duration) -> Result<Duration, FleetError> {
        self.wait("a name for every pod", limit, |roll| roll.held() >= pods).await
    }

    /// Waits until it is so.
    pub async fn wait(
        &self,
        what: &'static str,
        limit: Duration,
        is: impl Fn(&Roll) -> bool,
    ) -> Result<Duration, FleetError> {
        let since = clock::now().boot;
        loop {
            let took = clock::now().boot.since(since);
            if is(&self.roll) {
                return Ok(took);
            }
            if took > limit {
                return Err(FleetError::Silent { what, limit, failed: self.roll.errors() });
            }
            sleep(LOOK).await;
        }
    }
}
