//! Scenarios of pods, their clocks and their messages.

use super::{DRIFTING, NONE, SPEC, Scenario, pods};
use crate::action::Action;
use crate::config::{Config, Faults};
use crate::milestone::Milestone as M;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        queue(),
        names(),
        messages(),
        restart(),
        twin(),
        stall(),
        drift(),
        keep(),
        pools(),
        far(),
        clock(),
        split(),
        wiped_restart(),
        sigterm(),
        sigterm_keep(),
    ]
}

fn queue() -> Scenario {
    Scenario {
        name: "queue",
        about: "three pods, one name, a release",
        small: pods(3, 1).with(Faults { releases: 1, ..NONE }),
        large: pods(3, 1).with(Faults { releases: 2, crashes: 1, ..NONE }),
        passes: &[
            M::ClaimedAtOnce,
            M::Queued,
            M::ClaimedByTicket,
            M::ReadAtTicket,
            M::PastWasCompacted,
            M::RedeemFailed,
            M::PassedAnOlderTicket,
            M::Released,
            M::QuarantineEnded,
            M::DeadlinePassed,
            M::ResumedLate,
        ],
    }
}

fn names() -> Scenario {
    Scenario {
        name: "names",
        about: "three pods, two names, a process that dies and is not restarted",
        small: pods(3, 2).with(Faults { crashes: 1, ..NONE }),
        large: pods(3, 2).with(Faults { crashes: 1, releases: 1, timeouts: 1, ..NONE }),
        passes: &[
            M::HolderDied,
            M::WaiterDied,
            M::SlotExpired,
            M::TicketExpired,
            M::PassedAnOlderTicket,
            M::ClaimOfDeadProcessLanded,
        ],
    }
}

fn messages() -> Scenario {
    Scenario {
        name: "messages",
        about: "lost, late and duplicated messages, ambiguous commits, a release",
        small: pods(2, 1).with(Faults { timeouts: 1, duplicates: 1, releases: 1, ..NONE }),
        large: pods(2, 1).with(Faults {
            timeouts: 2,
            duplicates: 1,
            releases: 2,
            stalls: 1,
            ..NONE
        }),
        passes: &[
            M::AppliedWithoutAnswer,
            M::RecognisedOwnAttempt,
            M::SentAgain,
            M::GrantWasRepeated,
            M::ClaimLandedLate,
            M::ClaimLandedAfterItsRetry,
            M::ReleaseFailed,
        ],
    }
}

fn restart() -> Scenario {
    Scenario {
        name: "restart",
        about: "a process dies and another one adopts, a message is lost or late",
        small: pods(2, 1).with(Faults { crashes: 1, restarts: 1, timeouts: 1, ..NONE }),
        large: pods(2, 1).with(Faults {
            crashes: 1,
            restarts: 1,
            timeouts: 1,
            releases: 2,
            ..NONE
        }),
        passes: &[
            M::HolderDied,
            M::WaiterDied,
            M::Restarted,
            M::Adopted,
            M::AdoptionWasVerified,
            M::ContinuedWaiting,
            M::ClaimOfDeadProcessLanded,
            M::AppliedWithoutAnswer,
        ],
    }
}

fn twin() -> Scenario {
    Scenario {
        name: "twin",
        about: "two processes of one pod, a release",
        small: pods(2, 1).with(Faults { twins: 1, releases: 1, ..NONE }),
        large: pods(2, 1).with(Faults { twins: 1, releases: 2, timeouts: 1, ..NONE }),
        passes: &[M::Twinned, M::Adopted, M::Fenced, M::ContinuedWaiting, M::ReleaseFailed],
    }
}

fn stall() -> Scenario {
    Scenario {
        name: "stall",
        about: "a process is paused until its lease expires, a message is lost or late",
        small: pods(2, 1).with(Faults { stalls: 1, timeouts: 1, ..NONE }),
        large: pods(3, 1).with(Faults { stalls: 1, ..NONE }),
        passes: &[
            M::LeaseWasFoundGone,
            M::SlotExpired,
            M::TicketExpired,
            M::DeadlinePassed,
            M::GrantWasRepeated,
            M::ClaimLandedLate,
            M::ClaimLandedAfterItsRetry,
        ],
    }
}

fn drift() -> Scenario {
    let base = Config::new(2, DRIFTING);
    Scenario {
        name: "drift",
        about: "a pod's clock is slow, the store's is fast, a process is paused",
        small: base.clone().with(Faults { slow: 1, fast: 1, stalls: 1, ..NONE }),
        large: base.with(Faults { slow: 1, fast: 1, stalls: 1, crashes: 1, restarts: 1, ..NONE }),
        passes: &[M::HolderWasSlow, M::StoreWasFast, M::SlotExpired, M::LeaseWasFoundGone],
    }
}

