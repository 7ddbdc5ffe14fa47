//! No two running apps may have one identity in their variables at one instant.
//!
//! Sharper than [`super::overlap`]: an app that reads its variables and never asks again is judged by
//! when it ran, not by until when it might have believed. What a run's journal says is exact: both
//! instants are taken under the lock that starts and ends the app.
//!
//! One thing is not a violation, and is counted: the kubelet starts a stopped container again without
//! asking anybody. While the sidecar is frozen or gone, nobody takes the env file away, and such a
//! start lasts until the container's first probe fails ([`BRIEF`]).

use std::collections::BTreeMap;
use std::time::Duration;

use cairn_core::claim::Fence;

use super::{Kind, Violation};
use crate::boottime::{self, Nanos};
use crate::journal::{Run, Stall};

/// How long an app may run that was started again beside a sidecar that does not answer.
pub const BRIEF: Duration = Duration::from_secs(3);

/// Runs that nobody's sidecar has answered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    /// How many of them shared an identity with another running app.
    pub shared: usize,
    /// The longest time for which one did.
    pub longest: Duration,
}

/// Looks at every pair of runs of one identity.
pub fn check(runs: &[Run], stalls: &[Stall], until: Nanos) -> (Vec<Violation>, Brief) {
    let mut by_identity: BTreeMap<(&str, &str), Vec<&Run>> = BTreeMap::new();
    for run in runs {
        for (place, name) in &run.environment {
            by_identity.entry((place, name)).or_default().push(run);
        }
    }
    let (mut found, mut brief) = (Vec::new(), Brief::default());
    for ((place, name), mut runs) in by_identity {
        runs.sort_by_key(|run| run.started);
        for (index, first) in runs.iter().enumerate() {
            for second in runs.iter().skip(index + 1).filter(|second| second.uid != first.uid) {
                let shared = shared(first, second, until);
                if shared.is_zero() {
                    continue;
                }
                if is_brief(first, stalls, until) || is_brief(second, stalls, until) {
                    brief.shared += 1;
                    brief.longest = brief.longest.max(shared);
                    continue;
                }
                let text = format!(
                    "it ran in {} from {} and in {} from {}, both for {shared:?}",
                    first.uid, first.started, second.uid, second.started
                );
                let (place, name) = (place.to_owned(), name.to_owned());
                let (kind, at, fence) = (Kind::SharedIdentity, second.started, Fence::default());
                found.push(Violation { kind, at, place, name, fence, text });
            }
        }
    }
    (found, brief)
}

/// For how long both ran.
fn shared(first: &Run, second: &Run, until: Nanos) -> Duration {
    let end = first.ended.unwrap_or(until).min(second.ended.unwrap_or(until));
    boottime::between(first.started.max(second.started), end)
}

/// Whether this run was a restart that ended before anything could ask about it; what the harness
/// itself slept through does not count.
fn is_brief(run: &Run, stalls: &[Stall], until: Nanos) -> bool {
    let end = run.ended.unwrap_or(until);
    let stalled: Duration = stalls
        .iter()
        .filter(|stall| stall.at >= run.started && stall.at <= end + boottime::nanos(stall.lasted))
        .map(|stall| stall.lasted)
        .sum();
    let lasted = boottime::between(run.started, end);
    run.restart && !run.answered && lasted <= BRIEF + stalled
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn run(uid: &str, name: &str, from: u64, to: Option<u64>) -> Run {
        Run {
            uid: uid.to_owned(),
            environment: vec![("/p/".to_owned(), name.to_owned())],
            restart: false,
            started: from * SECOND,
            ended: to.map(|to| to * SECOND),
            answered: true,
        }
    }

    fn found(runs: &[Run]) -> usize {
        check(runs, &[], 100 * SECOND).0.len()
    }

    #[test]
    fn two_running_apps_with_one_identity_are_found() {
        assert_eq!(found(&[run("a", "1", 10, Some(20)), run("b", "1", 19, Some(30))]), 1);
        assert_eq!(found(&[run("b", "1", 12, None), run("a", "1", 10, None)]), 1);
    }

    #[test]
    fn apps_that_follow_one_another_or_have_other_names_are_fine() {
        assert_eq!(found(&[run("a", "1", 10, Some(20)), run("b", "1", 20, None)]), 0);
        assert_eq!(found(&[run("a", "1", 10, None), run("b", "2", 12, None)]), 0);
        assert_eq!(found(&[run("a", "1", 10, None), run("a", "1", 12, None)]), 0);
    }

    #[test]
    fn only_a_short_restart_beside_a_silent_sidecar_is_counted_instead() {
        let restart = |to, answered| Run { restart: true, answered, ..run("a", "1", 20, Some(to)) };
        let other = run("b", "1", 12, None);
        let judged = |restart: Run| check(&[restart, other.clone()], &[], 100 * SECOND);
        let (violations, brief) = judged(restart(22, false));
        assert!(violations.is_empty());
        assert_eq!(brief, Brief { shared: 1, longest: Duration::from_secs(2) });
        assert_eq!(judged(restart(24, false)).0.len(), 1);
        assert_eq!(judged(restart(22, true)).0.len(), 1);
    }

    #[test]
    fn a_stall_of_the_harness_is_no_part_of_a_short_run() {
        let stall = Stall { at: 23 * SECOND, lasted: Duration::from_secs(2) };
        let restart = Run { restart: true, answered: false, ..run("a", "1", 20, Some(24)) };
        assert!(is_brief(&restart, &[stall], 100 * SECOND));
        assert!(!is_brief(&restart, &[], 100 * SECOND));
    }
}
