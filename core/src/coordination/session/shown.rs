//! The picture as it is shown to the outside: a shared copy, made anew at most ten times a second.

use std::sync::Arc;
use std::time::Duration;

use crate::coordination::picture::{Known, Picture};
use crate::time::BootInstant;

/// Copies of a large picture are at least this far apart: each leads to files and events for the app.
const PERIOD: Duration = Duration::from_millis(100);

/// A picture of fewer entries is copied at once.
const SMALL: usize = 500;

/// The copy that is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    picture: Arc<Picture>,
    version: u64,
    copied: BootInstant,
}

// === impl Shown ===

impl Shown {
    pub(super) fn picture(&self) -> Arc<Picture> {
        Arc::clone(&self.picture)
    }

    /// Copies the picture, if it has changed and the time has come.
    pub(super) fn refresh(&mut self, now: BootInstant, known: &Known) {
        if self.due(known).is_some_and(|due| now >= due) {
            self.picture = Arc::new(known.picture().clone());
            self.version = known.version();
            self.copied = now;
        }
    }

    /// When the next copy is due.
    pub(super) fn due(&self, known: &Known) -> Option<BootInstant> {
        if self.version == known.version() {
            return None;
        }
        let picture = known.picture();
        let small = picture.shards.len() + picture.members.len() < SMALL;
        Some(if small { BootInstant::default() } else { self.copied.after(PERIOD) })
    }
}
