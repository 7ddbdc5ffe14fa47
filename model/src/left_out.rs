//! For every rule the bounds in which the checker shows what leaving it out breaks.

use crate::action::{Action, Drift};
use crate::config::{Config, Faults};
use crate::property::Promise;
use crate::rule::Rule;
use crate::scenario::{self, NONE, SPEC, pods};
use crate::spec::Spec;

/// Bounds that are fine with the rule, and the promise that is broken without it.
pub fn left_out(rule: Rule) -> (Config, Promise) {
    match rule {
        Rule::SpecPutOnlyWhenDifferent => {
            (pods(2, 1).with(Faults { reputs: 1, ..NONE }), Promise::FailuresHaveReasons)
        }
        Rule::SlotsKeyedByNumber => (
            edited(Spec { names: 2, width: 1, ..SPEC }, Faults { edits: 1, ..NONE }),
            Promise::NoTwoHolders,
        ),
        Rule::TermsFixedAtGrant | Rule::ClaimsSuitTheLease => (
            edited(Spec { validity: 4, ttl: 5, ..SPEC }, Faults { edits: 1, crashes: 1, ..NONE }),
            Promise::NoTwoHolders,
        ),
        Rule::ForceRestsAsGranted => (
            edited(
                Spec { validity: 1, quarantine: 0, ttl: 1, ..SPEC },
                Faults { edits: 1, forces: 1, ..NONE },
            ),
            Promise::NoTwoHolders,
        ),
        Rule::FoundLeaseIsTaken => {
            (pods(2, 1).with(Faults { crashes: 1, restarts: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::TicketIsGuarded => {
            (pods(2, 1).with(Faults { duplicates: 1, ..NONE }), Promise::TicketsAreWaiters)
        }
        Rule::TicketRevisionIsItsOwn => {
            (pods(2, 1).with(Faults { timeouts: 1, crashes: 1, ..NONE }), Promise::NobodyIsStuck)
        }
        Rule::RankCountsOlderTickets => {
            (far(2).with(Faults { crashes: 1, ..NONE }), Promise::NobodyIsStuck)
        }
        Rule::AdoptionIsVerified => {
            (pods(2, 1).with(Faults { crashes: 2, restarts: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::ReleaseComparesModRevision | Rule::FailedReleaseRevokesNothing => {
            (pods(2, 1).with(Faults { twins: 1, releases: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::ForceSparesTheLease => {
            (pools(vec![1]).with(Faults { forces: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::PoolsInByteOrder => (pools(vec![1, 0]), Promise::NoDeadlyEmbrace),
        Rule::LaterPoolsAreYielded => {
            (pools(vec![0, 1]).with(Faults { forces: 1, ..NONE }), Promise::NoDeadlyEmbrace)
        }
        Rule::OwnAttemptsAreRecognised => (
            pods(2, 1).with(Faults { crashes: 1, restarts: 1, timeouts: 1, ..NONE }),
            Promise::NoTwoHolders,
        ),
        Rule::RenewalsArePairs | Rule::ForceRestsUntilSettled => {
            (pods(2, 1).with(Faults { forces: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::ClockCountsSleep => {
            (pods(2, 1).with(Faults { sleeps: 2, stalls: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::WaitersReread => {
            (far(3).with(Faults { crashes: 2, deaf: 1, ..NONE }), Promise::NobodyIsStuck)
        }
        Rule::SilenceBeforeOvertaking => {
            (pods(3, 1).with(Faults { releases: 1, ..NONE }), Promise::NobodyIsOvertaken)
        }
        Rule::ReservationLearntInside => {
            (scenario::clocks().with(Faults { releases: 1, ..NONE }), Promise::TimestampsAreUnique)
        }
        Rule::ClaimsAreGuardedByOwner => (
            pods(2, 2).with(Faults { twins: 1, releases: 1, ..NONE }),
            Promise::OneSlotPerPodAndPool,
        ),
        Rule::ClaimsAreGuardedBySentinel => {
            (pods(3, 1).with(Faults { releases: 1, ..NONE }), Promise::NobodyIsOvertaken)
        }
        Rule::ClaimsAreGuardedByQuarantine => {
            (pods(2, 1).with(Faults { forces: 1, ..NONE }), Promise::NamesRest)
        }
        Rule::WipeLeavesHold => {
            (pods(2, 1).with(Faults { wipes: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::LeaseOutlastsDrift => (
            Config::new(2, scenario::DRIFTING).with(Faults { slow: 1, fast: 1, stalls: 1, ..NONE }),
            Promise::NoTwoHolders,
        ),
        Rule::RepeatedGrantsCountFromFirstSend => {
            (pods(2, 1).with(Faults { timeouts: 1, stalls: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::SilenceEndsWithSpecAndHold => {
            (pods(2, 1).with(Faults { holds: 1, releases: 1, ..NONE }), Promise::NobodyIsOvertaken)
        }
        Rule::NothingResumesDuringHold => {
            (pods(2, 1).with(Faults { restores: 1, stalls: 1, ..NONE }), Promise::NoTwoHolders)
        }
        Rule::ReleaseComparesOwner => (
            Config { revisions_regress: true, ..pods(2, 1) }.with(Faults {
                wipes: 1,
                releases: 1,
                ..NONE
            }),
            Promise::OneSlotPerPodAndPool,
        ),
        Rule::PairsCheckHolder => (
            Config {
                revisions_regress: true,
                split: true,
                prelude: claimed_after_a_snapshot(),
                ..pods(2, 1)
            }
            .with(Faults { restores: 1, ..NONE }),
            Promise::NoTwoHolders,
        ),
        Rule::TakesAreOfOneEpoch => {
            (pods(2, 1).with(Faults { holds: 1, stalls: 1, ..NONE }), Promise::NobodyIsOvertaken)
        }
        Rule::ReclaimShiftsThePairs => (
            Config { keep: true, prelude: queued_behind_a_loss(), ..pods(3, 2) }.with(Faults {
                stalls: 1,
                holds: 1,
                ..NONE
            }),
            Promise::NobodyIsOvertaken,
        ),
    }
}

/// Two pods and one name, and a spec that it may be edited to.
fn edited(to: Spec, faults: Faults) -> Config {
    Config { pools: vec![vec![SPEC, to]], ..pods(2, 1) }.with(faults)
}

/// Only the head of the queue watches it.
fn far(count: usize) -> Config {
    Config { near: 1, ..pods(count, 1) }
}

/// Two pods and two pools of one name each; the second pod's annotation is given.
fn pools(second: Vec<u8>) -> Config {
    Config { pods: vec![vec![0, 1], second], pools: vec![vec![SPEC], vec![SPEC]], ..pods(2, 1) }
}

/// Pod 0 has a name and loses its lease, unaware; pods 1 and 2 queue behind a hold.
fn queued_behind_a_loss() -> Vec<Action> {
    let tick = Action::Tick(Drift::None);
    let mut steps = vec![Action::Deliver(0, 0); 2];
    steps.extend([tick, tick, Action::Hold(0), tick]);
    for pod in [1, 2] {
        // Begin, queue, look back, try in vain, read.
        steps.extend([Action::Deliver(pod, 0); 5]);
    }
    steps
}

/// Pod 0 claims after a snapshot, which is restored; half of a pair keeps its lease over the hold.
fn claimed_after_a_snapshot() -> Vec<Action> {
    let tick = Action::Tick(Drift::None);
    vec![
        Action::Deliver(0, 0),
        Action::Snapshot,
        Action::Deliver(0, 0),
        Action::Restore,
        tick,
        tick,
        Action::Renew(0, 0),
        Action::KeepAlive(0, 0),
        tick,
    ]
}
