//! Freezes: while the key `hold/<pool>` exists, nothing is granted from the pool.
//!
//! A store that was wiped or restored does not know every holder. A freeze covers the time for which
//! one may still believe in its claim. It is laid in two steps. First the key is put without a lease,
//! in the transaction that also moves the epoch. Then, after it was seen to be there, it is put on a
//! lease granted since. A lease granted before the first step could have aged under way, and a freeze
//! that lands late would be over too soon.
//!
//! Invariant: a freeze lasts for its whole span, counted from after it has landed. When its author dies
//! between the steps, whoever finds it does the second one: the webhook, a sidecar without Kubernetes,
//! and the pod that is first in the pool's queue. Until then it has no end.

use std::time::Duration;

use cairn_core::keys::{self, Key};
use cairn_core::pool::{LONGEST_REST, PoolName};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn};
use crate::protocol::Store;

/// One compare and one put for each; etcd takes 128 operations in a transaction by default.
const STARTED_AT_ONCE: usize = 60;

/// Others may start the same freezes at the same time; each round at least one of them succeeds.
const ROUNDS: usize = 5;

/// Why a pool is frozen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FreezeCause {
    /// The store had no epoch: it is new, or was wiped.
    EmptyStore,
    /// An administrator says that the store was restored.
    #[default]
    Restored,
}

/// The value of the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct FreezeRecord {
    /// How long it lasts from when it has a lease.
    seconds: u64,
    #[serde(default)]
    cause: FreezeCause,
}

/// The first step, as a part of a transaction.
pub(crate) fn lay(pool: &PoolName, span: Duration, cause: FreezeCause) -> Op {
    let record = FreezeRecord { seconds: span.as_secs().max(1), cause };
    // A struct of two plain fields always serialises.
    Op::put(keys::freeze(pool), serde_json::to_vec(&record).unwrap_or_default(), 0)
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The second step for every freeze in the store that still needs it.
    pub async fn start_freezes(&self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let reply = self.kv().txn(Txn::read(vec![Op::list(keys::FREEZES)])).await?;
            let laid: Vec<KeyValue> =
                reply.keys(0).iter().filter(|found| found.lease == 0).cloned().collect();
            if laid.is_empty() {
                break;
            }
            for chunk in laid.chunks(STARTED_AT_ONCE) {
                self.start_found(chunk).await?;
            }
        }
        Ok(())
    }

    /// Lifts a freeze that was laid because the store had no epoch; the user says that it is new, and
    /// that nobody believes in a claim from before. Any other freeze stays. False when it stays.
    pub async fn lift_freeze_of_new_store(&self, pool: &PoolName) -> Result<bool, Error> {
        let key = keys::freeze(pool);
        let reply = self.kv().txn(Txn::read(vec![Op::get(&key)])).await?;
        let Some(found) = reply.key(0) else {
            return Ok(true);
        };
        if parse(found).is_none_or(|record| record.cause != FreezeCause::EmptyStore) {
            return Ok(false);
        }
        let txn = Txn {
            compares: vec![Compare::modified(&key, found.mod_revision)],
            then: vec![Op::Delete(key)],
            otherwise: Vec::new(),
        };
        Ok(self.kv().txn(txn).await?.succeeded)
    }

    /// What a read has found at a pool's key. Tells how long the freeze still lasts, as far as that is
    /// known. One that nobody has started is started by the `first` in the queue, so that a herd behind
    /// it does not do so as one. A failure does not matter to the read.
    pub(crate) async fn attend_freeze(
        &self,
        found: Option<&KeyValue>,
        first: bool,
    ) -> Option<Duration> {
        let found = found?;
        if found.lease != 0 {
            return self.kv().time_to_live(found.lease).await.ok().flatten();
        }
        if first && let Err(error) = self.start_found(std::slice::from_ref(found)).await {
            tracing::debug!("starting a freeze: {}", error.report());
        }
        Some(span(found))
    }

    /// The second step. A freeze that is another one by now is left alone.
    async fn start_found(&self, laid: &[KeyValue]) -> Result<(), Error> {
        let Some(longest) = laid.iter().map(span).max() else {
            return Ok(());
        };
        let (lease, _) = self.kv().grant(longest).await?;
        let compares =
            laid.iter().map(|found| Compare::modified(&found.key, found.mod_revision)).collect();
        let then = laid.iter().map(|found| Op::put(&found.key, found.value.clone(), lease));
        let txn = Txn { compares, then: then.collect(), otherwise: Vec::new() };
        if !self.kv().txn(txn).await?.succeeded {
            // Somebody else was faster; the rest of this lease costs nobody anything.
            self.kv().revoke(lease).await?;
        }
        Ok(())
    }
}

/// How long a freeze lasts. A value that cannot be read was not written by this version; then the
/// longest that any holder may believe is safe.
fn span(found: &KeyValue) -> Duration {
    parse(found).map_or(LONGEST_REST, |record| Duration::from_secs(record.seconds))
}

fn parse(found: &KeyValue) -> Option<FreezeRecord> {
    matches!(Key::parse(&found.key), Some(Key::Freeze(_)))
        .then(|| serde_json::from_slice(&found.value).ok())
        .flatten()
}
