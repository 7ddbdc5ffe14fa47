//! Scenarios of what administrators do, and of a store that does not come back as it was.

use super::{NONE, SPEC, Scenario, pods};
use crate::action::{Action, Drift};
use crate::config::{Config, Faults};
use crate::milestone::Milestone as M;
use crate::spec::Spec;

pub(super) fn all() -> Vec<Scenario> {
    vec![force(), hold(), edit(), wipe(), regain(), regress(), restore(), given_on_and_restored()]
}

fn force() -> Scenario {
    Scenario {
        name: "force",
        about: "a force release, which may land late",
        small: pods(2, 1).with(Faults { forces: 1, ..NONE }),
        large: pods(2, 1).with(Faults { forces: 1, crashes: 1, restarts: 1, ..NONE }),
        passes: &[
            M::ForceReleased,
            M::ForceWasLate,
            M::Settled,
            M::RestEnded,
            M::SlotWasFoundGone,
            M::PassedAnOlderTicket,
        ],
    }
}

fn hold() -> Scenario {
    Scenario {
        name: "hold",
        about: "a hold, a release",
        small: pods(2, 1).with(Faults { holds: 1, releases: 1, ..NONE }),
        large: pods(3, 1).with(Faults { holds: 1, releases: 1, ..NONE }),
        passes: &[M::HoldRanOut, M::TurnedAwayByHold, M::TurnedAwayByEpoch, M::KeptFromResuming],
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
        passes: &[M::EditedUnderClaim, M::TermsWereShortened, M::TakeFailed],
    }
}

fn wipe() -> Scenario {
    Scenario {
        name: "wipe",
        about: "the store comes back empty, its revisions go on",
        small: pods(2, 1).with(Faults { wipes: 1, ..NONE }),
        large: pods(2, 1).with(Faults { wipes: 1, stalls: 2, releases: 1, ..NONE }),
        passes: &[M::WipedUnderHolder, M::LeaseWasFoundGone, M::TurnedAwayByHold, M::HoldRanOut],
    }
}

fn regain() -> Scenario {
    let base = Config { keep: true, ..pods(2, 1) };
    Scenario {
        name: "regain",
        about: "the store comes back empty, and holders want their names back during the hold",
        small: base.clone().with(Faults { wipes: 1, ..NONE }),
        large: base.with(Faults { wipes: 1, stalls: 1, timeouts: 1, ..NONE }),
        passes: &[M::WipedUnderHolder, M::ReclaimedDuringHold, M::HoldRanOut],
    }
}

fn regress() -> Scenario {
    let base = Config { revisions_regress: true, ..pods(2, 1) };
    Scenario {
        name: "regress",
        about: "the store comes back empty, and its revisions meet old ones",
        small: base.clone().with(Faults { wipes: 1, stalls: 1, ..NONE }),
        large: base.with(Faults { wipes: 1, stalls: 1, releases: 1, ..NONE }),
        passes: &[M::WipedUnderHolder, M::RevisionsMet, M::LeaseWasFoundGone],
    }
}

fn restore() -> Scenario {
    Scenario {
        name: "restore",
        about: "the store comes back as it was before a process lost its lease",
        small: pods(2, 1).with(Faults { restores: 1, stalls: 1, ..NONE }),
        large: pods(2, 1).with(Faults { restores: 1, crashes: 1, restarts: 1, ..NONE }),
        passes: &[M::RestoredOldHolder, M::KeptFromResuming, M::TurnedAwayByHold, M::HoldRanOut],
    }
}

fn given_on_and_restored() -> Scenario {
    let base = Config { prelude: Vec::new(), ..pods(2, 1) };
    let faults = Faults { restores: 1, forces: 1, ..NONE };
    Scenario {
        name: "given-on",
        about: "a name is taken away and given on, and the store comes back as it was before",
        small: given_on().with(faults),
        large: base.with(faults),
        passes: &[M::RestoredOldHolder, M::FoundUnderHold, M::HoldRanOut],
    }
}

/// Pod 0's name is taken away after a snapshot; the name has rested, and pod 0 has been renewing.
pub(crate) fn given_on() -> Config {
    let tick = Action::Tick(Drift::None);
    let prelude = vec![
        Action::Deliver(0, 0),
        Action::Deliver(0, 0),
        Action::Force(0, 0),
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
