//! What the session means for the start of the app, and for its life.

use cairn_core::coordination::session::Status;
use cairn_core::duration;

use super::Driver;
use crate::snapshot::Gate;

impl<K> Driver<K> {
    /// What the session means for the app at this instant.
    pub(super) fn gate(&mut self, status: &Status) -> Gate {
        let waiting = (!self.had_session).then(|| {
            let reason = status.reason.as_deref().unwrap_or("joining");
            format!("group: there is no session yet: {reason}")
        });
        let now = self.clock.now().boot;
        let due = self.machine.app_due();
        let missed = due.filter(|due| now >= *due);
        if missed.is_some() && self.missed != missed {
            self.link.restarts.app_was_missed();
        }
        self.missed = missed;
        let silent = self.is_silent();
        // After a restart of the sidecar, or of the app, nothing is told before the app calls: that is no loss.
        let awaited =
            status.session.is_some() && self.machine.awaits_app() || missed.is_some() && !silent;
        let lost = self.link.own.config.stops_app
            && self.participated
            && !awaited
            && now >= status.valid_until;
        let reason = status.reason.as_deref().unwrap_or("the session was lost");
        let lost = lost.then(|| format!("group: {reason}; the app has to stop"));
        let stop = silent.then(|| self.missed()).or(lost);
        Gate { waiting, stop, silent, until: due.filter(|_| silent || missed.is_none()) }
    }

    /// Whether the app has missed its heartbeat, and is no new one. A new run of the app has time until its first call.
    pub(super) fn is_silent(&self) -> bool {
        self.missed.is_some() && !self.link.restarts.are_all_new()
    }

    /// Why the app has to stop that does not call any more.
    fn missed(&self) -> String {
        let period = self.link.own.config.terms.heartbeat.unwrap_or_default();
        let period = duration::print(period);
        format!("the app has not called POST /v1/heartbeat for {period}; it has to stop")
    }
}
