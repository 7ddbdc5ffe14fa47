//! Whether the group is calm: only then shards are balanced, and the first map is made.

use std::time::Duration;

use crate::coordination::member::SessionId;
use crate::time::BootInstant;

/// No change of participants for this long: a scale-up or a rollout comes in bursts.
const CALM: Duration = Duration::from_secs(2);

/// The first map waits for calm no longer than this after the participants are enough.
const FIRST_MAP: Duration = Duration::from_secs(10);

/// An imbalance of this age is mended though the group never becomes calm.
const OLD_IMBALANCE: Duration = Duration::from_secs(5 * 60);

/// What this process has seen of changes of participants.
#[derive(Clone, Debug, Default)]
pub(super) struct Calm {
    participants: Vec<SessionId>,
    changed: BootInstant,
    enough: Option<BootInstant>,
    uneven: Option<BootInstant>,
}

// === impl Calm ===

impl Calm {
    /// Takes note of the participants, in the order of their UIDs.
    pub(super) fn note(&mut self, now: BootInstant, participants: Vec<SessionId>, enough: usize) {
        if participants.len() < enough {
            self.enough = None;
        } else {
            self.enough.get_or_insert(now);
        }
        if self.participants != participants {
            self.participants = participants;
            self.changed = now;
        }
    }

    /// When shards may be balanced, if nothing changes until then. `quiet`: nobody drains, and there is one generation.
    pub(super) fn balance_at(&self, quiet: bool) -> Option<BootInstant> {
        let old = self.uneven.map(|since| since.after(OLD_IMBALANCE));
        let calm = quiet.then(|| self.changed.after(CALM));
        [old, calm].into_iter().flatten().min()
    }

    /// When the first map may be made, if nothing changes until then.
    pub(super) fn first_map_at(&self) -> Option<BootInstant> {
        let enough = self.enough?;
        Some(self.changed.after(CALM).max(enough).min(enough.after(FIRST_MAP)))
    }

    /// Takes note whether shards would be balanced if the group were calm.
    pub(super) fn note_uneven(&mut self, now: BootInstant, uneven: bool) {
        if uneven {
            self.uneven.get_or_insert(now);
        } else {
            self.uneven = None;
        }
    }
}
