//! What an administrator does to claims: the force release (T6), and the epoch after a restore.
//!
//! Invariant: a name that was taken from its holder rests for the V + Q of its slot, and for what
//! clocks may drift meanwhile, counted from an instant after the release has landed, however late it
//! lands. Not for: deciding whether to do it.

use std::time::Duration;

use cairn_core::claim::SlotRecord;
use cairn_core::keys::{self, ClaimPath};
use cairn_core::pool::{PoolName, outlasting};

use crate::error::Error;
use crate::freeze::{self, FreezeCause};
use crate::kv::{Compare, KeyValue, Kv, Op, Txn};
use crate::protocol::{Store, epoch as number, parse};
use crate::setup::in_chunks;

/// How a force release ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forced {
    /// The name rests for this long now.
    Released(Duration),
    /// Nobody holds it.
    NotHeld,
    /// Somebody else holds it by now: the create revision of the slot.
    Other(i64),
}

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T6: takes a name from its holder, by the create revision of the slot. The pod's lease is left
    /// alone: other claims may hang on it.
    ///
    /// Nothing is granted before the slot is gone: a lease might have aged, and the quarantine with
    /// it, when a delayed transaction lands. So the quarantine has no lease at first and is given one
    /// afterwards, here or by the next pod that sees it.
    pub async fn force_release(
        &self,
        path: &ClaimPath,
        key: &str,
        fence: i64,
    ) -> Result<Forced, Error> {
        let slot = path.slot(key);
        let seen = self.kv().txn(Txn::read(vec![Op::get(&slot)])).await?;
        let Some(found) = seen.key(0) else {
            return Ok(Forced::NotHeld);
        };
        if found.create_revision != fence {
            return Ok(Forced::Other(found.create_revision));
        }
        let record: SlotRecord = parse(found)?;
        let rest = outlasting(record.validity(), record.quarantine());
        let quarantined = path.quarantine(key);
        let owner = keys::owner(&record.holder.namespace, &record.holder.uid, &path.pool);
        let txn = Txn {
            compares: vec![Compare::created(&slot, fence)],
            then: vec![
                Op::put(&quarantined, rest.as_secs().to_string(), 0),
                Op::Delete(slot.clone()),
                Op::Delete(owner),
                Op::Delete(path.note(key)),
            ],
            otherwise: vec![Op::get(&slot)],
        };
        let reply = self.kv().txn(txn).await?;
        if !reply.succeeded {
            let other = reply.key(0).map(|found| Forced::Other(found.create_revision));
            return Ok(other.unwrap_or(Forced::NotHeld));
        }
        self.settle(path, &[key.to_owned()]).await?;
        Ok(Forced::Released(rest))
    }

    /// Gives slots that are gone, or were taken by force, the quarantine that ends. Its lease is granted
    /// after they were seen to be gone, so that it cannot end early. When anything has changed in between,
    /// nothing is done: the next look tells.
    pub async fn settle(&self, path: &ClaimPath, slots: &[String]) -> Result<(), Error> {
        let mut ops = Vec::new();
        for key in slots {
            ops.extend([path.slot(key), path.quarantine(key), path.note(key)].map(Op::get));
        }
        let seen = self.kv().txn(Txn::read(ops)).await?;
        let (mut compares, mut quarantined, mut longest) = (Vec::new(), Vec::new(), Duration::ZERO);
        for (key, at) in slots.iter().zip((0..).step_by(3)) {
            let (slot, quarantine, due) = (seen.key(at), seen.key(at + 1), seen.key(at + 2));
            let forced = quarantine.filter(|quarantine| quarantine.lease == 0);
            let note = due.or(forced);
            let (Some(note), None) = (note, slot) else { continue };
            longest = longest.max(rest(note));
            compares.push(Compare::created(path.slot(key), 0));
            compares.push(Compare::modified(&note.key, note.mod_revision));
            quarantined.push(key);
        }
        if quarantined.is_empty() {
            return Ok(());
        }
        let (lease, _) = self.kv().grant(longest).await?;
        let mut then = Vec::new();
        for key in quarantined {
            then.push(Op::put(path.quarantine(key), "", lease));
            then.push(Op::Delete(path.note(key)));
        }
        if !self.kv().txn(Txn { compares, then, otherwise: Vec::new() }).await?.succeeded {
            // Somebody else was faster; what is left of this lease costs nobody anything.
            self.kv().revoke(lease).await?;
        }
        Ok(())
    }

    /// After a restore: holds every pool and raises the epoch. Answers with the new epoch.
    ///
    /// Every transaction that lays a hold moves the epoch as well: a T2 that is under way compares it,
    /// and would otherwise land when the hold ends, ahead of those whom the hold has kept waiting.
    pub async fn restored(
        &self,
        pools: &[PoolName],
        now: i64,
        hold: Duration,
    ) -> Result<i64, Error> {
        let lay = |pool| freeze::lay(pool, hold, FreezeCause::Restored);
        let mut chunks = in_chunks(pools.iter().map(lay).collect());
        let seen = self.kv().txn(Txn::read(vec![Op::get(keys::EPOCH)])).await?;
        let mut epoch = seen.key(0).cloned();
        let next = now.max(epoch.as_ref().and_then(number).unwrap_or_default().saturating_add(1));
        while let Some(holds) = chunks.last() {
            let revision = epoch.as_ref().map_or(0, |found| found.mod_revision);
            let mut then = holds.clone();
            then.push(Op::put(keys::EPOCH, next.to_string(), 0));
            then.push(Op::get(keys::EPOCH));
            let txn = Txn {
                compares: vec![Compare::modified(keys::EPOCH, revision)],
                otherwise: vec![Op::get(keys::EPOCH)],
                then,
            };
            let reply = self.kv().txn(txn).await?;
            let last = reply.replies.len().saturating_sub(1);
            epoch = reply.key(last).cloned();
            if reply.succeeded {
                chunks.pop();
            } else if epoch.as_ref().and_then(number).is_some_and(|found| found > next) {
                // Another administrator is at it; holds of theirs and of ours do not disturb each other.
                return Box::pin(self.restored(pools, now, hold)).await;
            }
        }
        self.start_freezes().await?;
        Ok(next)
    }
}

/// What the claim, or the force release, wrote. Whatever cannot be read was not written by this version; then the
/// longest V + Q that a pool may have is safe.
fn rest(found: &KeyValue) -> Duration {
    let written = std::str::from_utf8(&found.value).ok().and_then(|text| text.parse().ok());
    written.map_or(cairn_core::pool::LONGEST_REST, Duration::from_secs)
}
