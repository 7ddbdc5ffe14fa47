//! T4: reserve time. And how an administrator deletes a reservation.

use cairn_core::keys::{self, ClaimPath};
use cairn_core::lease::{ReserveAnswer, ReserveRequest};

use crate::error::Error;
use crate::kv::{Branch, Compare, Guarded, Kv};
use crate::records::{encode, reservation};
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T4: reserves time under a slot that is ours. It compares slot and owner record: after a wipe revisions start
    /// anew, and one of the two alone may have our revision by chance.
    pub async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, Error> {
        let ReserveRequest { path, key, holder, own_mod_revision, seen, record } = request;
        let me = keys::owner(&holder.namespace, &holder.uid, &path.pool);
        let clock = path.clock(key);
        let mut txn = Guarded {
            compares: vec![
                Compare::modified(path.slot(key), *own_mod_revision),
                Compare::modified(me, *own_mod_revision),
                Compare::modified(&clock, *seen),
            ],
            ..Guarded::default()
        };
        txn.then.put(&clock, encode(&clock, record)?, 0);
        let found = txn.otherwise.get(clock);
        match self.kv().commit(txn).await? {
            Branch::Then(answer) => Ok(ReserveAnswer::Reserved(answer.revision())),
            Branch::Otherwise(answer) => {
                let found = answer.key(found)?.map(reservation).transpose()?;
                Ok(ReserveAnswer::Refused(found))
            }
        }
    }

    /// Deletes a reservation that a wrong clock made. The administrator knows that nothing was emitted under it.
    /// False, and nothing is changed, while somebody holds the slot.
    pub async fn reset_clock(&self, path: &ClaimPath, key: &str) -> Result<bool, Error> {
        let compares = vec![Compare::absent(path.slot(key))];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.delete(path.clock(key));
        Ok(self.kv().commit(txn).await?.succeeded())
    }
}
