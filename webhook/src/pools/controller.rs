//! The pools controller: from `Pool` objects to the catalog of admission, to etcd, and to status.
//!
//! Four loops that share only watch channels: one creates the built-in pools, one watches, one writes specs to etcd,
//! one writes status. Invariant: the first list of pools lifts the readiness block, whether or not etcd answers.

use std::sync::Arc;

use cairn_store::Store;
use cairn_store::etcd::Etcd;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::watch;

use super::builtin;
use super::catalog::Catalog;
use super::holders::InjectedPods;
use super::resource::PoolObject;
use super::specs::Writer;
use super::status::writer::Sources;
use super::sync::{Inputs, Sync};
use super::watched::{PoolCache, Pools};
use crate::mirror::Counted;
use crate::ready::Block;
use crate::watching;

/// What the controller needs.
pub struct Deps {
    /// For pools and pods.
    pub client: Client,
    /// Receives the specs.
    pub etcd: Arc<Etcd>,
    /// Whether this replica writes to Kubernetes.
    pub leader: watch::Receiver<bool>,
    /// Whether it also writes to etcd, which it does only if etcd belongs to this installation.
    pub writes_etcd: watch::Receiver<bool>,
    /// How pools are used, from the mirror.
    pub counts: watch::Receiver<Counted>,
    /// Receives the catalog for admission.
    pub catalog: watch::Sender<Arc<Catalog>>,
    /// Lifted by the first complete list of pools.
    pub listed: Block,
}

/// Runs until it is dropped.
pub async fn run(deps: Deps) {
    let Deps { client, etcd, leader, writes_etcd, counts, catalog, listed } = deps;
    let api = Api::<PoolObject>::all(client.clone());
    let (pools, seen_pools) = watch::channel(None);
    let (progress, seen_progress) = watch::channel(Arc::default());
    let writer = Writer::new(Store::new(etcd), InjectedPods::new(client.clone()));
    let (leads, seen) = (leader.clone(), seen_pools.clone());
    let inputs = Inputs { leader: writes_etcd, pools: seen_pools.clone(), counts: counts.clone() };
    let sync = Sync::new(writer, inputs, progress);
    let sources = Sources { leader, pools: seen_pools, progress: seen_progress, counts };
    // Before the first list, so that a new installation becomes ready with these pools.
    let missing = builtin::create_all(&api, builtin::objects()).await;
    tokio::join!(
        async {
            builtin::retry(&api, missing).await;
            builtin::keep(&api, leads, seen).await;
        },
        watch_pools(client.clone(), catalog, pools, listed),
        sync.run(&api),
        sources.write(client.clone()),
    );
}

async fn watch_pools(
    client: Client,
    ready: watch::Sender<Arc<Catalog>>,
    pools: watch::Sender<Option<Arc<Pools>>>,
    listed: Block,
) {
    let (mut cache, mut listed) = (PoolCache::default(), Some(listed));
    let stream = watcher(Api::<PoolObject>::all(client), watcher::Config::default());
    watching::follow("pools", stream, |event| {
        if let Some(known) = cache.apply(event) {
            ready.send_replace(Arc::new(Catalog::of(known)));
            pools.send_replace(Some(Arc::new(known.clone())));
            drop(listed.take());
        }
    })
    .await;
}
