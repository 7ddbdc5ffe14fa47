//! T1: claim a free name, or join the queue. T7: re-claim the own name, ahead of the queue.

use cairn_core::keys;
use cairn_core::lease::{ClaimAnswer, ClaimRequest, QueueMode};

use super::{queue, slot};
use crate::error::Error;
use crate::kv::{Branch, Compare, Guarded, Kv};
use crate::records::encode;
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Claims the slot of the request. If that slot, or anything that was read before, has changed, or if the request
    /// names no slot, then T1 joins the queue.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<ClaimAnswer, Error> {
        let holder = &request.record.holder;
        let path = &request.path;
        let me = keys::owner(&holder.namespace, &holder.uid, &path.pool);
        let Some(key) = &request.key else {
            return self.join_queue(request, &me).await;
        };
        let compares = slot::unclaimed(&me, path, key, request.spec);
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.compares.push(Compare::modified(path.quarantine(key), request.quarantine));
        txn.compares.push(Compare::modified(path.note(key), request.note));
        slot::put(&mut txn.then, &me, &path.slot(key), &request.record, request.lease)?;
        if let Some(record) = &request.clock {
            let clock = path.clock(key);
            txn.then.put(&clock, encode(&clock, record)?, 0);
        }
        let granted = slot::read_grant(&mut txn.then, path, key);
        if request.queue != (QueueMode::Ahead { despite_freeze: true }) {
            txn.compares.push(Compare::absent(keys::freeze(&path.pool)));
        }
        let join = match request.queue {
            QueueMode::Join => {
                txn.compares.push(Compare::modified(path.sentinel(), request.sentinel));
                Some(queue::join(&mut txn.otherwise, request, &me)?)
            }
            QueueMode::Ahead { .. } => {
                // A late copy must not leave the ticket of a younger process on a holder.
                txn.compares.push(Compare::absent(path.ticket(&holder.uid)));
                // T7 shifts the ranks of all waiters against the free names. Without this put no compare of a T2 in
                // flight would fail.
                txn.then.put(path.reclaims(), "", 0);
                None
            }
        };
        slot::put_note(&mut txn.then, path, key, &request.record);
        if request.quarantine != 0 {
            txn.then.delete(path.quarantine(key));
        }
        match (self.kv().commit(txn).await?, join) {
            (Branch::Then(answer), _) => slot::won(&answer, granted).map(ClaimAnswer::Won),
            (Branch::Otherwise(answer), Some(join)) => queue::joined(&answer, join),
            (Branch::Otherwise(_), None) => Ok(ClaimAnswer::Conflict),
        }
    }
}
