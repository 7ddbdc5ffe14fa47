//! The loop that writes `Pool` objects to etcd, round by round, on the leader.
//!
//! Deletion depends on this order: the finalizer is added before the spec is written, and removed after the spec is
//! removed. Only one replica writes: another one with a late watch could write the spec of a deleted pool again.

use std::sync::Arc;
use std::time::Duration;

use cairn_core::pool::{Pool, PoolName};
use cairn_kit::clock;
use cairn_kit::errors::report;
use cairn_store::{ClusterId, Error, Kv};
use kube::Api;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::RETRIES;
use super::finalizer::{self, Change};
use super::holders::Holders;
use super::progress::{PoolStage, Progress};
use super::resource::PoolObject;
use super::specs::{Facts, Writer};
use super::watched::{Pools, Watched};
use crate::mirror::{Counted, SpecSeen};

/// The time between two full rounds. etcd may be wiped without a notice; a claim's validity is of this order.
const RESYNC: Duration = Duration::from_secs(30);

/// The time between two rounds while a pool is being ended: no event reports that reserved time has passed.
const PENDING: Duration = Duration::from_secs(5);

/// Failed rounds before the status shows it: one may be an election of etcd's leader, which is over soon.
const FAILURES_SHOWN: u32 = 2;

/// The inputs of the loop.
#[derive(Debug)]
pub struct Inputs {
    /// Whether this replica writes.
    pub leader: watch::Receiver<bool>,
    /// The pools; `None` before the first list.
    pub pools: watch::Receiver<Option<Arc<Pools>>>,
    /// Their usage.
    pub counts: watch::Receiver<Counted>,
}

/// The loop.
#[derive(Debug)]
pub struct Sync<K, H> {
    writer: Writer<K, H>,
    inputs: Inputs,
    progress: watch::Sender<Arc<Progress>>,
    /// The input of the last successful round; `None` if there was none since this replica leads.
    written: Option<Vec<Definition>>,
    resync: Instant,
    failures: u32,
    /// The known cluster and the one that answers in its place, as last logged.
    other_cluster: Option<(ClusterId, ClusterId)>,
}

/// The parts of a pool object that a round depends on.
#[derive(Debug, PartialEq)]
struct Definition {
    name: String,
    /// The checked pool; `None` if the spec is invalid.
    pool: Option<Arc<Pool>>,
    leaving: bool,
    guarded: bool,
}

// === impl Sync ===

impl<K: Kv, H: Holders> Sync<K, H> {
    /// A loop before its first round.
    pub fn new(
        writer: Writer<K, H>,
        inputs: Inputs,
        progress: watch::Sender<Arc<Progress>>,
    ) -> Self {
        Self {
            writer,
            inputs,
            progress,
            written: None,
            resync: Instant::now(),
            failures: 0,
            other_cluster: None,
        }
    }

