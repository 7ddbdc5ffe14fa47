//! One of the machine's tracks: at most one action of each is in flight.

use crate::time::BootInstant;

/// What a track is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Track {
    Idle,
    Busy,
    /// Nothing before this instant.
    Until(BootInstant),
}

// === impl Track ===

impl Track {
    /// Without its pause.
    pub(super) fn hurried(self) -> Self {
        if self == Self::Busy { self } else { Self::Idle }
    }

    pub(super) fn is_due(self, now: BootInstant) -> bool {
        match self {
            Self::Idle => true,
            Self::Busy => false,
            Self::Until(instant) => now >= instant,
        }
    }
}
