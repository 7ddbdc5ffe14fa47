//! The time reserved under one claim, as a value: what may be emitted, and what to reserve next.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::claim::Fence;
use crate::clock::{self, ClockRecord, MintCheckpoint, Reservation, Steady};
use crate::ids::Layout;
use crate::time::{BootInstant, Now, UnixMillis};

/// What may be minted under a claim that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minting {
    /// The claim.
    pub fence: Fence,
    /// The node ID: the slot's own number, whatever it is shown as and wherever it stands in the list.
    pub node: u32,
    /// The largest number of the pool.
    pub largest: u32,
    /// How the pool's IDs are made, when it says so.
    pub layout: Option<Layout>,
    /// The first timestamp that this holder may emit.
    pub not_before: UnixMillis,
    /// The first one that an earlier process of this holder did not emit.
    pub from: UnixMillis,
    /// The last one that may be emitted.
    pub not_after: UnixMillis,
    /// What time it is.
    pub steady: Steady,
}

/// What is known of the time reserved under one claim.
#[derive(Clone, Debug, Default)]
pub(super) struct ReservedTime {
    /// The reservation in the store. `None` when there is none, or none that we know of: then the first
    /// compare fails and its answer shows it.
    known: Option<Reservation>,
    /// The claim that an earlier process of ours had of the slot: a reservation under its fence is ours.
    continues: Option<Fence>,
    start: Option<Start>,
    asked: Option<Asked>,
    window: Option<Window>,
    /// Nothing before this instant.
    next: BootInstant,
    /// By slot: the last timestamp that this process may have emitted under it, in whichever claim. A store
    /// that was wiped does not have it.
    used: BTreeMap<String, UnixMillis>,
    /// The latest timestamp that was minted here.
    minted: Option<UnixMillis>,
}

/// Where a holder begins.
#[derive(Clone, Copy, Debug)]
struct Start {
    not_before: UnixMillis,
    /// Where this process begins.
    from: UnixMillis,
    /// It continues where an earlier process of ours stopped, and waits for nothing.
    resumed: bool,
}

/// A request in flight.
#[derive(Clone, Copy, Debug)]
struct Asked {
    record: ClockRecord,
    steady: Steady,
}

/// What may be emitted.
#[derive(Clone, Copy, Debug)]
struct Window {
    not_after: UnixMillis,
    steady: Steady,
}

// === impl ReservedTime ===

impl ReservedTime {
    /// For another claim. `continues` is the claim of this pod that it continues: nobody else had the slot in
    /// between.
    pub(super) fn claim(&mut self, known: Option<Reservation>, continues: Option<Fence>) {
        match (continues, self.window) {
            (Some(_), Some(_)) => {
                self.known = known;
                self.asked = None;
            }
            (Some(before), None) => self.adopt(known, before),
            (None, Some(_) | None) => self.reset(known),
        }
    }

    /// For a claim of which an earlier process of ours has had the slot, under this fence.
    pub(super) fn adopt(&mut self, known: Option<Reservation>, before: Fence) {
        self.reset(known);
        self.continues = Some(before);
    }

    fn reset(&mut self, known: Option<Reservation>) {
        let used = std::mem::take(&mut self.used);
        *self = Self { known, used, ..Self::default() };
    }

    /// Fixes where this holder begins, once. `checkpoint` is where an earlier process of ours stopped.
    pub(super) fn begin(&mut self, now: Now, key: &str, checkpoint: Option<MintCheckpoint>) {
        if self.start.is_some() {
            return;
        }
        self.start = Some(if let Some(checkpoint) = checkpoint {
            Start {
                not_before: checkpoint.not_before,
                from: checkpoint.minted_until.map_or(checkpoint.not_before, next),
                resumed: true,
            }
        } else {
            let reserved = self.known.map(|known| known.record.reserved_until);
            let emitted = reserved.max(self.used(key));
            let not_before = emitted.map_or(now.wall, |emitted| next(emitted).max(now.wall));
            Start { not_before, from: not_before, resumed: false }
        });
    }

    pub(super) fn is_due(&self, now: Now) -> bool {
        let begun = self.window.is_some()
            || self.start.is_some_and(|start| start.resumed || now.wall >= start.not_before);
        begun && self.asked.is_none() && now.boot >= self.next
    }

    /// When the next reservation is due. `None` while one is in flight.
    pub(super) fn due_at(&self, now: Now) -> Option<BootInstant> {
        let wait = match (self.window, self.start) {
            (None, Some(start)) if !start.resumed => {
                u64::try_from(start.not_before.0.saturating_sub(now.wall.0)).unwrap_or(0)
            }
            (None, Some(_) | None) | (Some(_), _) => 0,
        };
        self.asked.is_none().then(|| self.next.max(now.boot.after(Duration::from_millis(wait))))
    }

