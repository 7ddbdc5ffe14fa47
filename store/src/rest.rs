//! Rests that a release has left: what the claims mirror reads and prolongs, and what it shortens.

use std::time::Duration;

use cairn_core::keys::{ClaimPath, Key};
use cairn_core::rest::{Rest, RestRecord};

use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn};
use crate::protocol::{Store, json};

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The rests of one path whose quarantine names a holder.
    pub async fn rests(&self, path: &ClaimPath) -> Result<Vec<Rest>, Error> {
        let reply = self.kv().txn(Txn::read(vec![Op::list(path.quarantines())])).await?;
        Ok(reply.keys(0).iter().filter_map(rest).collect())
    }

    /// Puts a rest on a fresh lease of this length, unless the quarantine has changed since `seen`, its mod
    /// revision. False when it has: taken back, over, or somebody else was faster.
    ///
    /// The record stays in the quarantine, so that the pod may still take its name back. `rest` counts from
    /// before the call: only a rest that nothing depends on any more may be shortened with it.
    pub async fn put_rest(
        &self,
        path: &ClaimPath,
        key: &str,
        seen: i64,
        record: &RestRecord,
        rest: Duration,
    ) -> Result<bool, Error> {
        let key = path.quarantine(key);
        let (lease, _) = self.kv().grant(rest).await?;
        let value = json(&key, record)?;
        let txn = Txn {
            compares: vec![Compare::modified(&key, seen)],
            then: vec![Op::put(&key, value, lease)],
            otherwise: Vec::new(),
        };
        let done = self.kv().txn(txn).await?.succeeded;
        if !done {
            // It costs nobody anything; when this fails as well it runs out by itself.
            let _ = self.kv().revoke(lease).await;
        }
        Ok(done)
    }
}

/// A quarantine that names a holder.
pub(crate) fn rest(found: &KeyValue) -> Option<Rest> {
    let Some(Key::Quarantine(_, key)) = Key::parse(&found.key) else {
        return None;
    };
    let record = RestRecord::parse(&found.value)?;
    Some(Rest { key, revision: found.mod_revision, record })
}
