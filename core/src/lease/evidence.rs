//! Evidence against claims: a store that went back, a clock that jumped.
//!
//! A restored snapshot shows nothing wrong by itself. A process that remembers a later revision of the same
//! epoch knows that the store went back. A hypervisor that was paused may have stopped `CLOCK_BOOTTIME` too,
//! while etcd's leases ran on. Its wall clock is set right afterwards, and that jump shows the pause.
//!
//! Invariant: only linearizable reads are evidence, and only against what was known when they were sent,
//! because the answers of two tracks may arrive in the other order.

use std::time::Duration;

use super::phase::Held;
use crate::time::{BootInstant, Now};

/// Why a claim may not be believed at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// The latest progress that was seen.
    known: Progress,
    /// What was known when each kind of read was sent.
    known_at_read: Progress,
    known_at_renewal: Progress,
    /// Wall clock minus boot clock when a renewal last proved something, in milliseconds.
    offset: Option<i64>,
    /// Nothing that was proved before this instant is believed after it.
    jumped_at: Option<BootInstant>,
    /// The store went back.
    went_back: Option<String>,
}

/// How far a store has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Progress {
    epoch: i64,
    revision: i64,
}

// === impl Evidence ===

impl Evidence {
    /// Takes in a reading of the clocks. True when one has jumped against the other by more than `limit`.
    pub(super) fn compare_clocks(&mut self, now: Now, limit: Duration) -> bool {
        let moved = offset(now).abs_diff(*self.offset.get_or_insert_with(|| offset(now)));
        let jumped = u128::from(moved) > limit.as_millis();
        if jumped {
            self.jumped_at = Some(now.boot);
            self.settle_clocks(now);
        }
        jumped
    }

    /// Later readings of the clocks are compared with this one.
    pub(super) fn settle_clocks(&mut self, now: Now) {
        self.offset = Some(offset(now));
    }

    pub(super) fn note_read(&mut self) {
        self.known_at_read = self.known;
    }

    pub(super) fn note_renewal(&mut self) {
        self.known_at_renewal = self.known;
    }

    /// What the answer to a read says about the store: why it proves nothing, if the store went back.
    pub(super) fn check_read(&mut self, epoch: Option<i64>, revision: i64) -> Option<&str> {
        self.check(self.known_at_read, epoch, revision)
    }

    /// The same for the reading half of a renewal.
    pub(super) fn check_renewal(&mut self, epoch: Option<i64>, revision: i64) -> Option<&str> {
        self.check(self.known_at_renewal, epoch, revision)
    }

    /// A store without an epoch is empty and proves nothing.
    fn check(&mut self, floor: Progress, epoch: Option<i64>, revision: i64) -> Option<&str> {
        let seen = Progress { epoch: epoch?, revision };
        if seen < floor {
            self.went_back = Some(format!(
                "etcd went back from revision {} to {revision}: it was restored from a snapshot; \
                 run `cairn admin restored` so that claims can go on",
                floor.revision
            ));
        } else {
            self.went_back = None;
            self.known = self.known.max(seen);
        }
        self.went_back.as_deref()
    }

    /// Why nothing is proved, if the store went back.
    pub(super) fn went_back(&self) -> Option<&str> {
        self.went_back.as_deref()
    }

    /// Whether a clock has jumped since this instant, so that nothing that was proved then is believed.
    pub(super) fn voids(&self, proved: BootInstant) -> bool {
        self.voided_at(proved).is_some()
    }

    /// When a held slot stops being believed, or has stopped. `None` when nothing has proved it.
    pub(super) fn deadline(&self, held: &Held) -> Option<BootInstant> {
        let proved = held.believed_from()?;
        let deadline = proved.after(held.validity);
        Some(self.voided_at(proved).map_or(deadline, |jump| deadline.min(jump)))
    }

    /// Whether the deadline has not passed. The lease may be gone all the same.
    pub(super) fn is_live(&self, held: &Held, now: Now) -> bool {
        self.deadline(held).is_some_and(|deadline| now.boot < deadline)
    }

    fn voided_at(&self, proved: BootInstant) -> Option<BootInstant> {
        self.jumped_at.filter(|jump| proved < *jump)
    }
}

fn offset(now: Now) -> i64 {
    let boot = i64::try_from(now.boot.as_nanos() / 1_000_000).unwrap_or(i64::MAX);
    now.wall.0.saturating_sub(boot)
}
