//! A renewal: one linearizable read, and when that has answered, a keepalive.
//!
//! The order matters. If keepalives passed while reads fail, the lease would live while nobody serves, and nobody would
//! take over.

use cairn_core::coordination::path::HOLD;
use cairn_core::coordination::session::Renewal;
use cairn_core::keys;
use cairn_core::lease::LeaseId;
use cairn_core::time::BootInstant;

use super::Coordination;
use super::decode::{Decoder, epoch};
use crate::error::Error;
use crate::kv::{Batch, Kv};

impl<K: Kv> Coordination<K> {
    /// Reads our record, epoch and hold, then renews the lease. `sent` is the instant before the call. It fails only if
    /// the read fails.
    pub async fn renew(&self, sent: BootInstant, lease: Option<LeaseId>) -> Result<Renewal, Error> {
        let mut batch = Batch::default();
        let epoch_key = batch.get(keys::EPOCH);
        let hold = batch.get(HOLD);
        let me = batch.get(self.path.member(&self.uid));
        let answer = self.store.kv().read(batch).await?;
        let epoch = epoch(answer.key(epoch_key)?);
        let decoder = Decoder { path: &self.path, epoch };
        let mut renewal = Renewal {
            sent,
            revision: answer.revision(),
            epoch,
            hold: answer.exists(hold)?,
            member: answer.key(me)?.map(|found| decoder.member(found)),
            ttl: None,
        };
        if let Some(lease) = lease {
            renewal.ttl = match self.store.kv().keep_alive(lease).await {
                Ok(ttl) => Some(ttl),
                Err(error) => {
                    tracing::debug!(error = error.report(), "cannot renew the session's lease");
                    None
                }
            };
        }
        Ok(renewal)
    }
}
