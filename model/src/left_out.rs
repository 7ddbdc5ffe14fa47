//! For each rule, the bounds in which the checker finds a broken promise without it.

use crate::action::{Action, Drift};
use crate::config::{Config, Faults};
use crate::property::Promise;
use crate::rule::Rule;
use crate::scenario::{self, NONE, SPEC, pods};
use crate::spec::Spec;

/// Bounds in which every promise holds with the rule, and the promise that is broken without it.
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
        Rule::PoolsInByteOrder | Rule::LaterPoolsAreYielded => Promise::NoMutualWait,
        Rule::IdleBeforeOvertaking
        | Rule::ClaimsAreGuardedBySentinel
        | Rule::IdleEndsWithSpecAndFreeze
        | Rule::RedeemsAreOfOneEpoch
        | Rule::EmptyPastReadsAreFollowed
        | Rule::ReclaimsInvalidateRanks => Promise::NobodyIsOvertaken,
        Rule::ReservationLearntInside => Promise::TimestampsAreUnique,
        Rule::ClaimsAreGuardedByOwner | Rule::ReleaseComparesOwner => Promise::OneSlotPerPodAndPool,
        Rule::ClaimsAreGuardedByQuarantine | Rule::ForceReleaseOutlastsDrift => {
            Promise::NamesAreQuarantined
        }
        Rule::SavedNamesAreReclaimed => Promise::NamesAreKept,
        _ => Promise::NoTwoHolders,
    }
}

/// Pods and names, and the steps before the search starts.
fn bounds(rule: Rule) -> Config {
    match rule {
        Rule::SlotsKeyedByNumber => edited(Spec { names: 2, width: 1, ..SPEC }),
        Rule::TermsFixedAtGrant | Rule::ClaimsFitTheLease => {
            edited(Spec { validity: 4, ttl: 5, ..SPEC })
        }
        Rule::ForceReleaseUsesGrantedTerms => {
            edited(Spec { validity: 1, quarantine: 0, ttl: 1, ..SPEC })
        }
        Rule::EmptyPastReadsAreFollowed => {
            Config { prelude: queued_by_an_old_spec(), ..edited(Spec { names: 2, ..SPEC }) }
        }
        Rule::RankCountsOlderTickets => far(2),
        Rule::WaitersReread => far(3),
        Rule::IdleBeforeOvertaking | Rule::ClaimsAreGuardedBySentinel => pods(3, 1),
        Rule::ClaimsAreGuardedByOwner => pods(2, 2),
        Rule::ForceReleaseSparesTheLease => pools(vec![1]),
        Rule::PoolsInByteOrder => pools(vec![1, 0]),
        Rule::LaterPoolsAreYielded => pools(vec![0, 1]),
        Rule::ReservationLearntInside => scenario::clocks(),
        Rule::LeaseOutlastsDrift | Rule::ForceReleaseOutlastsDrift => {
            Config::new(2, scenario::DRIFTING)
        }
        Rule::ReleaseComparesOwner => Config { revisions_regress: true, ..pods(2, 1) },
        Rule::PairsCheckHolder => Config {
            revisions_regress: true,
            split: true,
            prelude: claimed_after_a_snapshot(),
            ..pods(2, 1)
        },
        Rule::NothingFoundDuringFreeze => scenario::given_on(),
        Rule::ReclaimsInvalidateRanks => {
            Config { keep: true, prelude: queued_behind_a_loss(), ..pods(3, 2) }
        }
        Rule::ReclaimComparesTicket => Config { keep: true, prelude: ran_out(), ..pods(2, 1) },
        Rule::ReleaseNamesItsPod | Rule::SavedNamesAreReclaimed => {
            Config { keep: true, saved_claims: true, ..pods(2, 2) }
        }
        Rule::QuarantinesOutlastDeadlines => Config { saved_claims: true, ..pods(2, 1) },
        Rule::ReclaimComparesQuarantine => {
            Config { saved_claims: true, prelude: returning(), ..pods(2, 1) }
        }
        _ => pods(2, 1),
    }
}