    /// Runs until its inputs end.
    pub async fn run(mut self, api: &Api<PoolObject>) {
        loop {
            let leads = *self.inputs.leader.borrow_and_update();
            let pools = self.inputs.pools.borrow_and_update().clone();
            let counts = Arc::clone(&self.inputs.counts.borrow_and_update());
            match (&pools, leads) {
                (Some(pools), true) => self.lead(api, pools, &counts).await,
                _ => self.follow().await,
            }
            let next = if self.failures > 0 {
                Instant::now() + RETRIES.after(self.failures)
            } else if leads && self.is_pending() {
                self.resync.min(Instant::now() + PENDING)
            } else {
                self.resync
            };
            tokio::select! {
                changed = self.inputs.leader.changed() => if changed.is_err() { return },
                changed = self.inputs.pools.changed() => if changed.is_err() { return },
                Ok(()) = self.inputs.counts.changed(), if leads => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn follow(&mut self) {
        self.written = None;
        self.failures = 0;
        if Instant::now() >= self.resync {
            if let Err(error) = self.writer.observe().await {
                tracing::debug!("reading the epoch: {}", error.report());
            }
            self.resync = Instant::now() + RESYNC;
        }
    }

    async fn lead(&mut self, api: &Api<PoolObject>, pools: &Pools, counts: &Counted) {
        let wanted = definitions(pools);
        let due = Instant::now() >= self.resync;
        // Our own status writes come back as changes of the pools, without a change here.
        let same = self.written.as_ref() == Some(&wanted) && !is_missing(pools, counts);
        if same && !due && self.failures == 0 && !self.is_pending() {
            return;
        }
        let facts = Facts { census: counts.as_ref().as_ref(), now: clock::now().wall };
        match self.round(pools, facts, due).await {
            Ok(found) => {
                (self.failures, self.other_cluster) = (0, None);
                if !finalize(api, pools, &found).await {
                    self.failures += 1;
                }
                show(&self.progress, found);
            }
            Err(error) => {
                self.failures += 1;
                let other = error.other_cluster();
                if self.failures == 1 || self.other_cluster != other {
                    self.other_cluster = other;
                    warn!("writing pools to etcd: {}", error.report());
                } else {
                    debug!("writing pools to etcd: {}", error.report());
                }
                if self.failures >= FAILURES_SHOWN {
                    show(&self.progress, everywhere(pools, &PoolStage::of(&error)));
                }
            }
        }
        self.written = Some(wanted);
        if self.failures == 0 && due {
            self.resync = Instant::now() + RESYNC;
        }
    }

    async fn round(
        &mut self,
        pools: &Pools,
        facts: Facts<'_>,
        sweep: bool,
    ) -> Result<Progress, Error> {
        let found = self.writer.round(pools, facts).await?;
        if sweep {
            self.writer.sweep(pools, facts).await?;
        }
        Ok(found)
    }

    fn is_pending(&self) -> bool {
        self.progress.borrow().values().any(PoolStage::is_pending)
    }
}

/// Whether a written spec is absent from etcd, so that etcd was wiped. Holders need the spec to re-claim their names
/// before their deadlines.
fn is_missing(pools: &Pools, counts: &Counted) -> bool {
    let Some(census) = counts.as_ref() else { return false };
    let absent = |(name, watched): (&String, &Watched)| {
        let defined = watched.pool.is_ok() && watched.is_guarded() && !watched.leaving;
        let counts = name.parse().ok().and_then(|name: PoolName| census.get(&name));
        let spec = counts.map_or(SpecSeen::Absent, |counts| counts.spec);
        defined && spec == SpecSeen::Absent
    };
    pools.iter().any(absent)
}

/// Adds and removes finalizers after a round; false if a write failed.
async fn finalize(api: &Api<PoolObject>, pools: &Pools, found: &Progress) -> bool {
    let mut all_well = true;
    for (name, outcome) in found {
        let Some(watched) = pools.get(name.as_str()) else { continue };
        let change = match outcome {
            PoolStage::Unguarded => Change::Add,
            PoolStage::Ended if watched.is_guarded() => Change::Remove,
            _ => continue,
        };
        if let Err(error) = finalizer::change(api, name.as_str(), watched, change).await {
            warn!(pool = %name, "changing the finalizer of a pool: {}", report(&error));
            all_well = false;
        }
    }
    all_well
}

fn definitions(pools: &Pools) -> Vec<Definition> {
    let definition = |(name, watched): (&String, &Watched)| Definition {
        name: name.clone(),
        pool: watched.pool.as_ref().ok().cloned(),
        leaving: watched.leaving,
        guarded: watched.is_guarded(),
    };
    pools.iter().map(definition).collect()
}

fn everywhere(pools: &Pools, outcome: &PoolStage) -> Progress {
    let concerned = pools.iter().filter(|(_, watched)| watched.leaving || watched.pool.is_ok());
    concerned.filter_map(|(name, _)| Some((name.parse().ok()?, outcome.clone()))).collect()
}

fn show(progress: &watch::Sender<Arc<Progress>>, found: Progress) {
    progress.send_if_modified(|shown| {
        for (pool, outcome) in &found {
            if shown.get(pool) != Some(outcome) {
                info!(%pool, state = %outcome, "pool in etcd");
            }
        }
        let changed = **shown != found;
        *shown = Arc::new(found);
        changed
    });
}

#[cfg(test)]
mod tests;
