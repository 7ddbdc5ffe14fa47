//! The keys of one claim path: its slots, and everything that is left beside them.
//!
//! Pure, and no judge: what is to be done about what lies here is [`super::chores`]'s.

use std::collections::{BTreeMap, BTreeSet};

use cairn_core::quarantine::QuarantineRecord;
use cairn_core::time::UnixMillis;

use super::claims::PodId;

/// Everything below one path.
#[derive(Debug, Default)]
pub struct Place {
    /// Held names, by key.
    pub slots: BTreeMap<String, Slot>,
    /// Names whose quarantine has begun.
    pub resting: BTreeMap<String, Resting>,
    /// Notes of rests that are due once the slot is gone: their mod revisions, which are those of the claims.
    pub dues: BTreeMap<String, i64>,
    /// The UIDs of waiting pods.
    pub tickets: BTreeSet<String>,
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
    /// Who holds it.
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
pub struct Resting {
    /// Its mod revision.
    pub revision: i64,
    /// Whose the name was, where a release has said so.
    pub record: Option<QuarantineRecord>,
}

/// A clock reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Its mod revision.
    pub revision: i64,
    /// Until when time is reserved.
    pub until: UnixMillis,
}

// === impl Place ===

impl Place {
    /// The notes whose slot is gone, with their mod revisions.
    pub fn unsettled(&self) -> impl Iterator<Item = (&str, i64)> {
        let gone = |(name, _): &(&String, &i64)| !self.slots.contains_key(*name);
        self.dues.iter().filter(gone).map(|(name, revision)| (name.as_str(), *revision))
    }

    /// Names that rest, or whose rest has yet to begin.
    pub fn quarantined(&self) -> usize {
        let beginning = self.unsettled().filter(|(name, _)| !self.resting.contains_key(*name));
        self.resting.len() + beginning.count()
    }

    /// Whether nobody holds, waits or rests here.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty()
            && self.resting.is_empty()
            && self.dues.is_empty()
            && self.tickets.is_empty()
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.is_idle() && self.clocks.is_empty() && self.sentinel == 0 && self.reclaims == 0
    }
}