/// What may go wrong.
fn faults(rule: Rule) -> Faults {
    match rule {
        Rule::PoolsInByteOrder => NONE,
        Rule::ReleaseNamesItsPod
        | Rule::SavedNamesAreReclaimed
        | Rule::QuarantinesOutlastDeadlines => Faults { interrupts: 1, restarts: 1, ..NONE },
        Rule::ReclaimComparesQuarantine => {
            Faults { interrupts: 1, restarts: 1, force_releases: 1, ..NONE }
        }
        Rule::OnlyBelieversReclaim => Faults { stalls: 1, wipes: 1, ..NONE },
        Rule::SpecPutOnlyWhenDifferent => Faults { repeated_puts: 1, ..NONE },
        Rule::SlotsKeyedByNumber | Rule::EmptyPastReadsAreFollowed => Faults {
            edits: 1,
            force_releases: u8::from(rule == Rule::EmptyPastReadsAreFollowed),
            ..NONE
        },
        Rule::TermsFixedAtGrant | Rule::ClaimsFitTheLease => {
            Faults { edits: 1, crashes: 1, ..NONE }
        }
        Rule::ForceReleaseUsesGrantedTerms => Faults { edits: 1, force_releases: 1, ..NONE },
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
        Rule::ForceReleaseSparesTheLease
        | Rule::LaterPoolsAreYielded
        | Rule::RenewalsArePairs
        | Rule::ForceReleaseIsSettledLater
        | Rule::ClaimsAreGuardedByQuarantine => Faults { force_releases: 1, ..NONE },
        Rule::ClockCountsSleep => Faults { sleeps: 2, stalls: 1, ..NONE },
        Rule::WaitersReread => Faults { crashes: 2, broken_watches: 1, ..NONE },
        Rule::IdleBeforeOvertaking
        | Rule::ClaimsAreGuardedBySentinel
        | Rule::ReservationLearntInside => Faults { releases: 1, ..NONE },
        Rule::EmptyStoreIsFrozen => Faults { wipes: 1, ..NONE },
        Rule::LeaseOutlastsDrift => Faults { slow: 1, fast: 1, stalls: 1, ..NONE },
        Rule::ForceReleaseOutlastsDrift => Faults { force_releases: 1, slow: 1, ..NONE },
        Rule::RepeatedGrantsCountFromFirstSend => Faults { timeouts: 1, stalls: 1, ..NONE },
        Rule::IdleEndsWithSpecAndFreeze => Faults { freezes: 1, releases: 1, ..NONE },
        Rule::RedeemsAreOfOneEpoch | Rule::ReclaimsInvalidateRanks => {
            Faults { freezes: 1, stalls: 1, ..NONE }
        }
        Rule::NothingResumesDuringFreeze => Faults { restores: 1, stalls: 1, ..NONE },
        Rule::NothingFoundDuringFreeze => Faults { restores: 1, force_releases: 1, ..NONE },
        Rule::ReleaseComparesOwner => Faults { wipes: 1, releases: 1, ..NONE },
        Rule::PairsCheckHolder => Faults { restores: 1, ..NONE },
    }
}

/// Two pods and one name, and a spec that it may be edited to.
fn edited(to: Spec) -> Config {
    Config { pools: vec![vec![SPEC, to]], ..pods(2, 1) }
}

/// Only the first waiter watches the queue.
fn far(count: usize) -> Config {
    Config { near: 1, ..pods(count, 1) }
}

/// Two pods and two pools of one name each. `second` is the annotation of the second pod.
fn pools(second: Vec<u8>) -> Config {
    Config { pods: vec![vec![0, 1], second], pools: vec![vec![SPEC], vec![SPEC]], ..pods(2, 1) }
}

/// Pod 0 has a name. Its lease ends and it does not know that yet. Pods 1 and 2 join the queue during a freeze.
fn queued_behind_a_loss() -> Vec<Action> {
    let tick = Action::Tick(Drift::None);
    let mut steps = vec![Action::Deliver(0, 0); 2];
    steps.extend([tick, tick, Action::Freeze(0), tick]);
    for pod in [1, 2] {
        // Begin, join, read at the ticket's revision, fail to redeem, read.
        steps.extend([Action::Deliver(pod, 0); 5]);
    }
    steps
}

/// Pod 0 was interrupted, and its next process has sent T7.
fn returning() -> Vec<Action> {
    let answered = Action::Deliver(0, 0);
    vec![answered, answered, Action::Interrupt(0, 0), answered, Action::Start(0), answered]
}

/// Pod 0 has a name. Its lease ends and it does not know that yet. Pod 1 waits.
fn ran_out() -> Vec<Action> {
    let tick = Action::Tick(Drift::None);
    let [first, second] = [Action::Deliver(0, 0), Action::Deliver(1, 0)];
    vec![first, first, tick, second, second, tick, tick]
}

/// Pod 0 claims after a snapshot, which is restored. A keepalive without its read keeps the lease during the freeze.
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

/// Pod 1 joins the queue with a spec that is edited meanwhile. Pod 0's name is released by force.
fn queued_by_an_old_spec() -> Vec<Action> {
    vec![
        Action::Deliver(0, 0),
        Action::Deliver(0, 0),
        Action::Deliver(1, 0),
        Action::ForceRelease(0, 0),
        Action::Land(0),
        Action::EditSpec(0),
    ]
}
