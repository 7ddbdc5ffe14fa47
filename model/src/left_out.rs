//! For every rule the bounds in which the checker shows what leaving it out breaks.

use crate::action::{Action, Drift};
use crate::config::{Config, Faults};
use crate::property::Promise;
use crate::rule::Rule;
use crate::scenario::{self, NONE, SPEC, pods};
use crate::spec::Spec;

/// Bounds that are fine with the rule, and the promise that is broken without it.
pub fn left_out(rule: Rule) -> (Config, Promise) {
    (bounds(rule).with(faults(rule)), promise(rule))
}

/// The promise that needs a rule.
fn promise(rule: Rule) -> Promise {
    match rule {
        Rule::SpecPutOnlyWhenDifferent => Promise::FailuresHaveReasons,
        Rule::TicketIsGuarded | Rule::ReclaimComparesTicket => Promise::TicketsAreWaiters,
        Rule::TicketRevisionIsItsOwn | Rule::RankCountsOlderTickets | Rule::WaitersReread => {
            Promise::NobodyIsStuck
        }
        Rule::PoolsInByteOrder | Rule::LaterPoolsAreYielded => Promise::NoDeadlyEmbrace,
        Rule::SilenceBeforeOvertaking
        | Rule::ClaimsAreGuardedBySentinel
        | Rule::SilenceEndsWithSpecAndHold
        | Rule::TakesAreOfOneEpoch
        | Rule::VainLooksAreFollowed
        | Rule::ReclaimShiftsThePairs => Promise::NobodyIsOvertaken,
        Rule::ReservationLearntInside => Promise::TimestampsAreUnique,
        Rule::ClaimsAreGuardedByOwner | Rule::ReleaseComparesOwner => Promise::OneSlotPerPodAndPool,
        Rule::ClaimsAreGuardedByQuarantine | Rule::ForceRestsOutlastDrift => Promise::NamesRest,
        Rule::MarkedNamesReturn => Promise::NamesAreKept,
        _ => Promise::NoTwoHolders,
    }
}

/// Pods, names, and what happens before anything is left to chance.
fn bounds(rule: Rule) -> Config {
    match rule {
        Rule::SlotsKeyedByNumber => edited(Spec { names: 2, width: 1, ..SPEC }),
        Rule::TermsFixedAtGrant | Rule::ClaimsSuitTheLease => {
            edited(Spec { validity: 4, ttl: 5, ..SPEC })
        }
        Rule::ForceRestsAsGranted => edited(Spec { validity: 1, quarantine: 0, ttl: 1, ..SPEC }),
        Rule::VainLooksAreFollowed => {
            Config { prelude: queued_by_an_old_spec(), ..edited(Spec { names: 2, ..SPEC }) }
        }
        Rule::RankCountsOlderTickets => far(2),
        Rule::WaitersReread => far(3),
        Rule::SilenceBeforeOvertaking | Rule::ClaimsAreGuardedBySentinel => pods(3, 1),
        Rule::ClaimsAreGuardedByOwner => pods(2, 2),
        Rule::ForceSparesTheLease => pools(vec![1]),
        Rule::PoolsInByteOrder => pools(vec![1, 0]),
        Rule::LaterPoolsAreYielded => pools(vec![0, 1]),
        Rule::ReservationLearntInside => scenario::clocks(),
        Rule::LeaseOutlastsDrift | Rule::ForceRestsOutlastDrift => {
            Config::new(2, scenario::DRIFTING)
        }
        Rule::ReleaseComparesOwner => Config { revisions_regress: true, ..pods(2, 1) },
        Rule::PairsCheckHolder => Config {
            revisions_regress: true,
            split: true,
            prelude: claimed_after_a_snapshot(),
            ..pods(2, 1)
        },
        Rule::NothingFoundDuringHold => scenario::given_on(),
        Rule::ReclaimShiftsThePairs => {
            Config { keep: true, prelude: queued_behind_a_loss(), ..pods(3, 2) }
        }
        Rule::ReclaimComparesTicket => Config { keep: true, prelude: ran_out(), ..pods(2, 1) },
        Rule::ReleaseNamesItsPod | Rule::MarkedNamesReturn => {
            Config { keep: true, marks: true, ..pods(2, 2) }
        }
        Rule::RestsOutlastDeadlines => Config { marks: true, ..pods(2, 1) },
        Rule::ReturnsCompareRest => Config { marks: true, prelude: returning(), ..pods(2, 1) },
        _ => pods(2, 1),
    }
}

