//! T6: force release, by an administrator.
//!
//! Invariant: a name that was taken from its holder is quarantined for validity and quarantine as its slot records
//! them, and for the drift of clocks, counted from an instant after the release has landed, however late it lands.
//! Not for: the decision to do it.

use std::time::Duration;

use cairn_core::claim::SlotRecord;
use cairn_core::keys::{self, ClaimPath};
use cairn_core::pool::outlasting;

use crate::error::Error;
use crate::kv::{Branch, Compare, Guarded, Kv};
use crate::records::{decode, rest_seconds};
use crate::store::Store;

/// How a force release ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forced {
    /// The name is quarantined for this long from now on.
    Released(Duration),
    /// Nobody holds it.
    NotHeld,
    /// Another holder has it by now: the create revision of the slot.
    Other(i64),
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T6: takes a name from its holder, by the create revision of the slot. The pod's lease is left alone: other
    /// claims may be attached to it.
    ///
    /// No lease is granted before the slot is gone. It could age while T6 is under way, and the quarantine would be
    /// over when it begins. So the quarantine has no lease at first. It is settled afterwards: here, or by the next
    /// pod that reads it.
    pub async fn force_release(
        &self,
        path: &ClaimPath,
        key: &str,
        fence: i64,
    ) -> Result<Forced, Error> {
        let slot = path.slot(key);
        let Some(found) = self.kv().get(&slot).await? else {
            return Ok(Forced::NotHeld);
        };
        if found.create_revision != fence {
            return Ok(Forced::Other(found.create_revision));
        }
        let record: SlotRecord = decode(&found)?;
        let rest = outlasting(record.validity(), record.quarantine());
        let owner = keys::owner(&record.holder.namespace, &record.holder.uid, &path.pool);
        let compares = vec![Compare::created(&slot, fence)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.put(path.quarantine(key), rest_seconds(rest), 0);
        txn.then.delete(&slot);
        txn.then.delete(owner);
        txn.then.delete(path.note(key));
        let other = txn.otherwise.get(slot);
        match self.kv().commit(txn).await? {
            Branch::Then(_) => {
                self.settle(path, &[key.to_owned()]).await?;
                Ok(Forced::Released(rest))
            }
            Branch::Otherwise(answer) => Ok(answer
                .key(other)?
                .map_or(Forced::NotHeld, |found| Forced::Other(found.create_revision))),
        }
    }
}
