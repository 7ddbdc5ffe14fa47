//! The epoch and the hold where no webhook makes them: without Kubernetes.

use std::time::Duration;

use cairn_core::keys;

use crate::error::Error;
use crate::freeze;
use crate::kv::{Compare, Guarded, Kv};
use crate::records::FreezeCause;
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Makes the epoch, and with it a hold, if the store has none. `epoch` must be greater than any earlier one. `hold`
    /// is the time during which a session of an earlier store may still serve. Also starts a hold whose author has died
    /// before it did.
    pub async fn define_coordination(&self, epoch: i64, hold: Duration) -> Result<(), Error> {
        let compares = vec![Compare::absent(keys::EPOCH)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.push(freeze::lay_hold_of(hold, FreezeCause::EmptyStore));
        txn.then.put(keys::EPOCH, epoch.to_string(), 0);
        self.kv().commit(txn).await?;
        self.start_freezes().await
    }
}
