//! What an administrator does to claims: the force release (T6), and the epoch after a restore.
//!
//! Invariant: a name that was taken from its holder rests for the V + Q of its slot, counted from an
//! instant after the release has landed, however late it lands. Not for: deciding whether to do it.

use std::time::Duration;

use cairn_core::claim::SlotRecord;
use cairn_core::keys::{self, ClaimPath};
use cairn_core::pool::PoolName;

use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn};
use crate::protocol::{Store, parse};
use crate::setup::in_chunks;

/// How a force release ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forced {
    /// The name rests for this long now.
    Released(Duration),
    /// Nobody holds it.
    NotHeld,
    /// Somebody else holds it by now: the create revision of the slot.
    Other(i64),
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T6: takes a name from its holder, by the create revision of the slot. The pod's lease is left
    /// alone: other claims may hang on it.
    ///
    /// Nothing is granted before the slot is gone: a lease might have aged, and the quarantine with
    /// it, when a delayed transaction lands. So the quarantine has no lease at first and is given one
    /// afterwards, here or by the next pod that sees it.
    pub async fn force_release(
        &self,
        path: &ClaimPath,
        key: &str,
        fence: i64,
    ) -> Result<Forced, Error> {
        let slot = path.slot(key);
        let seen = self.kv().txn(Txn::read(vec![Op::get(&slot)])).await?;
        let Some(found) = seen.key(0) else {
            return Ok(Forced::NotHeld);
        };
        if found.create_revision != fence {
            return Ok(Forced::Other(found.create_revision));
        }
        let record: SlotRecord = parse(found)?;
        let rest = record.validity() + record.quarantine();
        let resting = path.quarantine(key);
        let owner = keys::owner(&record.holder.namespace, &record.holder.uid, &path.pool);
        let txn = Txn {
            compares: vec![Compare::created(&slot, fence)],
            then: vec![
                Op::put(&resting, rest.as_millis().div_ceil(1000).to_string(), 0),
                Op::Delete(slot.clone()),
                Op::Delete(owner),
            ],
            otherwise: vec![Op::get(&slot)],
        };
        let reply = self.kv().txn(txn).await?;
        if !reply.succeeded {
            let other = reply.key(0).map(|found| Forced::Other(found.create_revision));
            return Ok(other.unwrap_or(Forced::NotHeld));
        }
        self.settle(&resting).await?;
        Ok(Forced::Released(rest))
    }

    /// Gives a quarantine without a lease the one that ends it. The lease is granted after the key
    /// was seen, so that it cannot end early.
    pub async fn settle(&self, resting: &str) -> Result<(), Error> {
        let seen = self.kv().txn(Txn::read(vec![Op::get(resting)])).await?;
        let Some(found) = seen.key(0).filter(|found| found.lease == 0) else {
            return Ok(());
        };
        let (lease, _) = self.kv().grant(rest(found)).await?;
        let txn = Txn {
            compares: vec![Compare::modified(resting, found.mod_revision)],
            then: vec![Op::put(resting, "", lease)],
            otherwise: Vec::new(),
        };
        if !self.kv().txn(txn).await?.succeeded {
            // Somebody else was faster; what is left of this lease costs nobody anything.
            self.kv().revoke(lease).await?;
        }
        Ok(())
    }

    /// After a restore: holds every pool and raises the epoch. Answers with the new epoch.
    ///
    /// The holds come first: nothing is granted under the old epoch once the new one is announced.
    pub async fn restored(
        &self,
        pools: &[PoolName],
        now: i64,
        hold: Duration,
    ) -> Result<i64, Error> {
        let (lease, _) = self.kv().grant(hold).await?;
        let holds = pools.iter().map(|pool| Op::put(keys::hold(pool), "", lease)).collect();
        for then in in_chunks(holds) {
            self.kv().txn(Txn { then, ..Txn::default() }).await?;
        }
        loop {
            let seen = self.kv().txn(Txn::read(vec![Op::get(keys::EPOCH)])).await?;
            let found = seen.key(0);
            let epoch = found.and_then(crate::protocol::epoch).unwrap_or_default();
            let epoch = now.max(epoch.saturating_add(1));
            let revision = found.map_or(0, |found| found.mod_revision);
            let txn = Txn {
                compares: vec![Compare::modified(keys::EPOCH, revision)],
                then: vec![Op::put(keys::EPOCH, epoch.to_string(), 0)],
                otherwise: Vec::new(),
            };
            if self.kv().txn(txn).await?.succeeded {
                return Ok(epoch);
            }
        }
    }
}

/// What the force release wrote. Whatever cannot be read was not written by this version; then the
/// longest V + Q that a pool may have is safe.
fn rest(found: &KeyValue) -> Duration {
    let written = std::str::from_utf8(&found.value).ok().and_then(|text| text.parse().ok());
    written.map_or(cairn_core::pool::LONGEST_REST, Duration::from_secs)
}
