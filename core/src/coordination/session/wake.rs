//! When to look again, though nothing has happened.

use crate::time::BootInstant;

/// The earliest of several instants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wake(Option<BootInstant>);

// === impl Wake ===

impl Wake {
    pub(super) fn at(&mut self, instant: BootInstant) {
        self.0 = Some(self.0.map_or(instant, |earlier| earlier.min(instant)));
    }

    pub(super) const fn instant(self) -> Option<BootInstant> {
        self.0
    }

    pub(super) fn is_due(self, now: BootInstant) -> bool {
        self.0.is_some_and(|instant| now >= instant)
    }
}
