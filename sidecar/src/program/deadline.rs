//! When a program has to end for the deadline of its `Stop` claims. Pure.

use std::time::Duration;

use cairn_core::pool::OnLoss;
use cairn_core::time::BootInstant;

use crate::snapshot::Snapshot;

/// The deadline of the `Stop` claims as last published.
///
/// Invariant: a limit is before the deadline, and does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    grace: Duration,
    until: Option<BootInstant>,
    /// How long before the deadline the program is asked to end.
    lead: Duration,
    limit: Option<BootInstant>,
}

// === impl Deadline ===

impl Deadline {
    /// Without a claim yet. `grace` is what the program is given at most between SIGTERM and SIGKILL.
    pub fn new(grace: Duration) -> Self {
        Self { grace, until: None, lead: Duration::ZERO, limit: None }
    }

    /// Learns what was published. A claim that is not held any more keeps its last deadline.
    pub fn learn(&mut self, snapshot: &Snapshot, now: BootInstant) {
        let stop =
            snapshot.claims.iter().filter(|claim| claim.status.on_loss == Some(OnLoss::Stop));
        let held = stop.filter(|claim| claim.is_held());
        let slots = held.filter_map(|claim| claim.status.identity.slot.as_ref());
        let until = slots.map(|slot| slot.valid_until_boottime).min();
        if until.is_some() && until != self.until {
            self.until = until;
            // A claim is renewed when half of its time is left, at the latest. A third of it is a grace that ends no
            // good claim.
            self.lead = until.map_or(Duration::ZERO, |until| self.grace.min(until.since(now) / 3));
        }
    }

    /// Whether the program has to be asked to end, so that it has its grace before the deadline.
    pub fn is_near(&self, now: BootInstant) -> bool {
        self.until.is_some_and(|until| now >= until.before(self.lead))
    }

    /// Begins the grace.
    pub fn limit(&mut self, now: BootInstant) {
        let end = now.after(self.grace);
        // A fifth of the lead is for the kernel, which ends a process some time after SIGKILL.
        let last = self.until.map(|until| until.before(self.lead / 5));
        self.limit = Some(last.map_or(end, |last| last.min(end)));
    }

    /// Whether the grace is over.
    pub fn is_over(&self, now: BootInstant) -> bool {
        self.limit.is_some_and(|limit| now >= limit)
    }

    /// How long until one of the answers above changes by time alone.
    pub fn next(&self, now: BootInstant) -> Duration {
        let near = self.until.map(|until| until.before(self.lead));
        self.limit.or(near).map_or(Duration::MAX, |next| next.since(now))
    }
}

#[cfg(test)]
mod tests {
    use cairn_core::claim::{ClaimState, Fence, Holder};
    use cairn_core::identity::Slot;
    use cairn_core::time::UnixMillis;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn at(seconds: f64) -> BootInstant {
        BootInstant::from_nanos(0).after(Duration::from_secs_f64(seconds))
    }

    fn held(on_loss: OnLoss, until: f64) -> Snapshot {
        let pools = ["snowflake".parse().unwrap()];
        let mut snapshot = Snapshot::starting(&pools, "-", &Holder::default());
        let status = &mut snapshot.claims[0].status;
        status.on_loss = Some(on_loss);
        status.identity.state = ClaimState::Held;
        status.identity.slot = Some(Slot {
            name: "0".into(),
            index: Some(0),
            prefix: "p".into(),
            fence: Fence { epoch: 1, revision: 2 },
            since: UnixMillis(0),
            valid_until: UnixMillis(0),
            valid_until_boottime: at(until),
            not_before: None,
            not_after: None,
        });
        snapshot
    }

    #[test]
    fn the_program_is_asked_its_grace_before_the_deadline_and_killed_before_it() {
        let mut deadline = Deadline::new(GRACE);
        deadline.learn(&held(OnLoss::Stop, 30.0), at(0.0));
        assert!(!deadline.is_near(at(24.9)));
        assert_eq!(deadline.next(at(24.0)), Duration::from_secs(1));
        assert!(deadline.is_near(at(25.0)));
        deadline.limit(at(25.0));
        assert!(!deadline.is_over(at(28.9)));
        assert!(deadline.is_over(at(29.0)));
    }

    #[test]
    fn a_renewal_moves_the_deadline_and_a_lost_claim_keeps_it() {
        let mut deadline = Deadline::new(GRACE);
        deadline.learn(&held(OnLoss::Stop, 30.0), at(0.0));
        deadline.learn(&held(OnLoss::Stop, 40.0), at(10.0));
        assert!(!deadline.is_near(at(34.9)));
        let mut lost = held(OnLoss::Stop, 0.0);
        lost.claims[0].status.identity.state = ClaimState::Lost;
        deadline.learn(&lost, at(12.0));
        deadline.limit(at(12.0));
        assert_eq!(deadline.next(at(12.0)), GRACE);
        deadline.learn(&held(OnLoss::Stop, 99.0), at(13.0));
        assert!(deadline.is_over(at(17.0)), "a limit does not move");
    }

    #[test]
    fn a_short_validity_shortens_the_grace_so_that_good_renewals_end_nothing() {
        let mut deadline = Deadline::new(GRACE);
        deadline.learn(&held(OnLoss::Stop, 3.0), at(0.0));
        assert!(!deadline.is_near(at(1.9)), "renewed after half of its time, and a tenth more");
        assert!(deadline.is_near(at(2.0)));
    }

    #[test]
    fn a_claim_that_stops_nobody_has_no_deadline_here() {
        let mut deadline = Deadline::new(GRACE);
        deadline.learn(&held(OnLoss::Keep, 30.0), at(0.0));
        assert!(!deadline.is_near(at(99.0)));
        assert_eq!(deadline.next(at(0.0)), Duration::MAX);
        deadline.limit(at(0.0));
        assert!(deadline.is_over(at(5.0)));
    }
}
