//! T2: turn a ticket into a slot.

use cairn_core::keys;
use cairn_core::lease::{RedeemRequest, Won};

use super::slot;
use crate::error::Error;
use crate::kv::{Compare, Guarded, Kv};
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T2. `None` when a compare failed. Only the next read tells what has changed, because a rank is good only
    /// together with slots of the same revision.
    pub async fn redeem(&self, request: &RedeemRequest) -> Result<Option<Won>, Error> {
        let RedeemRequest { path, key, record, lease, ticket, spec, seen } = request;
        let me = keys::owner(&record.holder.namespace, &record.holder.uid, &path.pool);
        let own_ticket = path.ticket(&record.holder.uid);
        let mut txn =
            Guarded { compares: slot::unclaimed(&me, path, key, *spec), ..Guarded::default() };
        txn.compares.extend([
            Compare::absent(path.quarantine(key)),
            Compare::absent(keys::freeze(&path.pool)),
            Compare::created(&own_ticket, *ticket),
            Compare::absent(path.note(key)),
            Compare::modified(path.reclaims(), seen.reclaims),
            Compare::modified(keys::EPOCH, seen.epoch),
        ]);
        slot::put(&mut txn.then, &me, &path.slot(key), record, *lease)?;
        txn.then.delete(own_ticket);
        slot::put_note(&mut txn.then, path, key, record);
        let granted = slot::read_grant(&mut txn.then, path, key);
        let answer = self.kv().commit(txn).await?.then();
        answer.map(|answer| slot::won(&answer, granted)).transpose()
    }
}
