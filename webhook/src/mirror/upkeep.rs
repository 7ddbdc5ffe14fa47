//! Runs the mirror's [`Chore`]s in etcd.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::quarantine::{AFTER_POD, QuarantineRecord, WITH_POD, WaitsFor};
use cairn_store::{Compare, Error, Kv, Op, Store, Txn};
use kube::api::ListParams;
use kube::{Api, Client};
use thiserror::Error;
use tokio::time::timeout;

use super::chores::{Chore, QuarantineAt, Task};
use super::limit::RequestLimit;
use super::pod::{Life, PodObject};

/// The request timeout. An API server answers a list of one pod within milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// Why a chore failed.
#[derive(Debug, Error)]
pub enum UpkeepError {
    /// A request to etcd failed.
    #[error("{}", .0.report())]
    Store(Error),
    /// A request to the API server failed.
    #[error("could not ask for the pod")]
    Pod(#[source] kube::Error),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {REQUEST_TIMEOUT:?}")]
    Timeout,
    /// The pod exists, but its label is gone, so that the mirror does not watch it.
    #[error(
        "pod {namespace}/{pod} has lost its label cairn.dev/injected, so that its end is not seen; put the label back"
    )]
    Unlabelled {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
    },
}

/// Looks up a pod that is not watched.
pub trait PodLookup: Send + Sync {
    /// Whether this pod runs; `None` if it does not exist.
    fn life(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> impl Future<Output = Result<Option<Life>, UpkeepError>> + Send;
}

/// The API server.
#[derive(Clone)]
pub struct ApiServer {
    /// For pods.
    pub client: Client,
    /// How often it is asked.
    pub limit: Arc<RequestLimit>,
}

// === impl ApiServer ===

impl PodLookup for ApiServer {
    async fn life(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<Option<Life>, UpkeepError> {
        self.limit.ready().await;
        let pods: Api<PodObject> = Api::namespaced(self.client.clone(), namespace);
        let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = timeout(REQUEST_TIMEOUT, pods.list(&by_name)).await;
        let found = found.map_err(|_| UpkeepError::Timeout)?.map_err(UpkeepError::Pod)?;
        let same = |pod: &&PodObject| pod.metadata.uid.as_deref() == Some(uid);
        Ok(found.items.iter().find(same).map(PodObject::life))
    }
}

/// Runs one chore. Keys that changed since the decision are left alone.
pub async fn perform<K: Kv, A: PodLookup>(
    store: &Store<K>,
    pods: &A,
    chore: &Chore,
) -> Result<(), UpkeepError> {
    let path = &chore.path;
    match &chore.task {
        Task::Shorten(quarantine) => put_quarantine(store, path, quarantine, WaitsFor::Time).await,
        Task::Prolong(quarantine) => {
            put_quarantine(store, path, quarantine, WaitsFor::PodEnd).await
        }
        Task::ShortenUnlessFound(quarantine) => {
            let Some(record) = found(store, path, quarantine).await? else { return Ok(()) };
            let holder = &record.holder;
            match pods.life(&holder.namespace, &holder.pod, &holder.uid).await? {
                None | Some(Life::Ended) => {
                    put_quarantine(store, path, quarantine, WaitsFor::Time).await
                }
                Some(Life::Runs | Life::Leaves) => Err(UpkeepError::Unlabelled {
                    namespace: holder.namespace.clone(),
                    pod: holder.pod.clone(),
                }),
            }
        }
        Task::Settle(keys) => store.settle(path, keys).await.map_err(UpkeepError::Store),
        Task::Sweep { sentinel, reclaims, clocks, last } => {
            let sweep = sweep(path, *sentinel, *reclaims, clocks, *last);
            store.kv().txn(sweep).await.map(|_| ()).map_err(UpkeepError::Store)
        }
    }
}

async fn put_quarantine<K: Kv>(
    store: &Store<K>,
    path: &ClaimPath,
    quarantine: &QuarantineAt,
    waits_for: WaitsFor,
) -> Result<(), UpkeepError> {
    let Some(record) = found(store, path, quarantine).await? else { return Ok(()) };
    let record = QuarantineRecord { waits_for, ..record };
    let length = match waits_for {
        WaitsFor::Time => AFTER_POD,
        WaitsFor::PodEnd => WITH_POD,
    };
    let put =
        store.put_quarantine(path, &quarantine.key, quarantine.revision, &record, length).await;
    put.map(|_| ()).map_err(UpkeepError::Store)
}

/// The quarantine record, unless it has changed.
async fn found<K: Kv>(
    store: &Store<K>,
    path: &ClaimPath,
    quarantine: &QuarantineAt,
) -> Result<Option<QuarantineRecord>, UpkeepError> {
    let found =
        store.kv().get(path.quarantine(&quarantine.key)).await.map_err(UpkeepError::Store)?;
    let same = found.filter(|found| found.mod_revision == quarantine.revision);
    Ok(same.and_then(|found| QuarantineRecord::parse(&found.value)))
}

/// Deletes keys of an unused path. The compares fail if a pod has joined the queue, re-claimed a name, reserved time or
/// claimed a slot since the decision. A pod that read the sentinel before and claims after it fails its own compare.
fn sweep(
    path: &ClaimPath,
    sentinel: i64,
    reclaims: i64,
    clocks: &[(String, i64)],
    last: bool,
) -> Txn {
    let mut compares = vec![
        Compare::modified(path.sentinel(), sentinel),
        Compare::modified(path.reclaims(), reclaims),
    ];
    let mut then = Vec::new();
    for (key, revision) in clocks {
        compares.push(Compare::created(path.slot(key), 0));
        compares.push(Compare::modified(path.clock(key), *revision));
        then.push(Op::Delete(path.clock(key)));
    }
    if last {
        then.extend([Op::Delete(path.sentinel()), Op::Delete(path.reclaims())]);
    }
    Txn { compares, then, otherwise: Vec::new() }
}

#[cfg(test)]
mod tests;
