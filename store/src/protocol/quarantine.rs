//! Quarantines and quarantine notes: what a read sees of them, how they are settled, and what the claims mirror does
//! to those that a release has left.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cairn_core::keys::{ClaimPath, Key};
use cairn_core::quarantine::{Quarantine, QuarantineRecord};

use super::slot::{name, names};
use crate::error::Error;
use crate::kv::{Batch, Compare, Guarded, KeyValue, Kv};
use crate::records::{encode, rest};
use crate::store::Store;

// === impl Store ===

impl<K: Kv> Store<K> {
    /// Settles the quarantines of slots that are gone, or were released by force: puts them on a lease. The lease is
    /// granted after they were seen to be gone, so that it cannot end early. When something has changed in between,
    /// nothing is done; the next read tells.
    pub async fn settle(&self, path: &ClaimPath, slots: &[String]) -> Result<(), Error> {
        let mut batch = Batch::default();
        let handles: Vec<_> = slots
            .iter()
            .map(|key| {
                (
                    batch.get(path.slot(key)),
                    batch.get(path.quarantine(key)),
                    batch.get(path.note(key)),
                )
            })
            .collect();
        let answer = self.kv().read(batch).await?;
        let (mut txn, mut longest) = (Guarded::default(), Duration::ZERO);
        let mut settled = Vec::new();
        for (key, (slot, quarantine, note)) in slots.iter().zip(handles) {
            let forced = answer.key(quarantine)?.filter(|quarantine| quarantine.lease == 0);
            let Some(note) = answer.key(note)?.or(forced) else { continue };
            if answer.exists(slot)? {
                continue;
            }
            longest = longest.max(rest(note));
            txn.compares.push(Compare::absent(path.slot(key)));
            txn.compares.push(Compare::modified(&note.key, note.mod_revision));
            settled.push(key);
        }
        if settled.is_empty() {
            return Ok(());
        }
        let (lease, _) = self.kv().grant(longest).await?;
        for key in settled {
            txn.then.put(path.quarantine(key), "", lease);
            txn.then.delete(path.note(key));
        }
        if !self.kv().commit(txn).await?.succeeded() {
            // Another process was faster. Nothing is attached to this lease.
            self.kv().revoke(lease).await?;
        }
        Ok(())
    }

    /// The quarantines of one path that name a former holder.
    pub async fn quarantines(&self, path: &ClaimPath) -> Result<Vec<Quarantine>, Error> {
        let found = self.kv().read_all(path.quarantines()).await?;
        Ok(found.iter().filter_map(parse).collect())
    }

    /// Puts a quarantine on a fresh lease of this length. False when the quarantine has changed since `seen`, its mod
    /// revision: it ended, its pod took the name back, or another process was faster.
    ///
    /// The record stays, so that the pod may still take its name back. `rest` counts from before the call: do not
    /// shorten a quarantine with it that an app's life still depends on.
    pub async fn put_quarantine(
        &self,
        path: &ClaimPath,
        key: &str,
        seen: i64,
        record: &QuarantineRecord,
        rest: Duration,
    ) -> Result<bool, Error> {
        let key = path.quarantine(key);
        let (lease, _) = self.kv().grant(rest).await?;
        let compares = vec![Compare::modified(&key, seen)];
        let mut txn = Guarded { compares, ..Guarded::default() };
        txn.then.put(&key, encode(&key, record)?, lease);
        let done = self.kv().commit(txn).await?.succeeded();
        if !done {
            // Nothing is attached to it. If this fails, the lease expires by itself.
            let _ = self.kv().revoke(lease).await;
        }
        Ok(done)
    }
}

/// A quarantine that names a former holder.
pub(super) fn parse(found: &KeyValue) -> Option<Quarantine> {
    let Some(Key::Quarantine(_, key)) = Key::parse(&found.key) else {
        return None;
    };
    let record = QuarantineRecord::parse(&found.value)?;
    Some(Quarantine { key, revision: found.mod_revision, record })
}

/// Slots that are gone and whose note still stands, with the note's mod revision.
pub(super) fn due(held: &HashSet<String>, notes: &[KeyValue]) -> HashMap<String, i64> {
    notes
        .iter()
        .filter_map(|key| Some((name(key)?, key.mod_revision)))
        .filter(|(name, _)| !held.contains(name))
        .collect()
}

/// Slots in quarantine, and slots whose quarantine must still begin.
pub(super) fn quarantined(quarantines: &[KeyValue], due: &HashMap<String, i64>) -> HashSet<String> {
    let mut all = names(quarantines);
    all.extend(due.keys().cloned());
    all
}

/// Slots whose quarantine does not end before somebody settles it.
pub(super) fn unsettled(quarantines: &[KeyValue], due: &HashMap<String, i64>) -> Vec<String> {
    let forced = quarantines.iter().filter(|key| key.lease == 0).filter_map(name);
    let mut all: Vec<String> = forced.chain(due.keys().cloned()).collect();
    all.sort_unstable();
    all
}
