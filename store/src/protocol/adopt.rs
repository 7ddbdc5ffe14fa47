//! After a restart: renew the lease that was found, and T3: adopt the slot.

use cairn_core::keys::{self, Key};
use cairn_core::lease::{AdoptRequest, Adopted, FoundSlot, Granted, LeaseId, Resumed};
use cairn_core::pool::PoolName;
use cairn_core::time::BootInstant;

use super::slot;
use crate::error::Error;
use crate::kv::{Batch, Compare, Guarded, Kv};
use crate::records::{decode, epoch, reservation};
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Renews the lease that our own keys are attached to, and reads the slots on it.
    pub async fn resume(
        &self,
        sent: BootInstant,
        lease: LeaseId,
        slots: &[(PoolName, String)],
    ) -> Result<Resumed, Error> {
        let mut batch = Batch::default();
        let epoch_key = batch.get(keys::EPOCH);
        let handles: Vec<_> = slots.iter().map(|(_, slot)| batch.get(slot)).collect();
        let (ttl, answer) = futures::try_join!(self.kv().keep_alive(lease), self.kv().read(batch))?;
        let mut found = Vec::new();
        for ((pool, slot), handle) in slots.iter().zip(handles) {
            if let Some(key) = answer.key(handle)? {
                found.push(FoundSlot {
                    pool: pool.clone(),
                    slot: slot.clone(),
                    record: decode(key)?,
                    create_revision: key.create_revision,
                    mod_revision: key.mod_revision,
                });
            }
        }
        Ok(Resumed {
            granted: Granted { sent, lease, ttl },
            found,
            epoch: answer.key(epoch_key)?.and_then(epoch).unwrap_or_default(),
            waiting: slots.is_empty(),
        })
    }

    /// T3: puts this process into the pod's slot as its younger incarnation. `None` when a compare failed. It does not
    /// renew.
    pub async fn adopt(&self, request: &AdoptRequest) -> Result<Option<Adopted>, Error> {
        let holder = &request.record.holder;
        let me = keys::owner(&holder.namespace, &holder.uid, &request.pool);
        let mut txn = Guarded {
            compares: vec![
                Compare::created(&request.slot, request.create_revision),
                Compare::modified(&request.slot, request.mod_revision),
            ],
            ..Guarded::default()
        };
        slot::put(&mut txn.then, &me, &request.slot, &request.record, request.lease)?;
        let clock = match Key::parse(&request.slot) {
            Some(Key::Slot(path, key)) => Some(txn.then.get(path.clock(&key))),
            _ => None,
        };
        let Some(answer) = self.kv().commit(txn).await?.then() else {
            return Ok(None);
        };
        let clock = clock.map(|handle| answer.key(handle)).transpose()?.flatten();
        Ok(Some(Adopted {
            own_mod_revision: answer.revision(),
            // One that cannot be parsed counts as unknown. T4 then fails with the parse error.
            clock: clock.and_then(|found| reservation(found).ok()),
        }))
    }
}
