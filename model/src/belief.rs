//! What the apps believe: the promises are about this part of the state.

use std::collections::BTreeMap;

use crate::key::{Name, Pod, Pool};
use crate::spec::Spec;

/// A published claim, until Q has passed since its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Belief {
    pub(crate) pool: Pool,
    pub(crate) name: Name,
    /// Ticks until the deadline; below zero, ticks since.
    pub(crate) left: i8,
    pub(crate) quarantine: i8,
    /// The app has the name in its environment and nothing stops it: there is no deadline.
    pub(crate) unending: bool,
}

/// The last timestamps of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Emitted {
    by: (Pod, u8),
    /// The last one, relative to the present.
    last: i8,
    /// The last one of any earlier holder.
    before: i8,
}

/// The last timestamps of all names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TimestampLog {
    emitted: BTreeMap<(Pool, u8), Emitted>,
}

// === impl Belief ===

impl Belief {
    pub(crate) fn new(pool: Pool, name: Name, left: u8, quarantine: u8) -> Self {
        let (left, quarantine) = (left.cast_signed(), quarantine.cast_signed());
        Self { pool, name, left, quarantine, unending: false }
    }

    /// Whether it is about this name, under any key.
    pub(crate) fn is_about(self, pool: Pool, name: Name) -> bool {
        self.pool == pool && Spec::number(self.name) == Spec::number(name)
    }

    /// Whether the deadline has not passed.
    pub(crate) fn holds(self) -> bool {
        self.left > 0
    }

    /// One tick later. False when the deadline and Q have passed.
    pub(crate) fn tick(&mut self) -> bool {
        if self.unending {
            return true;
        }
        self.left -= 1;
        self.left > -self.quarantine
    }
}

// === impl Journal ===

impl TimestampLog {
    /// A holder emits. False when an earlier holder may have emitted the same timestamp.
    pub(crate) fn emit(&mut self, pool: Pool, name: Name, by: (Pod, u8), instant: i8) -> bool {
        let emitted = self.emitted.entry((pool, Spec::number(name))).or_insert(Emitted {
            by,
            last: -1,
            before: -1,
        });
        if emitted.by != by {
            *emitted = Emitted { by, before: emitted.last.max(emitted.before), ..*emitted };
        }
        emitted.last = emitted.last.max(instant);
        instant > emitted.before
    }

    /// Whether a holder has emitted for a name for which an earlier holder had.
    pub(crate) fn has_successor(&self) -> bool {
        self.emitted.values().any(|emitted| emitted.before >= 0)
    }

    pub(crate) fn tick(&mut self) {
        for emitted in self.emitted.values_mut() {
            emitted.last = crate::clock::age(emitted.last);
            emitted.before = crate::clock::age(emitted.before);
        }
        self.emitted.retain(|_, emitted| emitted.last >= 0);
    }
}
