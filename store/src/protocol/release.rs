//! T5: release a slot.

use cairn_core::keys;
use cairn_core::lease::ReleaseRequest;

use crate::error::Error;
use crate::kv::{Compare, Guarded, Kv};
use crate::records::encode;
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T5: releases a slot into a quarantine that names its former holder. False when the slot is not ours any more.
    pub async fn release(&self, request: &ReleaseRequest) -> Result<bool, Error> {
        let ReleaseRequest { path, key, record, own_mod_revision, quarantine, clock } = request;
        let me = keys::owner(&record.holder.namespace, &record.holder.uid, &path.pool);
        let slot = path.slot(key);
        // Both, because after a wipe revisions start anew: two keys hardly ever both have our revision.
        let compares = [&slot, &me].map(|key| Compare::modified(key, *own_mod_revision));
        let mut txn = Guarded { compares: compares.into(), ..Guarded::default() };
        txn.then.delete(slot);
        txn.then.delete(me);
        txn.then.delete(path.note(key));
        if let Some(record) = clock {
            let clock = path.clock(key);
            txn.then.put(&clock, encode(&clock, record)?, 0);
        }
        if !quarantine.is_zero() {
            let (lease, _) = self.kv().grant(*quarantine).await?;
            let quarantine = path.quarantine(key);
            txn.then.put(&quarantine, encode(&quarantine, record)?, lease);
        }
        Ok(self.kv().commit(txn).await?.succeeded())
    }
}
