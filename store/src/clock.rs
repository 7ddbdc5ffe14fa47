//! Reserved time: T4, and what the other transactions read of it.

use std::collections::HashMap;

use cairn_core::clock::{ClockRecord, Reservation};
use cairn_core::keys::{self, ClaimPath, Key};
use cairn_core::lease::{ReserveAnswer, ReserveRequest};
use cairn_core::time::UnixMillis;

use crate::error::Error;
use crate::kv::{Compare, KeyValue, Kv, Op, Txn};
use crate::protocol::{Store, json, parse};

// === impl Store ===

impl<K: Kv> Store<K> {
    /// T4: reserves time under a slot that is ours. Slot and owner record are both compared: after a
    /// wiped store, in which revisions start afresh, one of them alone may look like ours by chance.
    pub async fn reserve(&self, request: &ReserveRequest) -> Result<ReserveAnswer, Error> {
        let ReserveRequest { path, key, holder, own_mod_revision, seen, record } = request;
        let me = keys::owner(&holder.namespace, &holder.uid, &path.pool);
        let clock = path.clock(key);
        let txn = Txn {
            compares: vec![
                Compare::modified(path.slot(key), *own_mod_revision),
                Compare::modified(me, *own_mod_revision),
                Compare::modified(&clock, *seen),
            ],
            then: vec![Op::put(&clock, json(&clock, record)?, 0)],
            otherwise: vec![Op::get(&clock)],
        };
        let reply = self.kv().txn(txn).await?;
        if reply.succeeded {
            return Ok(ReserveAnswer::Reserved(reply.revision));
        }
        reply.key(0).map(found).transpose().map(ReserveAnswer::Refused)
    }

    /// Forgets a reservation that a wrong clock made, for an administrator who knows that nothing was
    /// emitted under it. False, and nothing is changed, while somebody holds the slot.
    pub async fn reset_clock(&self, path: &ClaimPath, key: &str) -> Result<bool, Error> {
        let txn = Txn {
            compares: vec![Compare::created(path.slot(key), 0)],
            then: vec![Op::Delete(path.clock(key))],
            otherwise: Vec::new(),
        };
        Ok(self.kv().txn(txn).await?.succeeded)
    }
}

/// A reservation as read. One that cannot be read counts as unknown here: T4 then says so.
pub(crate) fn reservation(key: &KeyValue) -> Option<Reservation> {
    found(key).ok()
}

/// Until when time is reserved, by slot. Where that cannot be read, for ever.
pub(crate) fn reserved(keys: &[KeyValue]) -> HashMap<String, UnixMillis> {
    keys.iter()
        .filter_map(|key| match Key::parse(&key.key)? {
            Key::Clock(_, name) => {
                let until = reservation(key).map(|found| found.record.reserved_until);
                Some((name, until.unwrap_or(UnixMillis(i64::MAX))))
            }
            _ => None,
        })
        .collect()
}

fn found(key: &KeyValue) -> Result<Reservation, Error> {
    let record: ClockRecord = parse(key)?;
    Ok(Reservation { record, revision: key.mod_revision })
}
