//! When to enrol. Pure: time is passed in.

use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_kit::backoff::Backoff;

/// The pauses after failures. A pod that waits for its first certificate starts soon after the agent is back.
const FAILED: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(15) };
/// The least time between two enrolments that etcd's refusals cause. A role that is missing is made by the first of
/// them. But while etcd changes from plain to certificates, webhooks may still answer as before: then a few more must
/// follow within a validity. After the longest such time without a refusal, it begins anew.
const REFUSED: Backoff =
    Backoff { first: Duration::from_millis(2_500), longest: Duration::from_secs(320) };

/// The failures in a row, and what etcd has refused.
#[derive(Debug, Default)]
pub struct Timing {
    failures: u32,
    /// The earliest time of the next attempt.
    not_before: Option<BootInstant>,
    last_success: Option<BootInstant>,
    /// When to enrol because etcd refused what the present certificate should allow.
    refused: Option<BootInstant>,
    /// The enrolments in a row that refusals have caused.
    refusals: u32,
}

// === impl Timing ===

impl Timing {
    /// When to enrol next; `renew_at` is the time that the present credentials ask for.
    pub fn due(&self, renew_at: Option<BootInstant>) -> BootInstant {
        let wanted = match (renew_at, self.refused) {
            (Some(renew), Some(refused)) => renew.min(refused),
            (Some(renew), None) => renew,
            (None, _) => BootInstant::default(),
        };
        self.not_before.map_or(wanted, |earliest| wanted.max(earliest))
    }

    /// An attempt has failed. Returns whether it is the first in a row.
    pub fn failed(&mut self, now: BootInstant) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now.after(FAILED.after(self.failures)));
        self.failures == 1
    }

    /// An attempt has succeeded.
    pub fn succeeded(&mut self, now: BootInstant) {
        let refusals = if self.refused.is_some() { self.refusals.saturating_add(1) } else { 0 };
        *self = Self { last_success: Some(now), refusals, ..Self::default() };
    }

    /// etcd has refused the present certificate, or what it asked for: its user may be gone after etcd was wiped. Or
    /// etcd shows a certificate of roots that are not known here.
    pub fn refused(&mut self, now: BootInstant) {
        if self.refused.is_some() {
            return;
        }
        let soon = now.after(FAILED.after(1));
        let since = self.last_success.map(|last| now.since(last));
        if since.is_some_and(|since| since > REFUSED.longest) {
            self.refusals = 0;
        }
        let period = REFUSED.after(self.refusals.saturating_add(1));
        let earliest = self.last_success.map(|last| last.after(period));
        self.refused = Some(earliest.map_or(soon, |earliest| earliest.max(soon)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> BootInstant {
        BootInstant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn without_credentials_it_is_due_at_once_and_with_them_at_their_time() {
        let timing = Timing::default();
        assert!(timing.due(None) <= at(0));
        assert_eq!(timing.due(Some(at(600))), at(600));
    }

    #[test]
    fn the_pauses_after_failures_grow_to_a_limit() {
        let mut timing = Timing::default();
        assert!(timing.failed(at(0)));
        assert!(timing.due(None) <= at(1));
        for _ in 0..20 {
            assert!(!timing.failed(at(0)));
        }
        let due = timing.due(None);
        assert!(
            due >= at(0).after(FAILED.longest / 2) && due <= at(0).after(FAILED.longest * 3 / 2)
        );
        timing.succeeded(at(1));
        assert_eq!(timing.due(Some(at(600))), at(600));
        assert!(timing.failed(at(2)), "a new row of failures");
    }

    #[test]
    fn a_refusal_by_etcd_causes_an_enrolment_soon_and_further_ones_later_and_later() {
        let mut timing = Timing::default();
        timing.refused(at(100));
        assert!(timing.due(Some(at(9000))) <= at(101));
        timing.succeeded(at(101));
        assert_eq!(timing.due(Some(at(9000))), at(9000));
        timing.refused(at(102));
        let due = timing.due(Some(at(9000)));
        assert!(due >= at(103) && due <= at(109), "{due:?}");
        timing.refused(at(103));
        assert_eq!(timing.due(Some(at(9000))), due, "the first refusal counts");
        for _ in 0..10 {
            timing.succeeded(at(200));
            timing.refused(at(201));
        }
        let due = timing.due(Some(at(9000)));
        assert!(due >= at(360) && due <= at(680), "{due:?}");
        timing.succeeded(at(700));
        timing.refused(at(2000));
        assert!(timing.due(Some(at(9000))) <= at(2001), "a refusal after a long time without one");
    }
}
