//! Bounds that take longer: `cairn-coordination-model all` checks them.

use super::Scenario;
use crate::bounds::{self, NONE};
use crate::config::{Config, Faults};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn all() -> Vec<Scenario> {
    vec![
        large("lost", "an answer is lost, records vanish early", bounds::lost()),
        large("expire-copy", "a record vanishes early, a write is doubled", bounds::expire_copy()),
        large(
            "expire-copy-2",
            "the same with a longer V",
            Config { validity: 2, ..bounds::expire_copy() },
        ),
        large(
            "crash-v2",
            "a process dies, a write is doubled, a longer V",
            Config { validity: 2, ..bounds::crash() },
        ),
        large("crash-2", "two processes die", bounds::short(Faults { crashes: 2, ..NONE })),
        large("crash-expire", "a process dies, a record vanishes early", bounds::crash_expire()),
        large(
            "crash-lost",
            "a process dies, an answer is lost",
            bounds::short(Faults { crashes: 1, lost: 1, ..NONE }),
        ),
        large(
            "crash-restore",
            "a process dies, the store is restored",
            bounds::short(Faults { crashes: 1, restores: 1, ..NONE }),
        ),
        large(
            "crash-wipe",
            "a process dies, the store is wiped",
            bounds::short(Faults { crashes: 1, wipes: 1, ..NONE }),
        ),
        large(
            "crash-epoch",
            "a process dies, the epoch moves",
            bounds::short(Faults { crashes: 1, epochs: 1, ..NONE }),
        ),
        large(
            "expire-restore",
            "a record vanishes early, the store is restored",
            bounds::short(Faults { expiries: 1, restores: 1, ..NONE }),
        ),
        large(
            "epoch-copy",
            "the epoch moves, a record vanishes, a write is doubled",
            bounds::epoch(),
        ),
        large("drift-v2", "clocks differ, a record vanishes, a longer V", bounds::drift()),
        large(
            "drift-crash",
            "clocks differ, a process dies",
            Config { drift: 1, ..bounds::short(Faults { crashes: 1, slow: 1, fast: 1, ..NONE }) },
        ),
        large("twin-expire", "two processes of a pod, a record vanishes", bounds::twin()),
        large(
            "twin-copy",
            "two processes of a pod, a write is doubled",
            bounds::short(Faults { twins: 1, copies: 1, ..NONE }),
        ),
        large(
            "twin-lost",
            "two processes of a pod, an answer is lost",
            bounds::short(Faults { twins: 1, lost: 1, ..NONE }),
        ),
        large(
            "twin-confirmation",
            "two processes of a pod, a confirmation comes again",
            bounds::short(Faults { twins: 1, late_confirmations: 1, ..NONE }),
        ),
        large("drain-leave", "members drain and leave, a write is doubled", bounds::drain()),
        large(
            "leave-crash",
            "a member leaves, a process dies, a write is doubled",
            bounds::short(Faults { leaves: 1, crashes: 1, copies: 1, ..NONE }),
        ),
        large(
            "resize-copy",
            "two maps, a record vanishes, a write is doubled",
            bounds::resize(Faults { expiries: 1, copies: 1, ..NONE }),
        ),
        large(
            "maps",
            "two maps of two shards, a record vanishes",
            bounds::maps(Faults { expiries: 1, ..NONE }),
        ),
        large(
            "maps-copy",
            "two maps of two shards, a write is doubled",
            bounds::maps(Faults { copies: 1, ..NONE }),
        ),
        large(
            "confirmation-crash",
            "a confirmation comes again, a process dies",
            bounds::confirmation_crash(),
        ),
        large(
            "confirmation-expire",
            "a confirmation comes again, a record vanishes",
            bounds::short(Faults { late_confirmations: 1, expiries: 1, ..NONE }),
        ),
        large("late-read-crash", "a read is answered late, a process dies", bounds::late_read()),
        large(
            "late-read-expire",
            "a read is answered late, a record vanishes",
            bounds::late_read_expire(),
        ),
        large("split-v2", "renewals take time, a record vanishes, a longer V", bounds::split()),
        large(
            "three",
            "three pods, a record vanishes",
            Config { pods: 3, ..bounds::short(Faults { expiries: 1, ..NONE }) },
        ),
        large(
            "two",
            "two shards, a record vanishes",
            Config { shards: 2, ..bounds::short(Faults { expiries: 1, ..NONE }) },
        ),
        large("lost-stuck", "nobody is stuck after a lost answer", bounds::stuck(bounds::lost())),
        large(
            "twin-stuck",
            "nobody is stuck with two processes of a pod",
            bounds::stuck(bounds::short(Faults { twins: 1, ..NONE })),
        ),
        large(
            "wipe-stuck",
            "nobody is stuck after a wipe",
            bounds::stuck(bounds::short(Faults { wipes: 1, ..NONE })),
        ),
        large("restore-stuck", "nobody is stuck after a restore", bounds::stuck(bounds::restore())),
        large(
            "epoch-stuck",
            "nobody is stuck after another epoch",
            bounds::stuck(bounds::short(Faults { epochs: 1, expiries: 1, ..NONE })),
        ),
        large(
            "values-crash",
            "the leader puts values and dies, a write is doubled",
            bounds::values(Faults { crashes: 1, ..NONE }),
        ),
        large(
            "heartbeat-expire",
            "heartbeats come late or never, a record vanishes, a member drains",
            bounds::heartbeat(Faults { expiries: 1, drains: 1, ..NONE }),
        ),
        large(
            "drop-stuck",
            "nobody is stuck after a drop",
            bounds::stuck(bounds::short(Faults { drops: 1, crashes: 1, ..NONE })),
        ),
        large(
            "two-steps-expire",
            "a hold in two steps, a record vanishes",
            Config { faults: Faults { epochs: 1, expiries: 1, ..NONE }, ..bounds::two_steps() },
        ),
        large(
            "plan-drain",
            "by a plan, a member drains",
            bounds::plan(2, Faults { drains: 1, ..NONE }),
        ),
        large(
            "plan-crash",
            "by a plan, a process dies",
            bounds::stuck(bounds::plan(2, Faults { crashes: 1, ..NONE })),
        ),
        large(
            "plan-expire",
            "by a plan, three pods, a record vanishes",
            bounds::plan(3, Faults { expiries: 1, ..NONE }),
        ),
    ]
}

fn large(name: &'static str, about: &'static str, config: Config) -> Scenario {
    Scenario { name, about, config, small: false, passes: &[] }
}
