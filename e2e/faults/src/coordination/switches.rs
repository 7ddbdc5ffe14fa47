//! What a history does to one process: how far its requests get, and whether it runs.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// How far requests get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// They are answered.
    #[default]
    Open,
    /// They are lost.
    Cut,
    /// They land, and the answer is lost.
    Deaf,
    /// The answer takes this long.
    Slow(Duration),
}

/// The switches of one process.
#[derive(Debug)]
pub struct Switches {
    way: Mutex<Way>,
    frozen: watch::Sender<bool>,
}

// === impl Switches ===

impl Switches {
    /// How far requests get.
    pub fn way(&self) -> Way {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how far requests get from now on.
    pub fn set_way(&self, way: Way) {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = way;
    }

    /// Stops the process while time goes on, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// Waits while the process is frozen.
    pub async fn running(&self) {
        // The sender is here, so it cannot be gone.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }
}

impl Default for Switches {
    fn default() -> Self {
        Self { way: Mutex::default(), frozen: watch::Sender::new(false) }
    }
}
