//! What planted bugs do to the steps of a machine.

use cairn_core::coordination::session::{Action, Command, Event};
use cairn_core::coordination::write::WriteAnswer;
use cairn_core::time::{BootInstant, Now};

use super::Driver;
use crate::coordination::bug::Bug;

impl Driver {
    /// What a planted bug does to a step.
    pub(super) fn before(&mut self, bug: Bug, now: &mut Now, event: &mut Event) -> Vec<Action> {
        bug.event(&self.setup.config, now.boot, event);
        if bug == Bug::OwnHeartbeat {
            // A refusal is an answer, too.
            let _ = self.machine.command(*now, Command::Heartbeat);
        }
        let status = self.machine.status(*now);
        let committed = matches!(event, Event::Written(WriteAnswer::Committed { .. }));
        if bug == Bug::NoWaitAfterResume && committed && status.session.is_none() {
            // The session seems to have begun a takeover delay ago.
            let delay = self.setup.config.terms.validity.takeover_delay();
            let nanos = u64::try_from(delay.as_nanos()).unwrap_or_default();
            now.boot = BootInstant::from_nanos(now.boot.as_nanos().saturating_sub(nanos));
            now.wall.0 -= i64::try_from(delay.as_millis()).unwrap_or_default();
        }
        let uid = &self.setup.config.uid;
        let old = self.joins.and_then(|epoch| bug.before_join(uid, epoch, &status, event));
        old.map(|old| self.machine.step(*now, old)).unwrap_or_default()
    }

    /// What a planted bug does after a step.
    pub(super) fn after(&mut self, bug: Bug, now: Now) -> Vec<Action> {
        let stops = self.machine.status(now).stopping;
        let stops: Vec<_> = stops.into_iter().filter(|stop| !stop.confirmed).collect();
        if bug != Bug::Unconfirmed || stops.is_empty() {
            return Vec::new();
        }
        let stops = stops.into_iter().map(|stop| stop.stop).collect();
        let _ = self.machine.command(now, Command::Stopped(stops));
        self.machine.step(now, Event::Tick)
    }
}