/// What may go wrong.
fn faults(rule: Rule) -> Faults {
    match rule {
        Rule::PoolsInByteOrder => NONE,
        Rule::ReleaseNamesItsPod | Rule::MarkedNamesReturn | Rule::RestsOutlastDeadlines => {
            Faults { interrupts: 1, restarts: 1, ..NONE }
        }
        Rule::ReturnsCompareRest => Faults { interrupts: 1, restarts: 1, forces: 1, ..NONE },
        Rule::BelieversAloneReclaim => Faults { stalls: 1, wipes: 1, ..NONE },
        Rule::SpecPutOnlyWhenDifferent => Faults { reputs: 1, ..NONE },
        Rule::SlotsKeyedByNumber | Rule::VainLooksAreFollowed => {
            Faults { edits: 1, forces: u8::from(rule == Rule::VainLooksAreFollowed), ..NONE }
        }
        Rule::TermsFixedAtGrant | Rule::ClaimsSuitTheLease => {
            Faults { edits: 1, crashes: 1, ..NONE }
        }
        Rule::ForceRestsAsGranted => Faults { edits: 1, forces: 1, ..NONE },
        Rule::ReclaimComparesTicket => Faults { crashes: 1, restarts: 1, stalls: 1, ..NONE },
        Rule::FoundLeaseIsTaken => Faults { crashes: 1, restarts: 1, ..NONE },
        Rule::TicketIsGuarded => Faults { duplicates: 1, ..NONE },
        Rule::TicketRevisionIsItsOwn => Faults { timeouts: 1, crashes: 1, ..NONE },
        Rule::RankCountsOlderTickets => Faults { crashes: 1, ..NONE },
        Rule::AdoptionIsVerified => Faults { crashes: 2, restarts: 1, ..NONE },
        Rule::ReleaseComparesModRevision
        | Rule::FailedReleaseRevokesNothing
        | Rule::ClaimsAreGuardedByOwner => Faults { twins: 1, releases: 1, ..NONE },
        Rule::OwnAttemptsAreRecognised => Faults { crashes: 1, restarts: 1, timeouts: 1, ..NONE },
        Rule::ForceSparesTheLease
        | Rule::LaterPoolsAreYielded
        | Rule::RenewalsArePairs
        | Rule::ForceRestsUntilSettled
        | Rule::ClaimsAreGuardedByQuarantine => Faults { forces: 1, ..NONE },
        Rule::ClockCountsSleep => Faults { sleeps: 2, stalls: 1, ..NONE },
        Rule::WaitersReread => Faults { crashes: 2, deaf: 1, ..NONE },
        Rule::SilenceBeforeOvertaking
        | Rule::ClaimsAreGuardedBySentinel
        | Rule::ReservationLearntInside => Faults { releases: 1, ..NONE },
        Rule::WipeLeavesHold => Faults { wipes: 1, ..NONE },
        Rule::LeaseOutlastsDrift => Faults { slow: 1, fast: 1, stalls: 1, ..NONE },
        Rule::ForceRestsOutlastDrift => Faults { forces: 1, slow: 1, ..NONE },
        Rule::RepeatedGrantsCountFromFirstSend => Faults { timeouts: 1, stalls: 1, ..NONE },
        Rule::SilenceEndsWithSpecAndHold => Faults { holds: 1, releases: 1, ..NONE },
        Rule::TakesAreOfOneEpoch | Rule::ReclaimShiftsThePairs => {
            Faults { holds: 1, stalls: 1, ..NONE }
        }
        Rule::NothingResumesDuringHold => Faults { restores: 1, stalls: 1, ..NONE },
        Rule::NothingFoundDuringHold => Faults { restores: 1, forces: 1, ..NONE },
        Rule::ReleaseComparesOwner => Faults { wipes: 1, releases: 1, ..NONE },
        Rule::PairsCheckHolder => Faults { restores: 1, ..NONE },
    }
}

/// Two pods and one name, and a spec that it may be edited to.
fn edited(to: Spec) -> Config {
    Config { pools: vec![vec![SPEC, to]], ..pods(2, 1) }
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
    steps.extend([tick, tick, Action::Freeze(0), tick]);
    for pod in [1, 2] {
        // Begin, queue, look back, try in vain, read.
        steps.extend([Action::Deliver(pod, 0); 5]);
    }
    steps
}

/// Pod 0 was interrupted, and its next process has asked for the name back.
fn returning() -> Vec<Action> {
    let answered = Action::Deliver(0, 0);
    vec![answered, answered, Action::Interrupt(0, 0), answered, Action::Start(0), answered]
}

/// Pod 0 has a name, and loses its lease, unaware; pod 1 waits.
fn ran_out() -> Vec<Action> {
    let tick = Action::Tick(Drift::None);
    let [first, second] = [Action::Deliver(0, 0), Action::Deliver(1, 0)];
    vec![first, first, tick, second, second, tick, tick]
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

/// Pod 1 asks for a ticket by a spec that is edited under way; pod 0's name is taken from it.
fn queued_by_an_old_spec() -> Vec<Action> {
    vec![
        Action::Deliver(0, 0),
        Action::Deliver(0, 0),
        Action::Deliver(1, 0),
        Action::Force(0, 0),
        Action::Land(0),
        Action::Edit(0),
    ]
}
