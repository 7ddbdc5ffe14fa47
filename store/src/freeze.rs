//! Freezes: while the key `hold/<pool>` exists, nothing is granted from the pool. While `hold/-coordinate` exists, no
//! owner of a shard or of a leadership changes, in any group.
//!
//! A store that was wiped or restored does not know every holder. A freeze covers the time during which a holder may
//! still believe in its claim. It is laid in two steps. First the key is put without a lease, in the transaction that
//! also moves the epoch. After the key was seen there, it is put on a lease that was granted since. A lease that was
//! granted before the first step could have aged, and the freeze would end too early.
//!
//! Invariant: a freeze lasts for its whole span, counted from after its first step. If its author dies between the
//! steps, another process does the second one: the webhook, a sidecar without Kubernetes, or the pod that is first in
//! the pool's queue if its etcd user may write freezes. Until then the freeze has no end.

use std::time::Duration;

use cairn_core::coordination::path::HOLD;
use cairn_core::coordination::validity::Validity;
use cairn_core::keys;
use cairn_core::pool::PoolName;

use crate::error::{Class, Error};
use crate::kv::{Compare, Guarded, KeyValue, Kv, Op};
use crate::records::{FreezeCause, FreezeRecord};
use crate::store::Store;

/// One compare and one put for each; etcd takes 128 operations in a transaction by default.
const STARTED_AT_ONCE: usize = 60;

/// Other processes may start the same freezes at the same time. In each round at least one of them succeeds.
const ROUNDS: usize = 5;

/// The first step, as a part of a transaction.
pub(crate) fn lay(pool: &PoolName, span: Duration, cause: FreezeCause) -> Op {
    let record = FreezeRecord { seconds: span.as_secs().max(1), cause };
    // A struct of two plain fields always serialises.
    Op::put(keys::freeze(pool), serde_json::to_vec(&record).unwrap_or_default(), 0)
}

/// The first step of the hold of coordination, as a part of a transaction. It covers the time during which the owner
/// with the longest validity may still serve.
pub(crate) fn lay_hold(cause: FreezeCause) -> Op {
    lay_hold_of(Validity::LONGEST.takeover_delay(), cause)
}

/// The same for a time of one's own.
pub(crate) fn lay_hold_of(span: Duration, cause: FreezeCause) -> Op {
    // Rounded up: a hold that ends early protects nobody.
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    let record = FreezeRecord { seconds, cause };
    Op::put(HOLD, serde_json::to_vec(&record).unwrap_or_default(), 0)
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The second step for every freeze that still needs it.
    pub async fn start_freezes(&self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let mut laid = self.kv().read_all(keys::FREEZES).await?;
            laid.retain(|found| found.lease == 0);
            if laid.is_empty() {
                break;
            }
            // The hold of coordination has a lease of its own: freezes of pools may last much longer.
            let (holds, freezes): (Vec<_>, Vec<_>) =
                laid.into_iter().partition(|found| found.key == HOLD);
            for chunk in holds.chunks(1).chain(freezes.chunks(STARTED_AT_ONCE)) {
                self.start_laid(chunk).await?;
            }
        }
        Ok(())
    }

    /// Deletes a freeze that was laid because the store had no epoch. The user says that the store is new, so that
    /// nobody believes in an earlier claim. Any other freeze stays. False when it stays.
    pub async fn lift_freeze_of_new_store(&self, pool: &PoolName) -> Result<bool, Error> {
        let key = keys::freeze(pool);
        let Some(found) = self.kv().get(&key).await? else {
            return Ok(true);
        };
        let record = FreezeRecord::parse(&found);
        if record.is_none_or(|record| record.cause != FreezeCause::EmptyStore) {
            return Ok(false);
        }
        let compares = vec![Compare::modified(&key, found.mod_revision)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.delete(key);
        Ok(self.kv().commit(txn).await?.succeeded())
    }

    /// The freeze that a read has found: how long it still lasts, if that is known. When it was not started, the
    /// `first` in the queue starts it, so that not every waiting pod tries to. A failure does not fail the read.
    pub(crate) async fn attend_freeze(
        &self,
        found: Option<&KeyValue>,
        first: bool,
    ) -> Option<Duration> {
        let found = found?;
        if found.lease != 0 {
            return self.kv().time_to_live(found.lease).await.ok().flatten();
        }
        if first && let Err(error) = self.start_laid(std::slice::from_ref(found)).await {
            tracing::debug!(key = found.key, error = error.report(), "cannot start the freeze");
        }
        Some(FreezeRecord::span(found))
    }

    /// The second step. A freeze that has changed since it was seen is left alone.
    async fn start_laid(&self, laid: &[KeyValue]) -> Result<(), Error> {
        let Some(longest) = laid.iter().map(FreezeRecord::span).max() else {
            return Ok(());
        };
        let (lease, _) = self.kv().grant(longest).await?;
        let compares =
            laid.iter().map(|found| Compare::modified(&found.key, found.mod_revision)).collect();
        let mut txn = Guarded { compares, ..Guarded::default() };
        for found in laid {
            txn.then.put(&found.key, found.value.clone(), lease);
        }
        match self.kv().commit(txn).await {
            Ok(branch) if branch.succeeded() => Ok(()),
            // Another process was faster. Nothing is attached to this lease.
            Ok(_) => self.kv().revoke(lease).await,
            // Where namespaces are kept apart, only the webhook may write freezes.
            Err(error) if error.class() == Class::Denied => {
                self.kv().revoke(lease).await?;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}
