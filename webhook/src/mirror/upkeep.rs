//! Does the mirror's [`Chore`]s in etcd.

use std::time::Duration;

use cairn_core::keys::ClaimPath;
use cairn_core::quarantine::{AFTER_POD, QuarantineRecord, WITH_POD, WaitsFor};
use cairn_store::{Compare, Error, Kv, Op, Store, Txn};
use kube::api::ListParams;
use kube::{Api, Client};
use thiserror::Error;
use tokio::time::timeout;

use super::chores::{Chore, RestAt, Task};
use super::pod::{Life, PodObject};

/// An API server that is alive answers a list of one pod within milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a chore was not done.
#[derive(Debug, Error)]
pub enum UpkeepError {
    /// etcd did not answer well.
    #[error("{}", .0.report())]
    Store(Error),
    /// The API server did not answer well.
    #[error("could not ask for the pod")]
    Pod(#[source] kube::Error),
    /// No answer.
    #[error("the API server did not answer within {PATIENCE:?}")]
    Silent,
    /// A pod that is not watched is there.
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

/// Who knows whether a pod exists that is not watched.
pub trait Asked: Send + Sync {
    /// How far the life of this pod has come; `None` when it is gone.
    fn life(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> impl Future<Output = Result<Option<Life>, UpkeepError>> + Send;
}

/// The API server.
#[derive(Clone)]
pub struct ApiServer(pub Client);

// === impl ApiServer ===

impl Asked for ApiServer {
    async fn life(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<Option<Life>, UpkeepError> {
        let pods: Api<PodObject> = Api::namespaced(self.0.clone(), namespace);
        let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = timeout(PATIENCE, pods.list(&by_name)).await;
        let found = found.map_err(|_| UpkeepError::Silent)?.map_err(UpkeepError::Pod)?;
        let same = |pod: &&PodObject| pod.metadata.uid.as_deref() == Some(uid);
        Ok(found.items.iter().find(same).map(PodObject::life))
    }
}

/// Does one chore. What has changed since it was decided on is left alone.
pub async fn perform<K: Kv, A: Asked>(
    store: &Store<K>,
    pods: &A,
    chore: &Chore,
) -> Result<(), UpkeepError> {
    let path = &chore.path;
    match &chore.task {
        Task::Shorten(rest) => put_rest(store, path, rest, WaitsFor::Time).await,
        Task::Prolong(rest) => put_rest(store, path, rest, WaitsFor::PodEnd).await,
        Task::ShortenUnlessFound(rest) => {
            let Some(record) = found(store, path, rest).await? else { return Ok(()) };
            let holder = &record.holder;
            match pods.life(&holder.namespace, &holder.pod, &holder.uid).await? {
                None | Some(Life::Ended) => put_rest(store, path, rest, WaitsFor::Time).await,
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

async fn put_rest<K: Kv>(
    store: &Store<K>,
    path: &ClaimPath,
    rest: &RestAt,
    waits_for: WaitsFor,
) -> Result<(), UpkeepError> {
    let Some(record) = found(store, path, rest).await? else { return Ok(()) };
    let record = QuarantineRecord { waits_for, ..record };
    let length = match waits_for {
        WaitsFor::Time => AFTER_POD,
        WaitsFor::PodEnd => WITH_POD,
    };
    let put = store.put_quarantine(path, &rest.key, rest.revision, &record, length).await;
    put.map(|_| ()).map_err(UpkeepError::Store)
}

/// The record of a rest, unless it has changed.
async fn found<K: Kv>(
    store: &Store<K>,
    path: &ClaimPath,
    rest: &RestAt,
) -> Result<Option<QuarantineRecord>, UpkeepError> {
    let found = store.kv().get(path.quarantine(&rest.key)).await.map_err(UpkeepError::Store)?;
    let same = found.filter(|found| found.mod_revision == rest.revision);
    Ok(same.and_then(|found| QuarantineRecord::parse(&found.value)))
}

/// Nobody has joined the queue, claimed ahead of it or reserved time since it was decided, and nobody holds a slot
/// whose reservation goes. A pod that has read the sentinel before and claims after fails its compare, and queues.
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
