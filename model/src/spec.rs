//! A pool's spec, in ticks.

use crate::key::Name;

/// What a pool looks like and how long its claims last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spec {
    /// How many names, numbered from 0.
    pub names: u8,
    /// How many digits a number is shown with. A slot's key does not depend on it.
    pub width: u8,
    /// V: how long a holder may believe in a claim it cannot renew.
    pub validity: u8,
    /// Q: how long a name is quarantined before it is granted again.
    pub quarantine: u8,
    /// S: how long the store keeps a lease that is not renewed.
    pub ttl: u8,
}

/// Tells numbers of different widths apart, for a protocol that keys slots by the shown name.
const SHOWN: u8 = 16;

// === impl Spec ===

impl Spec {
    /// The keys of the slots, in the pool's order. `by_number` is the rule; otherwise slots are keyed by the shown
    /// name.
    pub(crate) fn keys(self, by_number: bool) -> impl Iterator<Item = Name> {
        (0..self.names).map(move |index| if by_number { index } else { index + SHOWN * self.width })
    }

    /// By how much S exceeds V + Q: the room for the drift of both clocks.
    pub(crate) fn margin(self) -> u8 {
        self.ttl.saturating_sub(self.validity + self.quarantine)
    }

    /// The number behind a slot's key: what the app is called, and what must be unique.
    pub(crate) fn number(key: Name) -> u8 {
        key % SHOWN
    }
}
