//! The names of a pool that are in use, as T0 reads them.
//!
//! Every slot has a note. So with as many slots as notes the notes tell of the slots, too, and the slots are only
//! counted, which spares etcd half of the keys. There are more notes than slots only when a slot has ended before its
//! quarantine began. Then the slots have to be listed.

use std::collections::{HashMap, HashSet};

use cairn_core::keys::ClaimPath;

use super::quarantine;
use super::slot::names;
use crate::error::Error;
use crate::kv::{Answer, Batch, CountHandle, KeyValue, KeysHandle};

/// Gives the lists of one read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListHandles {
    slots: Slots,
    quarantines: KeysHandle,
    notes: KeysHandle,
}

#[derive(Clone, Copy, Debug)]
enum Slots {
    Counted(CountHandle),
    Listed(KeysHandle),
}

/// The names in use; nothing when they were not asked for.
#[derive(Debug, Default)]
pub(super) struct Lists<'a> {
    pub(super) held: HashSet<String>,
    pub(super) quarantines: &'a [KeyValue],
    /// Slots that are gone and whose note still stands, with the note's mod revision.
    pub(super) due: HashMap<String, i64>,
    /// The greatest mod revision of a note or a quarantine. Every claim puts a note.
    pub(super) newest: i64,
}

// === impl ListHandles ===

impl ListHandles {
    /// `listed`: the slots are listed and not counted.
    pub(super) fn new(batch: &mut Batch, path: &ClaimPath, listed: bool) -> Self {
        Self {
            slots: if listed {
                Slots::Listed(batch.list_keys(path.slots()))
            } else {
                Slots::Counted(batch.count(path.slots()))
            },
            quarantines: batch.list_keys(path.quarantines()),
            notes: batch.list_keys(path.notes()),
        }
    }

    /// `None` when the slots have to be listed.
    pub(super) fn read(self, answer: &Answer) -> Result<Option<Lists<'_>>, Error> {
        let (quarantines, notes) = (answer.keys(self.quarantines)?, answer.keys(self.notes)?);
        let held = match self.slots {
            Slots::Counted(count) if answer.count(count)? != notes.len() => return Ok(None),
            Slots::Counted(_) => names(notes),
            Slots::Listed(slots) => names(answer.keys(slots)?),
        };
        let due = quarantine::due(&held, notes);
        let newest = newest(notes).max(newest(quarantines));
        Ok(Some(Lists { held, quarantines, due, newest }))
    }
}

/// The greatest mod revision of these keys; 0 without any.
pub(super) fn newest(found: &[KeyValue]) -> i64 {
    found.iter().map(|key| key.mod_revision).max().unwrap_or_default()
}
