//! Makes etcd hold what the `Pool` objects say, round by round.
//!
//! Invariants: an empty etcd gets its epoch, and a hold of every pool when somebody may believe in a
//! claim from before, earlier than any spec; a spec is put only when it differs, because its version
//! is compared by every claim. A pool that became invalid keeps its last good spec: its pods go on.
//! Everything is idempotent, so that both replicas may do it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cairn_core::keys;
use cairn_core::pool::{Pool, PoolName};
use cairn_store::{Error, Kv, Op, Store, Txn};
use tracing::{info, warn};

use super::holders::Holders;
use super::watched::Pools;

/// How far each pool has come, by name.
pub type Progress = BTreeMap<PoolName, Outcome>;

/// What became of one pool's spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// etcd has it.
    Defined,
    /// etcd did not answer.
    Unreachable,
    /// etcd answered that it will not have it; its words.
    Refused(String),
}

/// The writer of specs.
#[derive(Debug)]
pub struct Writer<K, H> {
    store: Store<K>,
    holders: H,
    /// The greatest epoch that was seen: a wiped etcd must get a greater one.
    epoch: i64,
    /// Pools that existed in the last round.
    known: BTreeSet<PoolName>,
    /// Specs without a pool, as of the last sweep.
    strays: BTreeSet<PoolName>,
}

// === impl Outcome ===

impl Outcome {
    /// What an error means for a pool.
    pub fn of(error: &Error) -> Self {
        if error.is_transient() { Self::Unreachable } else { Self::Refused(error.report()) }
    }
}

// === impl Writer ===

impl<K: Kv, H: Holders> Writer<K, H> {
    /// A writer that knows nothing yet.
    pub fn new(store: Store<K>, holders: H) -> Self {
        Self { store, holders, epoch: 0, known: BTreeSet::new(), strays: BTreeSet::new() }
    }

    /// Writes what differs. `now` is in Unix seconds. An error means that nothing more could be done
    /// in this round; what etcd says against a single pool is that pool's outcome.
    pub async fn round(&mut self, pools: &Pools, now: i64) -> Result<Progress, Error> {
        let present: BTreeSet<PoolName> =
            pools.keys().filter_map(|name| name.parse().ok()).collect();
        let valid: Vec<&Pool> =
            pools.values().filter_map(|watched| watched.pool.as_deref().ok()).collect();
        // Kept over a failure: whatever was not removed in this round is in the next.
        self.known.extend(present.iter().cloned());
        let mut progress = Progress::new();
        if let Some(hold) = valid.iter().map(|pool| pool.spec.hold()).max() {
            let epoch = self.begin(&present, now, hold).await?;
            for pool in valid {
                // The hold is for an etcd that was wiped a moment ago, after `begin` has looked.
                let outcome = match self.store.define(pool, epoch, Some(hold)).await {
                    Ok(()) => Outcome::Defined,
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => Outcome::of(&error),
                };
                progress.insert(pool.name.clone(), outcome);
            }
        }
        for gone in self.known.difference(&present) {
            self.store.undefine(gone).await?;
            info!(pool = %gone, "removed the spec of a deleted pool from etcd");
        }
        self.known = present;
        Ok(progress)
    }

    /// Removes specs whose pools were deleted while nobody watched. A spec is removed when it had no
    /// pool in two sweeps in a row: one may only mean that this replica has not heard of the pool yet.
    pub async fn sweep(&mut self, pools: &Pools) -> Result<(), Error> {
        let listing = Txn::read(vec![Op::list_keys(keys::POOLS)]);
        let found = self.store.kv().txn(listing).await?;
        let stray = |key: &str| {
            let name: PoolName = key.strip_prefix(keys::POOLS)?.parse().ok()?;
            (!pools.contains_key(name.as_str())).then_some(name)
        };
        let strays: BTreeSet<PoolName> =
            found.keys(0).iter().filter_map(|found| stray(&found.key)).collect();
        for gone in strays.intersection(&self.strays) {
            self.store.undefine(gone).await?;
            info!(pool = %gone, "removed a spec without a pool from etcd");
        }
        self.strays = strays;
        Ok(())
    }

    /// Sees to it that there is an epoch. `hold` is the longest that anybody may believe in a claim.
    async fn begin(
        &mut self,
        pools: &BTreeSet<PoolName>,
        now: i64,
        hold: Duration,
    ) -> Result<i64, Error> {
        if let Some(epoch) = self.store.epoch().await? {
            self.epoch = self.epoch.max(epoch);
            return Ok(self.epoch.saturating_add(1).max(now));
        }
        let epoch = self.epoch.saturating_add(1).max(now);
        let hold = self.holders.exist().await.then_some(hold);
        let names: Vec<PoolName> = pools.iter().cloned().collect();
        if self.store.begin(&names, epoch, hold).await? {
            info!(epoch, "began an empty etcd");
            if let Some(hold) = hold {
                warn!(
                    ?hold,
                    "pods with a sidecar ran while etcd was empty; nothing is granted until the claims they may believe in have ended"
                );
            }
            self.epoch = epoch;
        }
        Ok(epoch)
    }
}

#[cfg(test)]
mod tests;
