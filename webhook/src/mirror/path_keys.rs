//! The keys of one claim path: slots, quarantines, quarantine notes, tickets and reservations.
//!
//! Pure. Not for: decisions. [`super::chores`] decides what is done about these keys.

use std::collections::BTreeMap;

use cairn_core::quarantine::QuarantineRecord;
use cairn_core::time::UnixMillis;

use super::pod::PodId;

/// The keys below one path.
#[derive(Debug, Default)]
pub struct PathKeys {
    /// Held names, by key.
    pub slots: BTreeMap<String, Slot>,
    /// Names in quarantine, by key.
    pub quarantines: BTreeMap<String, Quarantine>,
    /// Quarantine notes, by key: their mod revisions, which are those of the claims.
    pub notes: BTreeMap<String, i64>,
    /// The UIDs of waiting pods, with the create revisions of their tickets: the order of arrival.
    pub tickets: BTreeMap<String, i64>,
    /// The mod revision of the queue's sentinel; 0 without one.
    pub sentinel: i64,
    /// The mod revision of the reclaims key; 0 without one.
    pub reclaims: i64,
    /// Clock reservations.
    pub clocks: BTreeMap<String, Reserved>,
}

/// A held name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The holder.
    pub pod: PodId,
    /// The pod's name.
    pub pod_name: String,
    /// The pod's node.
    pub node: String,
    /// The create revision.
    pub created: i64,
    /// Since when, by the holder's wall clock.
    pub since: UnixMillis,
}

/// A quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Its mod revision.
    pub revision: i64,
    /// The quarantine record, if a release wrote one.
    pub record: Option<QuarantineRecord>,
}

/// A clock reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Its mod revision.
    pub revision: i64,
    /// The end of the reserved time.
    pub until: UnixMillis,
}

// === impl PathKeys ===

impl PathKeys {
    /// The quarantine notes without a slot, with their mod revisions.
    pub fn unsettled(&self) -> impl Iterator<Item = (&str, i64)> {
        let gone = |(name, _): &(&String, &i64)| !self.slots.contains_key(*name);
        self.notes.iter().filter(gone).map(|(name, revision)| (name.as_str(), *revision))
    }

    /// The number of names in quarantine, including those whose note has yet to be settled.
    pub fn quarantined(&self) -> usize {
        let beginning = self.unsettled().filter(|(name, _)| !self.quarantines.contains_key(*name));
        self.quarantines.len() + beginning.count()
    }

    /// Whether there is no slot, quarantine, note or ticket.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty()
            && self.quarantines.is_empty()
            && self.notes.is_empty()
            && self.tickets.is_empty()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.is_idle() && self.clocks.is_empty() && self.sentinel == 0 && self.reclaims == 0
    }
}
