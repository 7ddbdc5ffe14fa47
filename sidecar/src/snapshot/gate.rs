//! What coordination means for the startup of the app, and for its life.

use cairn_core::time::BootInstant;

/// Whether the app may start and go on, as far as coordination is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    /// Why the app may not start yet: there was no session so far.
    pub waiting: Option<String>,
    /// Why a running app has to stop.
    pub stop: Option<String>,
    /// It has to stop because it has missed its heartbeat. The slots of its `Stop` pools are given back.
    pub silent: bool,
    /// No deadline of a claim is told beyond this instant: the last heartbeat and its time.
    pub until: Option<BootInstant>,
}

// === impl Gate ===

impl Gate {
    /// Before the first session.
    pub fn waiting(reason: impl Into<String>) -> Self {
        Self { waiting: Some(reason.into()), ..Self::default() }
    }
}
