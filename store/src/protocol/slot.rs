//! The slot with its owner record and its quarantine note: how they are granted, and what the grant answers.

use std::collections::HashSet;

use cairn_core::claim::{Fence, OwnerRecord, SlotRecord};
use cairn_core::keys::{self, ClaimPath, Key};
use cairn_core::lease::{LeaseId, Won};
use cairn_core::pool::outlasting;

use crate::error::Error;
use crate::kv::{Answer, Batch, Compare, KeyHandle, KeyValue};
use crate::records::{encode, epoch, reservation, rest_seconds};

/// Gives the fence and the reservation of a slot that was granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct GrantHandle {
    clock: KeyHandle,
    epoch: KeyHandle,
}

/// The compares that T1, T2 and T7 share: no claim of this pod, no slot, the same spec. Each adds its own for
/// quarantine, note, freeze and queue: a pod may end a quarantine of its own.
pub(super) fn unclaimed(me: &str, path: &ClaimPath, key: &str, spec: i64) -> Vec<Compare> {
    vec![
        Compare::absent(me),
        Compare::absent(path.slot(key)),
        Compare::modified(keys::pool(&path.pool), spec),
    ]
}

/// Puts a slot and its owner record. They share their revisions, because one transaction puts them.
pub(super) fn put(
    batch: &mut Batch,
    me: &str,
    slot: &str,
    record: &SlotRecord,
    lease: LeaseId,
) -> Result<(), Error> {
    let owner = OwnerRecord { slot: slot.to_owned(), nonce: record.nonce.clone() };
    batch.put(slot, encode(slot, record)?, lease);
    batch.put(me, encode(me, &owner)?, lease);
    Ok(())
}

/// Puts the quarantine note of a slot. It has no lease, so that it outlives the slot whatever ends the slot. It
/// stays until a release (T5, T6), or until it is settled into a quarantine.
pub(super) fn put_note(batch: &mut Batch, path: &ClaimPath, key: &str, record: &SlotRecord) {
    let rest = outlasting(record.validity(), record.quarantine());
    batch.put(path.note(key), rest_seconds(rest), 0);
}

/// Reads the reservation and the epoch in the transaction that grants the slot.
pub(super) fn read_grant(batch: &mut Batch, path: &ClaimPath, key: &str) -> GrantHandle {
    GrantHandle { clock: batch.get(path.clock(key)), epoch: batch.get(keys::EPOCH) }
}

/// The slot that a transaction has granted.
pub(super) fn won(answer: &Answer, handle: GrantHandle) -> Result<Won, Error> {
    let epoch = answer.key(handle.epoch)?.and_then(epoch).unwrap_or_default();
    let revision = answer.revision();
    Ok(Won {
        fence: Fence { epoch, revision },
        own_mod_revision: revision,
        // One that cannot be parsed counts as unknown. T4 then fails with the parse error.
        clock: answer.key(handle.clock)?.and_then(|found| reservation(found).ok()),
    })
}

/// The key of the slot that a slot, a quarantine or a note is about.
pub(super) fn name(found: &KeyValue) -> Option<String> {
    match Key::parse(&found.key)? {
        Key::Slot(_, name) | Key::Quarantine(_, name) | Key::Note(_, name) => Some(name),
        _ => None,
    }
}

/// The same for many keys.
pub(super) fn names(found: &[KeyValue]) -> HashSet<String> {
    found.iter().filter_map(name).collect()
}
