//! Names at rest: the notes and quarantines that a read sees, and what the claims mirror does to rests that a
//! release has left.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cairn_core::claim::SlotRecord;
use cairn_core::keys::{ClaimPath, Key};
use cairn_core::pool::outlasting;
use cairn_core::quarantine::{Quarantine, QuarantineRecord};

use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn};
use crate::protocol::{Store, json, name, names};

// === impl Store ===

impl<K: Kv> Store<K> {
    /// The rests of one path whose quarantine names a holder.
    pub async fn rests(&self, path: &ClaimPath) -> Result<Vec<Quarantine>, Error> {
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
        record: &QuarantineRecord,
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
pub(crate) fn rest(found: &KeyValue) -> Option<Quarantine> {
    let Some(Key::Quarantine(_, key)) = Key::parse(&found.key) else {
        return None;
    };
    let record = QuarantineRecord::parse(&found.value)?;
    Some(Quarantine { key, revision: found.mod_revision, record })
}

/// The note of how long a slot is to rest once it is gone. It has no lease, so that it outlives the
/// slot however that ends; only a release takes it away.
pub(crate) fn rest_due(path: &ClaimPath, key: &str, record: &SlotRecord) -> Op {
    let rest = outlasting(record.validity(), record.quarantine());
    Op::put(path.note(key), rest.as_secs().to_string(), 0)
}

/// Slots that are gone and whose note still stands, with the note's mod revision.
pub(crate) fn due(held: &HashSet<String>, dues: &[KeyValue]) -> HashMap<String, i64> {
    dues.iter()
        .filter_map(|key| Some((name(key)?, key.mod_revision)))
        .filter(|(name, _)| !held.contains(name))
        .collect()
}

/// Slots that rest, or must still begin to.
pub(crate) fn quarantined(quarantined: &[KeyValue], due: &HashMap<String, i64>) -> HashSet<String> {
    let mut all = names(quarantined);
    all.extend(due.keys().cloned());
    all
}

pub(crate) fn unsettled(quarantined: &[KeyValue], due: &HashMap<String, i64>) -> Vec<String> {
    let forced = quarantined.iter().filter(|key| key.lease == 0).filter_map(name);
    let mut all: Vec<String> = forced.chain(due.keys().cloned()).collect();
    all.sort_unstable();
    all
}
