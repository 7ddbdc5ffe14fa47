//! The renew pair: a keepalive and one linearizable read of all own slots.

use cairn_core::claim::SlotRecord;
use cairn_core::keys;
use cairn_core::lease::{LeaseId, Renewal, SeenSlot, SlotsRead};
use cairn_core::pool::PoolName;
use cairn_core::time::BootInstant;

use crate::error::Error;
use crate::kv::{Batch, KeyValue, Kv};
use crate::records::{decode, epoch};
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Sends the pair. The read includes the freezes of the slots' pools and the epoch. A keepalive alone proves
    /// nothing after a force release.
    pub async fn renew(
        &self,
        sent: BootInstant,
        lease: LeaseId,
        slots: &[(PoolName, String)],
    ) -> Result<Renewal, Error> {
        // One after the other: an etcd that is behind refuses keepalives, and then it is spared the read.
        let ttl = self.kv().keep_alive(lease).await?;
        let reads = !slots.is_empty() && !ttl.is_zero();
        let read = if reads { Some(self.read_slots(slots).await?) } else { None };
        Ok(Renewal { lease, sent, ttl, read })
    }

    async fn read_slots(&self, slots: &[(PoolName, String)]) -> Result<SlotsRead, Error> {
        let mut batch = Batch::default();
        let epoch_key = batch.get(keys::EPOCH);
        let handles: Vec<_> = slots
            .iter()
            .map(|(pool, slot)| (batch.get(slot), batch.get(keys::freeze(pool))))
            .collect();
        let answer = self.kv().read(batch).await?;
        let mut read = SlotsRead {
            revision: answer.revision(),
            epoch: answer.key(epoch_key)?.and_then(epoch),
            ..SlotsRead::default()
        };
        for ((pool, slot), (slot_key, freeze)) in slots.iter().zip(handles) {
            let seen = answer.key(slot_key)?.map(seen).transpose()?;
            read.slots.push((slot.clone(), seen));
            if answer.exists(freeze)? {
                read.frozen_pools.push(pool.clone());
            }
        }
        Ok(read)
    }
}

fn seen(found: &KeyValue) -> Result<SeenSlot, Error> {
    let record: SlotRecord = decode(found)?;
    Ok(SeenSlot {
        create_revision: found.create_revision,
        mod_revision: found.mod_revision,
        uid: record.holder.uid,
        nonce: record.nonce,
    })
}
