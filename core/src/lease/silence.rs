//! An app that has promised heartbeats and does not call: the slots of `Stop` pools are given back.
//!
//! The app may still run, so a slot goes into a quarantine as after a force release: validity and quarantine. Once the
//! app is back, the same name is claimed again. Claims of `Keep` pools stay: their names are the pod's.
//!
//! Not for: telling the app to stop, which the sidecar does.

use super::claim::Claim;
use super::phase::App;
use super::track::ClaimTrack;

/// Gives up what a silent app may not use any more.
pub(super) struct SilenceHandler<'m> {
    pub(super) claims: &'m mut [Claim],
    pub(super) track: &'m mut ClaimTrack,
}

// === impl SilenceHandler ===

impl SilenceHandler<'_> {
    /// The app does not call, or is back.
    pub(super) fn note(&mut self, silent: bool) {
        let app = if silent { App::Silent } else { App::Calls };
        for claim in self.claims.iter_mut() {
            claim.hear(app);
        }
        self.give_up();
        self.track.hurry();
    }

    /// Gives back every slot that is held in vain: also one that was won after the app was missed.
    pub(super) fn give_up(&mut self) {
        for claim in self.claims.iter_mut().filter(|claim| claim.is_barred()) {
            claim.yield_slot();
        }
    }
}