fn keep() -> Scenario {
    let with = |pods: Config| Config { keep: true, ..pods };
    Scenario {
        name: "keep",
        about: "lost names of a `Keep` pool are re-claimed, ahead of the queue",
        small: with(pods(2, 1)).with(Faults { stalls: 1, timeouts: 1, ..NONE }),
        large: with(pods(3, 2)).with(Faults { stalls: 1, ..NONE }),
        passes: &[
            M::LeaseWasFoundGone,
            M::Reclaimed,
            M::ReclaimedAheadOfQueue,
            M::LostForGood,
            M::RefusedByReclaim,
        ],
    }
}

fn pools() -> Scenario {
    let base = Config {
        pods: vec![vec![0, 1], vec![1, 0]],
        pools: vec![vec![SPEC], vec![SPEC]],
        ..pods(2, 1)
    };
    Scenario {
        name: "pools",
        about: "two pods, two pools of one name each, annotations in opposite order, a force release",
        small: base.clone().with(Faults { force_releases: 1, ..NONE }),
        large: base.with(Faults { crashes: 1, restarts: 1, ..NONE }),
        passes: &[M::ForceReleased, M::ForceReleaseWasLate, M::SlotWasFoundGone, M::Yielded],
    }
}

fn far() -> Scenario {
    let with = |pods: Config| Config { near: 1, ..pods };
    Scenario {
        name: "far",
        about: "waiters behind the front of the queue, a broken watch",
        small: with(pods(3, 1)).with(Faults { broken_watches: 1, ..NONE }),
        large: with(pods(3, 1)).with(Faults { broken_watches: 1, crashes: 1, ..NONE }),
        passes: &[M::FarWaiterRead, M::WaiterWithBrokenWatchRead],
    }
}

fn clock() -> Scenario {
    let base = clocks();
    Scenario {
        name: "clock",
        about: "clock reservations of pods whose clocks differ, a release",
        small: base.clone().with(Faults { releases: 1, ..NONE }),
        large: base.with(Faults { crashes: 1, restarts: 1, releases: 1, ..NONE }),
        passes: &[M::Reserved, M::SuccessorEmitted, M::Released],
    }
}

/// Two pods whose clocks differ by two ticks.
pub(crate) fn clocks() -> Config {
    Config { clock: true, skew: vec![2, 0], ..pods(2, 1) }
}

fn sigterm() -> Scenario {
    let base = Config { saved_claims: true, ..pods(2, 1) };
    Scenario {
        name: "sigterm",
        about: "a process of a `Stop` pool ends while its app lives on, and is restarted",
        small: base.clone().with(Faults { interrupts: 1, restarts: 1, ..NONE }),
        large: base.with(Faults { interrupts: 2, restarts: 2, timeouts: 1, ..NONE }),
        passes: &[
            M::Interrupted,
            M::ReclaimedFromQuarantine,
            M::ReclaimedFromQuarantineAheadOfQueue,
            M::QuarantineEnded,
        ],
    }
}

fn sigterm_keep() -> Scenario {
    let base = Config { saved_claims: true, keep: true, ..pods(2, 2) };
    Scenario {
        name: "sigterm-keep",
        about: "the same in a `Keep` pool, whose names are quarantined as long as the pod lives",
        small: base.clone().with(Faults { interrupts: 1, restarts: 1, ..NONE }),
        large: base.with(Faults { interrupts: 2, restarts: 2, stalls: 1, ..NONE }),
        passes: &[M::Interrupted, M::ReclaimedFromQuarantine],
    }
}

fn wiped_restart() -> Scenario {
    let answered = Action::Deliver(0, 0);
    let died = vec![answered, answered, Action::Crash(0, 0)];
    let base = Config { saved_claims: true, ..pods(2, 1) };
    Scenario {
        name: "wiped-restart",
        about: "the store is wiped, a process dies, and the next one re-claims what its app believes in",
        small: Config { prelude: died, ..base.clone() }.with(Faults {
            wipes: 1,
            crashes: 1,
            restarts: 1,
            ..NONE
        }),
        large: base.with(Faults { wipes: 1, crashes: 1, restarts: 1, ..NONE }),
        passes: &[M::WipedUnderHolder, M::ReclaimedDuringFreeze, M::Restarted],
    }
}

fn split() -> Scenario {
    let base = Config { split: true, ..pods(2, 1) };
    Scenario {
        name: "split",
        about: "grants and both halves of renewals land separately, one is given up",
        small: base.clone().with(Faults { timeouts: 1, ..NONE }),
        large: base.with(Faults { force_releases: 1, ..NONE }),
        passes: &[M::HalfAPairAnswered, M::PairWasGivenUp, M::DeadlinePassed, M::ResumedLate],
    }
}
