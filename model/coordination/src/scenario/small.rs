//! Bounds that take seconds: every run of the tests checks them.

use super::Scenario;
use crate::bounds::{self, NONE};
use crate::config::{Config, Faults};
use crate::milestone::Milestone;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn all() -> Vec<Scenario> {
    vec![
        small(
            "crash",
            "a process dies, a write is doubled",
            bounds::crash(),
            &[
                Milestone::Resumed,
                Milestone::HandedOverByTime,
                Milestone::HandedOverConfirmed,
                Milestone::HandedOverToItself,
            ],
        ),
        small(
            "expire",
            "a record vanishes early",
            bounds::expire(),
            &[Milestone::TakenOverByDelay, Milestone::TakenOverFromOwnPod, Milestone::Joined],
        ),
        small(
            "twin",
            "two processes of a pod",
            bounds::short(Faults { twins: 1, ..NONE }),
            &[Milestone::Resumed],
        ),
        small(
            "lost-expire",
            "an answer is lost, a record vanishes early",
            bounds::short(Faults { lost: 1, expiries: 1, ..NONE }),
            &[Milestone::Refused],
        ),
        small("wipe", "the store is wiped", bounds::wipe(), &[Milestone::Claimed]),
        small(
            "restore",
            "the store is restored",
            bounds::restore(),
            &[Milestone::TakenOverFromDeadEpoch],
        ),
        small(
            "epoch",
            "the epoch moves, a record vanishes",
            bounds::short(Faults { epochs: 1, expiries: 1, ..NONE }),
            &[Milestone::TakenOverFromDeadEpoch],
        ),
        small(
            "drift",
            "clocks differ, a record vanishes",
            Config { drift: 1, ..bounds::short(Faults { expiries: 1, slow: 1, fast: 1, ..NONE }) },
            &[Milestone::TakenOverByDelay],
        ),
        small(
            "drain",
            "members drain and leave",
            bounds::short(Faults { drains: 1, leaves: 1, ..NONE }),
            &[Milestone::Drained, Milestone::Left],
        ),
        small(
            "drain-crash",
            "a member drains, a process dies",
            bounds::drain_crash(),
            &[Milestone::Drained],
        ),
        small(
            "resize",
            "two maps, a record vanishes",
            bounds::resize(Faults { expiries: 1, ..NONE }),
            &[Milestone::Freed, Milestone::FreedByViewer, Milestone::Resized],
        ),
        small(
            "confirmation",
            "a confirmation comes again",
            bounds::confirmation(),
            &[Milestone::HandedOverConfirmed],
        ),
        small(
            "late-read",
            "a read is answered late",
            bounds::short(Faults { late_reads: 1, ..NONE }),
            &[Milestone::HandedOverConfirmed],
        ),
        small(
            "split",
            "renewals take time, a record vanishes",
            Config { split_renewals: true, ..bounds::short(Faults { expiries: 1, ..NONE }) },
            &[Milestone::TakenOverByDelay],
        ),
        small(
            "crash-stuck",
            "nobody is stuck after a crash",
            bounds::stuck(bounds::short(Faults { crashes: 1, ..NONE })),
            &[Milestone::Resumed],
        ),
        small(
            "expire-stuck",
            "nobody is stuck after a record vanished",
            bounds::stuck(bounds::short(Faults { expiries: 1, ..NONE })),
            &[Milestone::TakenOverByDelay],
        ),
        small(
            "drain-stuck",
            "nobody is stuck after a drain",
            bounds::stuck(bounds::short(Faults { drains: 1, ..NONE })),
            &[Milestone::Drained],
        ),
        small(
            "resize-stuck",
            "nobody is stuck with two maps",
            bounds::stuck(bounds::resize(Faults { crashes: 1, ..NONE })),
            &[Milestone::Resized],
        ),
        small(
            "two-steps",
            "the epoch moves, its hold is put in two steps",
            bounds::two_steps(),
            &[Milestone::TakenOverFromDeadEpoch],
        ),
        small(
            "heartbeat",
            "heartbeats come late or never, a process dies",
            bounds::heartbeat(Faults { crashes: 1, ..NONE }),
            &[Milestone::HandedOverByTime],
        ),
        small(
            "drop",
            "a member is dropped",
            bounds::short(Faults { drops: 1, ..NONE }),
            &[Milestone::TakenOverByDelay],
        ),
        small(
            "values",
            "the leader puts values, a write is doubled",
            bounds::values(NONE),
            &[Milestone::ValuePut],
        ),
        small(
            "plan",
            "three pods share two shards by a plan",
            bounds::plan(3, NONE),
            &[Milestone::HandedOverConfirmed],
        ),
        small(
            "plan-stuck",
            "by a plan nobody is stuck after a record vanished",
            bounds::stuck(bounds::plan(2, Faults { expiries: 1, ..NONE })),
            &[Milestone::TakenOverByDelay],
        ),
    ]
}

fn small(
    name: &'static str,
    about: &'static str,
    config: Config,
    passes: &'static [Milestone],
) -> Scenario {
    Scenario { name, about, config, small: true, passes }
}
