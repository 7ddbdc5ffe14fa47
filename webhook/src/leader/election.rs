//! Decides about a Lease: create it, take it, renew it, or wait.
//!
//! The wall-clock times in a Lease are only for people. A holder is alive if the resource version changes; this is
//! timed by our own clock. kubert's election, for comparison, trusts the times in the Lease. Pure, except for the time
//! that is written for people.

use std::time::Duration;

use cairn_core::time::BootInstant;
use cairn_kit::clock;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::timestamp;

/// The usual duration of controllers' Leases: the longest time without a leader after a crash.
const DURATION_SECONDS: u32 = 15;

/// The view of one candidate.
#[derive(Debug)]
pub struct Election {
    identity: String,
    /// The last version of another holder's Lease, and when it was first seen.
    seen: Option<(String, BootInstant)>,
}

/// The next step of a candidate.
#[derive(Debug)]
pub enum Step {
    /// There is no Lease: create it.
    Create(Lease),
    /// Renew ours, or take one that was released or has expired.
    Replace(Lease),
    /// Another replica holds it.
    Wait,
}

// === impl Election ===

impl Election {
    /// A candidate before its first read.
    pub fn new(identity: String) -> Self {
        Self { identity, seen: None }
    }

    /// The next step for the Lease that was read at this instant.
    pub fn step(&mut self, found: Option<Lease>, now: BootInstant) -> Step {
        let Some(mut lease) = found else {
            self.seen = None;
            return Step::Create(Lease { spec: Some(self.spec(None)), ..Lease::default() });
        };
        if self.is_theirs(&lease, now) {
            return Step::Wait;
        }
        self.seen = None;
        lease.spec = Some(self.spec(lease.spec.as_ref()));
        Step::Replace(lease)
    }

    /// The released Lease; `None` if we do not hold it.
    pub fn given_up(&self, mut lease: Lease) -> Option<Lease> {
        let spec = lease.spec.as_mut()?;
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return None;
        }
        // As client-go does it: an empty holder, and a duration that has passed at once.
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        Some(lease)
    }

    fn is_theirs(&mut self, lease: &Lease, now: BootInstant) -> bool {
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return false;
        }
        let version = lease.metadata.resource_version.as_deref().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if seen == version => {
                let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
                let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
                let duration = Duration::from_secs(seconds.unwrap_or(DURATION_SECONDS).into());
                now.since(*since) < duration
            }
            _ => {
                self.seen = Some((version.to_owned(), now));
                true
            }
        }
    }

    fn spec(&self, old: Option<&LeaseSpec>) -> LeaseSpec {
        let now = Some(MicroTime(timestamp::of(clock::now().wall)));
        let kept = old.filter(|old| old.holder_identity.as_deref() == Some(&self.identity));
        let transitions = old.and_then(|old| old.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION_SECONDS).ok(),
            acquire_time: kept.and_then(|kept| kept.acquire_time.clone()).or_else(|| now.clone()),
            renew_time: now,
            lease_transitions: Some(match (old, kept) {
                (Some(_), None) => transitions.saturating_add(1),
                _ => transitions,
            }),
            ..LeaseSpec::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        let mut lease = Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.into()),
                lease_duration_seconds: i32::try_from(DURATION_SECONDS).ok(),
                lease_transitions: Some(3),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        lease.metadata.resource_version = Some(version.into());
        lease
    }

    fn at(seconds: u64) -> BootInstant {
        BootInstant::default().after(Duration::from_secs(seconds))
    }

    fn taken(step: Step) -> Lease {
        match step {
            Step::Replace(lease) => lease,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lease_that_is_not_there_is_made_and_one_of_ours_is_renewed() {
        let mut election = Election::new("a".into());
        let Step::Create(made) = election.step(None, at(0)) else { panic!("not made") };
        assert_eq!(made.spec.unwrap().holder_identity.unwrap(), "a");
        let renewed = taken(election.step(Some(lease("a", "7")), at(1)));
        assert_eq!(renewed.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(renewed.spec.unwrap().lease_transitions, Some(3));
    }

    #[test]
    fn the_lease_of_another_is_taken_once_it_has_not_changed_for_its_duration_on_our_own_clock() {
        let mut election = Election::new("b".into());
        assert!(matches!(election.step(Some(lease("a", "7")), at(100)), Step::Wait));
        assert!(matches!(election.step(Some(lease("a", "7")), at(114)), Step::Wait));
        assert!(matches!(election.step(Some(lease("a", "8")), at(115)), Step::Wait));
        assert!(matches!(election.step(Some(lease("a", "8")), at(129)), Step::Wait));
        let taken = taken(election.step(Some(lease("a", "8")), at(130))).spec.unwrap();
        assert_eq!(taken.holder_identity.as_deref(), Some("b"));
        assert_eq!(taken.lease_transitions, Some(4));
    }

    #[test]
    fn a_lease_that_was_given_up_is_taken_at_once() {
        let first = Election::new("a".into());
        let free = first.given_up(lease("a", "7")).unwrap();
        taken(Election::new("b".into()).step(Some(free), at(0)));
        assert!(first.given_up(lease("b", "7")).is_none());
    }
}
