//! Writes the specs of `Pool` objects to etcd, round by round.
//!
//! Invariants: an empty etcd gets its epoch before any spec, and a freeze of every pool if a pod may hold an earlier
//! claim. A spec is put only if it differs, because every claim compares its revision. A pool that becomes invalid
//! keeps its last valid spec, so its pods go on.
//!
//! A spec is not removed while something of its pool is in use. It is closed first.
//! [`crate::mirror::Counts::unused_at`] says when it can be removed. The rules are in `docs/protocol.md`, "Epochs and
//! freezes" and "Pools and upkeep".

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_core::duration;
use cairn_core::keys;
use cairn_core::pool::{Pool, PoolName};
use cairn_core::time::UnixMillis;
use cairn_store::shape::Defined;
use cairn_store::{Batch, Error, Kv, Store};
use tracing::{info, warn};

use super::holders::Holders;
use super::progress::{PoolStage, Progress};
use super::watched::{Pools, Watched};
use crate::mirror::Census;

/// The writer of specs.
#[derive(Debug)]
pub struct Writer<K, H> {
    store: Store<K>,
    holders: H,
    /// The greatest known epoch: a wiped etcd must get a greater one.
    epoch: i64,
    /// Specs and shapes without a pool at the last sweep.
    strays: BTreeSet<PoolName>,
}

/// What a round depends on besides the pools.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The usage of pools; `None` while it is unknown.
    pub census: Option<&'a Census>,
    /// The wall clock.
    pub now: UnixMillis,
}

// === impl Writer ===

impl<K: Kv, H: Holders> Writer<K, H> {
    /// A writer before its first round.
    pub fn new(store: Store<K>, holders: H) -> Self {
        Self { store, holders, epoch: 0, strays: BTreeSet::new() }
    }

    /// Reads the epoch, for a replica that follows now and may have to begin a wiped etcd later.
    pub async fn observe(&mut self) -> Result<(), Error> {
        self.epoch = self.store.epoch().await?.map_or(self.epoch, |found| found.max(self.epoch));
        Ok(())
    }

    /// Writes the differences. An error ends the round. A refusal of a single pool is in the progress instead.
    pub async fn round(&mut self, pools: &Pools, facts: Facts<'_>) -> Result<Progress, Error> {
        let present: Vec<PoolName> = pools.keys().filter_map(|name| name.parse().ok()).collect();
        let valid = || pools.values().filter_map(|watched| watched.pool.as_deref().ok());
        if let Some(ttl) = valid().map(|pool| pool.spec.lease_ttl()).max() {
            self.store.kv().set_longest_lease(ttl);
        }
        if let Some(freeze) = valid().map(|pool| pool.spec.freeze_span()).max() {
            self.begin(&present, facts.now.0.div_euclid(1000), freeze).await?;
        }
        let mut progress = Progress::new();
        for name in present {
            let Some(watched) = pools.get(name.as_str()) else { continue };
            let outcome = match self.advance(&name, watched, facts).await {
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => Some(PoolStage::of(&error)),
                Ok(outcome) => outcome,
            };
            progress.extend(outcome.map(|outcome| (name, outcome)));
        }
        Ok(progress)
    }

    /// Ends specs whose `Pool` objects are gone, for example because the finalizer was removed by hand. A spec is ended
    /// if it had no object in two sweeps in a row: after one, the watch may be late. If there is no object at all,
    /// nothing is ended: the CRD may be gone, or the API server was restored from an older backup.
    pub async fn sweep(&mut self, pools: &Pools, facts: Facts<'_>) -> Result<(), Error> {
        if pools.is_empty() {
            self.strays.clear();
            return Ok(());
        }
        let mut batch = Batch::default();
        let (specs, shapes) = (batch.list_keys(keys::POOLS), batch.list_keys(keys::SHAPES));
        let found = self.store.kv().read(batch).await?;
        let (specs, shapes) = (found.keys(specs)?.iter(), found.keys(shapes)?.iter());
        let strays: BTreeSet<PoolName> = specs
            .filter_map(|found| found.key.strip_prefix(keys::POOLS))
            .chain(shapes.filter_map(|found| found.key.strip_prefix(keys::SHAPES)))
            .filter(|name| !pools.contains_key(*name))
            .filter_map(|name| name.parse().ok())
            .collect();
        for gone in strays.intersection(&self.strays) {
            self.end(gone, facts).await?;
        }
        self.strays = strays;
        Ok(())
    }

    /// One step for one pool. `None` if there is nothing to do and no state.
    async fn advance(
        &self,
        name: &PoolName,
        watched: &Watched,
        facts: Facts<'_>,
    ) -> Result<Option<PoolStage>, Error> {
        if watched.leaving {
            if self.end(name, facts).await? {
                return Ok(Some(PoolStage::Ended));
            }
            // A wiped etcd has lost the spec, which holders need to re-claim their names.
            if let Ok(pool) = &watched.pool {
                let mut closed = Pool::clone(pool);
                closed.spec.closed = true;
                self.store.define_pinned(&closed).await?;
            }
            return Ok(Some(PoolStage::Ending));
        }
        let Ok(pool) = &watched.pool else { return Ok(None) };
        if !watched.is_guarded() {
            return Ok(Some(PoolStage::Unguarded));
        }
        let mut defined = self.store.define_pinned(pool).await?;
        if matches!(defined, Defined::OtherShape(_)) && self.end(name, facts).await? {
            defined = self.store.define_pinned(pool).await?;
        }
        Ok(Some(match defined {
            Defined::Yes => PoolStage::Defined,
            Defined::OtherShape(shape) => PoolStage::OtherShape(shape),
            Defined::Contended => PoolStage::Unreachable,
        }))
    }

    /// Closes a pool in etcd, and removes it once nothing of it is in use. True if it is removed.
    async fn end(&self, name: &PoolName, facts: Facts<'_>) -> Result<bool, Error> {
        if self.store.close(name).await? {
            info!(pool = %name, "closed the pool in etcd: nothing new is granted from it");
        }
        let counts = facts.census.map(|census| census.get(name).cloned().unwrap_or_default());
        let Some(closed_at) = counts.and_then(|counts| counts.unused_at(facts.now)) else {
            return Ok(false);
        };
        let ended = self.store.retire(name, closed_at).await?;
        if ended {
            info!(pool = %name, "removed the pool from etcd: nothing of it is in use");
        }
        Ok(ended)
    }

    /// Ensures that there is an epoch. `freeze` is the longest time that a pod may hold a claim without etcd.
    async fn begin(&mut self, pools: &[PoolName], now: i64, freeze: Duration) -> Result<(), Error> {
        if let Some(epoch) = self.store.epoch().await? {
            self.epoch = self.epoch.max(epoch);
            // A process that wrote freezes may have ended before it gave them a lease.
            self.store.start_freezes().await?;
            return Ok(());
        }
        let epoch = self.epoch.saturating_add(1).max(now);
        let freeze = self.holders.exist().await.then_some(freeze);
        if self.store.begin(pools, epoch, freeze).await? {
            info!(epoch, "began an empty etcd");
            if let Some(freeze) = freeze {
                warn!(
                    freeze = duration::print(freeze),
                    "pods with a sidecar ran while etcd was empty; nothing is granted until the claims they may \
                     believe in have ended"
                );
            }
            self.epoch = epoch;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
