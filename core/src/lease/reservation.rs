//! The time reserved under one claim, as a value: what may be emitted, and what to reserve next.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::claim::Fence;
use crate::clock::{self, ClockRecord, MintCheckpoint, Reservation, Steady};
use crate::time::{BootInstant, Now, UnixMillis};

/// What is known of the time reserved under one claim.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserving {
    /// The reservation in the store; `None` when there is none, or none that we know of: then the
    /// first compare fails and tells.
    pub(super) known: Option<Reservation>,
    /// The claim that an earlier process of ours had of the slot: a reservation under its fence is ours.
    pub(super) resumes: Option<Fence>,
    pub(super) start: Option<Start>,
    pub(super) asked: Option<Asked>,
    pub(super) window: Option<Window>,
    /// Nothing before this instant.
    pub(super) next: BootInstant,
    /// By slot: the last timestamp that this process may have emitted under it, in whichever claim. A
    /// store that was wiped has no word of it.
    pub(super) used: BTreeMap<String, UnixMillis>,
    /// The latest timestamp that was minted here.
    pub(super) minted: Option<UnixMillis>,
}

/// Where a holder begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) not_before: UnixMillis,
    /// Where this process begins.
    pub(super) from: UnixMillis,
    /// It goes on where an earlier process of ours stopped, and waits for nothing.
    pub(super) resumed: bool,
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) record: ClockRecord,
    pub(super) steady: Steady,
}

/// What may be emitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) not_after: UnixMillis,
    pub(super) steady: Steady,
}

// === impl Reserving ===

impl Reserving {
    /// For another claim.
    pub(super) fn anew(&mut self, known: Option<Reservation>) {
        let used = std::mem::take(&mut self.used);
        *self = Self { known, used, ..Self::default() };
    }

    /// For a claim of which an earlier process of ours has had the slot, under this fence.
    pub(super) fn adopt(&mut self, known: Option<Reservation>, before: Fence) {
        self.anew(known);
        self.resumes = Some(before);
    }

    /// For a claim that goes on from another one of this pod: nobody else had the slot in between.
    pub(super) fn go_on(&mut self, known: Option<Reservation>, before: Fence) {
        if self.window.is_none() {
            self.adopt(known, before);
            return;
        }
        self.known = known;
        self.asked = None;
    }

    /// The last timestamp that this process may have emitted under a slot.
    pub(super) fn used(&self, key: &str) -> Option<UnixMillis> {
        self.used.get(key).copied()
    }

    /// Fixes where this holder begins, once.
    pub(super) fn begin(&mut self, now: Now, key: &str, mark: Option<MintCheckpoint>) {
        if self.start.is_some() {
            return;
        }
        self.start = Some(if let Some(mark) = mark {
            Start {
                not_before: mark.not_before,
                from: mark.minted_until.map_or(mark.not_before, next),
                resumed: true,
            }
        } else {
            let reserved = self.known.map(|known| known.record.reserved_until);
            let emitted = reserved.max(self.used.get(key).copied());
            let not_before = emitted.map_or(now.wall, |emitted| next(emitted).max(now.wall));
            Start { not_before, from: not_before, resumed: false }
        });
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        let begun = self.window.is_some()
            || self.start.is_some_and(|start| start.resumed || now.wall >= start.not_before);
        begun && self.asked.is_none() && now.boot >= self.next
    }

    pub(super) fn due_at(&self, now: Now) -> Option<BootInstant> {
        let wait = match (self.window, self.start) {
            (None, Some(start)) if !start.resumed => {
                u64::try_from(start.not_before.0.saturating_sub(now.wall.0)).unwrap_or(0)
            }
            _ => 0,
        };
        self.asked.is_none().then(|| self.next.max(now.boot.after(Duration::from_millis(wait))))
    }

    /// What to reserve next.
    pub(super) fn ask(&mut self, now: Now, fence: Fence, ttl: Duration) -> ClockRecord {
        let steady = match (self.window, self.start) {
            (Some(window), _) => window.steady.follow(now),
            (None, start) => {
                let from = start.map_or(now.wall, |start| start.from);
                // The lease of an earlier process of ours has not run out: that bounds how long it
                // has been gone, whatever this clock says.
                let known = self.known.filter(|known| self.resumes == Some(known.record.fence));
                let latest = known.map(|known| known.record.reserved_until.max(from).after(ttl));
                let wall = latest.map_or(now.wall, |latest| now.wall.min(latest)).max(from);
                Steady::new(Now { boot: now.boot, wall })
            }
        };
        let ahead = steady.at(now.boot).after(clock::AHEAD);
        let known = self.known.map_or(ahead, |known| known.record.reserved_until);
        let window = self.window.map_or(ahead, |window| window.not_after);
        let record = ClockRecord { reserved_until: ahead.max(known).max(window), fence };
        self.asked = Some(Asked { record, steady });
        self.next = now.boot.after(clock::PERIOD);
        record
    }

    pub(super) fn extend(&mut self, key: &str, asked: Asked, revision: i64) {
        self.used.insert(key.to_owned(), asked.record.reserved_until);
        self.known = Some(Reservation { record: asked.record, revision });
        self.window = Some(Window { not_after: asked.record.reserved_until, steady: asked.steady });
    }

    /// The reservation is another one than we thought. Before our first timestamp a stranger's counts,
    /// and so does an earlier process's; another one under our own fence was our own request, whose
    /// answer was lost.
    pub(super) fn look_again(&mut self, fence: Fence, found: Option<Reservation>) {
        self.known = found;
        self.next = BootInstant::default();
        let resumed = self.start.is_some_and(|start| start.resumed);
        let foreign = found.filter(|found| {
            let of = found.record.fence;
            if resumed {
                of != fence && self.resumes != Some(of)
            } else {
                of != fence || self.resumes.is_some()
            }
        });
        if let (None, Some(start), Some(found)) = (self.window, &mut self.start, foreign) {
            start.not_before = start.not_before.max(next(found.record.reserved_until));
            start.from = start.from.max(start.not_before);
        }
    }
}

/// The first timestamp after one that may have been emitted.
fn next(until: UnixMillis) -> UnixMillis {
    until.after(Duration::from_millis(1))
}
