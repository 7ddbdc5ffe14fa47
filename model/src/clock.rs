//! Timestamps: what a holder may emit, and the arithmetic of instants relative to the present.

use crate::key::Revision;

/// The instant before every clock. An earlier instant never matters again.
const PAST: i8 = -1;

/// A reservation as a process has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Stamp {
    /// Relative to the present.
    pub(crate) until: i8,
    /// The mod revision of the reservation; 0 when there is none.
    pub(crate) revision: Revision,
}

/// What a holder knows about its name's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reservation {
    /// Until when it may emit.
    pub(crate) stamp: Stamp,
    /// Before this instant an older holder may have emitted.
    pub(crate) start: i8,
    /// The last instant that it emitted.
    pub(crate) emitted: Option<i8>,
}

/// One tick later, relative to the present.
pub(crate) fn age(instant: i8) -> i8 {
    instant.saturating_sub(1).max(PAST)
}

// === impl Reservation ===

impl Reservation {
    /// What a new holder may do: nothing that was reserved before.
    pub(crate) fn after(stamp: Stamp) -> Self {
        Self { stamp: Stamp { until: stamp.until, ..stamp }, start: stamp.until + 1, emitted: None }
    }

    /// The next timestamp on a clock that shows `now`, when there is one.
    pub(crate) fn next(self, now: i8) -> Option<i8> {
        let instant = now.max(self.start);
        (instant <= self.stamp.until).then_some(instant)
    }

    pub(crate) fn tick(&mut self) {
        self.stamp.until = age(self.stamp.until);
        self.start = age(self.start);
        self.emitted = self.emitted.map(age);
    }
}
