//! Scenarios of administrators, and of stores that are wiped or restored.

use super::{NONE, SPEC, Scenario, pods};
use crate::action::{Action, Drift};
use crate::config::{Config, Faults};
use crate::milestone::Milestone as M;
use crate::spec::Spec;

pub(super) fn all() -> Vec<Scenario> {
    vec![force(), freeze(), edit(), wipe(), wiped_keep(), revisions(), restore(), reassigned()]
}

fn force() -> Scenario {
    Scenario {
        name: "force",
        about: "a force release, which may land late",
        small: pods(2, 1).with(Faults { force_releases: 1, ..NONE }),
        large: pods(2, 1).with(Faults { force_releases: 1, crashes: 1, restarts: 1, ..NONE }),
        passes: &[
            M::ForceReleased,
            M::ForceReleaseWasLate,
            M::Settled,
            M::QuarantineEnded,
            M::SlotWasFoundGone,
            M::PassedAnOlderTicket,
        ],
    }
}

fn freeze() -> Scenario {
    Scenario {
        name: "freeze",
        about: "a freeze, a release",
        small: pods(2, 1).with(Faults { freezes: 1, releases: 1, ..NONE }),
        large: pods(3, 1).with(Faults { freezes: 1, releases: 1, ..NONE }),
        passes: &[M::FreezeEnded, M::RefusedByFreeze, M::RefusedByEpoch, M::NotResumedDuringFreeze],
    }
}

fn edit() -> Scenario {
    let mut config = pods(2, 1);
    config.pools = vec![vec![
        SPEC,
        Spec { names: 2, width: 1, validity: 4, ttl: 5, ..SPEC },
        Spec { names: 2, width: 1, validity: 1, quarantine: 0, ttl: 1 },
    ]];
    let mut more = pods(3, 1);
    more.pools = vec![vec![SPEC, Spec { names: 2, ..SPEC }]];
    Scenario {
        name: "edit",
        about: "spec edits: another name, another width, longer times, shorter times",
        small: config.with(Faults { edits: 2, ..NONE }),
        large: more.with(Faults { edits: 1, releases: 1, ..NONE }),
        passes: &[M::EditedUnderClaim, M::TermsWereShortened, M::RedeemFailed],
    }
}

fn wipe() -> Scenario {
    Scenario {
        name: "wipe",
        about: "the store is wiped, its revisions go on",
        small: pods(2, 1).with(Faults { wipes: 1, ..NONE }),
        large: pods(2, 1).with(Faults { wipes: 1, stalls: 2, releases: 1, ..NONE }),
        passes: &[M::WipedUnderHolder, M::LeaseWasFoundGone, M::RefusedByFreeze, M::FreezeEnded],
    }
}

fn wiped_keep() -> Scenario {
    let base = Config { keep: true, ..pods(2, 1) };
    Scenario {
        name: "wiped-keep",
        about: "the store is wiped, and holders of a `Keep` pool re-claim their names during the freeze",
        small: base.clone().with(Faults { wipes: 1, ..NONE }),
        large: base.with(Faults { wipes: 1, stalls: 1, timeouts: 1, ..NONE }),
        passes: &[M::WipedUnderHolder, M::ReclaimedDuringFreeze, M::FreezeEnded],
    }
}

fn revisions() -> Scenario {
    let base = Config { revisions_regress: true, ..pods(2, 1) };
    Scenario {
        name: "revisions",
        about: "the store is wiped, and its revisions start anew",
        small: base.clone().with(Faults { wipes: 1, stalls: 1, ..NONE }),
        large: base.with(Faults { wipes: 1, stalls: 1, releases: 1, ..NONE }),
        passes: &[M::WipedUnderHolder, M::RevisionsMet, M::LeaseWasFoundGone],
    }
}

fn restore() -> Scenario {
    Scenario {
        name: "restore",
        about: "a snapshot from before a process lost its lease is restored",
        small: pods(2, 1).with(Faults { restores: 1, stalls: 1, ..NONE }),
        large: pods(2, 1).with(Faults { restores: 1, crashes: 1, restarts: 1, ..NONE }),
        passes: &[
            M::RestoredOldHolder,
            M::NotResumedDuringFreeze,
            M::RefusedByFreeze,
            M::FreezeEnded,
        ],
    }
}

fn reassigned() -> Scenario {
    let base = Config { prelude: Vec::new(), ..pods(2, 1) };
    let faults = Faults { restores: 1, force_releases: 1, ..NONE };
    Scenario {
        name: "reassigned",
        about: "a name is released by force and granted to another pod, and an earlier snapshot is restored",
        small: given_on().with(faults),
        large: base.with(faults),
        passes: &[M::RestoredOldHolder, M::FoundDuringFreeze, M::FreezeEnded],
    }
}

/// Pod 0's name is released by force after a snapshot. Its quarantine has passed, and pod 0 has renewed its lease.
pub(crate) fn given_on() -> Config {
    let tick = Action::Tick(Drift::None);
    let prelude = vec![
        Action::Deliver(0, 0),
        Action::Deliver(0, 0),
        Action::ForceRelease(0, 0),
        Action::Snapshot,
        Action::Land(0),
        Action::Settle(0, 0),
        tick,
        tick,
        Action::Renew(0, 0),
        tick,
    ];
    Config { prelude, ..pods(2, 1) }
}