    /// What to reserve next. It is in flight from here on.
    pub(super) fn request(&mut self, now: Now, fence: Fence, ttl: Duration) -> ClockRecord {
        let steady = match (self.window, self.start) {
            (Some(window), _) => window.steady.follow(now),
            (None, start) => {
                let from = start.map_or(now.wall, |start| start.from);
                // The lease of an earlier process of ours has not expired: that bounds how long it has been
                // gone, whatever this clock says.
                let known = self.known.filter(|known| self.continues == Some(known.record.fence));
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

    /// The request was granted at this revision. `key` is the slot that is still held, if any.
    pub(super) fn reserved(&mut self, key: Option<&str>, revision: i64) {
        let (Some(asked), Some(key)) = (self.asked.take(), key) else {
            return;
        };
        self.used.insert(key.to_owned(), asked.record.reserved_until);
        self.known = Some(Reservation { record: asked.record, revision });
        self.window = Some(Window { not_after: asked.record.reserved_until, steady: asked.steady });
    }

    /// The request lost a compare, and this is what is reserved. True when that was known: then not the
    /// reservation has changed but the slot, and nothing is asked before `retry`.
    pub(super) fn refused(&mut self, found: Option<Reservation>, retry: BootInstant) -> bool {
        let Some(asked) = self.asked.take() else {
            return false;
        };
        if found == self.known {
            self.next = retry;
            return true;
        }
        self.correct(asked.record.fence, found);
        false
    }

    /// The request had no answer from a compare.
    pub(super) fn failed(&mut self, retry: BootInstant) {
        if self.asked.take().is_some() {
            self.next = retry;
        }
    }

    /// The reservation is another one than we thought. Before our first timestamp another holder's counts, and
    /// so does an earlier process's. Another one under our own fence was our own request, whose answer was
    /// lost.
    fn correct(&mut self, fence: Fence, found: Option<Reservation>) {
        self.known = found;
        self.next = BootInstant::default();
        let resumed = self.start.is_some_and(|start| start.resumed);
        let foreign = found.filter(|found| {
            let of = found.record.fence;
            if resumed {
                of != fence && self.continues != Some(of)
            } else {
                of != fence || self.continues.is_some()
            }
        });
        if let (None, Some(start), Some(found)) = (self.window, &mut self.start, foreign) {
            start.not_before = start.not_before.max(next(found.record.reserved_until));
            start.from = start.from.max(start.not_before);
        }
    }

    /// Takes note of the latest timestamp that was minted here.
    pub(super) fn note_minted(&mut self, until: UnixMillis) {
        self.minted = self.minted.max(Some(until));
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Mod revision of the reservation as known; 0 for none.
    pub(super) fn known_revision(&self) -> i64 {
        self.known.map_or(0, |known| known.revision)
    }

    /// The claim of an earlier process that this one continues.
    pub(super) fn continues(&self) -> Option<Fence> {
        self.continues
    }

    /// The last timestamp that this process may have emitted under a slot.
    pub(super) fn used(&self, key: &str) -> Option<UnixMillis> {
        self.used.get(key).copied()
    }

    /// Whether timestamps may be emitted.
    pub(super) fn is_open(&self) -> bool {
        self.window.is_some()
    }

    /// The first and the last timestamp that may be emitted.
    pub(super) fn bounds(&self) -> Option<(UnixMillis, UnixMillis)> {
        let window = self.window?;
        Some((self.start?.not_before, window.not_after))
    }

    /// The first timestamp that may be emitted, when that must be waited for.
    pub(super) fn begins(&self) -> Option<UnixMillis> {
        self.start.filter(|start| !start.resumed).map(|start| start.not_before)
    }

    /// What may be minted under the claim of a node ID.
    pub(super) fn minting(
        &self,
        fence: Fence,
        node: u32,
        largest: u32,
        layout: Option<Layout>,
    ) -> Option<Minting> {
        let (not_before, not_after) = self.bounds()?;
        let (from, steady) = (self.start?.from, self.window?.steady);
        Some(Minting { fence, node, largest, layout, not_before, from, not_after, steady })
    }

    /// The last timestamp that was emitted, as far as this process can know. `earlier` is how far earlier
    /// processes of ours have minted. `None` when nothing is known to have been minted.
    pub(super) fn last_emitted(&self, now: Now, earlier: Option<UnixMillis>) -> Option<UnixMillis> {
        let window = self.window?;
        let minted = self.minted.max(earlier)?;
        // An app that has minted beside us kept to the time, which is all that we know of it.
        Some(minted.max(window.steady.at(now.boot)).min(window.not_after))
    }
}

/// The first timestamp after one that may have been emitted.
fn next(until: UnixMillis) -> UnixMillis {
    until.after(Duration::from_millis(1))
}
