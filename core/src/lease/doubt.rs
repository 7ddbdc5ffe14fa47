//! Reasons not to believe what was believed: a store that went back, a clock that jumped.
//!
//! A restored snapshot shows nothing wrong by itself; somebody who remembers a later revision of the
//! same epoch knows better. A hypervisor that was paused may have stopped `CLOCK_BOOTTIME` with it,
//! while etcd's leases ran on; its wall clock is set right afterwards, and that jump tells.
//!
//! Invariant: only linearizable reads count as evidence, and only against what was known when they
//! were sent, because answers of two tracks may arrive in the other order.

use std::time::Duration;

use crate::time::{BootInstant, Now};

/// How far a store has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Progress {
    epoch: i64,
    revision: i64,
}

/// What speaks against a claim at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    /// The furthest that was seen.
    pub(super) known: Progress,
    /// Wall clock minus boot clock when a pair last proved something, in milliseconds.
    offset: Option<i64>,
    /// Nothing that was proved before this instant is believed after it.
    since: Option<BootInstant>,
    /// The store went back.
    pub(super) sentence: Option<String>,
}

// === impl Doubt ===

impl Doubt {
    /// Takes in a reading of the clocks; true when one has jumped against the other by more than
    /// `limit`.
    pub(super) fn read_clocks(&mut self, now: Now, limit: Duration) -> bool {
        let moved = offset(now).abs_diff(*self.offset.get_or_insert_with(|| offset(now)));
        let jumped = u128::from(moved) > limit.as_millis();
        if jumped {
            self.since = Some(now.boot);
            self.settle_clocks(now);
        }
        jumped
    }

    /// What the clocks say now is what later readings are held against.
    pub(super) fn settle_clocks(&mut self, now: Now) {
        self.offset = Some(offset(now));
    }

    /// Takes in what a read saw, and says whether the store has gone back since `floor`. A store
    /// without an epoch is empty and proves nothing.
    pub(super) fn goes_back(
        &mut self,
        floor: Progress,
        epoch: Option<i64>,
        revision: i64,
    ) -> Option<&str> {
        let seen = Progress { epoch: epoch?, revision };
        if seen < floor {
            self.sentence = Some(format!(
                "etcd went back from revision {} to {revision}: it was restored from a snapshot; \
                 run `cairn admin restored` so that claims can go on",
                floor.revision
            ));
        } else {
            self.sentence = None;
            self.known = self.known.max(seen);
        }
        self.sentence.as_deref()
    }

    /// The instant that voids what was proved at `believed_from`, if one has come since.
    pub(super) fn voids(&self, believed_from: BootInstant) -> Option<BootInstant> {
        self.since.filter(|since| believed_from < *since)
    }

    /// The last instant for which what was proved at `believed_from` may be believed.
    pub(super) fn cut(&self, believed_from: BootInstant, deadline: BootInstant) -> BootInstant {
        self.voids(believed_from).map_or(deadline, |since| deadline.min(since))
    }
}

fn offset(now: Now) -> i64 {
    let boot = i64::try_from(now.boot.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
    now.wall.0.saturating_sub(boot)
}
