//! The pools controller: from `Pool` objects to the catalog of admission, to etcd, and to status.
//!
//! Four loops that share nothing but the latest value of what each knows: one creates the built-in
//! pools, one watches, one writes specs to etcd, one writes status. Invariant: the first list of
//! pools lifts the readiness block, whatever etcd does.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::pool::Pool;
use cairn_store::Store;
use cairn_store::etcd::Etcd;
use kube::runtime::watcher;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::catalog::Catalog;
use super::holders::{Holders, InjectedPods};
use super::resource::PoolObject;
use super::specs::{Outcome, Progress, Writer};
use super::status::writer::Sources;
use super::watched::{Pools, World, catalog};
use super::{backoff, builtin};
use crate::mirror::Census;
use crate::ready::Block;
use crate::{clock, watching};

/// etcd may be wiped without anybody telling; a claim's validity is of this order.
const RESYNC: Duration = Duration::from_secs(30);

/// One failed round may be an election of etcd's leader, which is over before anybody has read it.
const FAILURES_SHOWN: u32 = 2;

/// What the controller works with.
pub struct Seam {
    /// For pools and pods.
    pub client: Client,
    /// Where specs go.
    pub etcd: Arc<Etcd>,
    /// Whether this replica writes status.
    pub leader: watch::Receiver<bool>,
    /// How pools are used, from the mirror.
    pub counts: watch::Receiver<Arc<Census>>,
    /// What admission reads.
    pub catalog: watch::Sender<Arc<Catalog>>,
    /// Lifted by the first complete list of pools.
    pub listed: Block,
}

/// Runs until it is dropped.
pub async fn run(seam: Seam) {
    let Seam { client, etcd, leader, counts, catalog, listed } = seam;
    let (pools, seen_pools) = watch::channel(None);
    let (progress, seen_progress) = watch::channel(Arc::default());
    let writer = Writer::new(Store::new(etcd), InjectedPods::new(client.clone()));
    let sources = Sources { leader, pools: seen_pools.clone(), progress: seen_progress, counts };
    // Before the first list, so that a fresh installation is ready with its pools and not without.
    let missing = builtin::create_all(&client, builtin::objects()).await;
    tokio::join!(
        builtin::retry(&client, missing),
        watch_pools(client.clone(), catalog, pools, listed),
        write_specs(writer, seen_pools, progress),
        sources.write(client.clone()),
    );
}

async fn watch_pools(
    client: Client,
    ready: watch::Sender<Arc<Catalog>>,
    pools: watch::Sender<Option<Arc<Pools>>>,
    listed: Block,
) {
    let (mut world, mut listed) = (World::default(), Some(listed));
    let stream = watcher(Api::<PoolObject>::all(client), watcher::Config::default());
    watching::follow("pools", stream, |event| {
        if let Some(known) = world.apply(event) {
            ready.send_replace(Arc::new(catalog(known)));
            pools.send_replace(Some(Arc::new(known.clone())));
            drop(listed.take());
        }
    })
    .await;
}

async fn write_specs<K: cairn_store::Kv, H: Holders>(
    mut writer: Writer<K, H>,
    mut pools: watch::Receiver<Option<Arc<Pools>>>,
    progress: watch::Sender<Arc<Progress>>,
) {
    let (mut written, mut failures) = (Vec::new(), 0);
    let mut resync = Instant::now();
    loop {
        let latest = pools.borrow_and_update().clone();
        let listed = latest.is_some();
        if let Some(known) = latest {
            let wanted = definitions(&known);
            let due = Instant::now() >= resync;
            // Our own writes of status come back as changes of the pools; they change no spec.
            if due || failures > 0 || wanted != written {
                match round(&mut writer, &known, due).await {
                    Ok(found) => {
                        failures = 0;
                        show(&progress, found);
                    }
                    Err(error) => {
                        failures += 1;
                        warn!("writing pools to etcd: {}", error.report());
                        if failures >= FAILURES_SHOWN {
                            show(&progress, everywhere(&wanted, &Outcome::of(&error)));
                        }
                    }
                }
                written = wanted;
                if failures == 0 && due {
                    resync = Instant::now() + RESYNC;
                }
            }
        }
        let next = if failures == 0 { resync } else { Instant::now() + backoff::after(failures) };
        tokio::select! {
            changed = pools.changed() => if changed.is_err() { return },
            () = sleep_until(next), if listed => {}
        }
    }
}

async fn round<K: cairn_store::Kv, H: Holders>(
    writer: &mut Writer<K, H>,
    pools: &Pools,
    sweep: bool,
) -> Result<Progress, cairn_store::Error> {
    let found = writer.round(pools, clock::wall().0.div_euclid(1000)).await?;
    if sweep {
        writer.sweep(pools).await?;
    }
    Ok(found)
}

/// Everything that a round depends on: names, and specs where they are valid.
fn definitions(pools: &Pools) -> Vec<(String, Option<Arc<Pool>>)> {
    let definition = |(name, watched): (&String, &super::watched::Watched)| {
        (name.clone(), watched.pool.as_ref().ok().cloned())
    };
    pools.iter().map(definition).collect()
}

fn everywhere(wanted: &[(String, Option<Arc<Pool>>)], outcome: &Outcome) -> Progress {
    let valid = wanted.iter().filter_map(|(_, pool)| pool.as_ref());
    valid.map(|pool| (pool.name.clone(), outcome.clone())).collect()
}

fn show(progress: &watch::Sender<Arc<Progress>>, found: Progress) {
    progress.send_if_modified(|shown| {
        for (pool, outcome) in &found {
            if shown.get(pool) != Some(outcome) {
                info!(%pool, ?outcome, "pool in etcd");
            }
        }
        let changed = **shown != found;
        *shown = Arc::new(found);
        changed
    });
}

#[cfg(test)]
mod tests;
